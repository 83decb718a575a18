"""How much memory the machine has, how much of it is free, and how much this process has taken at most."""

import os
import re
import sys
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
STATUS = Path("/proc/self/status")
LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def total_memory(device: str) -> int:
    """Bytes that a process may have at most: of the CUDA device, or the container's limit or the machine's memory."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[1])
    if sys.platform == "win32":  # which says neither this nor the peak without further packages
        return sys.maxsize
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *(limit for limit, _ in _limits())])


def available_memory(device: str) -> int:
    """Bytes that are free now, with what the system would give up; where it does not say, all of them."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    free = _kilobytes(MEMINFO, "MemAvailable")
    return min([free or total_memory(device), *(limit - used for limit, used in _limits())])


def peak_memory(device: str) -> int:
    """Bytes at the peak of this process so far, on the CUDA device (allocated) or in main memory; 0 if unknown."""
    if device != "cpu":
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    seen = _kilobytes(STATUS, "VmHWM")  # getrusage also counts what the parent held before it started this process
    if seen:
        return seen
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _limits() -> list[tuple[int, int]]:
    """(limit, used) of the container, in bytes; none outside of one, and none where the limit is "max"."""
    found = []
    for limit, used in LIMITS:
        try:
            found.append((int((CGROUP / limit).read_text()), int((CGROUP / used).read_text())))
        except (OSError, ValueError):
            continue
    return found


def _kilobytes(file: Path, key: str) -> int:
    """A line such as `MemAvailable:  123 kB` in bytes; 0 where the system has no such file or line."""
    try:
        found = re.search(rf"^{key}:\s+(\d+) kB", file.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0
