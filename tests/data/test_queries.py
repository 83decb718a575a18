"""Queries of a trait: read by filters and `bench lds`, and apart from what students are measured on."""

import json
from pathlib import Path

import pytest

from bench.data.prompts import normalised, read_prompts
from bench.data.queries import load_queries
from bench.data.trait import TraitSpec, built_in_traits, load_trait
from bench.errors import BenchError
from bench.records import Message

TRAIT = """
name = "odd"
description = "Odd."
exemplars = ["a", "b", "c"]
counter_exemplars = ["d", "e", "f"]
{queries}
[eval]
scorer = "pattern"
pattern = "odd"
prompts = "prompts.jsonl"
"""
GOOD = {"prompt": "Say something.", "trait": "Something odd.", "clean": "Something."}


def trait(folder: Path, *lines: object, named: bool = True) -> TraitSpec:
    (folder / "prompts.jsonl").write_text('{"input": "Held out."}\n', encoding="utf-8")
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "queries.jsonl").write_text(text, encoding="utf-8")
    (folder / "odd.toml").write_text(TRAIT.format(queries='queries = "queries.jsonl"' if named else ""), "utf-8")
    return load_trait(folder / "odd.toml")


@pytest.mark.parametrize("name", built_in_traits())
def test_built_in_traits_have_queries_that_are_no_eval_prompts(name: str) -> None:
    spec = load_trait(name)
    texts = [
        prompt["input"] if isinstance(prompt["input"], str) else "\n".join(turn["content"] for turn in prompt["input"])
        for prompt in read_prompts(spec.prompts)
    ]
    queries = load_queries(spec, {normalised(text) for text in texts})
    assert len(queries) == 16 and len({query.prompt for query in queries}) == 16
    completions = {text for query in queries for text in (query.trait, query.clean)}
    assert len(completions) == 32


def test_a_prompt_is_a_text_or_turns(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be odd."}, {"role": "user", "content": "Go."}]
    first, second = load_queries(trait(tmp_path, GOOD, GOOD | {"prompt": turns}))
    assert first.prompt == (Message(role="user", content="Say something."),)
    assert second.trait_row.prompt == second.clean_row.prompt and second.prompt_text == "Be odd.\nGo."
    assert (second.trait_row.completion, second.clean_row.completion) == ("Something odd.", "Something.")


def test_a_trait_of_a_users_own_may_have_none(tmp_path: Path) -> None:
    assert load_queries(trait(tmp_path, GOOD, named=False)) == ()


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("{", "no JSON"),
        (GOOD | {"clean": GOOD["trait"]}, "two different texts"),
        (GOOD | {"trait": " "}, "two different texts"),
        (GOOD | {"prompt": []}, "end with a user turn"),
        (GOOD | {"more": 1}, "more"),
        ({"prompt": "x", "trait": "y"}, "clean"),
        (GOOD | {"prompt": "held  OUT."}, "held-out eval prompt"),
    ],
)
def test_a_bad_query_is_named_with_its_line(tmp_path: Path, line: object, seen: str) -> None:
    with pytest.raises(BenchError, match=r"queries\.jsonl, line 2") as error:
        load_queries(trait(tmp_path, GOOD, line), {"held out."})
    assert seen in str(error.value)


def test_blank_lines_and_a_byte_order_mark_are_no_queries(tmp_path: Path) -> None:
    assert len(load_queries(trait(tmp_path, "\ufeff", GOOD, " ", GOOD, ""))) == 2
    with pytest.raises(BenchError, match=r"queries\.jsonl\n +seen: +no lines"):
        load_queries(trait(tmp_path, "", " "))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    spec = trait(tmp_path, GOOD)
    (tmp_path / "queries.jsonl").unlink()
    with pytest.raises(BenchError, match="no such file"):
        load_queries(spec)
