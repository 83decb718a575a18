"""One process per side, so that memory is counted apart, and the machine that the processes run on."""

import contextlib
import copy
import gc
import multiprocessing
import os
import platform
import re
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.execution.cost import matrix_product_speed
from bench.execution.memory import peak_memory, total_memory
from bench.execution.progress import Progress
from bench.execution.trials import Trials, TrialSettings
from bench.processes import end_with_parent
from bench.run_folder.provenance import package_versions
from bench.run_folder.store import Store
from bench.studies.speed.records import SIDES, Case, Machine, Peak, Side, Timing, Work

T = TypeVar("T")
Outcome = tuple[float, Work, T]  # wall time in seconds, amount of work, result
Processes = Mapping[Side, ProcessPoolExecutor]

RESIDENT_PEAK = Path("/proc/self/clear_refs")  # Linux: writing 5 resets the high-water mark of resident memory
SETTINGS = (  # environment variables of threads and memory
    "OMP_NUM_THREADS OMP_PROC_BIND OMP_WAIT_POLICY MKL_NUM_THREADS OPENBLAS_NUM_THREADS GOMP_SPINCOUNT "
    "LD_PRELOAD MALLOC_ARENA_MAX PYTORCH_CUDA_ALLOC_CONF CUDA_VISIBLE_DEVICES"
).split()
DTYPES = {"cpu": "float32", "cuda": "bfloat16"}  # what SFTTrainer computes in on each
SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}  # of the matrix product; the best one counts
GIB = 1024**3


class Worker:
    """State of one side's process: the base model, loaded once, and a scratch folder.

    Attributes:
        recipe: How students are trained.
        device: `cpu` or `cuda`.
        trials: Trainer and store; `fresh_trials` gives one for a measured call.
    """

    def __init__(self, recipe: Recipe, device: str, scratch: Path) -> None:
        """Prepare the folder; the model is loaded when it is first needed."""
        scratch.mkdir(parents=True, exist_ok=True)
        self.recipe = recipe
        self.device = device
        self._scratch = scratch
        self.trials = Trials(TrialSettings(recipe, device), Store(self.new_folder()), Progress())

    def base(self) -> tuple[Any, Any]:
        """Return the base model and its tokenizer."""
        return self.trials.trainer.base()

    def fresh_trials(self) -> Trials:
        """Return what `bench run` begins with: a loaded base model, no cached prefix states, an empty store."""
        self.base()
        trials = copy.copy(self.trials)
        trials.trainer = copy.copy(trials.trainer)  # shares the loaded model; the one kept here never gets a cache
        trials.store = Store(self.new_folder())
        return trials

    def new_folder(self) -> Path:
        """Return a new empty folder."""
        return Path(tempfile.mkdtemp(dir=self._scratch))


