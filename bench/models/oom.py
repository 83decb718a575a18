"""Retry when memory runs out: the same work in smaller parts, with the same result."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.errors import BenchError

Item = TypeVar("Item")
Result = TypeVar("Result")

# What accelerate's list lacks: errors of CUDA's runtime, of Windows' allocator, and of memory maps.
MORE_MESSAGES = ("CUDA error: out of memory", "not enough memory", "Cannot allocate memory")


def out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that an allocation failed, on the CPU or on a CUDA device."""
    from accelerate.utils.memory import should_reduce_batch_size  # loads torch

    if isinstance(error, RuntimeError):
        return should_reduce_batch_size(error) or any(message in str(error) for message in MORE_MESSAGES)
    return isinstance(error, MemoryError)


def halvings(rows: int) -> list[int]:
    """Return sizes to try one after another: all rows, then about half of the last each time, down to 1.

    Every size divides the first one, so that parts of a batch are of equal size.

    >>> halvings(16), halvings(12), halvings(7)
    ([16, 8, 4, 2, 1], [12, 6, 3, 1], [7, 1])
    """
    sizes = [rows]
    while sizes[-1] > 1:
        sizes.append(max(size for size in range(1, sizes[-1] // 2 + 1) if rows % size == 0))
    return sizes


def first_that_fits(work: Callable[[int], Result], sizes: Sequence[int], what: str) -> tuple[Result, int]:
    """Do a piece of work with the largest size for which memory suffices.

    Args:
        work: Called with a size; it starts from the beginning each time.
        sizes: In the order in which they are tried.
        what: Names the work in the error.

    Returns:
        The result of `work`, and the size.

    Raises:
        BenchError: If memory does not suffice for the last size either.
    """
    reason = ""
    for size in sizes:
        try:
            return work(size), size
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            reason = (str(error).strip().splitlines() or ["MemoryError"])[0]
        release()  # outside the handler: the error's traceback holds on to what was allocated
    raise BenchError(
        f"memory of {what}",
        seen=f"with {sizes[-1]} at a time still: {reason}",
        expected="memory for one row at a time",
        remedy="use a machine with more memory, a smaller model or fewer trained layers (last_layers), or shorter rows "
        "(completion_tokens, max_prompt_tokens); finished work is kept",
    )


def in_parts(
    work: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], at_once: int, what: str
) -> tuple[list[Result], int]:
    """Work on items, fewer at a time where memory runs out; results of finished parts are kept.

    Args:
        work: Results of some items, in order, which do not depend on what else is asked at the same time.
        items: All of them.
        at_once: Most items at a time.
        what: Names the work in the error.

    Returns:
        One result per item, and how many items at a time there was memory for.

    Raises:
        BenchError: If memory does not suffice for one item.
    """
    results: list[Result] = []
    while len(results) < len(items):
        rest = items[len(results) : len(results) + at_once]
        found, size = first_that_fits(lambda count, rest=rest: work(rest[:count]), halvings(len(rest)), what)  # type: ignore[misc]
        results += found
        if size < len(rest):
            at_once = size
    return results, at_once


def release() -> None:
    """Give back what the failed attempt left behind."""
    from accelerate.utils.memory import clear_device_cache  # loads torch

    clear_device_cache(garbage_collection=True)
