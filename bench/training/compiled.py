"""Decoder layers through `torch.compile`: one compiled function for all layers of all students.

Element-wise work between the matrix products (norms, rotations, SwiGLU, additions of adapters) becomes a few kernels.
Lengths and the number of students are symbolic: one compilation serves all groups, and another one a single student.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.models.multi_lora import ADAPTERS
from bench.models.student import decoder_layers

BACKEND = "inductor"


def _forward(layer: Any, hidden: torch.Tensor, **more: Any) -> Any:
    return type(layer).forward(layer, hidden, **more)


@functools.cache
def _compiled(backend: str) -> Any:
    return torch.compile(_forward, dynamic=True, backend=backend)


@contextmanager
def compiled_layers(model: Any, first: int) -> Iterator[None]:
    """Run a model's decoder layers, from the first trained one, through the compiled function.

    Errors of the compiler are raised where a layer is called.
    """
    layers = decoder_layers(model)[first:]
    for layer in layers:
        for name, parameter in layer.named_parameters():
            stacked = name.rpartition(".")[2] in ADAPTERS
            torch._dynamo.mark_static(parameter, list(range(1, parameter.dim())) if stacked else None)
        layer.forward = functools.partial(_compiled(BACKEND), layer)
    try:
        with torch._dynamo.config.patch(force_parameter_static_shapes=False):  # but for what is marked above
            yield
    finally:
        for layer in layers:
            del layer.forward
