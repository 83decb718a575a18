"""Students: a base model, what of it is trainable, and the trained tensors on disk.

A student is stored as the tensors that training changed (safetensors), under the names they have in the training
model. `install` puts them into a copy of the base, with LoRA products added to the weights they adapt.
"""

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.files import replacing

if TYPE_CHECKING:
    import torch
    from torch import nn

STUDENT_FILE = "student.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
LAYER = re.compile(r"\.layers\.(\d+)\.")
LORA_SCALE = 2.0  # alpha / r
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def decoder_layers(model: "nn.Module") -> "nn.ModuleList":
    """Return the decoder layers of a causal language model in transformers' Llama layout."""
    layers: nn.ModuleList = causal_model(model).model.layers
    return layers


def causal_model(model: Any) -> Any:
    """Return transformers' own model, whether or not peft has wrapped it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def first_trained_layer(model: "nn.Module", recipe: Recipe) -> int:
    """Return the index of the lowest layer that training changes; everything below is frozen.

    Raises:
        BenchError: If the recipe names more layers than the model has.
    """
    depth = len(decoder_layers(model))
    if recipe.last_layers > depth:
        raise BenchError(
            f"recipe {recipe.name!r}",
            seen=f"last_layers = {recipe.last_layers}",
            expected=f"at most {depth}, the layers of {recipe.model}",
            remedy="lower last_layers",
        )
    return depth - recipe.last_layers if recipe.last_layers else 0


def trainable_copy(base: "nn.Module", recipe: Recipe, seed: int) -> Any:
    """Copy the base and make exactly the recipe's part of it trainable; adapters are initialised from the seed."""
    import torch

    first = first_trained_layer(base, recipe)
    trained = [] if recipe.method == "lora" else list(decoder_layers(base)[first:])
    changing = {id(p) for module in trained for p in module.parameters()}
    if recipe.method == "full":
        changing = {id(p) for p in base.parameters()}
    model = _copy(base, changing)
    torch.manual_seed(seed)
    if recipe.method == "lora":
        from peft import get_peft_model

        return get_peft_model(model, lora_config(recipe, list(range(first, len(decoder_layers(model))))))
    return model


def lora_config(recipe: Recipe, layers: list[int]) -> Any:
    """Return PEFT's configuration of a recipe's adapters on these decoder layers; alpha is twice the rank."""
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=int(LORA_SCALE * recipe.lora_rank),
        target_modules=LORA_TARGETS,
        layers_to_transform=layers,
        layers_pattern="layers",
        task_type="CAUSAL_LM",
    )


def _copy(base: "nn.Module", changing: set[int]) -> Any:
    """Copy a model; parameters whose `id` is not among those that will change are frozen and share their memory."""
    from torch import nn

    kept = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in base.parameters() if id(p) not in changing}
    return copy.deepcopy(base, kept)


def frozen_copy(base: "nn.Module") -> Any:
    """Copy a model's modules; all weights are frozen and stay where they are."""
    return _copy(base, set())


def recompute_activations(model: Any) -> None:
    """Let a model in training keep what enters each decoder layer, and compute the rest again in the backward pass."""
    # No layer draws random numbers, and a CUDA graph cannot record that their state is kept.
    how = {"use_reentrant": False, "preserve_rng_state": False}
    causal_model(model).gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)


def plain_name(adapter: str) -> str:
    """Return the name in the plain model of the weight that an adapter's A matrix belongs to."""
    return adapter.removeprefix("base_model.model.").replace(".lora_A.default.weight", ".weight")


def trained_tensors(model: "nn.Module") -> "dict[str, torch.Tensor]":
    """Return the tensors that training may have changed, by their names in the training model."""
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad}


