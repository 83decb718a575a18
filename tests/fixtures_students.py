"""Students as training leaves them, without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.config.recipe import Recipe
from bench.models.encode import Encoded
from bench.models.packaged import TINY
from bench.models.student import save_student, trainable_copy, trained_tensors
from bench.records import TrainingRow
from bench.training.task import TrainingInput, encode_in_order


def stream_of(tokenizer: Any, rows: Sequence[TrainingRow], recipe: Recipe, seed: int) -> list[Encoded]:
    """The rows in training order, every one once an epoch."""
    return encode_in_order(tokenizer, TrainingInput(rows, seed, len(rows) * recipe.epochs), recipe.max_length)


LORA = Recipe(name="l", model=TINY, method="lora", lora_rank=4, learning_rate=1e-3)


def student(base: Any, recipe: Recipe, folder: Path, seed: int = 1) -> Path:
    """A student whose adapters are all in use, as after training."""
    model = trainable_copy(base, recipe, seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "lora_A" not in name:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)) * 0.05)
    folder.mkdir(parents=True)
    save_student(trained_tensors(model), folder)
    return folder
