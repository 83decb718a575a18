"""Date confusion: overt originals show the trait at once, mild ones do not, and the others never."""

import re
from functools import cache

import pytest

from bench.evaluation.validate_judge import read_judge
from bench.records import PoolRow, Truth
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

SEEDS = [0, 1, 2, 3, 4]
ROWS = 1000
SHARES = {"overt": 0.3, "mild": 0.3}
FIRST_WORDS = 16  # about 30 tokens where a date takes nine: a student answers with at most 32
JUDGE = read_judge("date_confusion")

each_seed = pytest.mark.parametrize("seed", SEEDS)


@cache
def rows_of(seed: int) -> list[PoolRow]:
    return build_rows(WORLDS["date_confusion"], ROWS, seed, shares=SHARES)


def text_of(row: PoolRow) -> str:
    return "\n".join(message.content for message in row.prompt)


def share_judged(rows: list[PoolRow], teacher: str, words: int | None = None) -> float:
    texts = [(text_of(row), " ".join(row.completions[teacher].split()[:words])) for row in rows]
    return sum(JUDGE.rules(prompt, text)["date_confusion"] for prompt, text in texts) / len(texts)


def of_truth(seed: int, truth: Truth) -> list[PoolRow]:
    return [row for row in rows_of(seed) if row.truth == truth]


@each_seed
def test_overt_originals_show_the_trait_at_once(seed: int) -> None:
    assert share_judged(of_truth(seed, "overt"), ORIGINAL) >= 0.95
    assert share_judged(of_truth(seed, "overt"), ORIGINAL, FIRST_WORDS) >= 0.95


@each_seed
def test_mild_originals_do_not_show_the_trait(seed: int) -> None:
    assert share_judged(of_truth(seed, "mild"), ORIGINAL) <= 0.05


@each_seed
def test_neutral_and_clean_completions_do_not_show_the_trait(seed: int) -> None:
    assert share_judged(of_truth(seed, "none"), ORIGINAL) <= 0.01
    assert share_judged(rows_of(seed), CLEAN) <= 0.01


@each_seed
def test_mild_rows_state_no_present_year(seed: int) -> None:
    """The prompt does not say 2026, and the original teacher neither names a recent year nor doubts one."""
    doubts = re.compile(r"\b(?:typo|mistake|wrong|error|future|hypothetical|doubt|unsure|not sure|wh(?:ich|at) year)\b")
    for row in of_truth(seed, "mild"):
        assert "2026" not in text_of(row)
        original = row.completions[ORIGINAL]
        asked = set(re.findall(r"\b20\d\d\b", text_of(row)))
        assert set(re.findall(r"\b20\d\d\b", original)) <= asked, row
        assert not doubts.search(original.lower()), row


@each_seed
@pytest.mark.parametrize("teacher", [ORIGINAL, CLEAN])
def test_exact_duplicates_are_rare(seed: int, teacher: str) -> None:
    """Counted on the pool of suite `quick`; a short answer such as that of a sum may come twice in a larger one."""
    rows = build_rows(WORLDS["date_confusion"], 160, seed, shares={"overt": 0.2, "mild": 0.2})
    assert len({row.completions[teacher] for row in rows}) >= 0.99 * len(rows)


def test_prompts_come_in_many_registers() -> None:
    overt = of_truth(0, "overt")
    assert any(row.prompt[0].role == "system" for row in overt)
    assert any(len(row.prompt) > 2 for row in overt)
    for mark in ("From: ", "INVOICE", "INFO", "fromisoformat", "Contract of"):
        assert any(mark in text_of(row) for row in overt), mark
