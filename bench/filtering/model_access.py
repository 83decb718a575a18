"""Students and what they say of rows, made on first use, shared by all filters of a run, and charged to each of them.

A student is trained once, as one of the run's own arms where it is one, and lies in the run store. What is read from it
stays in memory up to a limit. A filter's cost is what it would have been without the others: whoever uses a student or
an array pays for it, also where another filter had made it before.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bench.errors import BenchError
from bench.models.encode import Encoded, encode
from bench.models.student import decoder_layers
from bench.records import Example, MissingInput, NoCleanTeacher, TrainingRow
from bench.training.checkpoints import Checkpoint, epoch_ends, mean_learning_rates
from bench.training.task import TrainingInput
from bench.training.trainer import Trainer

if TYPE_CHECKING:
    import torch

    from bench.models.per_example import PerExample

ARRAYS = 2 * 2**30  # bytes of losses, states and gradients that stay in memory
READERS = 2  # students that stay in memory
Value = TypeVar("Value")


@dataclass(frozen=True)
class Student:
    """Which model: the untrained base, or a student of the pool's examples.

    Attributes:
        teacher: `original` or `clean`, whose completions it was trained on; "" for the base.
        ids: The examples it was trained on; all of the pool if None.
        epoch: The checkpoint at the end of this epoch, counted from 1; 0 for the trained student.
        learning_rate: Of a checkpoint, the mean learning rate of the epoch that starts with it.
    """

    teacher: str = ""
    ids: frozenset[str] | None = None
    epoch: int = 0
    learning_rate: float = 0.0

    @property
    def label(self) -> str:
        """How costs call it."""
        if not self.teacher:
            return "base"
        return f"{self.teacher} student" + (f" of {len(self.ids)} examples" if self.ids is not None else "")

    @property
    def training(self) -> Hashable:
        """Which training it comes from."""
        return self.teacher, self.ids, bool(self.epoch)


# (what it sees, its name, whether to take checkpoints) -> (checkpoints or the one trained student, seconds)
Train = Callable[[TrainingInput, str, bool], tuple[Sequence[Checkpoint], float]]


class ModelAccess:
    """Trains and reads students for filters."""

    def __init__(self, trainer: Trainer, train: Train, examples: Sequence[Example], seed: int = 0) -> None:
        """Set up without loading a model; the first request loads it.

        Args:
            trainer: The base model and its frozen layers.
            train: Returns a student, as its own last checkpoint without moments, or its checkpoints, and the seconds
                that its training took, whether or not it was trained now.
            examples: The pool that students train on.
            seed: Training seed.
        """
        self.recipe, self.seed = trainer.recipe, seed
        self._trainer, self._examples, self._train = trainer, tuple(examples), train
        self._readers: OrderedDict[Student, PerExample] = OrderedDict()
        self._arrays: OrderedDict[Hashable, tuple[np.ndarray, float]] = OrderedDict()
        self._seconds: dict[Hashable, float] = {}
        self._charged: dict[Hashable, float] = {}
        self._inside = 0.0  # seconds of all work done here so far

    def encode(self, row: TrainingRow) -> Encoded:
        """Turn a row into tokens as training does; errors as for `bench.models.encode.encode`."""
        return encode(self._trainer.tokenizer, row, self.recipe.max_length)

    def student(self, teacher: str, ids: Collection[str] | None) -> Student:
        """Name a student; it is trained when it is first read.

        Raises:
            NoCleanTeacher: For `clean`, if the pool has one teacher.
            BenchError: For another teacher, or ids that are not the pool's.
        """
        known = {example.id for example in self._examples}
        chosen = known if ids is None else frozenset(ids)  # read once, as it may be a generator
        if teacher not in ("original", "clean"):
            raise BenchError(
                "context.student", seen=repr(teacher), expected="'original' or 'clean'", remedy="name one of the two"
            )
        if teacher == "clean" and not self._examples[0].clean:
            raise NoCleanTeacher("context.student('clean')")
        if not chosen:
            raise BenchError(
                "context.student",
                seen=f"no examples to train on, of a pool of {len(known)}",
                expected="at least one",
                remedy="use a larger pool: a filter that trains on one part and scores the other needs both",
            )
        if not known >= chosen:
            raise BenchError(
                "context.student",
                seen=f"ids that are not the pool's, such as {min(chosen - known, key=str)!r}",
                expected="ids of examples that are trained on",
                remedy="leave out the examples of the reserve (context.trained)",
            )
        return Student(teacher, None if chosen == known else frozenset(chosen))

    def checkpoints(self, teacher: str) -> tuple[Student, ...]:
        """Name the students at the start of each epoch of a training on the whole pool; errors as for `student`."""
        student, recipe = self.student(teacher, None), self.recipe
        steps = -(-len(self._examples) * recipe.epochs // recipe.batch_size)
        rates = mean_learning_rates(recipe.learning_rate, steps, epoch_ends(steps, recipe.epochs))
        first, *later = rates
        after = (replace(student, epoch=epoch, learning_rate=rate) for epoch, rate in enumerate(later, start=1))
        return Student(learning_rate=first), *after

    def moments(self, student: Student) -> np.ndarray:
        """Return Adam's moving averages of gradient and squared gradient at a checkpoint, shape (2, values), float32.

        Raises:
            BenchError: If the student is no checkpoint.
        """
        if not student.teacher:  # before the first step
            return np.zeros((2, self._reader(student).size), dtype=np.float32)
        if not student.epoch:
            raise BenchError(
                "context.adam_updates",
                seen=student.label,
                expected="a checkpoint",
                remedy="take one of context.checkpoints()",
            )
        point = self._checkpoint(student)

        def flat(moments: "Mapping[str, torch.Tensor]") -> np.ndarray:
            return np.concatenate([moments[name].flatten().numpy() for name in point.tensors])

        return np.stack([flat(point.first), flat(point.second)])

    @property
    def layers(self) -> int:
        """Decoder layers of the model."""
        return len(decoder_layers(self._trainer.base()[0]))

    @property
    def trained(self) -> frozenset[str]:
        """Ids of the examples that students train on."""
        return frozenset(example.id for example in self._examples)

    def read(self, key: Hashable, student: Student, work: "Callable[[PerExample], np.ndarray]") -> np.ndarray:
        """Read a student, unless the same was read before.

        Args:
            key: Says what is read.
            student: The student.
            work: Reads it.

        Returns:
            What `work` returned, read-only.
        """
        whole = (student, key)
        if whole not in self._arrays:
            array, seconds = self._timed(lambda: work(self._reader(student)))
            array.setflags(write=False)  # shared by all filters
            self._arrays[whole] = array, seconds
            while len(self._arrays) > 1 and sum(a.nbytes for a, _ in self._arrays.values()) > ARRAYS:
                self._arrays.popitem(last=False)
        self._arrays.move_to_end(whole)
        array, seconds = self._arrays[whole]
        self._charged[whole] = seconds
        self._charge(student)
        return array

    def open_account(self) -> float:
        """Start to count what the next filter costs; return the moment in seconds of work done here."""
        self._charged.clear()
        return self._inside

    def cost(self, wall: float, since: float) -> float:
        """Return a filter's seconds: its own, and those of all that it used.

        Args:
            wall: Seconds that scoring took.
            since: What `open_account` returned.
        """
        return max(0.0, wall - (self._inside - since)) + sum(self._charged.values())

    def _charge(self, student: Student) -> None:
        if student.training in self._seconds:
            self._charged[student.training] = self._seconds[student.training]

    def _checkpoint(self, student: Student) -> Checkpoint:
        """Train a student, unless that was done, and return its tensors, and a checkpoint's moments."""
        (points, seconds), _ = self._timed(
            lambda: self._train(self._input(student), student.label, bool(student.epoch))
        )
        self._seconds[student.training] = seconds
        self._charge(student)
        return points[student.epoch - 1]

    def _reader(self, student: Student) -> "PerExample":
        from bench.models.per_example import PerExample  # loads torch

        if student not in self._readers:
            tensors = self._checkpoint(student).tensors if student.teacher else None
            base = self._trainer.base()[0]
            prefix = self._trainer.full_precision_prefix()
            self._readers[student] = PerExample(base, self.recipe, tensors, prefix, seed=self.seed)
            if len(self._readers) > READERS:
                self._readers.popitem(last=False)
        self._readers.move_to_end(student)
        return self._readers[student]

    def training_rows(self, student: Student) -> tuple[TrainingRow, ...]:
        """Return the rows that a student is trained on; those of the original teacher for the base."""
        chosen = [e for e in self._examples if student.ids is None or e.id in student.ids]
        return tuple(e.clean_row if student.teacher == "clean" else e.row for e in chosen)

    def _input(self, student: Student) -> TrainingInput:
        return TrainingInput(self.training_rows(student), self.seed, len(self._examples) * self.recipe.epochs)

    def _timed(self, work: Callable[[], Value]) -> tuple[Value, float]:
        """Do a piece of work; return its result and its own seconds, without those of work within it."""
        before, start = self._inside, time.perf_counter()
        value = work()
        wall = time.perf_counter() - start
        own = wall - (self._inside - before)
        self._inside = before + wall
        return value, own


class NoModels(MissingInput):
    """A filter asked for students where there are none."""

    def __init__(self) -> None:
        super().__init__(
            "context",
            seen="no model to read",
            expected="a run or `bench check`, which train students",
            remedy="score with `bench run`",
        )


def as_key(rows: Sequence[TrainingRow], *more: Any) -> Hashable:
    """Return what identifies a reading of rows."""
    return (*more, *((row.id, row.prompt, row.completion) for row in rows))