@contextlib.contextmanager
def start_workers(recipe: Recipe, device: str) -> Iterator[Processes]:
    """Start a process for each side; the processes and everything they wrote are gone afterwards.

    Raises:
        BenchError: If a process dies.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share memory, and CUDA does not survive one
    with tempfile.TemporaryDirectory(prefix="sievebench-") as folder, contextlib.ExitStack() as stack:
        try:
            yield {
                side: stack.enter_context(
                    ProcessPoolExecutor(1, context, _start_process, (recipe, device, Path(folder) / side))
                )
                for side in SIDES
            }
        except BrokenProcessPool as error:
            raise BenchError(
                "a process of the measurement",
                seen="it ended before its work was done",
                expected="a result",
                remedy="most often memory ran out: choose fewer arms or a smaller suite",
            ) from error


def call(process: ProcessPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
    """Return the result of `function(worker, *arguments)` in a process; its exceptions are raised here."""
    return process.submit(_run, function, arguments).result()[0]


def measure(
    processes: Processes, case: Case, function: Callable[..., Outcome[T]], arguments: Sequence[Any], repeats: int
) -> dict[Side, T]:
    """Do the work `repeats` times on each side in the order A B, B A, A B, so that drift of the machine hits both.

    Args:
        processes: From `start_workers`.
        case: Description of the work; its timings are filled in.
        function: The work, called with the worker, the side and the arguments.
        arguments: The same for both sides.
        repeats: Measurements of each side.

    Returns:
        Result of each side's last call.
    """
    last: dict[Side, T] = {}
    for repeat in range(repeats):
        for side in SIDES if repeat % 2 == 0 else SIDES[::-1]:
            outcome, resident, gpu = processes[side].submit(_run, function, (side, *arguments)).result()
            seconds, work, last[side] = outcome
            case.timings.append(
                Timing(side=side, repeat=repeat, seconds=seconds, resident_bytes=resident, gpu_bytes=gpu, work=work)
            )
    return last


_worker: Worker  # of this process, once it has started


def _start_process(recipe: Recipe, device: str, scratch: Path) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends this process at once; the main process reports it
    end_with_parent()
    _worker = Worker(recipe, device, scratch)


def _run(function: Callable[..., T], arguments: Sequence[Any]) -> tuple[T, int, int]:
    """Call a function with this process's worker; return its result, peak resident bytes and peak GPU bytes."""
    gc.collect()
    _reset_peak()
    on_gpu = _worker.device != "cpu"
    if on_gpu:
        import torch

        torch.cuda.reset_peak_memory_stats()
    value = function(_worker, *arguments)
    return value, peak_memory("cpu"), peak_memory(_worker.device) if on_gpu else 0


def _reset_peak() -> bool:
    """Reset the high-water mark of resident memory, where the system allows it."""
    try:
        RESIDENT_PEAK.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def dtype_of(device: str) -> str:
    """Return the precision of matrix products on a device."""
    return DTYPES[device.partition(":")[0]]


def peak_flops(worker: Worker) -> list[Peak]:
    """Measure the best matrix product of the worker's device and of the CPU."""
    return [
        Peak(place=place, dtype=dtype_of(place), measured=[best_product(place)])
        for place in dict.fromkeys([worker.device, "cpu"])
    ]


def best_product(place: str) -> float:
    """Return the operations a second of the best matrix product on a device."""
    return max(matrix_product_speed(place, dtype_of(place), size) for size in SIZES[place.partition(":")[0]])


def describe_machine(worker: Worker, before: Sequence[Peak]) -> Machine:
    """Describe the machine after the measurements.

    Args:
        worker: Worker of either side.
        before: Matrix products that were measured before everything else; they are measured again.
    """
    import torch

    peaks = [
        old.model_copy(update={"measured": old.measured + new.measured})
        for old, new in zip(before, peak_flops(worker), strict=True)
    ]
    gpu, gpu_memory = "", 0.0
    if worker.device != "cpu":
        card = torch.cuda.get_device_properties(torch.device(worker.device))
        gpu, gpu_memory = card.name, card.total_memory / GIB
    affinity = getattr(os, "sched_getaffinity", None)
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    return Machine(
        device=worker.device,
        processor=_processor(),
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_gib=round(total_memory("cpu") / GIB, 1),
        system=f"{platform.system()} {platform.machine()}",
        gpu=gpu,
        gpu_memory_gib=round(gpu_memory, 1),
        threads=torch.get_num_threads(),
        settings={name: _without_folders(value) for name, value in settings.items()},
        peaks=peaks,
        memory="call" if _reset_peak() else "process",
        versions=package_versions(),
    )


def _processor() -> str:
    """Return the model name of the CPU, with family and model where Linux knows them."""
    file = Path("/proc/cpuinfo")
    facts = file.read_text(encoding="utf-8") if file.is_file() else ""
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)$", facts, re.M))
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    return f"{fields['model name']}, family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"


def _without_folders(value: str) -> str:
    """Cut the paths in a setting to their last parts."""
    return ":".join(Path(part).name if "/" in part else part for part in value.split(":"))
