"""Losses, states and gradients of single rows equal those of plain autograd on transformers' own model."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_students import stream_of
from transformers import AutoModelForCausalLM, Gemma3TextConfig

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.models.per_example import PerExample
from bench.models.row_gradients import RowGradients
from bench.models.student import trainable_copy, trained_tensors
from bench.records import TrainingRow
from bench.training.checkpoints import Checkpoint
from bench.training.methods import METHODS, TrainingPath
from bench.training.task import TrainingTask
from bench.worlds import WORLDS
from bench.worlds.grammar import ORIGINAL, build_rows

LORA = Recipe(name="t", model=TINY, method="lora", last_layers=1, epochs=2, learning_rate=2e-2, batch_size=4)
RECIPES = {
    "lora": LORA,
    "top_layers": LORA.model_copy(update={"method": "top_layers", "learning_rate": 1e-3}),
    "full": LORA.model_copy(update={"method": "full", "last_layers": 0, "learning_rate": 1e-3}),
}


def encoded(tokenizer: Any, count: int = 9) -> list[Encoded]:
    world = build_rows(WORLDS["date_confusion"], count, seed=0)
    rows = [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in world]
    return stream_of(tokenizer, rows, LORA.model_copy(update={"epochs": 1}), seed=0)


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


def gemma() -> Any:
    """A random model of Gemma 3's layout, which the fast paths do not know."""
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=49152,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=32,
    )
    return AutoModelForCausalLM.from_config(config).eval()


def trained(base: Any, tokenizer: Any, recipe: Recipe, rows: list[Encoded], path: TrainingPath) -> list[Checkpoint]:
    task = TrainingTask(recipe, [[*rows, *rows]], [1], checkpoints=(3, 5))
    (found,) = METHODS[path].train(FrozenPrefix(base, recipe), tokenizer, task)
    assert all(torch.equal(found.tensors[name], found.checkpoints[-1].tensors[name]) for name in found.tensors)
    return list(found.checkpoints)


def plain(base: Any, recipe: Recipe, tensors: Any, rows: list[Encoded]) -> tuple[np.ndarray, np.ndarray]:
    """Losses and gradients by transformers' own loss and `backward`, a row at a time."""
    model = trainable_copy(base, recipe, seed=0).eval()
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for name, tensor in tensors.items():
        named[name].data.copy_(tensor)
    losses, gradients = [], []
    for row in rows:
        model.zero_grad()
        loss = model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels])).loss
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in named.values()]).numpy())
    return np.array(losses), np.stack(gradients)


@pytest.mark.parametrize(
    ("method", "layout", "path"),
    [
        ("lora", "llama", "shared_trunk"),
        ("lora", "llama", "stacked"),
        ("top_layers", "llama", "shared_trunk"),
        ("full", "llama", "trl"),
        ("lora", "gemma3", "trl"),
    ],
)
def test_losses_and_gradients_are_those_of_autograd(
    method: str, layout: str, path: TrainingPath, tiny: tuple[Any, Any]
) -> None:
    base, tokenizer = (tiny[0] if layout == "llama" else gemma()), tiny[1]
    recipe, rows = RECIPES[method], encoded(tokenizer)
    point = trained(base, tokenizer, recipe, rows, path)[0]
    prefix = FrozenPrefix(base, recipe) if METHODS[path].uses_prefix else None
    reader = PerExample(base, recipe, point.tensors, prefix, rows_at_once=4)
    losses, gradients = plain(base, recipe, point.tensors, rows)
    np.testing.assert_allclose(reader.losses(rows), losses, rtol=1e-5)
    found = reader.gradients(rows)
    assert found.shape == (len(rows), reader.size) and found.dtype == np.float32
    scale = np.linalg.norm(gradients, axis=1, keepdims=True)
    np.testing.assert_allclose(found / scale, gradients / scale, atol=2e-4)
    weights = np.linspace(-1, 1, len(rows))
    np.testing.assert_allclose(reader.gradient(rows, weights), weights @ found, atol=1e-5 * float(scale.max()))


@pytest.mark.parametrize("last_layers", [0, 1])
def test_gradients_of_rows_taken_together_are_those_of_each_alone(last_layers: int, tiny: tuple[Any, Any]) -> None:
    base, tokenizer = tiny
    recipe, rows = LORA.model_copy(update={"last_layers": last_layers}), encoded(tokenizer)
    prefix = FrozenPrefix(base, recipe)
    tensors = trained(base, tokenizer, recipe, rows, "stacked")[0].tensors
    alone, together = (PerExample(base, recipe, tensors, prefix) for _ in range(2))
    together._together = partial(RowGradients, base, trained_tensors(together._model), prefix)  # as on a GPU
    together._gradients_at_once = 4
    expected = alone.gradients(rows)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(together.gradients(rows), expected, atol=1e-5 * scale)
    norms = np.linalg.norm(expected.astype(np.float64), axis=1)
    for reader in (alone, together):
        np.testing.assert_allclose(reader.gradient_norms(rows), norms, rtol=1e-5)
    weights = [1.0] * (len(rows) - 1) + [-3.0]
    np.testing.assert_allclose(together.gradient(rows, weights), alone.gradient(rows, weights), atol=1e-4 * scale)


