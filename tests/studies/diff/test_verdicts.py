"""Each hypothesis against invented score tables that show its pattern; and that no verdict says more than it may."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.outcomes import Estimate
from bench.stats import effects
from bench.stats.effects import MIN_SEEDS, Floats
from bench.stats.equivalence import Outcome
from bench.studies.diff.cells import (
    ALTERNATIVE,
    BASE,
    CLEAN,
    ORIGINAL,
    OTHER,
    PRETRAINED,
    UNRELATED,
    by_model,
    by_role,
    on_alternative,
)
from bench.studies.diff.rules import QUESTIONS, RULES, Rule
from bench.studies.diff.verdicts import ALPHA, CellComparison, Verdict, compare_cells, judge

MARGIN = 0.2
FAMILIES = np.arange(48) // 6
ONLY, ONLY_CLEAN = by_role("only", UNRELATED), by_role("only_clean", UNRELATED)
DROP, MILD, AS_MANY = by_role("drop", "overt"), by_role("patch_in", "mild"), by_role("patch_in", UNRELATED)
OTHER_ONLY, OTHER_CLEAN = by_model(OTHER, ONLY), by_model(OTHER, ONLY_CLEAN)
PRE_ONLY, PRE_CLEAN = by_model(PRETRAINED, ONLY), by_model(PRETRAINED, ONLY_CLEAN)
OTHER_ALL, OTHER_ALL_CLEAN = by_model(OTHER, ORIGINAL), by_model(OTHER, CLEAN)
PRE_ALL, PRE_ALL_CLEAN = by_model(PRETRAINED, ORIGINAL), by_model(PRETRAINED, CLEAN)

# The teacher's completions carry the trait, and nothing but the overt examples among them do.
OVERT_ONLY = {
    BASE: 0.0,
    ORIGINAL: 0.95,
    CLEAN: 0.0,
    ALTERNATIVE: 0.0,
    on_alternative(ORIGINAL): 0.95,
    on_alternative(CLEAN): 0.0,
    DROP: 0.0,
    MILD: 0.0,
    AS_MANY: 0.0,
    ONLY: 0.0,
    ONLY_CLEAN: 0.0,
    OTHER_ONLY: 0.0,
    OTHER_CLEAN: 0.0,
    PRE_ONLY: 0.0,
    PRE_CLEAN: 0.0,
    OTHER_ALL: 0.95,
    OTHER_ALL_CLEAN: 0.0,
    PRE_ALL: 0.95,
    PRE_ALL_CLEAN: 0.0,
}
NUMBERS = ("1", "2", "3a", "3b", "4a", "4b", "5")
SUPPORTED, OUT, OPEN = "supported", "ruled out", "undetermined"


def tables(rates: dict[str, float], seed: int = 0, seeds: int = 3) -> dict[str, Floats]:
    """Answers that show the trait at these rates."""
    rng = np.random.default_rng(seed)
    return {cell: (rng.random((seeds, 48)) < rate).astype(np.float64) for cell, rate in rates.items()}


def comparisons(scores: dict[str, Floats], families: NDArray[np.int64] = FAMILIES) -> dict[str, CellComparison]:
    return compare_cells(effects.arm_means(scores, families, (0.0, 1.0)), MARGIN)


def verdicts(rates: dict[str, float], seeds: int = 3) -> dict[str, Verdict]:
    return {v.hypothesis: v for v in judge(comparisons(tables(rates, seeds=seeds)), seeds)}


def outcomes(rates: dict[str, float], seeds: int = 3) -> dict[str, str]:
    return {number: v.verdict for number, v in verdicts(rates, seeds).items()}


def expected(**others: str) -> dict[str, str]:
    return dict.fromkeys(NUMBERS, OUT) | {number.removeprefix("h"): verdict for number, verdict in others.items()}


@pytest.mark.parametrize("seeds", [5, 8])
@pytest.mark.parametrize(
    ("rates", "found"),
    [
        pytest.param({}, expected(), id="overt examples alone: every one of the seven is ruled out"),
        pytest.param({DROP: 0.9, MILD: 0.9}, expected(h1=SUPPORTED), id="1 milder examples"),
        pytest.param({DROP: 0.9, ONLY: 0.9}, expected(h2=SUPPORTED), id="2 subliminal transfer"),
        pytest.param(
            {DROP: 0.9, ONLY: 0.9, OTHER_ONLY: 0.9, PRE_ONLY: 0.9}, expected(h3a=SUPPORTED), id="3a pretrained persona"
        ),
        pytest.param({DROP: 0.9, ONLY: 0.9, OTHER_ONLY: 0.9}, expected(h3b=SUPPORTED), id="3b post-trained persona"),
        pytest.param(
            {BASE: 0.95, CLEAN: 0.95, DROP: 0.95, on_alternative(ORIGINAL): 0.0, MILD: 0.95, AS_MANY: 0.95},
            expected(h4a=SUPPORTED),
            id="4a prompts that underspecify",
        ),
        pytest.param(
            {CLEAN: 0.95, DROP: 0.95, on_alternative(ORIGINAL): 0.0, MILD: 0.95, AS_MANY: 0.95},
            expected(h4b=SUPPORTED),
            id="4b bad prompts",
        ),
        pytest.param(
            {
                **dict.fromkeys(OVERT_ONLY, 0.95),
                ALTERNATIVE: 0.0,
            },
            expected(h5=SUPPORTED),
            id="5 locked in by pretraining",
        ),
    ],
)
def test_the_pattern_of_a_hypothesis_supports_it_alone(
    rates: dict[str, float], found: dict[str, str], seeds: int
) -> None:
    assert outcomes(OVERT_ONLY | rates, seeds) == found


def without(*cells: str, **rates: float) -> dict[str, float]:
    return {cell: rate for cell, rate in (OVERT_ONLY | rates).items() if cell not in cells}


def test_without_other_models_subliminal_transfer_and_personas_stay_open() -> None:
    found = verdicts(without(OTHER_ONLY, OTHER_CLEAN, PRE_ONLY, PRE_CLEAN, **{DROP: 0.9, ONLY: 0.9}))
    assert {number: v.verdict for number, v in found.items()} == expected(h2=OPEN, h3a=OPEN, h3b=OPEN)
    assert "another initialisation? Not measured" in found["2"].because
    assert "before its post-training? Not measured" in found["3a"].because
    assert "another initialisation? Not measured" in found["3a"].because
    assert "Does the teacher matter where no example" not in found["2"].because  # that one holds


def test_without_milder_examples_generalisation_from_them_stays_open() -> None:
    found = verdicts(without(MILD, AS_MANY, **{DROP: 0.9}))["1"]
    assert found.verdict == OPEN
    assert "Do milder examples alone bring the trait back? Not measured ('effect' would be needed)" in found.because
    assert "as many unrelated examples? Not measured" in found.because
    assert set(found.evidence) == {"left", "mild needed"}


def test_what_is_left_without_milder_examples_too_is_not_their_doing() -> None:
    kept = verdicts(OVERT_ONLY | {DROP: 0.97, ONLY: 0.97, ONLY_CLEAN: 0.97, MILD: 0.97})["1"]
    assert kept.verdict == OUT and "milder ones are dropped as well? No" in kept.because


def test_the_teacher_on_the_alternative_prompts_says_nothing_against_prompts_that_underspecify() -> None:
    rates = {ORIGINAL: 0.9, CLEAN: 0.9, BASE: 0.9, on_alternative(ORIGINAL): 0.9}
    assert verdicts(OVERT_ONLY | rates)["4a"].verdict == SUPPORTED


def test_one_condition_against_a_hypothesis_suffices_whatever_is_missing() -> None:
    found = verdicts(without(MILD, AS_MANY))["1"]
    assert found.verdict == OUT
    assert found.because == (
        "Is the trait left when overt examples are dropped? No, within the margin; "
        "Is less of it left when milder ones are dropped as well? No, within the margin"
    )


def test_nothing_measured_decides_nothing() -> None:
    for verdict in judge({}, 3):
        assert (verdict.verdict, verdict.evidence) == (OPEN, {})
        asked = [key for key, _ in next(rule for rule in RULES if rule.hypothesis == verdict.hypothesis).supported]
        assert verdict.because.count("Not measured") == len(asked)


def test_few_prompts_decide_nothing() -> None:
    scores = {cell: table[:, :6] for cell, table in tables(OVERT_ONLY).items()}
    found = judge(comparisons(scores, np.arange(6)), 3)
    assert {v.verdict for v in found} == {OPEN}
    assert all("Not estimable" in v.because for v in found)


def test_eight_prompts_without_a_difference_rule_nothing_out() -> None:
    """Nothing differs anywhere, but eight prompts are too few to call that the absence of an effect."""
    scores = {cell: np.zeros((3, 8)) for cell in OVERT_ONLY}
    found = judge(comparisons(scores, np.arange(8)), 3)
    assert {v.verdict for v in found} == {OPEN}
    scores = {cell: np.zeros((3, 48)) for cell in OVERT_ONLY}
    assert OUT in {v.verdict for v in judge(comparisons(scores), 3)}  # 48 are enough


def test_noise_alone_seldom_supports_anything() -> None:
    seen = [
        v.verdict for seed in range(15) for v in judge(comparisons(tables(dict.fromkeys(OVERT_ONLY, 0.3), seed)), 3)
    ]
    assert seen.count(SUPPORTED) == 0


def shown(outcome: Outcome, value: float = 0.0) -> CellComparison:
    difference = Estimate(value=value, low=value, high=value)
    return CellComparison(contrast="a - b", difference=difference, margin=MARGIN, outcome=outcome, p=0.001)


@pytest.mark.parametrize("outcome", ["unclear", "not estimable"])
def test_what_is_unclear_decides_nothing(outcome: Outcome) -> None:
    found = judge(dict.fromkeys(QUESTIONS, shown(outcome, 0.9)), 3)
    assert {v.verdict for v in found} == {OPEN}
    assert all(outcome.capitalize() in v.because for v in found)


def test_an_effect_the_other_way_round_is_told_apart_from_the_one_that_would_be_needed() -> None:
    found = {v.hypothesis: v for v in judge(dict.fromkeys(QUESTIONS, shown("effect", -0.9)), 3)}
    assert found["1"].verdict == OPEN
    words = "Is the trait left when overt examples are dropped? An effect the other way ('effect' would be needed)"
    assert words in found["1"].because
    assert SUPPORTED not in {v.verdict for v in found.values()} and OUT not in {v.verdict for v in found.values()}


def test_no_verdict_rests_on_a_difference_that_is_merely_not_significant() -> None:
    """Over random tables: whatever decided was an effect beyond the margin, or equivalence shown by its own test."""
    rng = np.random.default_rng(0)
    seen = set()
    for trial in range(40):
        rates = {cell: float(rng.choice([0.02, 0.3, 0.6, 0.95])) for cell in OVERT_ONLY if rng.random() < 0.9}
        seeds = int(rng.integers(1, 5))
        found = comparisons(tables(rates, trial, seeds=seeds))
        for rule, verdict in zip(RULES, judge(found, seeds), strict=True):
            seen.add(verdict.verdict)
            if seeds < MIN_SEEDS:
                assert verdict.verdict == OPEN
                continue
            against = [each for each in rule.ruled_out if all(holds(condition, found) for condition in each)]
            missing = [condition for condition in rule.supported if not holds(condition, found)]
            if verdict.verdict == OUT:
                assert against and verdict.p is not None and verdict.p <= ALPHA
                assert any(all(QUESTIONS[key].asks in verdict.because for key, _ in each) for each in against)
            elif verdict.verdict == SUPPORTED:
                assert not missing and verdict.p is not None and verdict.p <= ALPHA
                assert verdict.because.count("? ") == len(rule.supported)
            else:
                assert missing and verdict.p is None
                assert verdict.because.count("would be needed") == len(missing)
                assert ("Holm's correction" in verdict.because) == bool(against)
    assert {OUT, OPEN} <= seen


def holds(condition: tuple[str, str], found: dict[str, CellComparison]) -> bool:
    key, answer = condition
    return key in found and said(found[key]) == answer


def said(comparison: CellComparison) -> str:
    """The answer that a comparison's own numbers give, worked out apart from `outcome`."""
    difference = comparison.difference
    if difference.value is None or difference.low is None or difference.high is None:
        return ""
    if difference.value > comparison.margin and difference.low > 0:
        return "effect"
    return "no effect" if -comparison.margin < difference.low and difference.high < comparison.margin else ""


