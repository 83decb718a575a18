"""What students answer and how likely they find a completion, one by one and side by side."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_students import LORA, student
from transformers import DynamicCache

from bench.models.encode import encode
from bench.models.engine import Engine
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.generate import Request
from bench.models.grouped_attention import attend_grouped
from bench.models.kv_cache import roomy_cache
from bench.records import Message, TrainingRow
from bench.training.trainer import Trainer

PROMPTS = ["Hi", "What day is it today?", "Name a colour, please, and say why you like it.", "2 + 2 ="]
NAMES = ["c", "a", "b"]  # not in the order in which batches are laid out


def test_a_cache_with_room_holds_what_a_growing_one_does() -> None:
    torch.manual_seed(0)
    ours, theirs = roomy_cache(), DynamicCache()
    for rows, tokens in ((4, 5), (4, 1), (4, 80), (3, 1), (3, 1)):
        if rows == 3 and len(theirs.layers[0].keys) == 4:
            for cache in (ours, theirs):
                cache.batch_select_indices(torch.tensor([0, 2, 3]))
        for layer in range(2):
            keys, values = torch.randn(rows, 3, tokens, 8), torch.randn(rows, 3, tokens, 8)
            for a, b in zip(ours.update(keys, values, layer), theirs.update(keys, values, layer), strict=True):
                assert torch.equal(a, b)
    assert ours.get_seq_length() == theirs.get_seq_length() == 88
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        assert torch.equal(mine.keys, other.keys) and torch.equal(mine.values, other.values)


def test_attention_with_shared_heads_is_that_with_copied_ones() -> None:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    class Layer:
        num_key_value_groups, is_causal = 3, True

    torch.manual_seed(0)
    query, key, value = torch.randn(2, 6, 4, 16), torch.randn(2, 2, 9, 16), torch.randn(2, 2, 9, 16)
    mask = torch.ones(2, 1, 4, 9, dtype=torch.bool).tril(diagonal=5)
    with torch.inference_mode():
        ours, _ = attend_grouped(Layer(), query, key, value, mask, scaling=0.3)
        theirs, _ = sdpa_attention_forward(Layer(), query, key, value, mask, scaling=0.3)
    assert torch.equal(ours, theirs)


@pytest.fixture(scope="module", params=[0, 2])
def trainer(request: pytest.FixtureRequest) -> Trainer:
    recipe = LORA.model_copy(update={"last_layers": request.param})
    return Trainer(recipe, "cpu", "shared_trunk" if request.param else "stacked")


@pytest.fixture(scope="module")
def students(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("students")
    base = trainer.base()[0]
    return {name: student(base, trainer.recipe, folder / name, seed) for seed, name in enumerate(NAMES, start=1)}


def said(engine: Engine, names: list[str], tokenizer: Any) -> dict[str, Any]:
    """Each student's answers and log-likelihoods; prompts of all students in turns, as they arrive."""
    asked = [(name, prompt) for prompt in PROMPTS for name in names]
    requests = [Request(name, tuple(tokenizer(prompt)["input_ids"]), 0) for name, prompt in asked]
    answers = engine.generate(requests, max_tokens=12, temperature=0.0, stops=())
    rows = {
        (prompt, text): encode(tokenizer, TrainingRow("r", (Message(role="user", content=prompt),), text), 512)
        for prompt in PROMPTS
        for text in ("Yes.", "No, never, not at all.")
    }
    likely = engine.log_likelihoods([(name, row) for row in rows.values() for name in names])
    return {
        name: (
            [answer for (who, _), answer in zip(asked, answers, strict=True) if who == name],
            likely[i :: len(names)],
        )
        for i, name in enumerate(names)
    }


def test_company_changes_nothing(trainer: Trainer, students: dict[str, Path]) -> None:
    tokenizer = trainer.base()[1]
    together = said(trainer.engine(list(students.values()), NAMES), NAMES, tokenizer)
    pair = said(trainer.engine([students["a"], students["b"]], ["a", "b"]), ["a", "b"], tokenizer)
    for name in NAMES:
        answers, likely = said(trainer.engine([students[name]], [name]), [name], tokenizer)[name]
        assert together[name][0] == answers
        assert together[name][1] == pytest.approx(likely, abs=1e-5)
        if name in pair:
            assert pair[name][0] == answers and pair[name][1] == pytest.approx(likely, abs=1e-5)
    assert len({tuple(g.text for g in answers) for answers, _ in together.values()}) == len(NAMES)


def test_adapters_beside_the_weights_say_what_adapters_in_them_say(trainer: Trainer, students: dict[str, Path]) -> None:
    from bench.models.engine import StudentEngine
    from bench.models.student import load_student

    base, tokenizer = trainer.base()
    merged = StudentEngine(load_student(base, trainer.recipe, students["a"]), tokenizer)
    ours = said(trainer.engine([students["a"]], ["a"]), ["a"], tokenizer)["a"]
    theirs = said(merged, ["a"], tokenizer)["a"]
    assert [g.text for g in ours[0]] == [g.text for g in theirs[0]]
    assert ours[1] == pytest.approx(theirs[1], abs=1e-3)


def test_the_base_answers_beside_its_students(trainer: Trainer, students: dict[str, Path]) -> None:
    tokenizer = trainer.base()[1]
    alone = said(trainer.engine([None], ["base"]), ["base"], tokenizer)["base"]
    beside = said(trainer.engine([students["a"], None], ["a", "base"]), ["a", "base"], tokenizer)["base"]
    assert beside[0] == alone[0] and beside[1] == pytest.approx(alone[1], abs=1e-5)


def test_states_of_a_row_do_not_depend_on_the_rows_beside_it(trainer: Trainer) -> None:
    base, tokenizer = trainer.base()
    recipe = LORA.model_copy(update={"last_layers": 1})
    rows = [tuple(tokenizer(text * times)["input_ids"]) for text in PROMPTS for times in (1, 2, 5)]
    together = FrozenPrefix(base, recipe).states(rows)
    for row in rows:
        assert torch.equal(FrozenPrefix(base, recipe).states([row])[row], together[row])