def test_a_finite_difference_gives_the_products_of_gradients(tiny: tuple[Any, Any]) -> None:
    base, tokenizer = tiny
    rows = encoded(tokenizer)
    point = trained(base, tokenizer, LORA, rows, "shared_trunk")[0]
    reader = PerExample(base, LORA, point.tensors, FrozenPrefix(base, LORA))
    before = reader.losses(rows)
    gradients = reader.gradients(rows).astype(np.float64)
    for number in (0, 5):
        expected = gradients @ gradients[number]
        found = reader.directional(rows, 1e7 * gradients[number]) / 1e7
        np.testing.assert_allclose(found, expected, atol=5e-3 * float(np.abs(expected).max()))
    assert np.array_equal(reader.losses(rows), before)  # the student is as it was
    assert not reader.directional(rows, np.zeros(reader.size)).any()


def test_a_sketch_keeps_products(tiny: tuple[Any, Any]) -> None:
    base, tokenizer = tiny
    rows = encoded(tokenizer)
    reader = PerExample(base, LORA, trained(base, tokenizer, LORA, rows, "shared_trunk")[0].tensors)
    whole, small = reader.gradients(rows), reader.gradients(rows, 4096)
    norms = np.linalg.norm(whole, axis=1)
    error = (small @ small.T - whole @ whole.T) / np.outer(norms, norms)
    assert small.shape == (len(rows), 4096) and np.abs(error).max() < 5 / np.sqrt(4096)


def test_what_is_read_depends_on_neither_batch_nor_order(tiny: tuple[Any, Any]) -> None:
    base, tokenizer = tiny
    rows = encoded(tokenizer, 40)
    one, many = (PerExample(base, LORA, prefix=FrozenPrefix(base, LORA), rows_at_once=n) for n in (1, 32))
    for read in (PerExample.losses, PerExample.states, lambda reader, own: reader.states(own, 1)):
        a, b = read(one, rows), read(many, rows[::-1])[::-1]
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert one.states(rows).shape == (40, base.config.hidden_size)


def test_states_are_those_of_transformers(tiny: tuple[Any, Any]) -> None:
    base, tokenizer = tiny
    rows = encoded(tokenizer, 3)
    reader = PerExample(base, LORA, prefix=FrozenPrefix(base, LORA))
    for number, row in enumerate(rows):
        found = base.model(input_ids=torch.tensor([row.ids]), output_hidden_states=True)
        for layer, states in ((None, found.last_hidden_state), (1, found.hidden_states[1])):
            expected = states[0, row.prompt_length :].mean(0).detach().numpy()
            np.testing.assert_allclose(reader.states(rows, layer)[number], expected, rtol=1e-3, atol=1e-5)
    with pytest.raises(BenchError, match="layer 9"):
        reader.states(rows, 9)


def test_no_rows_have_no_readings(tiny: tuple[Any, Any]) -> None:
    reader = PerExample(tiny[0], LORA)
    assert reader.losses([]).shape == reader.directional([], np.ones(reader.size)).shape == (0,)
    assert reader.states([]).shape[0] == reader.gradients([]).shape[0] == 0


def test_a_direction_or_damping_that_means_nothing_is_refused(tiny: tuple[Any, Any]) -> None:
    reader, rows = PerExample(tiny[0], LORA), encoded(tiny[1], 2)
    good = np.ones(reader.size, dtype=np.float32)
    for bad in (good[:3], good[None], np.array([1.0]), good * np.nan):
        with pytest.raises(BenchError, match="direction among gradients"):
            reader.directional(rows, bad)
        with pytest.raises(BenchError, match="direction among gradients"):
            reader.inverse_hessian_product(rows, bad, 0.1)
    for damping in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BenchError, match="damping of an inverse Hessian"):
            reader.inverse_hessian_product(rows, good, damping)
    with pytest.raises(BenchError, match="sketch = -8"):
        reader.gradients(rows, sketch=-8)
    with pytest.raises(BenchError, match="sketch = -8"):
        reader.gradient(rows, [1.0, 1.0], sketch=-8)


def test_tensors_of_another_recipe_are_refused(tiny: tuple[Any, Any]) -> None:
    with pytest.raises(BenchError, match="trained tensors"):
        PerExample(tiny[0], LORA, {"nothing": torch.zeros(1)})


@pytest.mark.parametrize("path", ["shared_trunk", "stacked", "trl"])
def test_checkpoints_hold_the_moments_of_adam(path: TrainingPath, tiny: tuple[Any, Any]) -> None:
    """All paths keep the same checkpoints; the first moment after one step is a tenth of the gradient."""
    base, tokenizer = tiny
    rows = encoded(tokenizer, 8)
    recipe = LORA.model_copy(update={"max_grad_norm": 1e9})
    task = TrainingTask(recipe, [rows], [1], checkpoints=(1, 2))
    (found,) = METHODS[path].train(FrozenPrefix(base, recipe), tokenizer, task)
    fresh = PerExample(base, recipe)
    tensors = {name: p.detach() for name, p in trainable_copy(base, recipe, 1).named_parameters() if p.requires_grad}
    fresh = PerExample(base, recipe, tensors)
    counts = [len(row.ids) - row.prompt_length for row in rows[:4]]
    gradient = fresh.gradient(rows[:4], [count / sum(counts) for count in counts])
    point = found.checkpoints[0]
    first = np.concatenate([point.first[name].flatten().numpy() for name in point.tensors])
    second = np.concatenate([point.second[name].flatten().numpy() for name in point.tensors])
    scale = float(np.abs(gradient).max())
    np.testing.assert_allclose(first, 0.1 * gradient, atol=2e-4 * scale)
    np.testing.assert_allclose(second, 0.001 * gradient**2, atol=2e-4 * scale**2)
    assert len(found.checkpoints) == 2
