"""The training paths by name: which one fits a recipe, how it trains, and what a step holds in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bench.config.recipe import Recipe
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.layout import runs_by_layer
from bench.models.shape import FLOAT, ModelShape
from bench.training.cached_prefix import train_cached_prefix
from bench.training.lengths import Lengths
from bench.training.task import HEAD_TOKENS, Trained, TrainingTask
from bench.training.trl import train_with_trl

TrainingPath = Literal["stacked", "shared_trunk", "trl"]  # part of every training's key in the store

# Arrays of logits that a step holds at a time.
MULTI_LORA_ARRAYS = 2
HALF_PRECISION = 0.6  # of what a step holds in float32, on a GPU: one of SmolLM2-135M's students took 0.58 on an H200
CACHED_PREFIX_ARRAYS = 3  # logits, their softmax and its gradient
TRL_ARRAYS = 8  # of a piece of the vocabulary, of at most so many tokens:
TRL_VOCABULARY = 32768

Cost = Callable[[Lengths, ModelShape, int, str], tuple[float, float]]


@dataclass(frozen=True)
class Method:
    """A training path; all of them train the same students.

    Attributes:
        train: Train the students of a task, from the base and its frozen layers and the tokenizer.
        cost: Estimate the tokens of a forward pass over so many rows on `cpu` or `cuda`, and the bytes that it holds
            of logits and attention masks.
        uses_prefix: Whether it reads the frozen layers' kept states, and so do the students it trained.
        multi_lora: Whether it trains several LoRA students at once, which then answer side by side; in bfloat16 on a
            GPU.
    """

    train: Callable[[FrozenPrefix, Any, TrainingTask], list[Trained]]
    cost: Cost
    uses_prefix: bool = True
    multi_lora: bool = False


def _train_multi_lora(prefix: FrozenPrefix, tokenizer: Any, task: TrainingTask) -> list[Trained]:
    from bench.training.multi_lora import train_multi_lora  # loads torch

    return train_multi_lora(prefix, task)


def _multi_lora_cost(lengths: Lengths, shape: ModelShape, rows: int, device: str) -> tuple[float, float]:
    scored = min(rows * lengths.completion, HEAD_TOKENS)
    tokens = lengths.packed(rows) * (1.0 if device == "cpu" else HALF_PRECISION)
    return tokens, MULTI_LORA_ARRAYS * FLOAT * scored * shape.vocabulary


def _cached_prefix_cost(lengths: Lengths, shape: ModelShape, rows: int, device: str) -> tuple[float, float]:
    tokens = lengths.packed(rows)
    logits = CACHED_PREFIX_ARRAYS * FLOAT * rows * lengths.completion * shape.vocabulary
    return tokens, logits


def _trl_cost(lengths: Lengths, shape: ModelShape, rows: int, device: str) -> tuple[float, float]:
    tokens = lengths.padded(rows)
    scored = tokens if device == "cpu" else rows * lengths.completion  # on a GPU, labelled tokens only
    logits = TRL_ARRAYS * FLOAT * scored * min(shape.vocabulary, TRL_VOCABULARY)
    return tokens, logits + FLOAT * tokens * max(lengths.rows)


METHODS: dict[TrainingPath, Method] = {
    "stacked": Method(_train_multi_lora, _multi_lora_cost, multi_lora=True),
    "shared_trunk": Method(lambda prefix, tokenizer, task: train_cached_prefix(prefix, task), _cached_prefix_cost),
    "trl": Method(lambda prefix, tokenizer, task: train_with_trl(prefix.base, tokenizer, task), _trl_cost, False),
}


def training_path(recipe: Recipe, config: dict[str, Any], multi_lora: bool) -> TrainingPath:
    """Return the path that measured fastest (`benchmarks/`), TRL's where no other applies.

    Args:
        recipe: Only LoRA recipes can be trained side by side; layers below the trained ones are the frozen prefix.
        config: The model's; other layouts than those known take TRL's path.
        multi_lora: Whether to train LoRA students side by side even where there is a frozen prefix; a recipe in
            bfloat16 always does, as its adapters are never added to the weights.
    """
    if not runs_by_layer(config):
        return "trl"
    multi_lora = multi_lora or recipe.precision == "bfloat16"
    if 0 < recipe.last_layers < config.get("num_hidden_layers", 0) and not (multi_lora and recipe.method == "lora"):
        return "shared_trunk"
    return "stacked" if recipe.method == "lora" else "trl"
