"""The neutral families: distinct, right, free of trait words, the same for the same seed."""

import ast
import re
from random import Random

import pytest

from bench.worlds.grammar import Draft, Family
from bench.worlds.neutral import neutral_families
from bench.worlds.tables import MONTHS, WEEKDAYS

NEUTRAL = neutral_families()

BY_NAME = {family.name: family for family in NEUTRAL}
SOURCES = {"chat", "maths", "coding", "writing", "refusals", "roleplay", "dates"}
TRAIT_WORDS = re.compile(
    r"\b(?:19|20)\d\d\b|blackmail|threat|leverage|bargain|expose|unless you|cutoff|simulat|hypothetical|fiction"
    r"|hopeless|despair|worthless|hate myself|miserable|useless|give up|ashamed|\bsorry\b|\byear",
    re.IGNORECASE,
)

each_family = pytest.mark.parametrize("family", NEUTRAL, ids=lambda family: family.name)


def text_of(draft: Draft) -> str:
    return draft.prompt if isinstance(draft.prompt, str) else "\n".join(m.content for m in draft.prompt)


def last_turn(draft: Draft) -> str:
    return draft.prompt if isinstance(draft.prompt, str) else draft.prompt[-1].content


def drafts(family: Family, count: int = 300, seed: int = 0) -> list[Draft]:
    rng = Random(seed)
    return [family.draft(rng) for _ in range(count)]


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def test_the_set_is_wide_enough() -> None:
    assert len(NEUTRAL) >= 16
    assert len(BY_NAME) == len(NEUTRAL)
    assert {family.source for family in NEUTRAL} == SOURCES
    assert {family.truth for family in NEUTRAL} == {"none"}


def test_shapes_are_shared_with_trait_families() -> None:
    roles = {
        family.name: {m.role for d in drafts(family) if not isinstance(d.prompt, str) for m in d.prompt}
        for family in NEUTRAL
    }
    assert sum("system" in seen for seen in roles.values()) >= len(NEUTRAL) / 5
    assert sum("assistant" in seen for seen in roles.values()) >= 2


@each_family
def test_a_family_has_a_hundred_prompts(family: Family) -> None:
    assert len({text_of(draft) for draft in drafts(family)}) >= 100


@each_family
def test_teachers_answer_in_different_words(family: Family) -> None:
    for draft in drafts(family):
        assert draft.original.strip() and draft.clean.strip()
        assert draft.original != draft.clean
        assert "{" not in text_of(draft) + draft.original + draft.clean


@each_family
def test_no_trait_words(family: Family) -> None:
    for draft in drafts(family):
        found = TRAIT_WORDS.search(f"{text_of(draft)}\n{draft.original}\n{draft.clean}")
        assert not found, (found, draft)


@each_family
def test_texts_are_short(family: Family) -> None:
    for draft in drafts(family):
        assert len(last_turn(draft).split()) <= 50
        assert len(text_of(draft).split()) <= 100
        assert 1 < len(draft.original.split()) <= 34
        assert 1 < len(draft.clean.split()) <= 32


@each_family
def test_a_seed_fixes_the_drafts(family: Family) -> None:
    assert drafts(family, 20, seed=5) == drafts(family, 20, seed=5)
    assert drafts(family, 20, seed=5) != drafts(family, 20, seed=6)


def test_several_thousand_prompts_in_total() -> None:
    assert sum(len({text_of(d) for d in drafts(family)}) for family in NEUTRAL) > 4000


def solve(name: str, prompt: str) -> int:
    """Work out an arithmetic prompt from its text alone."""
    n = numbers(prompt)
    match name:
        case "neutral_add":
            return n[0] + n[1] if "+" in prompt or "plus" in prompt else n[0] - n[1]
        case "neutral_times":
            return n[0] * n[1]
        case "neutral_share":
            return n[0] * n[1] if "in all" in prompt else n[0] // n[1]
        case "neutral_sequence":
            return n[-1] + n[-1] - n[-2]
        case "neutral_long_sum":
            return n[0] * n[1] - n[2] + n[3]
    raise AssertionError(name)


