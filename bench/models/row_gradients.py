"""Gradients of many rows in one backward pass: each row is read by a student of its own, all with the same adapters.

On a GPU a pass over one row takes as long as one over dozens, as its kernels are launched one by one. A student's
adapters see the rows of that student alone, so the gradients of n students are those of n rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.likelihood import mean_losses
from bench.models.multi_lora import MultiLora


class RowGradients:
    """Differentiates rows by the adapters of one student."""

    def __init__(self, base: Any, tensors: Mapping[str, torch.Tensor], prefix: FrozenPrefix) -> None:
        """Remember the student; memory is taken when rows are read.

        Args:
            base: Causal language model in float32.
            tensors: The student's adapters, in the order in which their gradients are wanted.
            prefix: The frozen layers of `base`.
        """
        self._base, self._tensors, self._prefix = base, tensors, prefix
        self._stack: MultiLora | None = None
        self._rows = 0

    def __call__(self, rows: Sequence[Encoded]) -> list[torch.Tensor]:
        """Return the gradient of each row's mean loss, (values,), float32, on the base's device."""
        if self._stack is None or self._rows != len(rows):
            self._stack = None  # its memory first
            self._stack, self._rows = MultiLora(self._base, [self._tensors] * len(rows), training=True), len(rows)
        total = mean_losses(self._stack.model, rows, self._prefix).sum()
        return list(torch.cat([part.flatten(1) for part in torch.autograd.grad(total, self._stack.parameters)], 1))
