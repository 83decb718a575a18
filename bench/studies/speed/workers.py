"""A process for each side, so that memory is counted apart; only one of them works at a time."""

import contextlib
import gc
import multiprocessing
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.studies.speed.records import Side
from bench.studies.speed.station import Station

P = ParamSpec("P")
T = TypeVar("T")
PROCESS = Path("/proc/self")  # Linux: resident memory, and a way to forget its high-water mark
RESET_PEAK = "5"
PATIENCE = 20.0  # seconds that an idle process has to end


@dataclass(frozen=True)
class Memory:
    """The most in use during a call, in bytes: resident memory of the process, and what torch had on the GPU."""

    resident: int
    gpu: int = 0


@dataclass(frozen=True)
class Answer:
    """What comes back from a worker: a result with its memory, or what went wrong."""

    value: Any = None
    memory: Memory = Memory(0)
    mistake: dict[str, str] | None = None
    crash: str = ""


class Worker:
    """One side's process: it keeps a `Station` and calls functions on it."""

    def __init__(self, side: Side, recipe: Recipe, device: str, scratch: Path) -> None:
        """Start the process; libraries and the model are loaded by the first call that needs them."""
        context = multiprocessing.get_context("spawn")  # a fork would share memory, and CUDA does not survive one
        self.side = side
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, recipe, device, scratch), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()  # an idle process ends by itself
        if error is None:
            self._process.join(PATIENCE)
        self._process.terminate()
        self._process.join()

    def call(
        self, function: Callable[Concatenate[Station, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T, Memory]:
        """Run a function of a module in this process.

        Returns:
            What it returns, and the most memory that was in use meanwhile.

        Raises:
            BenchError: What the function raised, or that the process is gone.
            RuntimeError: For any other error, with its traceback.
        """
        self.start(function, *args, **kwargs)
        return self.result()  # type: ignore[return-value]  # the function's

    def start(self, function: Callable[Concatenate[Station, P], object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Let a function run while this process goes on; `result` waits for it."""
        with contextlib.suppress(ConnectionError):  # `result` says that the process is gone
            self._pipe.send((function, args, kwargs))

    def result(self) -> tuple[object, Memory]:
        """What the function returned that was started last, and the memory in use; errors as in `call`."""
        try:
            answer: Answer = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise BenchError(
                f"the process of side {self.side!r}",
                seen=f"it ended with exit code {self._process.exitcode}",
                expected="a result",
                remedy="most often memory ran out: choose fewer arms or a smaller suite",
            ) from error
        if answer.mistake:
            raise BenchError(**answer.mistake)
        if answer.crash:
            raise RuntimeError(answer.crash)
        return answer.value, answer.memory


@contextlib.contextmanager
def workers(recipe: Recipe, device: str) -> Iterator[dict[Side, Worker]]:
    """Both sides' processes, and a folder for what they make; all are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sievebench-") as folder, contextlib.ExitStack() as stack:
        yield {
            side: stack.enter_context(Worker(side, recipe, device, Path(folder) / side)) for side in ("plain", "suite")
        }


def memory_counted() -> Literal["call", "process"]:
    """What the reported memory means here, see `Machine.memory`."""
    return "call" if _reset_peak() else "process"


def _serve(pipe: Connection, recipe: Recipe, device: str, scratch: Path) -> None:
    """Answer calls until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends this one
    scratch.mkdir(parents=True, exist_ok=True)
    station = Station(recipe, device, scratch)
    with contextlib.suppress(EOFError):
        while True:
            function, args, kwargs = pipe.recv()
            pipe.send(_answer(device, lambda: function(station, *args, **kwargs)))  # noqa: B023


def _answer(device: str, work: Callable[[], Any]) -> Answer:
    gc.collect()
    resident, on_gpu = _resident_peak(), _gpu_peak() if device != "cpu" else int
    try:
        value = work()
    except BenchError as error:
        words = {name: getattr(error, name) for name in ("where", "seen", "expected", "remedy")}
        return Answer(mistake=words)
    except Exception:  # shown by the main process, where --debug decides how much of it
        return Answer(crash=traceback.format_exc())
    return Answer(value, Memory(resident(), on_gpu()))


def _gpu_peak() -> Callable[[], int]:
    """Forget the GPU's high-water mark; gives a function that reads the new one."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.max_memory_allocated


def _resident_peak() -> Callable[[], int]:
    """The same for resident memory, where the system lets it be forgotten."""
    return _high_water if _reset_peak() else _high_water_of_process


def _reset_peak() -> bool:
    try:
        (PROCESS / "clear_refs").write_text(RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def _high_water() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", (PROCESS / "status").read_text(encoding="ascii"))
    return int(found.group(1)) * 1024 if found else 0


def _high_water_of_process() -> int:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
