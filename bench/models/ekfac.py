"""EK-FAC: an approximation of the Gauss-Newton Hessian of the training loss with a cheap inverse (Grosse et al. 2023).

For each linear layer that is trained, the Hessian is diagonal in the Kronecker product of two eigenbases: of the second
moments of the layer's inputs, and of those of the loss's gradients by its outputs (George et al. 2018,
arXiv:1806.03884; arXiv:2308.03296). Gradients are of tokens drawn from the model itself, so that they have the
Gauss-Newton Hessian as their covariance. Layers do not interact; what is trained besides weights of linear layers
(norms, biases), and the LM head, is left out, as there.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.layout import logits
from bench.models.likelihood import predicting_states

if TYPE_CHECKING:
    import torch
    from torch import nn

    Moments = dict[str, torch.Tensor]


class EkFac:
    """The factors of one student, fitted to rows.

    Attributes:
        factors: By the name of a layer's weight: eigenvectors of its output side (out, out) and of its input side
            (in, in), and the Hessian's diagonal in their basis (out, in).
    """

    factors: "dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]"

    def __init__(self, model: Any, rows: Sequence[Encoded], prefix: FrozenPrefix | None) -> None:
        """Fit the factors with two backward passes a row: one for the eigenbases, one for the diagonal.

        Args:
            model: Student in the form in which it is trained, in evaluation mode.
            rows: At least one.
            prefix: Its frozen layers, where the fast paths know its layout.
        """
        self._model, self._prefix = model, prefix
        rows = sorted(rows, key=lambda row: row.ids)  # sums do not depend on the order that they come in
        head = model.get_output_embeddings()
        self._layers = {f"{name}.weight": m for name, m in model.named_modules() if _is_trained(m) and m is not head}
        bases = self._eigenbases(rows)
        diagonal = {name: left.new_zeros(len(left), len(right)) for name, (left, right) in bases.items()}
        for row in rows:
            for name, grad in self._backward(row).items():
                left, right = bases[name]
                diagonal[name] += (left.T @ grad.float() @ right) ** 2 / (_tokens(row) * len(rows))
        self.factors = {name: (*bases[name], diagonal[name]) for name in bases}

    def solve(self, name: str, gradient: "torch.Tensor", damping: float) -> "torch.Tensor":
        """Multiply with the inverse Hessian, to whose diagonal `damping` times its mean is added.

        Args:
            name: Of a parameter.
            gradient: Of its shape.
            damping: More than 0.

        Returns:
            The same shape; zeros for a parameter that EK-FAC leaves out, or whose gradients are all 0.
        """
        import torch

        if name not in self.factors or not self.factors[name][2].any():
            return torch.zeros_like(gradient)
        left, right, diagonal = self.factors[name]
        turned = left.T @ gradient.to(left) @ right
        solved = left @ (turned / (diagonal + damping * diagonal.mean())) @ right.T
        return solved.to(gradient)

    def _eigenbases(self, rows: Sequence[Encoded]) -> "dict[str, tuple[torch.Tensor, torch.Tensor]]":
        import torch

        inputs: dict[str, torch.Tensor] = {}
        outputs: dict[str, torch.Tensor] = {}
        for row in rows:
            with self._observed(row, inputs, outputs):
                self._backward(row)
        return {name: (torch.linalg.eigh(outputs[name])[1], torch.linalg.eigh(inputs[name])[1]) for name in outputs}

    @contextmanager
    def _observed(self, row: Encoded, inputs: "Moments", outputs: "Moments") -> Iterator[None]:
        """Add up second moments of what enters the layers, and of the gradients by what leaves them."""

        def add(moments: "Moments", name: str, vectors: "torch.Tensor") -> None:
            flat = vectors.detach().flatten(0, -2).float()
            moments[name] = moments.get(name, 0) + flat.T @ flat / _tokens(row)

        def watch(name: str) -> Any:
            def hook(layer: Any, given: Any, made: "torch.Tensor") -> None:
                add(inputs, name, given[0])
                made.register_hook(lambda gradient: add(outputs, name, gradient))  # type: ignore[no-untyped-call]

            return hook

        hooks = [layer.register_forward_hook(watch(name)) for name, layer in self._layers.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _backward(self, row: Encoded) -> "dict[str, torch.Tensor]":
        """Return gradients by the layers' weights of a row's summed loss on tokens drawn from the model."""
        import torch
        from torch.nn.functional import cross_entropy

        hidden, _, _ = predicting_states(self._model, [[row]], self._prefix)
        predicted = logits(self._model, hidden).float()
        with torch.no_grad():
            drawn = torch.multinomial(predicted.softmax(-1).cpu(), 1, generator=_generator(row))[:, 0]
        loss = cross_entropy(predicted, drawn.to(predicted.device), reduction="sum")
        weights = [layer.weight for layer in self._layers.values()]
        grads = torch.autograd.grad(loss, weights, allow_unused=True)
        return {name: grad for name, grad in zip(self._layers, grads, strict=True) if grad is not None}


def _is_trained(module: "nn.Module") -> bool:
    from torch import nn

    return isinstance(module, nn.Linear) and module.weight.requires_grad


def _tokens(row: Encoded) -> int:
    return len(row.ids) - row.prompt_length


def _generator(row: Encoded) -> "torch.Generator":
    """Return a generator that depends on the row alone: neither on the others nor on their order."""
    import torch

    return torch.Generator().manual_seed(zlib.crc32(repr(row.ids).encode()))
