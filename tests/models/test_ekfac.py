"""EK-FAC: its factors and its inverse, held against plain autograd and dense algebra on the tiny model."""

from typing import Any

import numpy as np
import pytest
import torch
from test_per_example import RECIPES, encoded, gemma, trained

from bench.models.ekfac import EkFac
from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.models.per_example import PerExample
from bench.models.student import trainable_copy


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


@pytest.fixture
def likeliest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let drawn tokens be the likeliest ones, so that they are known outside."""
    monkeypatch.setattr(torch, "multinomial", lambda p, count, generator: p.argmax(-1, keepdim=True))


def student(base: Any, recipe: Any, tensors: Any) -> Any:
    model = trainable_copy(base, recipe, seed=0).eval()
    named = dict(model.named_parameters())
    for name, tensor in tensors.items():
        named[name].data.copy_(tensor)
    return model


def plain_gradients(model: Any, row: Encoded) -> dict[str, torch.Tensor]:
    """Gradients of the summed loss on the likeliest tokens, by transformers' own forward pass."""
    model.zero_grad()
    logits = model(input_ids=torch.tensor([row.ids])).logits[0, row.prompt_length - 1 : -1]
    torch.nn.functional.cross_entropy(logits, logits.argmax(-1), reduction="sum").backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("method", "layout", "path"),
    [("lora", "llama", "shared_trunk"), ("top_layers", "llama", "shared_trunk"), ("lora", "gemma3", "trl")],
)
def test_the_diagonal_is_that_of_plain_gradients_in_the_eigenbasis(
    method: str, layout: str, path: Any, tiny: tuple[Any, Any], likeliest: None
) -> None:
    base, tokenizer = (tiny[0] if layout == "llama" else gemma()), tiny[1]
    recipe, rows = RECIPES[method], encoded(tokenizer)
    model = student(base, recipe, trained(base, tokenizer, recipe, rows, path)[0].tensors)
    found = EkFac(model, rows, FrozenPrefix(base, recipe) if layout == "llama" else None)
    linear = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    assert found.factors.keys() == {n for n, p in model.named_parameters() if p.requires_grad} & linear
    expected = {name: torch.zeros_like(diagonal) for name, (_, _, diagonal) in found.factors.items()}
    for row in rows:
        grads = plain_gradients(model, row)
        for name, (left, right, _) in found.factors.items():
            identity = torch.eye(len(left))
            torch.testing.assert_close(left @ left.T, identity, atol=1e-4, rtol=0)
            expected[name] += (left.T @ grads[name] @ right) ** 2 / (len(row.ids) - row.prompt_length) / len(rows)
    for name, (_, _, diagonal) in found.factors.items():
        torch.testing.assert_close(diagonal, expected[name], atol=2e-3 * float(expected[name].max()), rtol=1e-2)
        # The basis catches what a layer's gradients have in common: few entries of the diagonal hold most of it.
        assert float(diagonal.max()) > 2 * float(diagonal.mean())


def test_solving_inverts_the_dense_matrix(tiny: tuple[Any, Any]) -> None:
    base, tokenizer = tiny
    recipe, rows = RECIPES["lora"], encoded(tokenizer)
    model = student(base, recipe, trained(base, tokenizer, recipe, rows, "shared_trunk")[0].tensors)
    hessian = EkFac(model, rows, FrozenPrefix(base, recipe))
    name = next(name for name, (left, _, _) in hessian.factors.items() if len(left) == recipe.lora_rank)
    left, right, diagonal = (factor.double() for factor in hessian.factors[name])
    basis = torch.kron(left, right)
    dense = basis @ torch.diag(diagonal.flatten()) @ basis.T
    dense += 0.1 * diagonal.mean() * torch.eye(len(dense))
    gradient = torch.randn(len(left), len(right), generator=torch.Generator().manual_seed(0))
    solved = hessian.solve(name, gradient, 0.1).double().flatten()
    torch.testing.assert_close(dense @ solved, gradient.double().flatten(), atol=1e-3, rtol=1e-3)


def test_heavy_damping_leaves_the_direction_and_order_does_not_matter(tiny: tuple[Any, Any]) -> None:
    base, tokenizer = tiny
    recipe, rows = RECIPES["lora"], encoded(tokenizer)
    tensors = trained(base, tokenizer, recipe, rows, "shared_trunk")[0].tensors
    reader = PerExample(base, recipe, tensors, FrozenPrefix(base, recipe))
    direction = np.random.default_rng(0).standard_normal(reader.size).astype(np.float32)
    solved = reader.inverse_hessian_product(rows, direction, 0.1)
    backwards = reader.inverse_hessian_product(rows[::-1], direction, 0.1)
    assert solved.shape == (reader.size,) and np.isfinite(solved).all()
    assert np.corrcoef(solved, backwards)[0, 1] > 0.999
    damped = reader.inverse_hessian_product(rows, direction, 1e9)
    parts = [p.numel() for p in tensors.values()]
    for before, after in zip(*(np.split(v, np.cumsum(parts)[:-1]) for v in (direction, damped)), strict=True):
        assert np.corrcoef(before, after)[0, 1] > 0.999  # each layer with a scale of its own
