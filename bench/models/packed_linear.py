"""Frozen linear layers on an x86 CPU, through oneDNN, from weights that are brought into its layout once.

PyTorch gives float32 products to MKL, which leaves the AVX-512 units of AMD's processors unused and lays weights out in
every call. Rounding differs from MKL's in the last bits; what one row gives depends less on the rows beside it.
"""

import platform
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn
from torch.nn.functional import linear

ROWS = 64  # for which oneDNN is asked to choose the layout; the same weights then serve any number


@dataclass(frozen=True)
class _Packed:
    """A weight in oneDNN's layout, and its transpose where gradients have passed.

    `of` is the plain weight, kept so that no other takes its address, and `version` counts what was written to it.
    """

    of: torch.Tensor
    version: int
    weight: torch.Tensor
    transposed: torch.Tensor | None = None

    def __deepcopy__(self, memo: object) -> "_Packed":
        return self  # copies of a model share their frozen weights

    def holds(self, weight: torch.Tensor) -> bool:
        """Tell whether this is what `weight` now gives."""
        return self.of.data_ptr() == weight.data_ptr() and self.version == weight._version


class PackedLinear(nn.Linear):
    """A linear layer that packs its weight when it is first used; whatever trains it or moves it gets a plain layer."""

    _packed: _Packed | None = None

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply to (..., inputs); gradients reach the input, as the weight is frozen."""
        weight = self.weight
        compiling = torch.compiler.is_compiling()  # first: the compiler cannot look into the rest
        trained = weight.requires_grad or (self.bias is not None and self.bias.requires_grad)
        if compiling or (trained and torch.is_grad_enabled()) or not _usable(weight) or input.dtype != weight.dtype:
            return linear(input, weight, self.bias)
        if torch.is_grad_enabled() and input.requires_grad:
            return cast(torch.Tensor, _Product.apply(input, self))  # type: ignore[no-untyped-call]
        return _product(input, self.packed(), self.bias)

    def packed(self) -> torch.Tensor:
        """Return the weight in oneDNN's layout."""
        return self._current(with_transpose=False).weight

    def packed_transpose(self) -> torch.Tensor:
        """Return the transposed weight in oneDNN's layout."""
        return cast(torch.Tensor, self._current(with_transpose=True).transposed)

    def _current(self, *, with_transpose: bool) -> _Packed:
        weight = self.weight.detach()
        if self._packed is None or not self._packed.holds(weight):
            self._packed = _Packed(weight, weight._version, _pack(weight))
        if with_transpose and self._packed.transposed is None:
            self._packed = replace(self._packed, transposed=_pack(weight.T.contiguous()))
        return self._packed


def pack_linears(model: nn.Module) -> nn.Module:
    """Let the linear layers of a model on a CPU pack their weights, those of its copies too, and return it."""
    for module in model.modules():
        if type(module) is nn.Linear and _usable(module.weight):
            module.__class__ = PackedLinear
    return model


def pack_now(model: nn.Module) -> None:
    """Pack the weights of a model's linear layers, so that its copies share them."""
    for module in model.modules():
        if isinstance(module, PackedLinear) and _usable(module.weight):
            module.packed()


def unpack_linears(model: nn.Module) -> nn.Module:
    """Make a model's linear layers plain ones again, for code that may write to weights unseen, and return it."""
    for module in model.modules():
        if isinstance(module, PackedLinear):
            module.__class__ = nn.Linear  # type: ignore[assignment]
            module.__dict__.pop("_packed", None)
    return model


def _usable(weight: torch.Tensor) -> bool:
    here = platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return here and weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.is_inference()


def _pack(weight: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, torch.ops.mkldnn._reorder_linear_weight(weight, ROWS))


def _product(rows: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return cast(torch.Tensor, torch.ops.mkldnn._linear_pointwise(rows, packed, bias, "none", [], ""))


class _Product(torch.autograd.Function):
    """The product with a frozen weight."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, layer: PackedLinear) -> torch.Tensor:
        ctx.layer = layer
        ctx.save_for_backward(layer.weight)  # autograd then refuses a weight that changes before the backward pass
        return _product(rows, layer.packed(), layer.bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (weight,) = ctx.saved_tensors
        if torch.is_grad_enabled() and gradient.requires_grad:  # gradients of gradients
            return gradient @ weight, None
        return _product(gradient.contiguous(), ctx.layer.packed_transpose()), None
