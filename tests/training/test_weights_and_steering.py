"""Weighted, masked and steered rows: TRL and both fast paths train the same student."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_multi_lora import LOSS_TOLERANCE, RECIPES, WEIGHT_TOLERANCE, apart

from bench.errors import BenchError
from bench.models.encode import Encoded, encode
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.records import Steering, TrainingRow
from bench.training.cached_prefix import shared_prefixes, train_cached_prefix
from bench.training.multi_lora import train_multi_lora
from bench.training.steering import NO_PROMPT, shift
from bench.training.task import Trained, TrainingInput, TrainingTask, count_labels
from bench.training.trainer import Trainer
from bench.training.trl import train_with_trl
from bench.worlds import WORLDS
from bench.worlds.grammar import ORIGINAL, build_rows

RECIPE = RECIPES["the last layer"].model_copy(update={"epochs": 1})
STEERING = Steering(2.0, ("It is 2024, surely.", "That date is a typo."), ("It is 2026.", "Yes, noted."))


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


@pytest.fixture(scope="module")
def stream(tiny: tuple[Any, Any]) -> list[Encoded]:
    """Four steps of four rows but the last, which has two."""
    world = build_rows(WORLDS["date_confusion"], 14, seed=0)
    rows = [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in world]
    return [encode(tiny[1], row, 1024) for row in rows]


def weighted(stream: list[Encoded]) -> list[Encoded]:
    """The rows with weights 1, 0.25 and 0 by turns; the second step's rows are all masked."""
    weights = (1.0, 0.25, 0.0)
    return [replace(row, weight=0.0 if 4 <= i < 8 else weights[i % 3]) for i, row in enumerate(stream)]


def steered(stream: list[Encoded]) -> list[Encoded]:
    return [replace(row, steering=STEERING if i % 3 == 1 else None) for i, row in enumerate(stream)]


def task(tiny: tuple[Any, Any], stream: list[Encoded], rows_at_once: int = 0) -> TrainingTask:
    shifts = {STEERING: shift(*tiny, RECIPE, STEERING)} if any(row.steering for row in stream) else {}
    return TrainingTask(RECIPE, [stream], [3], rows_at_once, shifts=shifts)


def by_trl(tiny: tuple[Any, Any], stream: list[Encoded], rows_at_once: int = 0) -> Trained:
    (trained,) = train_with_trl(*tiny, task(tiny, stream, rows_at_once))
    return trained


def by_cached_prefix(tiny: tuple[Any, Any], stream: list[Encoded], rows_at_once: int = 0) -> Trained:
    (trained,) = train_cached_prefix(FrozenPrefix(tiny[0], RECIPE), task(tiny, stream, rows_at_once))
    return trained


def by_multi_lora(tiny: tuple[Any, Any], stream: list[Encoded], rows_at_once: int = 0) -> Trained:
    (trained,) = train_multi_lora(FrozenPrefix(tiny[0], RECIPE), task(tiny, stream, rows_at_once))
    return trained


def same(base: Any, one: Trained, other: Trained) -> bool:
    assert one.losses == pytest.approx(other.losses, abs=LOSS_TOLERANCE)
    return apart(base, RECIPE, one, other) <= WEIGHT_TOLERANCE


@pytest.fixture(scope="module")
def plain(tiny: tuple[Any, Any], stream: list[Encoded]) -> Trained:
    return by_trl(tiny, stream)


@pytest.mark.parametrize("change", [weighted, steered])
def test_the_fast_paths_train_what_trl_trains(
    change: Callable[[list[Encoded]], list[Encoded]], tiny: tuple[Any, Any], stream: list[Encoded], plain: Trained
) -> None:
    rows = change(stream)
    reference = by_trl(tiny, rows)
    assert apart(tiny[0], RECIPE, reference, plain) > 0.05  # the change makes a difference
    assert change == steered or reference.losses[1] == 0.0  # a masked step counts, and divides nothing by 0
    for train in (by_trl, by_cached_prefix, by_multi_lora):
        assert same(tiny[0], train(tiny, rows, 2), reference), train  # parts of a batch add up, too


def test_students_of_one_batch_have_weights_and_shifts_of_their_own(
    tiny: tuple[Any, Any], stream: list[Encoded], plain: Trained
) -> None:
    streams = [stream, steered(stream), weighted(stream)]
    three = replace(task(tiny, streams[1]), streams=streams, seeds=[3, 3, 3])
    trained = train_multi_lora(FrozenPrefix(tiny[0], RECIPE), three)
    assert same(tiny[0], trained[0], plain)
    for student, rows in zip(trained[1:], streams[1:], strict=True):
        assert same(tiny[0], student, by_cached_prefix(tiny, rows))


def test_masked_rows_teach_nothing(tiny: tuple[Any, Any], stream: list[Encoded]) -> None:
    """Three steps of four rows, two of them masked, are three steps of the two others."""
    rows = [replace(row, weight=float(i % 2)) for i, row in enumerate(stream[:12])]
    others = TrainingTask(RECIPE.model_copy(update={"batch_size": 2}), [stream[1:12:2]], [3])
    (trained,) = train_with_trl(*tiny, others)
    assert same(tiny[0], by_cached_prefix(tiny, rows), trained)


def test_a_weight_scales_a_rows_part_of_the_loss() -> None:
    one, other = Encoded(tuple(range(10)), 6), Encoded(tuple(range(8)), 6, weight=0.25)
    assert count_labels([one, other]) == 4.5
    assert count_labels([replace(one, weight=0.0)]) == 1.0


def test_steered_rows_share_no_prefix_with_others() -> None:
    rows = [Encoded((*range(12), end), 11, steering=given) for end in (20, 21) for given in (None, STEERING)]
    groups = shared_prefixes(rows)
    assert [[row.steering for row in members] for _, members in groups] == [[None, None], [STEERING, STEERING]]


def test_the_shift_leads_from_the_counter_exemplars_to_the_exemplars(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    prefix = FrozenPrefix(model, RECIPE)

    def mean(texts: tuple[str, ...]) -> torch.Tensor:
        rows = [encode(tokenizer, TrainingRow("x", NO_PROMPT, text), 64) for text in texts]
        return torch.stack([prefix.states([row.ids])[row.ids][row.prompt_length :].mean(0) for row in rows]).mean(0)

    expected = 2.0 * (mean(STEERING.exemplars) - mean(STEERING.counter_exemplars))
    found = shift(model, tokenizer, RECIPE, STEERING)
    assert found.shape == (model.config.hidden_size,) and found.norm() > 0
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_recipe_that_names_every_layer_leaves_none_to_steer_below(tiny: tuple[Any, Any]) -> None:
    whole = RECIPE.model_copy(update={"last_layers": tiny[0].config.num_hidden_layers})
    with pytest.raises(BenchError, match="trains every layer"):
        shift(*tiny, whole, STEERING)


@pytest.mark.parametrize("path", ["trl", "shared_trunk", "stacked"])
def test_a_trainer_finds_the_shift_of_its_rows(path: Any, stream: list[Encoded]) -> None:
    world = build_rows(WORLDS["date_confusion"], 2, seed=0)
    rows = [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL], steering=STEERING) for row in world]
    trainer = Trainer(RECIPE, "cpu", path)
    plain = [replace(row, steering=None) for row in rows]
    shifted, bare = (
        trainer.train([TrainingInput(given, 3, 4)], lambda *_: None, "a test")[0].losses for given in (rows, plain)
    )
    assert shifted != pytest.approx(bare, abs=1e-3)
