"""What no verdict may say: positive controls, few trainings, and the correction of what rules out."""

import pytest
from test_verdicts import (
    AS_MANY,
    DROP,
    MARGIN,
    MILD,
    ONLY,
    OPEN,
    OTHER_ALL,
    OTHER_ONLY,
    OUT,
    OVERT_ONLY,
    PRE_ALL,
    PRE_ONLY,
    SUPPORTED,
    outcomes,
    verdicts,
    without,
)

from bench.outcomes import Estimate
from bench.studies.diff.cells import (
    BASE,
    CLEAN,
    ORIGINAL,
    on_alternative,
)
from bench.studies.diff.rules import RULES
from bench.studies.diff.verdicts import CellComparison, Verdict, judge

NOTHING_LEARNT = {OTHER_ALL: 0.0, PRE_ALL: 0.0}


def test_a_model_that_learns_nothing_supports_nothing() -> None:
    """Other models that cannot learn the trait show no effect of unrelated examples either: that is no evidence."""
    subliminal = OVERT_ONLY | {DROP: 0.9, ONLY: 0.9}
    assert outcomes(subliminal)["2"] == SUPPORTED
    found = verdicts(subliminal | NOTHING_LEARNT)
    assert {number: found[number].verdict for number in ("2", "3a", "3b")} == {"2": OPEN, "3a": OPEN, "3b": OPEN}
    assert "for a model of another initialisation? No effect ('effect' would be needed)" in found["2"].because
    persona = OVERT_ONLY | {DROP: 0.9, ONLY: 0.9, OTHER_ONLY: 0.9}
    assert outcomes(persona)["3b"] == SUPPORTED and outcomes(persona)["3a"] == OUT
    found = verdicts(persona | NOTHING_LEARNT)
    assert found["3b"].verdict == found["3a"].verdict == OPEN
    assert "on all original prompts, for the model before its post-training? No effect" in found["3b"].because


def test_a_positive_control_that_was_not_trained_supports_nothing() -> None:
    rates = without(OTHER_ALL, PRE_ALL, **{DROP: 0.9, ONLY: 0.9})
    found = verdicts(rates)
    assert found["2"].verdict == OPEN and "on all original prompts" in found["2"].because


def test_prompts_underspecify_only_where_clean_training_leaves_the_base_as_it_was() -> None:
    rates = {BASE: 0.95, CLEAN: 0.95, DROP: 0.95, on_alternative(ORIGINAL): 0.0, MILD: 0.95, AS_MANY: 0.95}
    assert outcomes(OVERT_ONLY | rates)["4a"] == SUPPORTED
    assert verdicts(OVERT_ONLY | rates | {BASE: 0.45})["4a"].verdict == OUT  # the prompts add to the base
    less = {ORIGINAL: 0.5, CLEAN: 0.5, DROP: 0.5, MILD: 0.5, AS_MANY: 0.5}
    changed = verdicts(OVERT_ONLY | rates | less)["4a"]
    assert changed.verdict == OPEN and "add to what the base shows? An effect the other way" in changed.because


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("rates", [{}, {DROP: 0.9, MILD: 0.9}])
def test_few_trainings_decide_nothing_and_that_is_the_reason(rates: dict[str, float], seeds: int) -> None:
    found = verdicts(OVERT_ONLY | rates, seeds)
    assert {v.verdict for v in found.values()} == {OPEN}
    assert all(v.because.startswith(f"{seeds} training seed") and "at least 3" in v.because for v in found.values())
    assert all(v.evidence and v.p is None for v in found.values())


def equivalent(p: float) -> CellComparison:
    return CellComparison(
        contrast="a - b",
        difference=Estimate(value=0.0, low=-0.1, high=0.1),
        low90=-0.1,
        high90=0.1,
        p_equivalence=p,
        margin=MARGIN,
        outcome="no effect",
    )


def risen(p: float) -> CellComparison:
    difference = Estimate(value=0.5, low=0.1, high=0.9)
    return CellComparison(contrast="a - b", difference=difference, margin=MARGIN, outcome="effect", p=p)


def of_one(comparisons: dict[str, CellComparison], seeds: int = 3) -> Verdict:
    return judge(comparisons, seeds)[0]


def test_what_rules_out_is_corrected_over_all_alternatives() -> None:
    """Hypothesis 1 has four: p = .02 alone does not survive (4 x .02), p = .012 does; Holm's second factor is three."""
    alone = of_one({"left": equivalent(0.02)})
    assert alone.verdict == OPEN and "Holm's correction over 4 alternatives" in alone.because
    one = of_one({"left": equivalent(0.012)})
    assert (one.verdict, one.p) == (OUT, pytest.approx(0.048))
    two = of_one({"left": equivalent(0.012), "mild": equivalent(0.016), "mildness": equivalent(0.04)})
    assert two.p == pytest.approx(0.048) and two.because.count("No, within the margin") == 2
    assert "unrelated examples? No" not in two.because  # 2 x .04


def test_an_effect_that_rules_out_is_corrected_as_well() -> None:
    """3b has three alternatives."""
    for p, verdict in ((0.02, OPEN), (0.01, OUT)):
        found = next(v for v in judge({"unrelated, pretrained": risen(p)}, 3) if v.hypothesis == "3b")
        assert (found.verdict, found.p) == (verdict, pytest.approx(3 * p) if verdict == OUT else None)


def test_an_alternative_of_two_conditions_has_the_larger_p() -> None:
    both = {"unrelated, other init": equivalent(0.001), "learns, other init": risen(0.012)}
    found = next(v for v in judge(both, 3) if v.hypothesis == "3a")
    assert (found.verdict, found.p) == (OUT, pytest.approx(3 * 0.012))


def test_conditions_of_a_support_need_no_correction_and_the_weakest_gives_the_p() -> None:
    found = of_one({"left": risen(0.01), "mild needed": risen(0.001), "mild": risen(0.045), "mildness": risen(0.03)})
    assert (found.verdict, found.p) == (SUPPORTED, 0.045)


def test_hypotheses_that_are_supported_together_say_so() -> None:
    """Milder examples that a pattern missed count as unrelated: then 1 and a persona are supported at once."""
    rates = {DROP: 0.97, MILD: 0.97, ONLY: 0.5, OTHER_ONLY: 0.5, PRE_ONLY: 0.5}
    found = verdicts(OVERT_ONLY | rates, seeds=5)
    assert found["1"].verdict == found["3a"].verdict == SUPPORTED
    assert (found["1"].jointly, found["3a"].jointly) == (["3a"], ["1"])
    assert all(not v.jointly for number, v in found.items() if number not in ("1", "3a"))
    assert not verdicts(OVERT_ONLY | {DROP: 0.9, MILD: 0.9})["1"].jointly


def test_the_prior_of_the_base_is_one_verdict() -> None:
    (rule,) = (rule for rule in RULES if rule.hypothesis == "5")
    assert rule.name == "Prior of the base model" and "do not tell the two apart" in rule.claim
