"""From what the command line says to an executor, open for as long as the command runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.errors import BenchError
from bench.execution.executor import LOCAL, Execution, Executor
from bench.execution.local import LocalExecutor


@contextmanager
def opened(execution: Execution, device: str, root: Path, say: Callable[[str], None]) -> Iterator[Executor]:
    """Yield the executor that is asked for, and end whatever it started.

    Args:
        execution: What the command line decided.
        device: `cpu` or `cuda`, where students are trained.
        root: Folder of the run store.
        say: Told where the work goes.

    Raises:
        BenchError: If options contradict one another, or Ray cannot do the work.
    """
    if execution.executor == "local":
        _check_local(execution)
        yield LocalExecutor(execution.students_at_once)
        return
    gpus = _gpus(execution, device)
    from bench.execution.ray import RayExecutor

    with RayExecutor(execution.address, execution.cpus_per_task, gpus, root, say) as executor:
        yield executor


def _check_local(execution: Execution) -> None:
    if replace(execution, students_at_once=None) != LOCAL:
        raise BenchError(
            "--address, --cpus-per-task, --gpus-per-task",
            seen="--executor local",
            expected="--executor ray, which they are about",
            remedy="add --executor ray; OMP_NUM_THREADS sets the threads of a local run",
        )


def _gpus(execution: Execution, device: str) -> float:
    """GPUs of one task."""
    gpus = execution.gpus_per_task
    if device == "cpu":
        if gpus is not None:
            raise BenchError(
                "--gpus-per-task",
                seen="a run on cpu",
                expected="a run on cuda",
                remedy="leave it out, or name --device",
            )
        return 0.0
    if device != "cuda":
        raise BenchError(
            "--device",
            seen=device,
            expected="cuda: Ray says which GPU a task gets",
            remedy="use --device cuda, and CUDA_VISIBLE_DEVICES to keep Ray off a GPU",
        )
    gpus = 1.0 if gpus is None else gpus
    if not 0 < gpus <= 1:
        raise BenchError(
            "--gpus-per-task",
            seen=f"{gpus:g}",
            expected="more than 0 and at most 1: a student is trained on one GPU",
            remedy="use 0.25, say, to train four students at a time on a GPU",
        )
    return gpus