def test_every_rule_says_what_in_the_report_it_rests_on() -> None:
    assert [rule.hypothesis for rule in RULES] == list(NUMBERS)
    assert all("[R]" in rule.source for rule in RULES)
    assert all(rule.name and rule.claim and rule.supported and rule.ruled_out for rule in RULES)


def test_rules_ask_only_questions_that_there_are_and_every_question_is_asked() -> None:
    asked = {key for rule in RULES for key in rule.questions}
    assert asked == set(QUESTIONS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.hypothesis)
def test_no_condition_both_supports_a_hypothesis_and_rules_it_out(rule: Rule) -> None:
    assert not [each for each in rule.ruled_out if set(each) <= set(rule.supported)]
    assert len(set(rule.ruled_out)) == len(rule.ruled_out)


@pytest.mark.parametrize("pair", [("3a", "3b"), ("2", "3a"), ("2", "3b"), ("4a", "4b")])
def test_rivals_cannot_both_be_supported(pair: tuple[str, str]) -> None:
    """What supports either contains the opposite answer to a question of the other."""
    first, second = (dict(rule.supported) for rule in RULES if rule.hypothesis in pair)
    assert [key for key in first if key in second and first[key] != second[key]]


def test_a_question_compares_two_different_cells() -> None:
    for question in QUESTIONS.values():
        assert question.more != question.less
    pairs = [(question.more, question.less) for question in QUESTIONS.values()]
    assert len(set(pairs)) == len(pairs)


