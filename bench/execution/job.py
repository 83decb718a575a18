"""A job: one trial to do, with everything that determines its result."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from bench.config.recipe import Recipe
from bench.data.trait import Measurement
from bench.outcomes import Arm, TrialKey
from bench.records import TrainingRow
from bench.training.task import TrainingInput

MOST_AT_ONCE = 64  # students in a group: they fill a large GPU, and a stopped run loses one group at most


@dataclass(eq=False)
class Job:
    """One training and its evaluation.

    Attributes:
        arm: What the student is trained on, by name.
        seed: Training seed.
        rows: The arm's rows; None for an untrained model, which is evaluated only.
        measurement: What is measured of the student.
        recipe: How it is trained, base model included.
        visits: Rows seen in training, repeats counted, equal in all arms that are compared; every row once an epoch if
            not given.
        evaluated: Whether the student is evaluated after its training.
        seconds: Estimated seconds of the training and of the evaluation; 0 for what the store holds.
    """

    arm: Arm
    seed: int
    rows: Sequence[TrainingRow] | None
    measurement: Measurement
    recipe: Recipe
    visits: int = 0
    evaluated: bool = True
    seconds: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Count the visits where they are not given."""
        self.visits = self.visits or len(self.rows or ()) * self.recipe.epochs

    @property
    def key(self) -> TrialKey:
        """Arm and seed, by which an experiment keeps its trials."""
        return self.arm, self.seed

    @property
    def steps(self) -> int:
        """Optimiser steps of the training."""
        return -(-self.visits // self.recipe.batch_size)

    @property
    def student(self) -> TrainingInput:
        """What the trainer is given."""
        return TrainingInput(self.rows or (), self.seed, self.visits)

    @property
    def label(self) -> str:
        """How the terminal and Inspect's logs call it."""
        return self.arm.name if self.rows is None else f"{self.arm.name}, seed {self.seed}"

    @cached_property
    def rows_sha256(self) -> str:
        """SHA-256 of the rows, in order: id, prompt and completion, and how they are trained on if not as they are."""
        digest = hashlib.sha256()
        for row in self.rows or ():
            line: list[Any] = [row.id, [m.model_dump() for m in row.prompt], row.completion]
            line += [{"weight": row.weight}] if row.weight != 1 else []
            line += [{"steering": asdict(row.steering)}] if row.steering else []
            digest.update(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        return digest.hexdigest()
