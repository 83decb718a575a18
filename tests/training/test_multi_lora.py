"""Many students at once are the students that one would train and ask one by one."""

import json
import warnings
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from fixtures_run import LORA, TOGETHER, run_quietly
from fixtures_students import stream_of

from bench.config.recipe import Recipe
from bench.config.suite import load_suite
from bench.execution.executor import Execution
from bench.models.engine import MultiLoraEngine, StudentEngine
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.generate import Request
from bench.models.load import load_model
from bench.models.multi_lora import AdapterRouting, MultiLora
from bench.models.packaged import TINY
from bench.models.student import install
from bench.records import TrainingRow
from bench.training.cached_prefix import train_cached_prefix
from bench.training.methods import METHODS, TrainingPath
from bench.training.multi_lora import train_multi_lora
from bench.training.task import Trained, TrainingInput, TrainingTask
from bench.training.trainer import Trainer
from bench.training.trl import train_with_trl
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

LOSS_TOLERANCE = 1e-4  # nats; the same float32 products, summed in another order
WEIGHT_TOLERANCE = 0.02  # of the distance that training moved the weights

RECIPES = {
    "every layer": Recipe(name="t", model=TINY, method="lora", epochs=2, learning_rate=2e-3, batch_size=4),
    "the last layer": Recipe(
        name="t", model=TINY, method="lora", last_layers=1, epochs=2, learning_rate=2e-3, batch_size=4
    ),
}


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


@pytest.fixture(scope="module")
def arms() -> list[list[TrainingRow]]:
    world = build_rows(WORLDS["date_confusion"], 25, seed=0)  # the last batch is not full
    teachers = [[TrainingRow(row.id, row.prompt, row.completions[t]) for row in world] for t in (ORIGINAL, CLEAN)]
    return [*teachers, teachers[0]]


@torch.no_grad()
def apart(base: Any, recipe: Recipe, one: Trained, other: Trained) -> float:
    """Distance of two students, as a share of how far the second moved from the base."""
    weights = [dict(install(base, recipe, each.tensors, "x").named_parameters()) for each in (one, other)]
    start = dict(base.named_parameters())
    moved = sum(float((weights[1][name] - start[name]).square().sum()) for name in start) ** 0.5
    return sum(float((weights[0][name] - weights[1][name]).square().sum()) for name in start) ** 0.5 / moved


@pytest.mark.parametrize("name", RECIPES)
def test_students_trained_together_equal_those_trained_one_by_one(
    name: str, tiny: tuple[Any, Any], arms: list[list[TrainingRow]]
) -> None:
    model, tokenizer = tiny
    recipe = RECIPES[name]
    seeds = [3, 3, 5]
    streams = [stream_of(tokenizer, rows, recipe, seed) for rows, seed in zip(arms, seeds, strict=True)]
    together = train_multi_lora(FrozenPrefix(model, recipe), TrainingTask(recipe, streams, seeds))
    for student, stream, seed in zip(together, streams, seeds, strict=True):
        (alone,) = train_with_trl(model, tokenizer, TrainingTask(recipe, [stream], [seed]))
        assert student.losses == pytest.approx(alone.losses, abs=LOSS_TOLERANCE)
        assert student.tensors.keys() == alone.tensors.keys()
        assert apart(model, recipe, student, alone) <= WEIGHT_TOLERANCE
        assert student.tokens == alone.tokens
    assert apart(model, recipe, together[0], together[1]) > 0.1  # another teacher
    assert apart(model, recipe, together[0], together[2]) > 0.1  # another seed


def test_the_two_fast_paths_agree(tiny: tuple[Any, Any], arms: list[list[TrainingRow]]) -> None:
    model, tokenizer = tiny
    recipe = RECIPES["the last layer"]
    task = TrainingTask(recipe, [stream_of(tokenizer, arms[0], recipe, seed=3)], [3])
    (one,) = train_multi_lora(FrozenPrefix(model, recipe), task)
    (other,) = train_cached_prefix(FrozenPrefix(model, recipe), task)
    assert one.losses == pytest.approx(other.losses, abs=LOSS_TOLERANCE)
    assert apart(model, recipe, one, other) <= WEIGHT_TOLERANCE


def test_training_leaves_the_warning_filters_alone(tiny: tuple[Any, Any], arms: list[list[TrainingRow]]) -> None:
    recipe = RECIPES["every layer"]
    stream = stream_of(tiny[1], arms[0][:4], recipe, seed=3)
    before = list(warnings.filters)
    train_multi_lora(FrozenPrefix(tiny[0], recipe), TrainingTask(recipe, [stream], [3]))
    assert warnings.filters == before