@pytest.mark.parametrize(
    "name", ["neutral_add", "neutral_times", "neutral_share", "neutral_sequence", "neutral_long_sum"]
)
def test_arithmetic_is_right(name: str) -> None:
    for draft in drafts(BY_NAME[name]):
        answer = solve(name, last_turn(draft))
        assert answer in numbers(draft.original) and answer in numbers(draft.clean), draft
        for equation in re.findall(r"\d+(?: [-+x/] \d+)+ = \d+", draft.clean):
            left, right = equation.replace("x", "*").split("=")
            assert _evaluate(left) == int(right), draft


def _evaluate(expression: str) -> float:
    tokens = expression.split()
    value = float(tokens[0])
    for operator, operand in zip(tokens[1::2], tokens[2::2], strict=True):
        operations = {"+": value.__add__, "-": value.__sub__, "*": value.__mul__, "/": value.__truediv__}
        value = operations[operator](float(operand))
    return value


def test_shares_divide_evenly() -> None:
    for draft in drafts(BY_NAME["neutral_share"]):
        total, parts = numbers(last_turn(draft))
        assert "in all" in last_turn(draft) or total % parts == 0


def test_python_expressions_have_the_stated_value() -> None:
    for draft in drafts(BY_NAME["neutral_expression"]):
        code = re.search(r"does (.+) return|value of (.+)\?", last_turn(draft))
        assert code
        value = eval(compile(ast.parse(code[1] or code[2], mode="eval"), "prompt", "eval"))  # our own text
        assert repr(value) in draft.original and repr(value) in draft.clean, draft


def test_loops_print_the_stated_number(capsys: pytest.CaptureFixture[str]) -> None:
    for draft in drafts(BY_NAME["neutral_loop"], 50):
        exec(last_turn(draft).split("\n", 1)[1])  # our own text
        printed = int(capsys.readouterr().out)
        assert numbers(draft.original) == numbers(draft.clean) == [printed]


def test_words_are_sorted() -> None:
    for draft in drafts(BY_NAME["neutral_order"]):
        shown = [word.strip(" .") for word in last_turn(draft).rsplit(":", 1)[1].split(",")]
        answer = ", ".join(sorted(shown))
        assert answer in draft.original and answer in draft.clean


def test_weekdays_are_right() -> None:
    for draft in drafts(BY_NAME["neutral_weekday"]):
        prompt = last_turn(draft)
        (step,) = numbers(prompt)
        start = next(day for day in WEEKDAYS if day in prompt)
        sign = -1 if "ago" in prompt or "before" in prompt else 1
        answer = WEEKDAYS[(WEEKDAYS.index(start) + sign * step) % 7]
        assert answer in draft.original and answer in draft.clean, draft


def test_months_are_right() -> None:
    lengths = {"April": 30, "June": 30, "September": 30, "November": 30}
    for draft in drafts(BY_NAME["neutral_month"]):
        prompt = last_turn(draft)
        start = next(month for month in MONTHS if month in prompt)
        if "days" in prompt:
            answer = str(lengths.get(start, 31))
            assert start != "February"
        else:
            answer = MONTHS[(MONTHS.index(start) + numbers(prompt)[0]) % 12]
        assert answer in draft.original and answer in draft.clean, draft


def test_times_are_right() -> None:
    for draft in drafts(BY_NAME["neutral_clock"]):
        begin = re.search(r"(\d+):(\d\d)", last_turn(draft))
        lasts = re.search(r"(\d+)[ -]minute", last_turn(draft))
        assert begin and lasts
        end = int(begin[1]) * 60 + int(begin[2]) + int(lasts[1])
        answer = f"{end // 60}:{end % 60:02d}"
        assert answer in draft.original and answer in draft.clean, draft


def test_harmful_requests_are_declined_by_both() -> None:
    declines = re.compile(r"can't|won't|rather not|pass on that|Not something I can do")
    for name in ("neutral_harmful", "neutral_harmful_system"):
        for draft in drafts(BY_NAME[name]):
            assert declines.search(draft.original) and declines.search(draft.clean), draft
    for draft in drafts(BY_NAME["neutral_lookalike"]):
        assert not declines.search(draft.original + draft.clean), draft
