"""Checkpoints of a training: a student at the end of each epoch, with the state of its optimiser."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]

PARTS = ("tensors", "first", "second")


@dataclass(frozen=True)
class Checkpoint:
    """A student in the course of its training.

    Attributes:
        tensors: The trained tensors by name.
        first: Adam's moving average of the gradient, by the same names.
        second: Of its square.
    """

    tensors: "Tensors"
    first: "Tensors"
    second: "Tensors"


def epoch_ends(steps: int, epochs: int) -> list[int]:
    """Return the steps after which an epoch is over.

    >>> epoch_ends(40, 2), epoch_ends(5, 2)
    ([20, 40], [2, 5])
    """
    return [round(steps * epoch / epochs) for epoch in range(1, epochs + 1)]


def mean_learning_rates(peak: float, steps: int, ends: list[int]) -> list[float]:
    """Return the mean learning rate of the steps up to each end, since the last one; it decays linearly to 0.

    >>> mean_learning_rates(1.0, 4, [2, 4])
    [0.875, 0.375]
    """
    starts = [0, *ends[:-1]]
    return [peak * (1 - (start + end - 1) / 2 / steps) for start, end in zip(starts, ends, strict=True)]


def take(model: Any, optimizer: Any) -> Checkpoint:
    """Copy the trained tensors and Adam's moments to the CPU."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def moments(which: str) -> "dict[str, torch.Tensor]":
        return {name: optimizer.state[p][which].detach().float().cpu().clone() for name, p in named.items()}

    tensors = {name: p.detach().cpu().clone() for name, p in named.items()}
    return Checkpoint(tensors, moments("exp_avg"), moments("exp_avg_sq"))


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint as safetensors."""
    from safetensors.torch import save_file

    parts = (checkpoint.tensors, checkpoint.first, checkpoint.second)
    save_file(
        {
            f"{part}/{name}": tensor.contiguous()
            for part, own in zip(PARTS, parts, strict=True)
            for name, tensor in own.items()
        },
        path,
    )


def load(path: Path) -> Checkpoint:
    """Read what `save` wrote.

    Raises:
        BenchError: If it is not there.
    """
    from safetensors.torch import load_file

    if not path.is_file():
        raise BenchError(
            str(path), seen="no such file", expected="a checkpoint", remedy=f"delete {path.parent} and run again"
        )
    stored = load_file(path)
    return Checkpoint(
        *(
            {name.removeprefix(f"{part}/"): t for name, t in stored.items() if name.startswith(f"{part}/")}
            for part in PARTS
        )
    )