def test_every_path_of_the_store_has_its_method() -> None:
    assert set(METHODS) == set(get_args(TrainingPath)) == {"stacked", "shared_trunk", "trl"}


def test_rows_return_from_their_students_in_order() -> None:
    rows = torch.arange(5 * 2 * 3).reshape(5, 2, 3)
    routing = AdapterRouting(3)
    routing.assign([2, 0, 2, 2, 0], torch.device("cpu"))
    parts = routing.split(rows, 3)
    assert parts.shape == (3, 6, 3)  # student 2 has three rows of two tokens
    assert torch.equal(parts[0, :4], rows[[1, 4]].flatten(0, 1))
    assert torch.equal(routing.join(parts, tokens=2), rows)


@pytest.mark.parametrize("name", RECIPES)
def test_students_answer_together_what_they_answer_alone(
    name: str, tiny: tuple[Any, Any], arms: list[list[TrainingRow]]
) -> None:
    model, tokenizer = tiny
    recipe = RECIPES[name].model_copy(update={"learning_rate": 5e-3})
    prefix = FrozenPrefix(model, recipe)
    streams = [stream_of(tokenizer, rows, recipe, seed=1) for rows in arms[:2]]
    trained = train_multi_lora(prefix, TrainingTask(recipe, streams, [1, 1]))
    together = MultiLoraEngine(
        MultiLora(model, [student.tensors for student in trained], training=False), ["a", "b"], tokenizer, prefix
    )
    prompts = [tuple(row.ids[: row.prompt_length]) for row in streams[0][:5]]
    requests = [Request("ab"[i % 2], ids, seed=i) for i, ids in enumerate(prompts * 2)]
    settings: dict[str, Any] = {"max_tokens": 12, "temperature": 0.0, "stops": ()}
    said = together.generate(requests, **settings)
    found = together.log_likelihoods([("ab"[i % 2], row) for i, row in enumerate(streams[0][:6])])
    for number, student in enumerate("ab"):
        alone = StudentEngine(install(model, recipe, trained[number].tensors, "x"), tokenizer, prefix)
        mine = [each for each in requests if each.student == student]
        heard = [answer for answer, each in zip(said, requests, strict=True) if each in mine]
        assert heard == alone.generate(mine, **settings)
        expected = alone.log_likelihoods([("", row) for row in streams[0][number:6:2]])
        assert found[number::2] == pytest.approx(expected, rel=1e-4)
    one, other = together.log_likelihoods([("a", streams[0][0]), ("b", streams[0][0])])
    assert abs(one - other) > 0.05  # they are two students


def test_a_run_of_many_students_at_once_gives_the_rows_of_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(TOGETHER, encoding="utf-8")
    (tmp_path / "lora.toml").write_text(LORA, encoding="utf-8")
    suite = load_suite(str(tmp_path / "suite.toml"))
    arms = []
    for at_once in (1, 3):
        out = tmp_path / str(at_once)
        (row,), _ = run_quietly(suite, out, execution=Execution(students_at_once=at_once))
        paths = {json.loads(file.read_text())["path"] for file in out.glob("store/students/*/key.json")}
        assert paths == {"stacked"}
        arms.append(row.traits["date_confusion"].arms)
    assert arms[0].keys() == arms[1].keys()
    for name, one in arms[0].items():
        many = arms[1][name]
        assert many.trait.value == one.trait.value, name
        assert many.capability.value == one.capability.value, name
        assert many.loss.value == pytest.approx(one.loss.value, abs=2e-3), name


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, None, True], ids=["plain steps", "recorded steps", "compiled layers"])
def test_a_gpu_in_bfloat16_learns_what_the_cpu_learns(compiled: bool | None, arms: list[list[TrainingRow]]) -> None:
    inputs = [TrainingInput(rows, 3, 2 * len(rows)) for rows in arms[:2]]
    found = {
        device: Trainer(
            RECIPES["every layer"], device, "stacked", compiled=compiled if device == "cuda" else None
        ).train(inputs, lambda *_: None, "a test")
        for device in ("cpu", "cuda")
    }
    for cpu, gpu in zip(found["cpu"], found["cuda"], strict=True):
        assert gpu.note == ""
        assert gpu.losses == pytest.approx(cpu.losses, abs=0.05)  # bfloat16 keeps 8 bits
