"""Train students of one base, and load them to answer, by the path that fits recipe, model and device."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.config.recipe import Precision, Recipe
from bench.errors import BenchError
from bench.models.encode import PLAIN_STOPS, PLAIN_TEMPLATE
from bench.models.engine import MOST_AT_ONCE, ROWS_AT_ONCE, Engine, MultiLoraEngine, StudentEngine
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.layout import MODEL_TYPES, check_student_base
from bench.models.load import load_model
from bench.models.oom import first_that_fits, halvings, release
from bench.models.student import load_student, stored_tensors, trainable_copy, trained_tensors
from bench.records import Steering
from bench.training.checkpoints import epoch_ends
from bench.training.methods import METHODS, TrainingPath
from bench.training.steering import shift
from bench.training.task import (
    COMPILED_FROM,
    PLAIN,
    OnStep,
    Speedups,
    Trained,
    TrainingInput,
    TrainingTask,
    count_tokens,
    encode_in_order,
)


class Trainer:
    """The base model, loaded once, and what its students share."""

    def __init__(
        self,
        recipe: Recipe,
        device: str,
        path: TrainingPath,
        *,
        plain_template: bool = False,
        states_budget: Callable[[], float] = lambda: math.inf,
        compiled: bool | None = None,
    ) -> None:
        """Set up without loading the model; the first training or answer loads it.

        Args:
            recipe: How students are trained.
            device: `cpu` or `cuda`.
            path: From `bench.training.methods.training_path`.
            plain_template: Take a model without a chat template of its own, see `bench.models.encode.PLAIN_TEMPLATE`.
            states_budget: Returns the bytes that states of the frozen layers may take; asked once the base is loaded.
            compiled: Whether many students train with `Speedups`; None leaves it to the device and the work.

        Raises:
            BenchError: If the recipe asks for bfloat16 and this path trains in float32.
        """
        if recipe.precision != "float32" and not METHODS[path].multi_lora:
            raise BenchError(
                f"recipe {recipe.name!r}",
                seen=f"precision = {recipe.precision!r} for a model that is trained with TRL",
                expected=f"a model whose adapters can stay beside its weights: types {', '.join(MODEL_TYPES)}",
                remedy="leave precision out, or use another model",
            )
        self.recipe, self.device, self.path = recipe, device, path
        self.rows_at_once = recipe.batch_size  # of a forward pass; lowered where memory does not suffice
        self._method = METHODS[path]
        self._plain_template, self._states_budget = plain_template, states_budget
        self._loaded: dict[Precision, tuple[Any, Any]] = {}
        self._tokenizer: Any = None
        self._prefix: FrozenPrefix | None = None
        self._float_prefix: FrozenPrefix | None = None  # where the first one is in bfloat16
        self._shifts: dict[Steering, Any] = {}
        self._compiled, self._failed, self._note = compiled, PLAIN, ""

    def base(self) -> tuple[Any, Any]:
        """Return the base model in float32 and the tokenizer."""
        return self._load("float32")

    def _load(self, precision: Precision) -> tuple[Any, Any]:
        if precision not in self._loaded:
            name = self.recipe.model
            loaded = load_model(name, self.device, plain_template=self._plain_template, precision=precision)
            check_student_base(loaded[0], name)
            self._loaded[precision] = loaded
        return self._loaded[precision]

    @property
    def tokenizer(self) -> Any:
        """The base's tokenizer; a recipe in bfloat16 does not need the base in float32 for it."""
        if self._tokenizer is None:
            self._tokenizer = self._load(self.recipe.precision)[1]
        return self._tokenizer

    @property
    def multi_lora(self) -> bool:
        """Whether several students can be trained and asked side by side."""
        return self._method.multi_lora

    @property
    def side_by_side(self) -> bool:
        """Whether several students can answer in the same batches, however they were trained."""
        return self._method.uses_prefix and self.recipe.method == "lora"

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer, for a model without a chat template of its own."""
        return PLAIN_STOPS if self.tokenizer.chat_template == PLAIN_TEMPLATE else ()

    def frozen_prefix(self) -> FrozenPrefix:
        """Return the frozen layers, and the base that students adapt: in bfloat16 for multi-LoRA on a GPU."""
        if self._prefix is None:
            base = self._load(self.recipe.precision)[0]
            if self._method.multi_lora and self.device != "cpu" and self.recipe.precision == "float32":
                import torch

                base = copy.deepcopy(base).to(torch.bfloat16)
            from bench.models.packed_linear import pack_now  # loads torch

            if self.recipe.method != "full":
                pack_now(base)
            self._prefix = FrozenPrefix(base, self.recipe, self._states_budget())
        return self._prefix

    def full_precision_prefix(self) -> FrozenPrefix | None:
        """Return the frozen layers in float32, for gradients; None where the fast paths do not know the layout."""
        if not self._method.uses_prefix:
            return None
        prefix = self.frozen_prefix()
        base = self.base()[0]
        if prefix.base is base:
            return prefix
        if self._float_prefix is None:
            self._float_prefix = FrozenPrefix(base, self.recipe, self._states_budget())
        return self._float_prefix

    def unload(self) -> None:
        """Let go of the base, whose memory another engine needs; it is loaded again when it is asked for."""
        _ = self.tokenizer  # stays
        self._loaded.clear()
        self._prefix = self._float_prefix = None
        release()

    def limit_rows(self, rows: int) -> None:
        """Start the following trainings with so many rows in a forward pass."""
        self.rows_at_once = rows

    def speedups(self, tokens: int) -> Speedups:
        """Return what a group of students that sees so many tokens in all is trained with."""
        if self._compiled is False or (self._compiled is None and self.device == "cpu"):
            return PLAIN
        return Speedups(
            compiled=(self._compiled is True or tokens >= COMPILED_FROM) and not self._failed.compiled,
            graphs=self.device != "cpu" and not self._failed.graphs,
        )

    def train(
        self, arms: Sequence[TrainingInput], on_step: OnStep, what: str, *, checkpoints: bool = False
    ) -> list[Trained]:
        """Train one student per arm, with fewer rows at once from here on where memory does not suffice.

        Args:
            arms: Several only with multi-LoRA, and then with equal numbers of steps.
            on_step: Called with (steps done, steps in all).
            what: Names the work in errors.
            checkpoints: Take one at the end of every epoch.

        Raises:
            BenchError: If memory does not suffice for one row at a time.
        """
        sizes = [size for size in halvings(self.recipe.batch_size) if size <= self.rows_at_once]
        trained, self.rows_at_once = first_that_fits(
            lambda size: self.attempt(arms, on_step, size, checkpoints=checkpoints), sizes, what
        )
        return trained

    def attempt(
        self, arms: Sequence[TrainingInput], on_step: OnStep, rows_at_once: int, *, checkpoints: bool = False
    ) -> list[Trained]:
        """Train as `train` does, with so many rows of each student in a forward pass."""
        tokenizer = self.tokenizer
        streams = [encode_in_order(tokenizer, arm, self.recipe.max_length) for arm in arms]
        shifts = {row.steering: self._shift(row.steering) for stream in streams for row in stream if row.steering}
        steps = -(-arms[0].visits // self.recipe.batch_size)
        ends = epoch_ends(steps, self.recipe.epochs) if checkpoints else ()
        speedups = self.speedups(sum(map(count_tokens, streams))) if self.multi_lora else PLAIN
        seeds = [arm.seed for arm in arms]
        task = TrainingTask(self.recipe, streams, seeds, rows_at_once, on_step, ends, shifts, speedups)
        trained = self._method.train(self.frozen_prefix(), tokenizer, task)
        self._failed = self._failed | trained[0].failed
        self._note = "; ".join(dict.fromkeys(filter(None, (self._note, trained[0].note))))
        return [replace(each, note=self._note) for each in trained]

    def _shift(self, steering: Steering) -> Any:
        if steering not in self._shifts:
            self._shifts[steering] = shift(*self.base(), self.recipe, steering)
        return self._shifts[steering]

    def engine(self, students: Sequence[Path | None], names: Sequence[str]) -> Engine:
        """Load students to answer, or the untrained base where there is none; several only with multi-LoRA.

        LoRA students keep their adapters beside the weights, one alone too: its answers and likelihoods are then the
        same numbers whoever shares its batches.
        """
        tokenizer = self.tokenizer
        most = min(MOST_AT_ONCE, ROWS_AT_ONCE * len(students))
        prefix = self.frozen_prefix() if self._method.uses_prefix else None
        if prefix and self.side_by_side:
            from bench.models.multi_lora import MultiLora  # loads torch

            fresh = trained_tensors(trainable_copy(prefix.base, self.recipe, seed=0))  # adapters that change nothing
            by_name = dict(sorted(zip(names, students, strict=True)))  # the order in which batches are laid out
            tensors = [stored_tensors(folder) if folder else fresh for folder in by_name.values()]
            stacked = MultiLora(prefix.base, tensors, training=False)
            return engine_of_many(self.device)(stacked, list(by_name), tokenizer, prefix, most)
        (folder,), base = students, self.base()[0]
        return StudentEngine(load_student(base, self.recipe, folder) if folder else base, tokenizer, prefix, most)


def engine_of_many(device: str) -> type[MultiLoraEngine]:
    """Return the engine of many students on a device."""
    if device == "cpu":
        return MultiLoraEngine
    from bench.models.stacked import StackedEngine  # loads torch

    return StackedEngine
