"""Decoder layers through `torch.compile`: one compiled function for all layers of all students.

Element-wise work between the matrix products (norms, rotations, SwiGLU, additions of adapters) becomes a few kernels.
Shapes are symbolic, so batches of other lengths need no compilation of their own; another number of students does.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.models.student import decoder_layers

BACKEND = "inductor"
VARIANTS = 64  # of the compiled function, by the number of students; beyond it torch runs layers uncompiled


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
        layer.forward = functools.partial(_compiled(BACKEND), layer)
    try:
        with torch._dynamo.config.patch(recompile_limit=VARIANTS):
            yield
    finally:
        for layer in layers:
            del layer.forward
