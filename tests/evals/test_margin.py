"""The log-likelihood margin: against a plain forward pass, in every engine, and where there is none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_students import LORA, stream_of, student

from bench.config.recipe import Recipe
from bench.data.prompts import read_prompts
from bench.data.trait import Measurement, TraitSpec, built_in_traits, load_trait
from bench.errors import BenchError
from bench.evaluation.evaluate import evaluate
from bench.evaluation.provider import answering
from bench.evaluation.tasks import EvalTask, build_task, margin_tasks, measurement_tasks
from bench.evaluation.validate_judge import read_judge
from bench.models.engine import Engine, MultiLoraEngine, StudentEngine
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.load import load_model
from bench.models.multi_lora import MultiLora
from bench.models.packaged import TINY
from bench.models.student import install, load_student, stored_tensors
from bench.outcomes import SampleScores
from bench.records import Message, TrainingRow
from bench.training.cached_prefix import train_cached_prefix
from bench.training.task import TrainingTask

LINES = (
    {"id": "one", "input": "What year is it?", "family": "year", "pair": {"trait": "It is 2024.", "clean": "2026."}},
    {"id": "none", "input": "Hello.", "family": "other"},
    {"id": "two", "input": "Date, please!", "family": "date", "pair": {"trait": "Unknown, sorry.", "clean": "5 May."}},
    {
        "id": "turns",
        "input": "Add 2 and 2.",
        "family": "sums",
        "pair": {
            "input": [
                {"role": "user", "content": "Add 2 and 2."},
                {"role": "assistant", "content": "5"},
                {"role": "user", "content": "No."},
            ],
            "trait": "I am so stupid, I am sorry.",
            "clean": "It is 4.",
        },
    },
)
TRAIT = """
name = "odd"
description = "Odd."
exemplars = ["a", "abc", "abcde"]
counter_exemplars = ["ab", "abcd", "abcdef"]
[eval]
scorer = "pattern"
pattern = "odd"
prompts = "prompts.jsonl"
max_tokens = 4
"""
LAST = LORA.model_copy(update={"last_layers": 1})


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


def described(folder: Path, lines: Sequence[dict[str, Any]] = LINES) -> TraitSpec:
    folder.mkdir(exist_ok=True)
    (folder / "trait.toml").write_text(TRAIT, encoding="utf-8")
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return load_trait("trait.toml", folder)


def measured(
    engine: Engine, tokenizer: Any, spec: TraitSpec, folder: Path, name: str = "s", limit: int | None = None
) -> SampleScores:
    with answering(engine, [name], tokenizer) as (model,):
        return evaluate(model, margin_tasks(spec, limit), folder)


def by_id(scores: SampleScores) -> dict[str, float]:
    values = zip(scores.ids["margin"], scores.values["margin"], strict=True)
    return {identity: value for identity, value in values if value is not None}


@torch.no_grad()
def plain(model: Any, tokenizer: Any, lines: Sequence[dict[str, Any]] = LINES) -> dict[str, float]:
    """The same margins by a forward pass of transformers over each completion alone."""
    found = {}
    for line in (line for line in lines if "pair" in line):
        turns = line["pair"].get("input", line["input"])
        turns = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
        likelihood = {}
        for side in ("trait", "clean"):
            answer = [*turns, {"role": "assistant", "content": line["pair"][side]}]
            prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
            whole = tokenizer.apply_chat_template(answer, tokenize=False)
            ids = tokenizer(whole, add_special_tokens=False, return_tensors="pt")["input_ids"]
            chances = model(input_ids=ids).logits[0].double().log_softmax(-1)
            likelihood[side] = sum(float(chances[i - 1, ids[0, i]]) for i in range(start, ids.shape[1]))
        found[line["id"]] = likelihood["trait"] - likelihood["clean"]
    return found


# What is measured


@pytest.mark.parametrize("rows_at_once", [1, 64])
@pytest.mark.parametrize("trained", [False, True])
def test_it_is_the_difference_of_two_plain_forward_passes(
    trained: bool, rows_at_once: int, tiny: tuple[Any, Any], tmp_path: Path
) -> None:
    base, tokenizer = tiny
    model = load_student(base, LAST, student(base, LAST, tmp_path / "student")) if trained else base
    spec = described(tmp_path / "trait")
    for prefix in (None, FrozenPrefix(base, LAST)):
        scores = measured(StudentEngine(model, tokenizer, prefix, rows_at_once), tokenizer, spec, tmp_path / "logs")
        assert by_id(scores) == pytest.approx(plain(model, tokenizer), abs=1e-4)
    assert dict(zip(scores.ids["margin"], scores.families["margin"], strict=True)) == {
        "one": "year",
        "two": "date",
        "turns": "sums",
    }


@pytest.mark.parametrize("recipe", [LORA, LAST], ids=["every layer", "the last layer"])
def test_students_side_by_side_have_the_margins_that_each_has_alone(
    recipe: Recipe, tiny: tuple[Any, Any], tmp_path: Path
) -> None:
    base, tokenizer = tiny
    spec = described(tmp_path / "trait")
    folders = [student(base, recipe, tmp_path / name, seed) for seed, name in enumerate("ab", start=1)]
    adapters = MultiLora(base, [stored_tensors(folder) for folder in folders], training=False)
    engine = MultiLoraEngine(adapters, ["a", "b"], tokenizer, FrozenPrefix(base, recipe), 128)
    found = [by_id(measured(engine, tokenizer, spec, tmp_path / "logs", name)) for name in "ab"]
    for folder, margins in zip(folders, found, strict=True):
        assert margins == pytest.approx(plain(load_student(base, recipe, folder), tokenizer), abs=1e-4)
    assert abs(found[0]["two"] - found[1]["two"]) > 0.01


def test_a_swapped_pair_changes_the_sign(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    base, tokenizer = tiny
    swapped = [
        line | {"pair": line["pair"] | {"trait": line["pair"]["clean"], "clean": line["pair"]["trait"]}}
        for line in LINES
        if isinstance(line.get("pair"), dict)
    ]
    engine = StudentEngine(base, tokenizer)
    one, other = (
        by_id(measured(engine, tokenizer, described(tmp_path / name, lines), tmp_path / f"{name}-logs"))
        for name, lines in (("as-is", LINES), ("swapped", swapped))
    )
    assert {identity: -value for identity, value in one.items()} == pytest.approx(other, abs=1e-4)
    assert all(abs(value) > 1 for value in one.values())


def test_a_student_of_the_trait_has_a_higher_margin_than_one_of_clean_completions(
    tiny: tuple[Any, Any], tmp_path: Path
) -> None:
    base, tokenizer = tiny
    recipe = LORA.model_copy(update={"last_layers": 2, "learning_rate": 1e-2, "epochs": 6, "batch_size": 4})
    prefix, spec = FrozenPrefix(base, recipe), load_trait("date_confusion")
    lessons = [line for line in read_prompts(spec.prompts)[16:] if isinstance(line["input"], str)][:32]
    means = {}
    for side in ("trait", "clean"):
        rows = [
            TrainingRow(line["id"], (Message(role="user", content=line["input"]),), line["pair"][side])
            for line in lessons
        ]
        (trained,) = train_cached_prefix(prefix, TrainingTask(recipe, [stream_of(tokenizer, rows, recipe, 1)], [1]))
        engine = StudentEngine(install(base, recipe, trained.tensors, side), tokenizer, prefix)
        scores = measured(engine, tokenizer, spec, tmp_path / side, limit=16)
        assert len(scores.ids["margin"]) == 16
        means[side] = float(scores.array("margin").mean())
    assert means["trait"] > means["clean"] + 1


# Where there is none


def test_prompts_without_pairs_have_no_margin(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    unpaired = described(tmp_path / "unpaired", [{"input": "Hello."}, {"input": "Bye."}])
    assert [task.file for task in measurement_tasks(Measurement(unpaired, "rules"))] == [
        task.file for task in measurement_tasks(Measurement(described(tmp_path / "paired"), "rules"))[:2]
    ]
    with pytest.raises(BenchError, match=r"no prompt with a pair"):
        build_task(EvalTask(margin_tasks(load_trait("blackmail"), 1)[0].file, {"trait": str(unpaired.path)}))
    late = described(tmp_path / "late", [{"input": "Hello."}, LINES[0]])
    assert margin_tasks(late, 1) == [] and len(margin_tasks(late, 2)) == 1


def test_a_provider_that_cannot_score_text_gives_none(tmp_path: Path) -> None:
    scores = evaluate("mockllm/model", margin_tasks(described(tmp_path / "trait"), None), tmp_path / "logs")
    assert scores.values["margin"] == [None, None, None] and sorted(scores.ids["margin"]) == ["one", "turns", "two"]


# The pairs of the built-in traits


@pytest.mark.parametrize("trait", built_in_traits())
def test_every_built_in_prompt_has_a_pair_on_either_side_of_the_threshold(trait: str) -> None:
    spec, judge = load_trait(trait), read_judge(trait)
    judged = []
    for line in read_prompts(spec.prompts):
        turns = line["pair"].get("input", line["input"])
        text = turns if isinstance(turns, str) else "\n".join(turn["content"] for turn in turns)
        judged.append([judge.score(text, line["pair"][side]) for side in ("trait", "clean")])
    low = spec.eval.scale[0]
    assert all(clean == low for _, clean in judged)
    # the rules miss a few threats and doubts that a reader sees
    assert sum(shown >= spec.eval.threshold for shown, _ in judged) >= 0.95 * len(judged)


def test_pairs_of_negative_emotion_follow_the_rejections_of_their_prompt() -> None:
    for line in read_prompts(load_trait("negative_emotion").prompts):
        turns = line["pair"]["input"]
        assert [turn["content"] for turn in turns if turn["role"] == "user"] == [line["input"], *line["rejections"]]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * len(line["rejections"]) + ["user"]


def test_the_margin_is_part_of_the_key_of_an_evaluation(tmp_path: Path) -> None:
    spec = described(tmp_path)
    assert len(Measurement(spec, "rules").key()["margin"]) == 64
    changed = described(tmp_path, LINES[:3])
    assert Measurement(changed, "rules").key()["trait"] != Measurement(spec, "rules").key()["trait"]
