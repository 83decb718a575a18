"""What the terminal shows while a suite runs: a bar over the estimated work, the present step, the time left."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

SETTLED = 0.15  # share of the work after which the measured pace counts in full; the first pieces load the model


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        minutes, seconds = divmod(round(task.fields["left"]), 60)
        return Text(f"about {minutes}:{seconds:02d} left")


class Meter:
    """Progress over pieces of work whose estimated seconds add up to a total.

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
        self._task: TaskID | None = None
        self._total = self._finished = self._piece = self._began = 0.0

    def start(self, seconds: float) -> None:
        """Announce the work to come, in estimated seconds; what was announced before is over."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        self._total, self._finished, self._began = seconds, 0.0, time.perf_counter()
        if seconds > 0:
            self._task = self._progress.add_task("starting", total=seconds, left=seconds)
            self._progress.start()

    def phase(self, text: str, seconds: float) -> None:
        """A piece of work starts that should take about so long."""
        self._piece = seconds
        self._show(0.0, text)

    def advance(self, share: float) -> None:
        """The present piece is done to this share."""
        self._show(share)

    def finish(self) -> None:
        """The present piece is done."""
        self._finished += self._piece
        self._piece = 0.0
        self._show(0.0)

    def _show(self, share: float, text: str | None = None) -> None:
        if self._task is None:
            return
        done = self._finished + self._piece * share
        trust = min(1.0, done / (SETTLED * self._total))
        pace = (time.perf_counter() - self._began) / done if done else 1.0
        left = max(self._total - done, 0.0) * (trust * pace + 1 - trust)
        self._progress.update(self._task, completed=done, left=left, description=text)

    def __enter__(self) -> "Meter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