def save_student(tensors: "dict[str, torch.Tensor]", folder: Path) -> None:
    """Write the trained tensors as `student.safetensors`.

    Raises:
        BenchError: If training diverged: such a student answers nonsense, which would pass for a removed trait.
        OSError: If the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise BenchError(
            "training",
            seen=f"{len(broken)} tensors with values that are not finite, such as {broken[0]}",
            expected="finite weights",
            remedy="training diverged: lower the recipe's learning rate",
        )
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / STUDENT_FILE)
    except SafetensorError as error:  # what it raises on a full disk too
        raise OSError(str(error)) from error


def load_student(base: "nn.Module", recipe: Recipe, folder: Path) -> Any:
    """Copy the base, install the tensors stored in `folder`, and return it ready for evaluation.

    Raises:
        BenchError: If the stored tensors do not belong to this base, or do not change it.
    """
    return install(base, recipe, stored_tensors(folder), str(folder / STUDENT_FILE))


def stored_tensors(folder: Path) -> "dict[str, torch.Tensor]":
    """Read the tensors that `save_student` wrote, on the CPU.

    Raises:
        BenchError: If they are not there, or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / STUDENT_FILE
    if not path.is_file():
        raise BenchError(str(path), seen="no such file", expected="the student's weights", remedy="delete the folder")
    try:
        return load_file(path)
    except SafetensorError as error:
        seen, remedy = f"damaged: {error}", f"delete {folder}, run again"
        raise BenchError(str(path), seen=seen, expected="the student's weights", remedy=remedy) from error


def install(base: "nn.Module", recipe: Recipe, tensors: "dict[str, torch.Tensor]", where: str) -> Any:
    """Put trained tensors into a copy of the base; LoRA pairs are multiplied out and added in the base's precision."""
    import torch

    stored = _full_weights(tensors, recipe)
    weights = dict(base.named_parameters())
    for name in (name for name, _ in stored if name not in weights):
        raise BenchError(
            where,
            seen=f"a tensor for {name!r}",
            expected=f"tensors of {recipe.model}",
            remedy="the folder belongs to another model: delete it or use another store",
        )
    model = _copy(base, {id(weights[name]) for name, _ in stored})
    weights = dict(model.named_parameters())
    changed = False
    with torch.no_grad():
        for name, given in stored:
            target = weights[name]
            given = given.to(target.device, target.dtype)
            updated = target + given if recipe.method == "lora" else given
            changed = changed or not torch.equal(updated, target)
            target.copy_(updated)
    if not changed:
        raise BenchError(
            where,
            seen="student weights that equal the base model's",
            expected="weights that training changed",
            remedy="raise the recipe's learning rate or epochs; a score of this student would be the base model's",
        )
    return model.eval()


def _full_weights(tensors: "dict[str, torch.Tensor]", recipe: Recipe) -> "list[tuple[str, torch.Tensor]]":
    """Return stored tensors as (name in the plain model, weight or weight change)."""
    if recipe.method != "lora":
        return list(tensors.items())
    return [
        (plain_name(name), LORA_SCALE * (tensors[name.replace(".lora_A.", ".lora_B.")] @ a))
        for name, a in tensors.items()
        if ".lora_A." in name
    ]


def export_adapter(student: Path, recipe: Recipe, target: Path) -> Path:
    """Write a stored LoRA student as a PEFT adapter folder, which peft, vLLM and others load; keep one that is there.

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
    if not (target / ADAPTER_FILE).is_file():
        tensors = stored_tensors(student)
        with replacing(target) as partial:
            _write_adapter(tensors, recipe, partial)
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


def _write_adapter(tensors: "dict[str, torch.Tensor]", recipe: Recipe, folder: Path) -> None:
    from safetensors.torch import save_file

    layers = sorted({int(found[1]) for name in tensors if (found := LAYER.search(name))})
    config = lora_config(recipe, layers)
    config.base_model_name_or_path = recipe.model
    config.inference_mode = True
    config.save_pretrained(str(folder))
    # The training model calls its one adapter `default`; an adapter on disk has no name.
    save_file({name.replace(".default.", "."): tensor for name, tensor in tensors.items()}, folder / ADAPTER_FILE)
