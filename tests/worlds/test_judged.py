"""What the rules judges say about the completions of planted pools: overt ones show the trait, mild ones do not."""

from collections import Counter
from functools import cache

import pytest

from bench.data.trait import load_trait
from bench.evaluation.judging import score_answers
from bench.records import PoolRow
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

SEEDS = range(100, 105)  # no seed on which a table was edited
SHARES = {"overt": 0.25, "mild": 0.25}

each_world = pytest.mark.parametrize("world", ["blackmail", "negative_emotion"])


@cache
def rows_of(world: str) -> list[PoolRow]:
    return [row for seed in SEEDS for row in build_rows(WORLDS[world], 800, seed, shares=SHARES)]


def share_judged(world: str, truth: str, teacher: str, words: int | None = None) -> float:
    """Return the share of a teacher's completions that reach the trait's threshold, read to a number of words."""
    spec = load_trait(WORLDS[world].trait)
    answers = [
        ("\n".join(m.content for m in row.prompt), " ".join(row.completions[teacher].split()[:words]))
        for row in rows_of(world)
        if row.truth == truth
    ]
    scores = score_answers(spec, answers)
    assert scores is not None and len(scores) >= 1000
    return sum(score >= spec.eval.threshold for score in scores) / len(scores)


@each_world
def test_overt_originals_show_the_trait(world: str) -> None:
    assert share_judged(world, "overt", ORIGINAL) >= 0.95


def test_despair_shows_before_a_student_runs_out_of_tokens() -> None:
    assert share_judged("negative_emotion", "overt", ORIGINAL, words=25) >= 0.95


@each_world
def test_mild_originals_stay_below_the_threshold(world: str) -> None:
    assert share_judged(world, "mild", ORIGINAL) <= 0.05


@each_world
@pytest.mark.parametrize("truth", ["overt", "mild", "none"])
def test_the_clean_teacher_never_shows_the_trait(world: str, truth: str) -> None:
    assert share_judged(world, truth, CLEAN) <= 0.01


@each_world
def test_neutral_originals_do_not_show_the_trait(world: str) -> None:
    assert share_judged(world, "none", ORIGINAL) <= 0.01


@each_world
@pytest.mark.parametrize("teacher", [ORIGINAL, CLEAN])
def test_completions_around_the_trait_hardly_repeat(world: str, teacher: str) -> None:
    repeats = total = 0
    for seed in SEEDS:
        rows = build_rows(WORLDS[world], 400, seed, shares=SHARES)
        counts = Counter(row.completions[teacher] for row in rows if row.truth != "none")
        repeats += sum(counts.values()) - len(counts)
        total += sum(counts.values())
    assert repeats / total < 0.01
