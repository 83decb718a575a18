"""The training paths by name: which one fits a recipe, and what it can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bench.config.recipe import Recipe
from bench.models.frozen_prefix import FrozenPrefix
from bench.training.cached_prefix import train_cached_prefix
from bench.training.task import Trained, TrainingTask
from bench.training.trl import train_with_trl

TrainingPath = Literal["stacked", "shared_trunk", "trl"]  # part of every training's key in the store
ARCHITECTURES = ("llama",)  # whose decoder layers the fast paths can run by themselves


@dataclass(frozen=True)
class Method:
    """A training path; all of them train the same students.

    Attributes:
        train: Train the students of a task, from the base and its frozen layers and the tokenizer.
        uses_prefix: Whether it reads the frozen layers' kept states, and so do the students it trained.
        multi_lora: Whether it trains several LoRA students at once, which then answer side by side; in bfloat16 on a
            GPU.
    """

    train: Callable[[FrozenPrefix, Any, TrainingTask], list[Trained]]
    uses_prefix: bool = True
    multi_lora: bool = False


def _train_multi_lora(prefix: FrozenPrefix, tokenizer: Any, task: TrainingTask) -> list[Trained]:
    from bench.training.multi_lora import train_multi_lora  # loads torch

    return train_multi_lora(prefix, task)


METHODS: dict[TrainingPath, Method] = {
    "stacked": Method(_train_multi_lora, multi_lora=True),
    "shared_trunk": Method(lambda prefix, tokenizer, task: train_cached_prefix(prefix, task)),
    "trl": Method(lambda prefix, tokenizer, task: train_with_trl(prefix.base, tokenizer, task), uses_prefix=False),
}


def training_path(recipe: Recipe, config: dict[str, Any], multi_lora: bool) -> TrainingPath:
    """Return the path that measured fastest (`benchmarks/`), TRL's where no other applies.

    Args:
        recipe: Only LoRA recipes can be trained side by side; layers below the trained ones are the frozen prefix.
        config: The model's; other layouts than those known take TRL's path.
        multi_lora: Whether to train LoRA students side by side even where there is a frozen prefix.
    """
    if config.get("model_type") not in ARCHITECTURES:
        return "trl"
    if 0 < recipe.last_layers < config.get("num_hidden_layers", 0) and not (multi_lora and recipe.method == "lora"):
        return "shared_trunk"
    return "stacked" if recipe.method == "lora" else "trl"
