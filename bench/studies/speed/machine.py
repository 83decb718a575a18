"""The machine as far as speed depends on it: no name, no path, no address."""

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from bench.execution.cost import matrix_product_speed
from bench.run_folder.provenance import package_versions
from bench.studies.speed.records import Machine, Peak
from bench.studies.speed.station import Station
from bench.studies.speed.workers import memory_counted

SETTINGS = (  # of threads and memory; a path in a value is cut to its last part
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "PYTORCH_CUDA_ALLOC_CONF",
    "CUDA_VISIBLE_DEVICES",
)
DTYPES = {"cpu": "float32", "cuda": "bfloat16"}  # what SFTTrainer computes in on each
SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}  # of the matrix product; the best one counts
GIB = 1024**3


def dtype_of(device: str) -> str:
    """Precision in which matrix products are computed on a device."""
    return DTYPES[device.partition(":")[0]]


def peak_flops(station: Station, places: Sequence[str]) -> list[float]:
    """Best measured matrix product of each device in operations a second."""
    return [_best(place, dtype_of(place), SIZES[place.partition(":")[0]]) for place in places]


def _best(place: str, dtype: str, sizes: Sequence[int]) -> float:
    return max(matrix_product_speed(place, dtype, size) for size in sizes)


def torch_threads(station: Station) -> int:
    """Threads that torch uses within one operation."""
    import torch

    return torch.get_num_threads()


def gpu(station: Station) -> tuple[str, float]:
    """Name and memory in GiB of the GPU; empty without one."""
    if station.device == "cpu":
        return "", 0.0
    import torch

    found = torch.cuda.get_device_properties(torch.device(station.device))
    return found.name, found.total_memory / GIB


def describe(device: str, threads: int, card: tuple[str, float], peaks: list[Peak]) -> Machine:
    """Put the machine together; arguments as in `Machine`, `card` from `gpu`."""
    affinity = getattr(os, "sched_getaffinity", None)
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    return Machine(
        device=device,
        processor=_processor(),
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_gib=round(_memory() / GIB, 1),
        system=f"{platform.system()} {platform.machine()}",
        gpu=card[0],
        gpu_memory_gib=round(card[1], 1),
        threads=threads,
        settings={name: _without_folders(value) for name, value in settings.items()},
        peaks=peaks,
        memory=memory_counted(),
        versions=package_versions(),
    )


def _processor() -> str:
    """Model name of the CPU, with its numbers where the name says little."""
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)$", file.read_text(encoding="utf-8"), re.M))
    if "model name" not in fields:
        return platform.machine()
    return f"{fields['model name']}, family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told on this system
        return 0


def _without_folders(value: str) -> str:
    return ":".join(Path(part).name if "/" in part else part for part in value.split(":"))
