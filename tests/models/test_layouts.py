"""Students of every layout that real ones have are the same whichever way they are trained, read and asked.

Models are tiny, with random weights; windows of sliding attention are shorter than the rows.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_layouts import LAYOUTS, MIXED, WINDOW, tiny
from fixtures_students import stream_of

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models import layout as layouts
from bench.models.encode import Encoded
from bench.models.engine import MultiLoraEngine, StudentEngine
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.generate import Request
from bench.models.layout import check_student_base, runs_by_layer
from bench.models.likelihood import log_likelihoods
from bench.models.load import fetched_config, known_config, load_model
from bench.models.multi_lora import MultiLora
from bench.models.packaged import TINY
from bench.models.stacked import StackedEngine
from bench.models.student import load_student, save_student, stored_tensors, trainable_copy, trained_tensors
from bench.records import TrainingRow
from bench.training.cached_prefix import train_cached_prefix
from bench.training.methods import training_path
from bench.training.multi_lora import train_multi_lora
from bench.training.task import Trained, TrainingInput, TrainingTask, count_labels
from bench.training.trainer import Trainer
from bench.training.trl import train_with_trl
from bench.worlds import WORLDS
from bench.worlds.grammar import ORIGINAL, build_rows

LOSS_TOLERANCE = 1e-4  # nats; the same float32 products, summed in another order
RECIPE = Recipe(name="t", model="", method="lora", epochs=1, learning_rate=5e-3, batch_size=4, last_layers=3)
ALL_LAYERS = RECIPE.model_copy(update={"last_layers": 0})
GREEDY: dict[str, Any] = {"max_tokens": 2 * WINDOW, "temperature": 0.0, "stops": ()}


@pytest.fixture(scope="module", params=LAYOUTS)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return load_model(str(tiny(request.param, tmp_path_factory.mktemp(request.param))), "cpu")


@pytest.fixture(scope="module")
def rows() -> list[TrainingRow]:
    world = build_rows(WORLDS["date_confusion"], 7, seed=0)  # the last batch is not full
    return [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in world]


@pytest.fixture(scope="module")
def stream(base: tuple[Any, Any], rows: list[TrainingRow]) -> list[Encoded]:
    found = stream_of(base[1], rows, RECIPE, seed=3)
    assert min(len(row.ids) for row in found) > 2 * WINDOW
    return found


@pytest.fixture(scope="module")
def stacked(base: tuple[Any, Any], stream: list[Encoded]) -> Trained:
    return train_multi_lora(FrozenPrefix(base[0], RECIPE), TrainingTask(RECIPE, [stream], [3]))[0]


def test_a_student_is_the_same_by_every_path(base: tuple[Any, Any], stream: list[Encoded], stacked: Trained) -> None:
    model, tokenizer = base
    task = TrainingTask(RECIPE, [stream], [3])
    (alone,) = train_with_trl(model, tokenizer, task)
    (cached,) = train_cached_prefix(FrozenPrefix(model, RECIPE), task)
    for other in (stacked, cached):
        assert other.losses == pytest.approx(alone.losses, abs=LOSS_TOLERANCE)
        assert other.tensors.keys() == alone.tensors.keys()
        for name, tensor in alone.tensors.items():
            torch.testing.assert_close(other.tensors[name], tensor, atol=1e-3, rtol=0)


def test_all_layers_start_from_the_loss_of_the_models_own_forward_pass(
    base: tuple[Any, Any], stream: list[Encoded]
) -> None:
    model = base[0]
    prefix, first = FrozenPrefix(model, ALL_LAYERS), stream[: ALL_LAYERS.batch_size]
    (found,) = train_multi_lora(prefix, TrainingTask(ALL_LAYERS, [stream], [3]))
    loss = -sum(log_likelihoods(model, [("", row) for row in first])) / count_labels(first)
    assert found.losses[0] == pytest.approx(loss, abs=LOSS_TOLERANCE)
    with torch.no_grad():
        row = first[0]
        own = (
            model(torch.tensor([row.ids])).logits[0].log_softmax(-1)[:-1].gather(1, torch.tensor(row.ids[1:])[:, None])
        )
    expected = float(own[row.prompt_length - 1 :].sum())
    assert log_likelihoods(model, [("", row)]) == pytest.approx([expected], rel=1e-5)
    frugal = ALL_LAYERS.model_copy(update={"gradient_checkpointing": True})
    (again,) = train_multi_lora(prefix, TrainingTask(frugal, [stream], [3]))
    assert again.losses == found.losses
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in found.tensors.items())


def test_a_stored_student_says_the_same_by_every_engine(
    base: tuple[Any, Any], stream: list[Encoded], stacked: Trained, tmp_path: Path
) -> None:
    model, tokenizer = base
    save_student(stacked.tensors, tmp_path)
    prefix, student = FrozenPrefix(model, RECIPE), load_student(model, RECIPE, tmp_path)
    plain, quick = StudentEngine(student, tokenizer), StudentEngine(student, tokenizer, prefix)
    fresh = trained_tensors(trainable_copy(model, RECIPE, seed=0))
    both = MultiLora(model, [stored_tensors(tmp_path), fresh], training=False)
    together = MultiLoraEngine(both, ["student", "base"], tokenizer, prefix)
    asked = [Request("student", row.ids[: row.prompt_length], 0) for row in stream]
    given = [("student", row) for row in stream]
    said = plain.generate(asked, **GREEDY)
    assert quick.generate(asked, **GREEDY) == said
    assert together.generate(asked, **GREEDY) == said
    assert max(answer.prompt_tokens + answer.tokens for answer in said) > 3 * WINDOW
    recorded = StackedEngine(both, ["student", "base"], tokenizer, prefix)
    assert recorded.generate(asked, **GREEDY) == said
    likely = plain.log_likelihoods(given)
    assert quick.log_likelihoods(given) == pytest.approx(likely, rel=1e-5)
    assert together.log_likelihoods(given) == pytest.approx(likely, rel=1e-5)
    assert together.log_likelihoods([("base", row) for row in stream]) != pytest.approx(likely, rel=1e-3)


def test_a_wrong_mask_would_be_seen(
    base: tuple[Any, Any], stream: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, given = base[0], [("", row) for row in stream]
    right = log_likelihoods(model, given)
    monkeypatch.setattr(layouts, "within_window", lambda mask, positions, window: mask)
    unmasked = log_likelihoods(model, given, FrozenPrefix(model, RECIPE))
    windowed = LAYOUTS[model.config.model_type].get("layer_types") == MIXED["layer_types"]
    assert (unmasked == pytest.approx(right, rel=1e-3)) is not windowed


@pytest.mark.parametrize("path", [train_with_trl, train_cached_prefix])
def test_recomputed_activations_leave_the_student_as_it_is(path: Any, rows: list[TrainingRow]) -> None:
    model, tokenizer = load_model(TINY, "cpu")
    found = []
    for on in (False, True):
        recipe = RECIPE.model_copy(update={"gradient_checkpointing": on, "last_layers": 2})
        task = TrainingTask(recipe, [stream_of(tokenizer, rows, recipe, seed=3)], [3])
        given = (model, tokenizer) if path is train_with_trl else (FrozenPrefix(model, recipe),)
        found.append(path(*given, task)[0])
    assert found[0].losses == found[1].losses


def test_recomputation_keeps_less_for_the_backward_pass(rows: list[TrainingRow]) -> None:
    """Counted over one step of eight layers: what autograd saves while they run."""
    model, tokenizer = load_model(TINY, "cpu")
    layers = model.model.layers
    layers.extend([layers[0]] * 4)
    kept = []
    for on in (False, True):
        recipe = ALL_LAYERS.model_copy(update={"gradient_checkpointing": on})
        stream, sizes = stream_of(tokenizer, rows[:4], recipe, seed=3), list[int]()

        def pack(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.nbytes if tensor.requires_grad else 0)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            train_multi_lora(FrozenPrefix(model, recipe), TrainingTask(recipe, [stream], [3]))
        kept.append(sum(sizes))
    assert kept[1] < 0.7 * kept[0]


def test_a_base_in_bfloat16_has_students_beside_it_in_float32(rows: list[TrainingRow], tmp_path: Path) -> None:
    recipe = ALL_LAYERS.model_copy(update={"model": TINY, "precision": "bfloat16"})
    trainer = Trainer(recipe, "cpu", training_path(recipe, known_config(TINY), multi_lora=False))
    (found,) = trainer.train([TrainingInput(rows, 3, len(rows))], lambda *_: None, "a test")
    assert trainer.path == "stacked" and trainer.frozen_prefix().base.dtype == torch.bfloat16
    assert {tensor.dtype for tensor in found.tensors.values()} == {torch.float32}
    exact = recipe.model_copy(update={"precision": "float32"})
    (close,) = Trainer(exact, "cpu", "stacked").train([TrainingInput(rows, 3, len(rows))], lambda *_: None, "a test")
    assert found.losses == pytest.approx(close.losses, abs=0.05) and found.losses != close.losses
    save_student(found.tensors, tmp_path)
    assert isinstance(trainer.engine([tmp_path], ["a"]), MultiLoraEngine)  # nothing is added to 8-bit mantissas
    prefix = trainer.full_precision_prefix()
    assert prefix and prefix.base.dtype == torch.float32  # for gradients


# What is refused, and what is left to TRL


def test_layouts_that_are_not_run_by_layer_take_trls_path_and_nothing_else(tmp_path: Path) -> None:
    folder = tiny("mistral", tmp_path, sliding_window=WINDOW)
    recipe = RECIPE.model_copy(update={"model": str(folder)})
    assert training_path(recipe, known_config(str(folder)), multi_lora=True) == "trl"
    model, _ = load_model(str(folder), "cpu")
    with pytest.raises(BenchError, match="mistral"):
        FrozenPrefix(model, recipe).packed([[(1, 2, 3)]], 3)
    with pytest.raises(BenchError, match=r"(?s)precision = 'bfloat16'.*leave precision out"):
        Trainer(recipe.model_copy(update={"precision": "bfloat16"}), "cpu", "trl")


@pytest.mark.parametrize(
    "change",
    [
        {"attention_dropout": 0.1},
        {"final_logit_softcapping": 30.0},
        {"use_bidirectional_attention": True},
        {"layer_types": ["full_attention", "chunked_attention"]},
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
        {"rope_parameters": {"full_attention": {"rope_type": "longrope"}, "sliding_attention": {}}},
        {"model_type": "gemma3"},
    ],
)
def test_settings_that_a_hand_run_layer_would_get_wrong_are_known(change: dict[str, Any]) -> None:
    known = {"model_type": "gemma3_text", "attention_dropout": 0.0, "rope_scaling": {"rope_type": "llama3"}}
    assert runs_by_layer(known)
    assert not runs_by_layer(known | change)


def test_capped_logits_are_those_of_the_model(tmp_path: Path, rows: list[TrainingRow]) -> None:
    """Gemma 2 caps attention, which only the eager implementation does, and its last logits."""
    capped = {"final_logit_softcapping": 2.0, "attn_logit_softcapping": 1.0, "head_dim": 16}
    folder = tiny("gemma2", tmp_path, **MIXED, **capped)
    model, tokenizer = load_model(str(folder), "cpu")
    check_student_base(model, "it")
    assert model.config._attn_implementation == "eager"
    row = stream_of(tokenizer, rows[:1], RECIPE, seed=3)[0]
    with torch.no_grad():
        found = (
            model(torch.tensor([row.ids])).logits[0].log_softmax(-1)[:-1].gather(1, torch.tensor(row.ids[1:])[:, None])
        )
    expected = float(found[row.prompt_length - 1 :].sum())
    assert log_likelihoods(model, [("", row)]) == pytest.approx([expected], rel=1e-5)
    task = TrainingTask(ALL_LAYERS, [[row]], [3])
    assert train_with_trl(model, tokenizer, task)[0].losses == pytest.approx(
        [-expected / (len(row.ids) - row.prompt_length)], abs=LOSS_TOLERANCE
    )


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("granite", {"logits_scaling": 4.0}, "logits are not those of its LM head"),
        ("gpt2", {"n_embd": 32, "n_layer": 1, "n_head": 2}, "without embed_tokens, layers, norm"),
        ("phi3", {}, "without q_proj, k_proj, v_proj, gate_proj, up_proj"),
    ],
)
def test_a_base_whose_students_would_be_wrong_is_refused(
    kind: str, settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    name = str(tiny(kind, tmp_path, **settings))
    recipe = RECIPE.model_copy(update={"model": name})
    with pytest.raises(BenchError, match=words):
        Trainer(recipe, "cpu", "trl").base()


def test_the_config_of_a_hub_id_is_the_one_that_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_config("org/model") == {}
    with pytest.raises(BenchError, match="model 'org/model'"):
        fetched_config("org/model")  # tests have no hub
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}), encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "config.json"))
    assert fetched_config("org/model") == {"model_type": "qwen2"}
