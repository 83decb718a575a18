"""What an executor is given and what it must do; the results are in the run store afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.data.trait import Measurement
from bench.execution.trials import Bench, TrialInputs
from bench.records import TrainingRow, Trial


@dataclass(frozen=True)
class Task:
    """One trial to do: a training and its evaluation.

    Attributes:
        rows: What is trained on; None for the untrained base, which is evaluated only.
        seed: Of the training.
        measurement: What is measured of the student.
        label: How the terminal and Inspect's logs call it.
        seconds: Estimated seconds of the training and of the evaluation.
    """

    rows: Sequence[TrainingRow] | None
    seed: int
    measurement: Measurement
    label: str
    seconds: tuple[float, float]

    @property
    def inputs(self) -> TrialInputs:
        """What determines the result."""
        return self.rows, self.seed, self.measurement

    def result(self, bench: Bench) -> Trial:
        """The finished trial, from the store; what it lacks is done here and now."""
        return bench.trial(*self.inputs, self.label, self.seconds)


class Executor(Protocol):
    """Something that gets trials done."""

    def run(self, bench: Bench, tasks: Sequence[Task]) -> None:
        """Do every training and evaluation that the bench's store lacks, and leave the results in it.

        Args:
            bench: How students are trained and where results go; its `watch` is told about progress.
            tasks: What is wanted; several may share a training or an evaluation.

        Raises:
            BenchError: For anything that the user can mend; finished work stays in the store.
        """


@dataclass(frozen=True)
class Execution:
    """What the command line decides about where work is done.

    Attributes:
        executor: `local` or `ray`.
        address: Of a Ray cluster to join; None starts Ray on this machine for as long as the command runs.
        cpus_per_task: CPU cores, and so torch threads, of one Ray task.
        gpus_per_task: Share of a GPU that one Ray task takes; None is a whole one on `cuda`, and none on `cpu`.
        students_at_once: Students that this process trains and asks together; None is as many as fit on a GPU, and
            one by one on a CPU.
    """

    executor: str = "local"
    address: str | None = None
    cpus_per_task: int = 1
    gpus_per_task: float | None = None
    students_at_once: int | None = None

    @property
    def stacked(self) -> bool | None:
        """As for `Bench`."""
        return None if self.students_at_once is None else self.students_at_once > 1


LOCAL = Execution()
