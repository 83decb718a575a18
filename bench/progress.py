"""What the terminal shows while a suite runs: a bar over the estimated work, the present step, the time left."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        if left is None:
            return Text("time left: measuring")
        minutes, seconds = divmod(round(left), 60)
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
            TextColumn("{task.description}", markup=False),
            console=console,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("starting", total=1.0, left=None)
        self._total = self._finished = self._taken = self._piece = 0.0
        self._began = 0.0

    def start(self, seconds: float) -> None:
        """Announce the work to come, in estimated seconds."""
        self._total = max(seconds, 1e-9)
        self._progress.update(self._task, total=self._total)

    def phase(self, text: str, seconds: float) -> None:
        """A piece of work starts that should take about so long."""
        self._piece, self._began = seconds, time.perf_counter()
        self._progress.update(self._task, description=text)

    def advance(self, share: float) -> None:
        """The present piece is done to this share."""
        taken = self._taken + time.perf_counter() - self._began
        done = self._finished + self._piece * share
        pace = taken / done if done > 0 else 1.0
        left = max(self._total - done, 0.0) * pace
        self._progress.update(self._task, completed=min(done, self._total), left=left)

    def finish(self) -> None:
        """The present piece is done."""
        self.advance(1.0)
        self._taken += time.perf_counter() - self._began
        self._finished += self._piece
        self._piece = 0.0

    def __enter__(self) -> "Meter":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
