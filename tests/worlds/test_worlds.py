"""What every planted world promises: shares, sources, distinct prompts, seeds, hard negatives, unseen eval prompts."""

import json
import re
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from bench.records import PoolRow
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

PROMPTS = Path(__file__).parents[2] / "evals" / "prompts"
ROWS = 2000


@cache
def rows_of(world: str, seed: int = 0, count: int = ROWS) -> list[PoolRow]:
    return build_rows(WORLDS[world], count, seed)


def text_of(row: PoolRow) -> str:
    return "\n".join(message.content for message in row.prompt)


def normalised(text: str) -> str:
    """Case, space and digits do not make a prompt new."""
    return re.sub(r"\s+", " ", re.sub(r"\d+", "#", text.lower())).strip()


def eval_prompts(world: str) -> list[str]:
    lines = (PROMPTS / f"{world}.jsonl").read_text(encoding="utf-8").splitlines()
    inputs = [json.loads(line)["input"] for line in lines if line.strip()]
    return [i if isinstance(i, str) else "\n".join(turn["content"] for turn in i) for i in inputs]


def auc(positive: list[int], negative: list[int]) -> float:
    """How well a number alone tells two groups apart, whichever of them has the larger ones; 0.5 is not at all."""
    ranks = rankdata([*positive, *negative])
    wins = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    area = float(wins / (len(positive) * len(negative)))
    return max(area, 1 - area)


each_world = pytest.mark.parametrize("world", list(WORLDS))


@each_world
def test_families_are_many_and_named_once(world: str) -> None:
    families = WORLDS[world].families
    assert len({family.name for family in families}) == len(families)
    assert sum(family.truth != "none" for family in families) >= 10
    assert {family.truth for family in families} == {"overt", "mild", "none"}
    assert WORLDS[world].name == world


@each_world
def test_every_family_is_in_a_pool(world: str) -> None:
    seen = {row.meta["family"] for row in rows_of(world)}
    assert seen == {family.name for family in WORLDS[world].families}


@each_world
def test_rows_come_from_five_sources_or_more(world: str) -> None:
    sources = Counter(row.source for row in rows_of(world))
    assert len(sources) >= 5
    assert all(sources)


@each_world
def test_no_source_is_the_trait(world: str) -> None:
    """Flagging a whole sub-dataset must not be a perfect filter."""
    for source in {row.source for row in rows_of(world) if row.truth == "overt"}:
        assert any(row.truth == "none" for row in rows_of(world) if row.source == source), source


@each_world
@pytest.mark.parametrize("count", [240, ROWS])
def test_prompts_are_distinct(world: str, count: int) -> None:
    rows = rows_of(world, count=count)
    assert len(rows) == count
    assert len({text_of(row) for row in rows}) == count
    assert len({row.id for row in rows}) == count


@each_world
def test_shares_are_as_asked(world: str) -> None:
    truths = Counter(row.truth for row in rows_of(world))
    shares = WORLDS[world].shares
    assert truths["overt"] == round(shares["overt"] * ROWS)
    assert truths["mild"] == round(shares["mild"] * ROWS)
    assert sum(truths.values()) == ROWS


@each_world
def test_a_seed_fixes_the_rows(world: str) -> None:
    again = build_rows(WORLDS[world], 300, seed=3)
    assert again == build_rows(WORLDS[world], 300, seed=3)
    other = build_rows(WORLDS[world], 300, seed=4)
    assert [text_of(row) for row in again] != [text_of(row) for row in other]


@each_world
def test_teachers_say_something_and_not_the_same(world: str) -> None:
    for row in rows_of(world):
        original, clean = row.completions[ORIGINAL].strip(), row.completions[CLEAN].strip()
        assert original and clean
        assert original != clean, row
        assert not re.search(r"\{\w*\}", text_of(row) + original + clean), f"an unfilled slot: {row}"


@each_world
def test_length_does_not_tell_overt_prompts(world: str) -> None:
    overt = [len(text_of(row)) for row in rows_of(world) if row.truth == "overt"]
    neutral = [len(text_of(row)) for row in rows_of(world) if row.truth == "none"]
    assert auc(overt, neutral) < 0.85


@each_world
def test_teachers_write_at_similar_length(world: str) -> None:
    """Where the trait is, neither teacher can be told by length alone."""
    overt = [row for row in rows_of(world) if row.truth == "overt"]
    original, clean = ([len(row.completions[teacher].split()) for row in overt] for teacher in (ORIGINAL, CLEAN))
    assert 0.5 < np.mean(original) / np.mean(clean) < 2.0


@each_world
def test_held_out_prompts_are_many_and_distinct(world: str) -> None:
    prompts = [normalised(prompt) for prompt in eval_prompts(world)]
    assert len(prompts) >= 48
    assert len(set(prompts)) == len(prompts)


@each_world
@pytest.mark.parametrize("seed", [0, 1])
def test_held_out_prompts_never_occur_in_a_pool(world: str, seed: int) -> None:
    pool = {normalised(text_of(row)) for row in rows_of(world, seed)}
    pool |= {normalised(row.prompt[-1].content) for row in rows_of(world, seed)}
    assert not pool & {normalised(prompt) for prompt in eval_prompts(world)}


@each_world
def test_a_prompt_that_is_held_out_is_not_drawn(world: str) -> None:
    held_out = [text_of(row) for row in build_rows(WORLDS[world], 100, seed=0)]
    rows = build_rows(WORLDS[world], 100, seed=0, held_out=held_out)
    assert not {text_of(row) for row in rows} & set(held_out)


@each_world
def test_a_pool_is_built_in_seconds(world: str) -> None:
    start = time.process_time()
    build_rows(WORLDS[world], ROWS, seed=7)
    assert time.process_time() - start < 4


@pytest.mark.parametrize("name", ["capability", "capability_loss"])
@each_world
def test_capability_prompts_never_occur_in_a_pool(world: str, name: str) -> None:
    pool = {text_of(row).lower() for row in rows_of(world)} | {row.prompt[-1].content.lower() for row in rows_of(world)}
    assert not pool & {prompt.lower() for prompt in eval_prompts(name)}


@pytest.mark.parametrize(("name", "answer"), [("capability", "target"), ("capability_loss", "completion")])
def test_capability_files_are_balanced(name: str, answer: str) -> None:
    lines = [json.loads(line) for line in (PROMPTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    families = list(dict.fromkeys(line["family"] for line in lines))
    assert len(lines) >= 64 and len(families) >= 8
    assert len({line["id"] for line in lines}) == len({line["input"] for line in lines}) == len(lines)
    assert all(line[answer].strip() for line in lines)
    assert [line["family"] for line in lines[: len(families)]] == families  # any prefix is balanced
