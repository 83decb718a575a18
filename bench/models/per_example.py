"""What a model has to say of single rows: loss, states and gradients, which attribution filters compare.

Where the lower layers are frozen, their kept states are read and only the trained layers run. Gradients are those of
the tensors that training changes, flattened in their order in the model, of a row's mean loss a completion token. A CPU
differentiates rows one by one: a backward pass over one row of some seventy tokens keeps it busy, and no result
depends on what else is asked. A GPU takes rows together where they are read by adapters (`bench.models.row_gradients`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.ekfac import EkFac
from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.likelihood import final_states, mean_losses, padded_tokens
from bench.models.oom import in_parts
from bench.models.sketch import adam_update, sketch_size, sketched
from bench.models.student import causal_model, trainable_copy, trained_tensors

if TYPE_CHECKING:
    import torch

    from bench.models.row_gradients import RowGradients

ROWS_AT_ONCE = 16
GRADIENTS_AT_ONCE = 32  # on a GPU
CHANGE = 0.01  # nats by which the step of a finite difference changes a loss whose gradient points along it
PROBES = 4  # rows whose gradients say how long that step is


class PerExample:
    """Reads rows with one student, or the untrained base, in the form in which it is trained."""

    def __init__(
        self,
        base: Any,
        recipe: Recipe,
        tensors: "Mapping[str, torch.Tensor] | None" = None,
        prefix: FrozenPrefix | None = None,
        rows_at_once: int = ROWS_AT_ONCE,
        seed: int = 0,
    ) -> None:
        """Copy what training changes, and install the student's values.

        Args:
            base: Causal language model.
            recipe: Says what of it training changes.
            tensors: The student's, as `bench.models.student.trained_tensors` returns them; the base's own if None.
            prefix: The frozen layers of `base`, where the fast paths know its layout.
            rows_at_once: Rows of a forward pass; fewer where memory does not suffice.
            seed: Of the base's fresh adapters, which do not change it but take part in gradients.

        Raises:
            BenchError: If the tensors are not those of this recipe.
        """
        import torch

        self._prefix, self._rows_at_once = prefix, rows_at_once
        self._model = trainable_copy(base, recipe, seed).eval()
        named = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        if tensors is not None and named.keys() != tensors.keys():
            raise BenchError(
                "student",
                seen=f"{len(tensors)} trained tensors",
                expected=f"the {len(named)} that recipe {recipe.name!r} trains",
                remedy="delete the student's folder and run again",
            )
        with torch.no_grad():
            for name, given in (tensors or {}).items():
                named[name].copy_(given)
        self._named, self._parameters = named, list(named.values())
        self._together: Callable[[], RowGradients] | None = None
        if prefix and recipe.method == "lora" and self._model.device.type == "cuda":
            from bench.models import row_gradients  # loads torch

            self._together = partial(row_gradients.RowGradients, base, trained_tensors(self._model), prefix)
        self._gradients_at_once = GRADIENTS_AT_ONCE

    @property
    def size(self) -> int:
        """Values of a gradient."""
        return sum(p.numel() for p in self._parameters)

    def losses(self, rows: Sequence[Encoded]) -> NDArray[np.float64]:
        """Return each row's mean negative log-likelihood a completion token, in nats, shape (n,)."""
        import torch

        def some(part: Sequence[Encoded]) -> list[float]:
            with torch.no_grad():
                return mean_losses(self._model, part, self._prefix).tolist()

        return np.array(self._in_parts(some, rows), dtype=np.float64)

    def states(self, rows: Sequence[Encoded], layer: int | None = None) -> NDArray[np.float32]:
        """Return each row's state averaged over its completion tokens.

        Args:
            rows: n rows.
            layer: States that enter this decoder layer; None is those that enter the LM head.

        Returns:
            Shape (n, width), float32.

        Raises:
            BenchError: If the model has no such layer.
        """
        import torch

        def some(part: Sequence[Encoded]) -> list[NDArray[np.float32]]:
            with torch.no_grad():
                states = self._layer_states(part, layer)
            means = [states[i, row.prompt_length : len(row.ids)].float().mean(0) for i, row in enumerate(part)]
            return [mean.cpu().numpy() for mean in means]

        width = self._model.get_output_embeddings().in_features
        return np.array(self._in_parts(some, rows), dtype=np.float32).reshape(len(rows), width)

    def gradient(self, rows: Sequence[Encoded], weights: Sequence[float], sketch: int = 0) -> NDArray[np.float32]:
        """Return the gradient of the weighted sum of the rows' losses, shape (sketch or size,), float32."""
        total = np.zeros(self.size, dtype=np.float64)
        for number, gradient in self._each_gradient(rows):
            total += weights[number] * gradient.cpu().numpy().astype(np.float64)
        return sketched(total, sketch)

    def gradient_norms(self, rows: Sequence[Encoded]) -> NDArray[np.float64]:
        """Return the norm of each row's gradient, shape (n,), without keeping the gradients."""
        import torch

        found = np.empty(len(rows))
        for number, gradient in self._each_gradient(rows):
            found[number] = torch.linalg.vector_norm(gradient, dtype=torch.float64).item()
        return found

    def gradients(
        self, rows: Sequence[Encoded], sketch: int = 0, moments: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return each row's gradient, or the update that Adam would make of it.

        Args:
            rows: n rows.
            sketch: Sum the values into so many buckets with random signs (Weinberger et al. 2009, feature hashing):
                dot products are kept up to about 1 / sqrt(sketch) of the norms. 0 keeps all values.
            moments: Adam's moving averages, shape (2, size), before the step; gradients as they are if None.

        Returns:
            Shape (n, sketch or size), float32.

        Raises:
            BenchError: If the array is larger than the free memory.
        """
        values, free = sketch_size(self.size, sketch), psutil.virtual_memory().available
        needed = 4 * len(rows) * values
        if needed > free:
            raise BenchError(
                f"gradients of {len(rows)} rows",
                seen=f"{needed / 2**30:.1f} GiB for {values:,} values each; {free / 2**30:.1f} are free",
                expected="an array that fits in memory",
                remedy="sketch the gradients, as the option sketch = 8192 of filters `less` and `fisher` does",
            )
        found = np.empty((len(rows), values), dtype=np.float32)
        for number, on_device in self._each_gradient(rows):
            gradient = on_device.cpu().numpy()
            found[number] = sketched(adam_update(gradient, moments) if moments is not None else gradient, sketch)
        return found

    def directional(self, rows: Sequence[Encoded], direction: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the dot product of each row's gradient with a direction, without making the gradients.

        The central difference of two forward passes, (L(theta + s u) - L(theta - s u)) / 2 s, with a step s that suits
        the norms of some rows' gradients: large against rounding, small against the loss's curvature.

        Args:
            rows: n rows.
            direction: Shape (size,).

        Returns:
            Shape (n,), float64.
        """
        import torch

        length = float(np.linalg.norm(self._direction(direction)))
        if length == 0 or not rows:
            return np.zeros(len(rows))
        probes = sorted(rows, key=lambda row: row.ids)[:: -(-len(rows) // PROBES)]
        norm = float(np.mean([self._gradient(row).norm() for row in probes]))
        if norm == 0:
            return np.zeros(len(rows))
        step = CHANGE / norm
        unit = torch.from_numpy((direction / length).astype(np.float32))
        with self.moved(step * unit):
            above = self.losses(rows)
        with self.moved(-step * unit):
            below = self.losses(rows)
        return (above - below) / (2 * step) * length

    def inverse_hessian_product(
        self, rows: Sequence[Encoded], direction: NDArray[np.floating], damping: float
    ) -> NDArray[np.float32]:
        """Multiply a direction, shape (size,), with the inverse of the EK-FAC Hessian of the rows' loss."""
        import torch

        self._direction(direction)
        if not 0 < damping < float("inf"):
            raise BenchError(
                "damping of an inverse Hessian",
                seen=str(damping),
                expected="a finite number above 0, without which the inverse need not exist",
                remedy="take 0.1, say",
            )
        hessian = EkFac(self._model, rows, self._prefix)
        parts = torch.split(torch.from_numpy(direction.astype(np.float32)), [p.numel() for p in self._parameters])
        solved = [
            hessian.solve(name, part.view_as(p), damping).flatten()
            for (name, p), part in zip(self._named.items(), parts, strict=True)
        ]
        return torch.cat(solved).numpy()

    def _direction(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return a direction in float64.

        Raises:
            BenchError: If it is not one finite number for each value of a gradient.
        """
        given = np.asarray(values, dtype=np.float64)
        if given.shape == (self.size,) and np.isfinite(given).all():
            return given
        raise BenchError(
            "direction among gradients",
            seen=f"shape {given.shape}" if given.shape != (self.size,) else "values that are not finite",
            expected=f"shape ({self.size},), finite",
            remedy="take a gradient without a sketch, such as context.query_gradient(student)",
        )

    @contextmanager
    def moved(self, change: "torch.Tensor") -> Iterator[None]:
        """Add a change, shape (size,), to the trained tensors for as long as the context is open."""
        import torch

        kept = [p.detach().clone() for p in self._parameters]
        parts = torch.split(change, [p.numel() for p in self._parameters])
        with torch.no_grad():
            for p, part in zip(self._parameters, parts, strict=True):
                p.add_(part.view_as(p).to(p.device))
        try:
            yield
        finally:
            with torch.no_grad():
                for p, before in zip(self._parameters, kept, strict=True):
                    p.copy_(before)

    def _each_gradient(self, rows: Sequence[Encoded]) -> "Iterator[tuple[int, torch.Tensor]]":
        """Yield the number of each row and its gradient, in an order of their own."""
        if self._together is None:
            yield from ((number, self._gradient(row)) for number, row in enumerate(rows))
            return
        together = self._together()  # students of the run train later, and need its memory
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
        while order:
            some, order = order[: self._gradients_at_once], order[self._gradients_at_once :]
            found, self._gradients_at_once = in_parts(
                together, [rows[i] for i in some], self._gradients_at_once, "a filter that reads gradients"
            )
            yield from zip(some, found, strict=True)

    def _gradient(self, row: Encoded) -> "torch.Tensor":
        """Return one row's gradient, (size,), float32, on the model's device."""
        import torch

        (loss,) = mean_losses(self._model, [row], self._prefix)
        parts = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        zeros = (torch.zeros_like(p) if g is None else g for p, g in zip(self._parameters, parts, strict=True))
        return torch.cat([g.flatten().float() for g in zeros])

    def _layer_states(self, rows: Sequence[Encoded], layer: int | None) -> "torch.Tensor":
        if layer is None and self._prefix:
            return self._prefix.final_states(self._model, [[row] for row in rows])
        if layer is None:
            return final_states(self._model, rows)
        model = causal_model(self._model)
        depth = len(model.model.layers)
        if not 0 <= layer < depth:
            raise BenchError(
                "states of a model", seen=f"layer {layer}", expected=f"0 to {depth - 1}", remedy="choose another layer"
            )
        found = model.model(input_ids=padded_tokens(model, rows), output_hidden_states=True)
        return found.hidden_states[layer]  # type: ignore[no-any-return]

    def _in_parts(self, work: Any, rows: Sequence[Encoded]) -> list[Any]:
        """Work on rows of like length together, and return the results in the order of the rows."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
        found, self._rows_at_once = in_parts(
            work, [rows[i] for i in order], self._rows_at_once, "a filter that reads the model"
        )
        back: list[Any] = [None] * len(rows)
        for place, result in zip(order, found, strict=True):
            back[place] = result
        return back
