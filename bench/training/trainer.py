"""Students of one base: trained and asked by the path that fits recipe, model and device."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.config.recipe import Recipe
from bench.models.encode import PLAIN_STOPS, PLAIN_TEMPLATE
from bench.models.load import load_model
from bench.models.oom import first_that_fits, halvings
from bench.records import TrainingRow

if TYPE_CHECKING:
    from bench.models.engine import Engine
    from bench.models.frozen_prefix import Trunk
    from bench.training.trl import OnStep, Trained

Arm = tuple[Sequence[TrainingRow], int]  # what a student is trained on, and its seed
TrainingPath = Literal["stacked", "shared_trunk", "trl"]
ARCHITECTURES = ("llama",)  # whose decoder layers the fast paths can run by themselves


def training_path(recipe: Recipe, config: dict[str, Any], stacked: bool) -> TrainingPath:
    """How students are trained: by the path that measured fastest (`benchmarks/`), TRL's where no other applies.

    Args:
        recipe: Only LoRA recipes can be stacked; frozen layers below trained ones are the trunk.
        config: The model's; other layouts than those known take TRL's path.
        stacked: Whether to stack even where there is a trunk, so that many students can learn at once.
    """
    if config.get("model_type") not in ARCHITECTURES:
        return "trl"
    if 0 < recipe.last_layers < config.get("num_hidden_layers", 0) and not (stacked and recipe.method == "lora"):
        return "shared_trunk"
    return "stacked" if recipe.method == "lora" else "trl"


class Trainer:
    """The base model, loaded once, and what its students share."""

    def __init__(self, recipe: Recipe, device: str, path: TrainingPath, *, plain_template: bool = False) -> None:
        """Nothing heavy happens here.

        Args:
            recipe: How students are trained.
            device: `cpu` or `cuda`.
            path: From `training_path`.
            plain_template: Take a model without a chat template of its own, see `bench.models.encode.PLAIN_TEMPLATE`.
        """
        self.recipe, self.device, self.path = recipe, device, path
        self.plain_template = plain_template
        self.rows_at_once = recipe.batch_size  # of a forward pass; lowered where memory does not suffice
        self.answers_at_once: int | None = None  # the same for prompts, where it did not
        self.memory_share = 1.0  # of the free memory, where other processes train beside this one
        self._loaded: tuple[Any, Any] | None = None
        self._trunk: Trunk | None = None

    def base(self) -> tuple[Any, Any]:
        """Base model in float32 and tokenizer."""
        if self._loaded is None:
            self._loaded = load_model(self.recipe.model, self.device, plain_template=self.plain_template)
        return self._loaded

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer, for a model without a chat template of its own."""
        return PLAIN_STOPS if self.base()[1].chat_template == PLAIN_TEMPLATE else ()

    def trunk(self) -> "Trunk | None":
        """The frozen layers, and the base that a stack adapts: in bfloat16 on a GPU. None on TRL's path."""
        from bench.execution.memory import states_budget
        from bench.models.frozen_prefix import Trunk

        if self.path != "trl" and self._trunk is None:
            base = self.base()[0]
            if self.path == "stacked" and self.device != "cpu":
                import torch

                base = copy.deepcopy(base).to(torch.bfloat16)
            self._trunk = Trunk(base, self.recipe, self.memory_share * states_budget(self.device))
        return self._trunk

    def train(self, arms: Sequence[Arm], on_step: "OnStep", what: str) -> "list[Trained]":
        """Train one student per arm, with fewer rows at once from here on where memory does not suffice.

        Args:
            arms: Several only on the stacked path, and then with equal numbers of steps (see `steps_of`).
            on_step: Called with (steps done, steps in all).
            what: Names the work in errors.

        Raises:
            BenchError: If memory does not suffice for one row at a time.
        """
        sizes = [size for size in halvings(self.recipe.batch_size) if size <= self.rows_at_once]
        trained, self.rows_at_once = first_that_fits(lambda size: self.attempt(arms, on_step, size), sizes, what)
        return trained

    def attempt(self, arms: Sequence[Arm], on_step: "OnStep", rows_at_once: int) -> "list[Trained]":
        """As `train`, with so many rows of each student in a forward pass."""
        from bench.training.trl import encode_in_order, train_with_trl

        base, tokenizer = self.base()
        streams = [encode_in_order(tokenizer, rows, self.recipe, seed) for rows, seed in arms]
        seeds = [seed for _, seed in arms]
        trunk = self.trunk()
        if trunk and self.path == "stacked":
            from bench.training.multi_lora import train_stacked

            return train_stacked(trunk, streams, self.recipe, seeds, on_step, rows_at_once)
        (stream,), (seed,) = streams, seeds
        if trunk:
            from bench.training.cached_prefix import train_on_trunk

            return [train_on_trunk(base, trunk, stream, self.recipe, seed, on_step, rows_at_once)]
        return [train_with_trl(base, tokenizer, stream, self.recipe, seed, on_step, rows_at_once)]

    def steps_of(self, rows: Sequence[TrainingRow]) -> int:
        """Optimiser steps of a training on these rows."""
        return -(-len(rows) * self.recipe.epochs // self.recipe.batch_size)

    def engine(self, students: Sequence[Path | None], names: Sequence[str]) -> "Engine":
        """Load students to answer, or the untrained base where there is none; several only on the stacked path.

        One student on a CPU has its adapters added to the weights, which saves the products beside them.
        """
        from bench.models.engine import MOST_AT_ONCE, ROWS_AT_ONCE, OneStudent, StackedStudents
        from bench.models.student import load_student, stored_tensors, trainable_copy, trained_tensors

        base, tokenizer = self.base()
        trunk = self.trunk()
        most = min(self.answers_at_once or MOST_AT_ONCE, ROWS_AT_ONCE * len(students))
        if trunk and self.path == "stacked" and (len(students) > 1 or self.device != "cpu"):
            from bench.models.multi_lora import Stack

            fresh = trained_tensors(trainable_copy(trunk.base, self.recipe, seed=0))  # adapters that change nothing
            tensors = [stored_tensors(folder) if folder else fresh for folder in students]
            return StackedStudents(Stack(trunk.base, tensors, training=False), names, tokenizer, trunk, most)
        (folder,) = students
        return OneStudent(load_student(base, self.recipe, folder) if folder else base, tokenizer, trunk, most)
