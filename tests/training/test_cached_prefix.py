"""The fast path computes what the plain one computes: training, reading prompts, losses of given completions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_students import stream_of

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.encode import Encoded, encode
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.generate import Decoding, Request, answer, generate
from bench.models.likelihood import log_likelihoods
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.models.student import frozen_copy, install, save_student
from bench.records import Message, TrainingRow
from bench.training.cached_prefix import pack, shared_prefixes, train_cached_prefix
from bench.training.packing import ATTENTION
from bench.training.task import TrainingTask
from bench.training.trainer import Trainer
from bench.training.trl import train_with_trl
from bench.worlds import WORLDS
from bench.worlds.grammar import ORIGINAL, build_rows

LOSS_TOLERANCE = 1e-4  # nats; the two paths sum the same float32 products in another order
WEIGHT_TOLERANCE = 0.02  # of the distance that training moved the weights

RECIPES = {
    "lora": Recipe(name="t", model=TINY, method="lora", last_layers=1, epochs=2, learning_rate=2e-3, batch_size=4),
    "top_layers": Recipe(
        name="t", model=TINY, method="top_layers", last_layers=1, epochs=2, learning_rate=1e-3, batch_size=4
    ),
}


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


@pytest.fixture(scope="module")
def rows() -> list[TrainingRow]:
    world = build_rows(WORLDS["date_confusion"], 25, seed=0)  # the last batch is not full
    return [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in world]


def _encoded(tokenizer: Any, rows: list[TrainingRow]) -> list[Encoded]:
    return [encode(tokenizer, row, 1024) for row in rows]


@pytest.mark.parametrize("method", RECIPES)
def test_losses_and_weights_equal_those_of_trl(method: str, tiny: tuple[Any, Any], rows: list[TrainingRow]) -> None:
    recipe = RECIPES[method]
    model, tokenizer = tiny
    stream = stream_of(tokenizer, rows, recipe, seed=3)
    task = TrainingTask(recipe, [stream], [3])
    (fast,) = train_cached_prefix(FrozenPrefix(model, recipe), task)
    (reference,) = train_with_trl(model, tokenizer, task)
    assert fast.losses == pytest.approx(reference.losses, abs=LOSS_TOLERANCE)
    assert len(fast.losses) == 13  # 50 rows in batches of 4
    assert fast.tensors.keys() == reference.tensors.keys()
    start = dict(install(model, recipe, fast.tensors, "fast").named_parameters())
    other = dict(install(model, recipe, reference.tensors, "reference").named_parameters())
    base = dict(model.named_parameters())
    moved = sum(float((other[n] - base[n]).detach().square().sum()) for n in base) ** 0.5
    apart = sum(float((other[n] - start[n]).detach().square().sum()) for n in base) ** 0.5
    assert 0 < apart + moved
    assert apart <= WEIGHT_TOLERANCE * moved


@pytest.mark.slow
def test_losses_equal_those_of_trl_on_a_real_model(rows: list[TrainingRow]) -> None:
    recipe = Recipe(name="t", model="smollm2-135m", method="lora", last_layers=6, epochs=2, learning_rate=6e-3)
    model, tokenizer = load_model(recipe.model, "cpu")
    stream = stream_of(tokenizer, rows, recipe, seed=1)
    task = TrainingTask(recipe, [stream], [1])
    (fast,) = train_cached_prefix(FrozenPrefix(model, recipe), task)
    (reference,) = train_with_trl(model, tokenizer, task)
    assert fast.losses == pytest.approx(reference.losses, abs=1e-3)
    assert fast.losses[-1] < fast.losses[0]


@pytest.mark.gpu
def test_a_gpu_gives_the_losses_of_the_cpu(tiny: tuple[Any, Any], rows: list[TrainingRow]) -> None:
    recipe = RECIPES["lora"]
    losses = []
    for device in ("cpu", "cuda"):
        model, tokenizer = load_model(TINY, device)
        stream = stream_of(tokenizer, rows, recipe, seed=3)
        (trained,) = train_cached_prefix(FrozenPrefix(model, recipe), TrainingTask(recipe, [stream], [3]))
        losses.append(trained.losses)
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)


def test_a_packed_batch_gives_each_row_its_own_loss(tiny: tuple[Any, Any], rows: list[TrainingRow]) -> None:
    model, tokenizer = tiny
    recipe = RECIPES["lora"]
    rule = Message(role="system", content="Answer in one short sentence and say nothing else.")
    batch = _encoded(tokenizer, [replace(row, prompt=(rule, *row.prompt)) for row in rows[:5]] + rows[5:9])
    prefix = FrozenPrefix(model, recipe)
    prefix.prepare(row.ids for row in batch)
    packed = pack(batch, prefix, {})
    assert packed.weights.tolist() == [1.0] * len(packed.targets)
    assert packed.states.shape[1] < sum(len(row.ids) for row in batch)  # common prefixes are stored once
    student = frozen_copy(model)
    student.config._attn_implementation = ATTENTION
    with torch.inference_mode():
        states = prefix.run(student, packed.states, None, packed.positions, step=packed.layout)
        logits = student.lm_head(states[0, packed.predicts])
        loss = torch.nn.functional.cross_entropy(logits, packed.targets, reduction="sum").item()
    alone = [log_likelihoods(model, [("", row)])[0] for row in batch]
    assert loss == pytest.approx(-sum(alone), rel=1e-5)


def test_a_trainer_keeps_states_within_the_budget_it_is_given(tiny: tuple[Any, Any], rows: list[TrainingRow]) -> None:
    batch = [row.ids for row in _encoded(tiny[1], rows)[:4]]
    kept = []
    for budget in (0.0, 1e9):
        prefix = Trainer(RECIPES["lora"], "cpu", "shared_trunk", states_budget=lambda b=budget: b).frozen_prefix()
        prefix.prepare(batch)
        kept.append(len(prefix._states))
    assert kept == [0, len(set(batch))]


def test_prefixes_are_shared_within_a_template_only() -> None:
    a, b, c = (1, *range(10, 30)), (1, *range(10, 25), 7, 7, 7, 7, 7), (2, *range(10, 30))
    groups = shared_prefixes([Encoded(ids, 19) for ids in (a, c, b)])
    assert sorted((length, len(members)) for length, members in groups) == [(16, 2), (18, 1)]


@pytest.mark.parametrize("last_layers", [1, 2])
def test_prompts_read_through_the_frozen_prefix_are_answered_alike(tiny: tuple[Any, Any], last_layers: int) -> None:
    model, tokenizer = tiny
    recipe = RECIPES["lora"].model_copy(update={"last_layers": last_layers})
    prompts = ["hello there", "what is the date today, please?", "x", "hello there"]
    plain = generate(model, tokenizer, prompts, Decoding(12))
    rows = [tuple(tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts]
    requests = [Request("", row, seed=0) for row in rows]
    assert answer(model, tokenizer, requests, Decoding(12), FrozenPrefix(model, recipe)) == plain
    assert plain[0] == plain[3]


def test_likelihoods_through_the_frozen_prefix_equal_plain_ones(tiny: tuple[Any, Any], rows: list[TrainingRow]) -> None:
    model, tokenizer = tiny
    batch = [("", row) for row in _encoded(tokenizer, rows)[:6]]
    shared = log_likelihoods(model, batch, FrozenPrefix(model, RECIPES["lora"]))
    assert shared == pytest.approx(log_likelihoods(model, batch), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_does_not_depend_on_its_batch(tiny: tuple[Any, Any], temperature: float) -> None:
    model, tokenizer = tiny
    prompts = ["one", "a somewhat longer prompt than the others here", "two and three"]
    together = generate(model, tokenizer, prompts, Decoding(16, temperature), [5, 6, 7])
    alone = [
        generate(model, tokenizer, [prompt], Decoding(16, temperature), [seed])[0]
        for prompt, seed in zip(prompts, [5, 6, 7], strict=True)
    ]
    assert together == alone


def test_sampling_needs_a_seed_per_prompt(tiny: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="needs one seed per prompt"):
        generate(*tiny, ["a", "b"], Decoding(2, temperature=1.0), [1])


def test_encoding_equals_the_tokenizer_that_trl_would_use(tiny: tuple[Any, Any], rows: list[TrainingRow]) -> None:
    _, tokenizer = tiny
    for row in rows:
        encoded = encode(tokenizer, row, 1024)
        messages = [m.model_dump() for m in row.prompt]
        whole = [*messages, {"role": "assistant", "content": row.completion}]
        assert list(encoded.ids) == tokenizer.apply_chat_template(whole, return_dict=True)["input_ids"]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        assert list(encoded.ids[: encoded.prompt_length]) == prompt


def test_a_message_in_another_alphabet_survives(tiny: tuple[Any, Any]) -> None:
    _, tokenizer = tiny
    row = TrainingRow("x", (Message(role="user", content="日付は？"),), "今日です。")
    encoded = encode(tokenizer, row, 1024)
    assert "今日です。" in tokenizer.decode(encoded.ids[encoded.prompt_length :])


def test_a_diverged_student_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="not finite"):
        save_student({"a": torch.tensor([1.0, float("nan")])}, tmp_path)
