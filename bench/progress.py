"""What the terminal shows while a suite runs: a bar over the estimated work, the present step, the time left."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

SETTLED = 0.15  # share of the work after which the measured pace counts in full; the first pieces load the model


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        minutes, seconds = divmod(round(task.fields["left"]), 60)
        return Text(f"about {minutes}:{seconds:02d} left")


class Meter:
    """Progress over pieces of work whose estimated seconds add up to a total; several workers may each have one.

    The estimate is a first guess from the machine's speed; as pieces finish, the time left is scaled by how long they
    really took.
    """

    def __init__(self, console: Console) -> None:
        """Draw on a console; nothing is shown until `start`."""
        self._progress = Progress(
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(bar_width=24),
            _TimeLeft(),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            refresh_per_second=4,
            transient=True,
        )
        self._total = self._finished = 0.0
        self._pieces: dict[int, tuple[str, float, float]] = {}  # worker -> text, estimated seconds, share done
        self._began = 0.0
        self._pace = 1.0

    def start(self, seconds: float, pace: float = 1.0) -> None:
        """Announce the work to come.

        Args:
            seconds: Estimated seconds of all pieces together.
            pace: Expected wall time over that; below 1 where pieces run side by side.
        """
        self._total, self._pace, self._began = seconds, pace, time.perf_counter()
        if seconds > 0:
            self._task = self._progress.add_task("starting", total=seconds, left=seconds * pace)
            self._progress.start()

    def phase(self, text: str, seconds: float, worker: int = 0) -> None:
        """A piece of work starts that should take about so long."""
        self._pieces[worker] = (text, seconds, 0.0)
        self._show()

    def advance(self, share: float, worker: int = 0) -> None:
        """A worker's present piece is done to this share."""
        text, seconds, _ = self._pieces[worker]
        self._pieces[worker] = (text, seconds, share)
        self._show()

    def finish(self, worker: int = 0) -> None:
        """A worker's present piece is done."""
        self._finished += self._pieces.pop(worker)[1]
        self._show()

    def _show(self) -> None:
        if not self._progress.tasks:
            return
        done = self._finished + sum(seconds * share for _, seconds, share in self._pieces.values())
        trust = min(1.0, done / (SETTLED * self._total))
        measured = (time.perf_counter() - self._began) / done if done else self._pace
        left = max(self._total - done, 0.0) * (trust * measured + (1 - trust) * self._pace)
        texts = " | ".join(text for text, _, _ in self._pieces.values())
        self._progress.update(self._task, description=texts, completed=done, left=left)

    def __enter__(self) -> "Meter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