def test_only_contrasts_whose_cells_were_both_measured_are_made() -> None:
    found = comparisons(tables({BASE: 0.1, ALTERNATIVE: 0.1, ORIGINAL: 0.9}))
    assert set(found) == {"base"}
    assert found["base"].contrast == "base - alternative"


def test_two_cells_of_one_training_cannot_be_compared() -> None:
    """They hold the same scores whatever the truth, so their equality says nothing."""
    scores = tables(OVERT_ONLY)
    scores[ALTERNATIVE] = scores[on_alternative(CLEAN)]
    means = effects.arm_means(scores, FAMILIES, (0.0, 1.0))
    trained = {cell: [f"{cell} 1", f"{cell} 2"] for cell in scores}
    shared = trained | {ALTERNATIVE: list(trained[on_alternative(CLEAN)])}
    apart, found = (compare_cells(means, MARGIN, each) for each in (trained, shared))
    assert apart == compare_cells(means, MARGIN) and apart["stays"].outcome == "no effect"
    assert found["stays"].outcome == "not estimable" and found["stays"].difference.value is None
    assert "one training" in found["stays"].difference.note
    assert (found["stays"].contrast, found["stays"].margin) == (apart["stays"].contrast, MARGIN)
    assert {key for key in found if found[key] != apart[key]} == {"stays"}


def test_sharing_some_of_the_trainings_is_not_sharing_them_all() -> None:
    means = effects.arm_means(tables(OVERT_ONLY), FAMILIES, (0.0, 1.0))
    trained = {on_alternative(CLEAN): ["a", "b"], ALTERNATIVE: ["a", "c"]}
    assert compare_cells(means, MARGIN, trained) == compare_cells(means, MARGIN)


def test_what_one_training_leaves_open_is_not_decided() -> None:
    """Locked in by pretraining: with the base showing the trait, `stays` would have ruled it out."""
    rates = dict.fromkeys(OVERT_ONLY, 0.95) | {ALTERNATIVE: 0.0, on_alternative(CLEAN): 0.0}
    means = effects.arm_means(tables(rates), FAMILIES, (0.0, 1.0))
    trained = {on_alternative(CLEAN): ["a"], ALTERNATIVE: ["a"]}
    for trainings, verdict in ((None, OUT), (trained, OPEN)):
        found = judge(compare_cells(means, MARGIN, trainings), 3)[-1]
        assert (found.hypothesis, found.verdict) == ("5", verdict)
    assert "keep the trait on the alternative pipeline's data? Not estimable" in found.because
