"""What every training path takes and returns: rows as tokens in their order, and the trained tensors."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.config.recipe import Recipe
from bench.models.encode import Encoded, data_order, encode_all
from bench.records import Steering, TrainingRow
from bench.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    import torch

TRAINING_CODE = 2  # part of every run's key: raise it when the same inputs would train to other weights
HEAD_TOKENS = 8192  # whose logits multi-LoRA makes at a time: 8192 * 49,152 values in float32 are 1.5 GiB
# Tokens of a group from which compiled layers pay: on an H200 compilation took 16 to 27 s, and 64 students then trained
# at 293,000 tokens a second instead of 169,000.
COMPILED_FROM = 10_000_000
OnStep = Callable[[int, int], None]


def _ignore(done: int, steps: int) -> None:
    pass


@dataclass(frozen=True)
class Speedups:
    """How the steps of many students are sped up; results differ by rounding alone.

    Attributes:
        compiled: Decoder layers run through `torch.compile`.
        graphs: Steps get fixed shapes, and are recorded and replayed; on a GPU.
    """

    compiled: bool = False
    graphs: bool = False

    def __or__(self, other: "Speedups") -> "Speedups":
        return Speedups(self.compiled or other.compiled, self.graphs or other.graphs)


PLAIN = Speedups()


@dataclass(frozen=True)
class TrainingTask:
    """One training of one or several students.

    Attributes:
        recipe: Method, learning rate and batch size.
        streams: Rows in training order, all epochs, of each student (see `encode_in_order`).
        seeds: Of each student's adapters.
        rows_at_once: Rows of each student in a forward pass, a divisor of the batch size: gradients add up to those of
            the whole batch. All rows of the batch if 0.
        on_step: Called with (steps done, steps in all).
        checkpoints: Steps after which a checkpoint is taken.
        shifts: What is added to states that enter the first trained layer, (width,), for every steering of the rows;
            see `bench.training.steering`.
        speedups: What many students may be trained with.
    """

    recipe: Recipe
    streams: Sequence[Sequence[Encoded]]
    seeds: Sequence[int]
    rows_at_once: int = 0
    on_step: OnStep = _ignore
    checkpoints: Collection[int] = ()
    shifts: "Mapping[Steering, torch.Tensor]" = field(default_factory=dict)
    speedups: Speedups = PLAIN

    @property
    def part(self) -> int:
        """Rows of each student in a forward pass."""
        return self.rows_at_once or self.recipe.batch_size

    def steps(self, student: int) -> list[Sequence[Encoded]]:
        """Cut a student's rows into optimiser steps; only the last one may be smaller."""
        return batches(self.streams[student], self.recipe.batch_size)


@dataclass(frozen=True)
class Trained:
    """Result of one training.

    Attributes:
        tensors: The trained tensors by name (see `bench.models.student`).
        losses: Mean loss per labelled token of each step, by the weights of the rows; 0 where all are masked.
        tokens: Tokens seen, prompts included, padding excluded.
        seconds: Wall time of the steps.
        path: Key of `bench.training.methods.METHODS`.
        students: How many were trained side by side.
        checkpoints: Those that the task asked for, in order.
        compile_seconds: The part of `seconds` in which layers were compiled and kernels loaded.
        failed: The speedups that could not be used.
        note: Which these are and why, else "".
    """

    tensors: "dict[str, torch.Tensor]"
    losses: list[float]
    tokens: int
    seconds: float
    path: str
    students: int = 1
    checkpoints: Sequence[Checkpoint] = ()
    compile_seconds: float = 0.0
    failed: Speedups = PLAIN
    note: str = ""


@dataclass(frozen=True)
class TrainingInput:
    """What one student sees.

    Attributes:
        rows: The rows of its arm.
        seed: Of its adapters and its data order.
        visits: Rows seen in all, repeats counted; arms of unequal size take equally many steps by equal visits.
    """

    rows: Sequence[TrainingRow]
    seed: int
    visits: int


def encode_in_order(tokenizer: Any, student: TrainingInput, max_length: int) -> list[Encoded]:
    """Tokenise an arm and lay it out in the order in which every training path sees it."""
    encoded = encode_all(tokenizer, student.rows, max_length)
    return [encoded[i] for i in data_order(student.rows, student.visits, student.seed)]


def batches(stream: Sequence[Encoded], batch_size: int) -> list[Sequence[Encoded]]:
    """Cut a stream of rows into batches; only the last one may be smaller."""
    return [stream[i : i + batch_size] for i in range(0, len(stream), batch_size)]


def count_tokens(stream: Sequence[Encoded]) -> int:
    """Return the tokens of a stream of rows."""
    return sum(len(row.ids) for row in stream)


def count_labels(rows: Sequence[Encoded]) -> float:
    """Return what a batch's summed loss is divided by: its labelled tokens by weight, and 1 where all are masked.

    A masked batch then gives gradients of 0, and the optimiser takes its step with what its moments hold.
    """
    return sum(row.weight * (len(row.ids) - row.prompt_length) for row in rows) or 1.0
