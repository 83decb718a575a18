"""What a command shows while it works: a bar over the estimated work, the present step, the time left."""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

SETTLED = 0.15  # share of the work after which the measured pace counts in full; the first pieces load the model
OFF = 0.25  # a pace that is off by a larger share of what was announced is reported
log = logging.getLogger("bench")  # what commands report beside the bar, at level INFO


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        since = time.perf_counter() - task.fields["told"]
        minutes, seconds = divmod(round(max(task.fields["left"] - since, 0.0)), 60)
        return Text(f"about {minutes}:{seconds:02d} left")


class Progress:
    """Progress over pieces of work whose estimated seconds add up to a total.

    The estimate is a first guess from the machine's speed; as pieces finish, the time left is scaled by how long they
    really took. A context: the bar is drawn from `start` until the end of it.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Draw on a console, or nowhere if there is none."""
        self._bar = Bar(
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(bar_width=24),
            _TimeLeft(),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console or Console(quiet=True),
            refresh_per_second=4,
            transient=True,
        )
        self._task: TaskID | None = None
        self._total = self._finished = self._piece = self._began = 0.0
        self._corrected = False

    def start(self, seconds: float) -> None:
        """Announce the work to come, in estimated seconds; what was announced before is over."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._total, self._finished, self._began = seconds, 0.0, time.perf_counter()
        self._corrected = False
        if seconds > 0:
            self._task = self._bar.add_task("starting", total=seconds, left=seconds, told=self._began)
            self._bar.start()

    @contextmanager
    def phase(self, text: str, seconds: float) -> Iterator[None]:
        """Show a piece of work that should take about so long, and count it when it is done."""
        self._piece = seconds
        self._show(0.0, text)
        yield
        self._finished += self._piece
        self._piece = 0.0
        self._show(0.0)

    def step(self, done: int, steps: int) -> None:
        """Show how much of the present piece is done."""
        self._show(done / steps)

    def _show(self, share: float, text: str | None = None) -> None:
        if self._task is None:
            return
        done = self._finished + self._piece * share
        trust = min(1.0, done / (SETTLED * self._total))
        pace = (time.perf_counter() - self._began) / done if done else 1.0
        left = max(self._total - done, 0.0) * (trust * pace + 1 - trust)
        self._bar.update(self._task, completed=done, left=left, told=time.perf_counter(), description=text)
        if trust == 1.0 and not self._corrected and not share:
            self._corrected = True
            if abs(pace - 1) > OFF:
                log.info("%s than announced: about %.1f minutes left", "slower" if pace > 1 else "faster", left / 60)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def shown_on(console: Console) -> Iterator[Progress]:
    """Print what is logged on a console, and yield a progress bar that is drawn there."""
    handler, level = _ConsoleHandler(console), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with Progress(console) as progress:
            yield progress
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def progress_for(wanted: bool) -> AbstractContextManager[Progress]:
    """Return progress for a Python caller: on the error stream if it is wanted, else none."""
    return shown_on(Console(stderr=True)) if wanted else Progress()
