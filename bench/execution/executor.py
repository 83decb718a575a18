"""Where jobs are done: in this process, or as Ray tasks; the results are in the run store afterwards."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.errors import BenchError
from bench.execution.batched import do_batched, do_in_turns
from bench.execution.job import Job
from bench.execution.ray import RayExecutor
from bench.execution.trials import Trials


class Executor(Protocol):
    """Something that gets jobs done."""

    def run(self, trials: Trials, jobs: Sequence[Job]) -> None:
        """Do every training and evaluation that the store lacks, and leave the results in it.

        Args:
            trials: How students are trained and where results go; its `progress` is told how far the work is.
            jobs: What is wanted, all of the recipe of `trials`; several may share a training or an evaluation.

        Raises:
            BenchError: For anything that the user can fix; finished work stays in the store.
        """


@dataclass(frozen=True)
class Execution:
    """What the user decides about where work is done.

    Attributes:
        executor: `local` or `ray`.
        address: Of a Ray cluster to join; None starts Ray on this machine for as long as the command runs.
        cpus_per_task: CPU cores, and so torch threads, of one Ray task.
        gpus_per_task: Share of a GPU that one Ray task takes; None is a whole one on `cuda`, and none on `cpu`.
        students_at_once: Students that this process trains and evaluates side by side; None is as many as fit on a
            GPU, and one by one on a CPU.
    """

    executor: str = "local"
    address: str | None = None
    cpus_per_task: int = 1
    gpus_per_task: float | None = None
    students_at_once: int | None = None

    @property
    def multi_lora(self) -> bool | None:
        """Whether LoRA students are trained side by side; None leaves it to the device."""
        return None if self.students_at_once is None else self.students_at_once > 1


LOCAL = Execution()


class LocalExecutor:
    """Does jobs in this process, with the base model loaded once: one after another, or side by side on a GPU."""

    def __init__(self, students_at_once: int | None = None) -> None:
        """Say how many students share a group on the multi-LoRA path; None for as many as fit the device."""
        self._at_once = students_at_once

    def run(self, trials: Trials, jobs: Sequence[Job]) -> None:
        """Do what the store lacks; see `Executor`."""
        many = trials.device != "cpu" if self._at_once is None else self._at_once > 1
        if many and trials.trainer.multi_lora and not trials.settings.rejudging:
            do_batched(trials, jobs, self._at_once)
        elif trials.trainer.side_by_side and self._at_once != 1 and not trials.settings.rejudging:
            do_in_turns(trials, jobs)
        else:
            for job in jobs:
                trials.do(job)


@contextmanager
def open_executor(execution: Execution, device: str, root: Path) -> Iterator[Executor]:
    """Yield the executor that is asked for, and end whatever it started.

    Args:
        execution: What the user decided.
        device: `cpu` or `cuda`, where students are trained.
        root: Folder of the run store.

    Raises:
        BenchError: If options contradict one another, or Ray cannot do the work.
    """
    if execution.executor == "local":
        _check_local(execution)
        yield LocalExecutor(execution.students_at_once)
        return
    gpus = _gpus(execution, device)
    with RayExecutor(execution.address, execution.cpus_per_task, gpus, root) as executor:
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
    """Return the GPUs of one task."""
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
