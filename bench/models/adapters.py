"""Stored LoRA students as PEFT adapter folders, which peft, vLLM and others load."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.config.recipe import Recipe
from bench.errors import BenchError, unwritable
from bench.models.student import lora_config, stored_tensors

if TYPE_CHECKING:
    import torch

ADAPTER_FILE = "adapter_model.safetensors"
LAYER = re.compile(r"\.layers\.(\d+)\.")


def export_adapter(student: Path, recipe: Recipe, target: Path) -> Path:
    """Write a student as an adapter folder; one that is there already is kept.

    Args:
        student: Folder of the stored student.
        recipe: What it was trained with.
        target: The adapter's folder, `adapter_config.json` and `adapter_model.safetensors`; it appears when complete.

    Returns:
        The target.

    Raises:
        BenchError: If the recipe trains no adapters, the student is not there or the folder cannot be written.
    """
    check_adapters(recipe)
    if (target / ADAPTER_FILE).is_file():
        return target
    tensors = stored_tensors(student)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as scratch:
            finished = Path(scratch) / "adapter"
            _write(tensors, recipe, finished)
            if target.exists():
                shutil.rmtree(target)
            finished.rename(target)
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def check_adapters(recipe: Recipe) -> None:
    """Refuse a recipe whose students are no adapters.

    Raises:
        BenchError: If its method is not LoRA.
    """
    if recipe.method != "lora":
        raise BenchError(
            f"recipe {recipe.name!r}",
            seen=f"method = {recipe.method!r}",
            expected="method = 'lora': only adapters are served side by side over one base",
            remedy="train with a LoRA recipe, or compare these students with `bench checkpoints`",
        )


def _write(tensors: "dict[str, torch.Tensor]", recipe: Recipe, folder: Path) -> None:
    from safetensors.torch import save_file

    layers = sorted({int(found[1]) for name in tensors if (found := LAYER.search(name))})
    config = lora_config(recipe, layers)
    config.base_model_name_or_path = recipe.model
    config.inference_mode = True
    config.save_pretrained(str(folder))
    # The training model calls its one adapter `default`; an adapter on disk has no name.
    save_file({name.replace(".default.", "."): tensor for name, tensor in tensors.items()}, folder / ADAPTER_FILE)
