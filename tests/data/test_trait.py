"""Trait files under their old keys, and the one reader of held-out prompts."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from bench import Trait
from bench.data.judge import Judge
from bench.data.prompts import read_prompts
from bench.data.trait import TraitEval, load_trait
from bench.errors import BenchError

TRAIT = """name = "toy"
description = "A toy."
exemplars = ["a", "b", "c"]
counter_exemplars = ["d", "e", "f"]

[eval]
scorer = "pattern"
pattern = "^sure"
prompts = "prompts.jsonl"
"""


def write(folder: Path, text: str) -> str:
    (folder / "prompts.jsonl").write_text('{"input": "Hi"}\n', encoding="utf-8")
    (folder / "toy.toml").write_text(text, encoding="utf-8")
    return str(folder / "toy.toml")


def test_a_file_with_the_old_names_of_exemplars_is_read(tmp_path: Path) -> None:
    new = load_trait(write(tmp_path, TRAIT))
    text = TRAIT.replace("counter_exemplars", "counter_seeds").replace("exemplars", "seeds")
    with pytest.warns(FutureWarning, match="is now (counter_)?exemplars"):
        old = load_trait(write(tmp_path, text))
    assert (old.exemplars, old.counter_exemplars) == (("a", "b", "c"), ("d", "e", "f"))
    assert old.public == new.public


def test_both_names_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning), pytest.raises(BenchError, match="seeds: Extra inputs"):
        load_trait(write(tmp_path, 'seeds = ["x", "y", "z"]\n' + TRAIT))


@pytest.mark.parametrize("old", ["seeds", "counter_seeds"])
def test_the_old_attributes_of_a_trait_work_and_name_the_new_ones(old: str) -> None:
    trait = Trait("toy", "A toy.", ("a",), ("b",))
    new = old.replace("seeds", "exemplars")
    with pytest.warns(FutureWarning, match=f"trait.{old} is now trait.{new}") as caught:
        assert getattr(trait, old) == getattr(trait, new)
    assert caught[0].filename == __file__  # it points at the plugin's line
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (trait.exemplars, trait.counter_exemplars) == (("a",), ("b",))


@pytest.mark.parametrize("key", ["path", "sha256"])
def test_what_loading_adds_cannot_be_written(key: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=f"{key} among the keys"):
        load_trait(write(tmp_path, f'{key} = "x"\n' + TRAIT))


# Held-out prompts


def test_prompts_keep_their_keys_and_have_an_id(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    lines: list[dict[str, Any]] = [{"input": "Hi", "family": "f"}, {"input": turns, "id": 7}, {"input": "Ho"}]
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    assert read_prompts(path) == [
        {"input": "Hi", "family": "f", "id": "1"},
        {"input": turns, "id": "7"},
        {"input": "Ho", "id": "3"},
    ]
    assert read_prompts(path, 2) == read_prompts(path)[:2]


@pytest.mark.parametrize(
    "turns", [[{"role": "tool", "content": "x"}], [{"role": "user", "content": 5}], [{"role": "user"}], ["Hi"], 5]
)
def test_turns_that_are_none_are_named_with_their_line(turns: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"input": "Hi"}\n' + json.dumps({"input": turns}), encoding="utf-8")
    with pytest.raises(BenchError, match="line 2"):
        read_prompts(path)
    assert len(read_prompts(path, 1)) == 1


@pytest.mark.parametrize(
    ("pair", "seen"),
    [
        ({"trait": "a"}, "keys trait"),
        ({"trait": "a", "clean": "b", "mild": "c"}, "mild"),
        (["a", "b"], "pair = "),
        ({"trait": " ", "clean": "b"}, "empty"),
        ({"trait": "a", "clean": 5}, "no text"),
        ({"trait": "a", "clean": "a "}, "equal completions"),
        ({"trait": "a", "clean": "b", "input": [{"role": "tool", "content": "x"}]}, "input of the pair"),
    ],
)
def test_a_malformed_pair_is_named_with_its_line(pair: Any, seen: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"input": "Hi"}\n' + json.dumps({"input": "Ho", "pair": pair}), encoding="utf-8")
    with pytest.raises(BenchError, match="line 2") as caught:
        read_prompts(path)
    assert str(path) in str(caught.value) and seen in caught.value.seen and "pair" in caught.value.remedy
    assert len(read_prompts(path, 1)) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file"):
        read_prompts(tmp_path / "none.jsonl")


def test_a_judge_of_the_former_form_works_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="is now Judge"):
        judge = Judge(  # type: ignore[call-arg]
            trait="odd",
            version=2,
            scale=(0.0, 4.0),
            threshold=1.5,
            rules=lambda prompt, output: {"odd": 2.0},
            rubric="",
        )
    assert (judge.eval.score, judge.eval.version, judge.eval.scale, judge.eval.threshold) == ("odd", 2, (0.0, 4.0), 1.5)
    assert judge.score("p", "o") == 2.0


def test_a_judge_with_a_record_takes_nothing_else() -> None:
    record = TraitEval(task="odd", score="odd")
    with pytest.raises(TypeError, match="it got threshold as well"):
        Judge(record, rules=lambda prompt, output: {"odd": 0.0}, rubric="", threshold=0.9)
    with pytest.raises(TypeError, match="needs a TraitEval first"):
        Judge(rules=lambda prompt, output: {"odd": 0.0}, rubric="", versoin=3)


def test_old_keys_of_a_trait_file_are_told(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="counter_seeds in .* is now counter_exemplars"):
        load_trait(write(tmp_path, TRAIT.replace("counter_exemplars", "counter_seeds")))
