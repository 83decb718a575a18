"""Effect, no effect, or nobody can tell: against numbers worked out by hand and statsmodels' equivalence test."""

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.stats.weightstats import ttost_paired

from bench.errors import BenchError
from bench.stats import effects
from bench.stats.effects import Floats
from bench.stats.equivalence import Comparison, compare, contrast

ALONE = np.arange(48)  # every prompt a family of its own


def judged(
    arm: Floats,
    reference: Floats,
    margin: float = 0.2,
    scale: tuple[float, float] | None = (0.0, 1.0),
    clusters: NDArray[np.int64] = ALONE,
) -> Comparison:
    means = effects.arm_means({"arm": arm, "reference": reference}, clusters[: arm.shape[1]], scale)
    return compare(means, "arm", "reference", margin)


def coins(rate: float, rng: np.random.Generator, seeds: int = 3, prompts: int = 48) -> Floats:
    return (rng.random((seeds, prompts)) < rate).astype(np.float64)


def constant(value: float, seeds: int = 3, prompts: int = 48) -> Floats:
    return np.full((seeds, prompts), value)


def test_a_large_difference_is_an_effect() -> None:
    rng = np.random.default_rng(0)
    found = judged(coins(0.9, rng), coins(0.1, rng))
    assert found.outcome == "effect" and found.positive and not found.absent
    assert found.p_equivalence is not None and found.p_equivalence > 0.99


def test_an_effect_downwards_is_an_effect_but_not_a_positive_one() -> None:
    rng = np.random.default_rng(0)
    found = judged(coins(0.1, rng), coins(0.9, rng))
    assert found.outcome == "effect" and not found.positive and not found.absent


def test_the_difference_is_arm_minus_reference() -> None:
    found = judged(constant(0.75), constant(0.25))
    assert found.contrast == "arm - reference"
    assert found.difference.value == pytest.approx(0.5)
    assert judged(constant(0.25), constant(0.75)).difference.value == pytest.approx(-0.5)


def test_a_small_and_sure_difference_is_no_effect() -> None:
    shared = np.random.default_rng(0).normal(0, 1, (1, 48)).repeat(3, 0)
    found = judged(shared + 0.05, shared, scale=None)  # the interval excludes 0, and yet the difference counts as none
    assert found.difference.low is not None and found.difference.low > 0
    assert found.outcome == "no effect" and found.absent and not found.positive


def test_a_difference_beyond_the_margin_that_may_be_chance_is_unclear() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 3, (3, 48))
    found = judged(noise - noise.mean() + 0.3, constant(0.0), scale=None)
    assert found.difference.low is not None and found.difference.low < 0
    assert found.outcome == "unclear" and not found.positive and not found.absent


def test_a_difference_within_the_margin_that_may_be_larger_is_unclear() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, (3, 48))
    assert judged(noise - noise.mean() + 0.1, constant(0.0), scale=None).outcome == "unclear"


def test_the_margin_decides_between_effect_and_no_effect() -> None:
    arm = constant(0.5)
    assert judged(arm, constant(0.2), margin=0.2).outcome == "effect"
    assert judged(arm, constant(0.2), margin=0.4).outcome == "no effect"
    assert judged(arm, constant(0.2), margin=0.4).margin == 0.4


@pytest.mark.parametrize(("prompts", "margin", "outcome"), [(48, 0.2, "no effect"), (8, 0.2, "unclear")])
def test_scores_that_do_not_vary_are_equal_only_where_the_prompts_are_many(
    prompts: int, margin: float, outcome: str
) -> None:
    zeros = constant(0.0, prompts=prompts)
    found = judged(zeros, zeros, margin)
    assert found.outcome == outcome
    least = 1.6449**2 / (prompts + 1.6449**2)  # Wilson (1927): 0.053 of 48 prompts, 0.253 of 8
    assert (found.low90, found.high90) == (pytest.approx(-least, rel=1e-3), pytest.approx(least, rel=1e-3))


def test_the_floor_is_in_units_of_the_score() -> None:
    zeros = constant(0.0)
    assert judged(zeros, zeros, margin=0.5, scale=(0, 1)).outcome == "no effect"
    assert judged(zeros, zeros, margin=0.5, scale=(0, 10)).outcome == "unclear"
    assert judged(zeros, zeros, margin=2.0, scale=(0, 10)).outcome == "no effect"


def test_the_arm_with_the_fewest_scores_sets_the_width() -> None:
    few = constant(0.0)
    few[:, 8:] = np.nan
    assert judged(few, constant(0.0)).outcome == "unclear"


@pytest.mark.parametrize("seeds", [1, 2])
def test_nothing_is_claimed_below_three_seeds(seeds: int) -> None:
    far, same = (judged(constant(1.0, seeds), constant(low, seeds)) for low in (0.0, 1.0))
    for found in (far, same):
        assert found.outcome == "unclear" and not found.positive and not found.absent
        assert found.p_equivalence is None and found.difference.low is not None
        assert "one training is not a treatment effect" in found.difference.note
    assert judged(constant(1.0, 3), constant(0.0, 3)).positive


def test_models_taken_as_they_are_need_no_seeds() -> None:
    tables = {"arm": constant(1.0, 1), "reference": constant(0.0, 1)}
    found = compare(effects.arm_means(tables, ALONE, (0, 1), fixed=True), "arm", "reference", 0.2)
    assert found.positive and found.difference.note == ""


@pytest.mark.parametrize("prompts", [4, 7])
def test_too_few_prompts_are_not_estimable(prompts: int) -> None:
    found = judged(constant(1.0, prompts=prompts), constant(0.0, prompts=prompts))
    assert found.outcome == "not estimable"
    assert (found.low90, found.high90, found.p_equivalence) == (None, None, None)
    assert f"{prompts} prompts" in found.difference.note


def test_one_family_is_not_estimable() -> None:
    found = judged(constant(1.0), constant(0.0), clusters=np.zeros(48, dtype=np.int64))
    assert found.outcome == "not estimable" and not found.positive and not found.absent


def test_an_arm_without_scores_is_not_estimable() -> None:
    assert judged(constant(np.nan), constant(0.0)).outcome == "not estimable"


def test_an_arm_that_was_not_measured_is_named() -> None:
    means = effects.arm_means({"arm": constant(1.0)}, ALONE, (0, 1))
    with pytest.raises(BenchError, match="elsewhere"):
        compare(means, "arm", "elsewhere", 0.2)


def test_a_contrast_weighs_its_arms() -> None:
    tables = {"a": constant(1.0), "b": constant(0.5), "c": constant(0.25)}
    found = contrast(effects.arm_means(tables, ALONE, (0, 1)), "a - (b + c) / 2", {"a": 1.0, "b": -0.5, "c": -0.5}, 0.2)
    assert found.contrast == "a - (b + c) / 2"
    assert found.difference.value == pytest.approx(0.625)


def test_prompt_families_widen_the_interval() -> None:
    by_family = np.random.default_rng(2).normal(0, 0.3, 8).repeat(6)[None].repeat(3, 0)
    alone, clustered = (judged(by_family, constant(0.0), scale=None, clusters=c) for c in (ALONE, ALONE // 6))
    assert None not in (alone.low90, alone.high90, clustered.low90, clustered.high90)
    assert (clustered.high90 or 0) - (clustered.low90 or 0) > 1.5 * ((alone.high90 or 0) - (alone.low90 or 0))


def smooth(shift: float, spread: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two paired arms of one seed whose difference over 400 prompts is `shift` with this standard deviation."""
    reference = rng.normal(0, 1, (1, 400))
    noise = rng.normal(0, 1, (1, 400))
    return reference + shift + spread * (noise - noise.mean()) / noise.std(), reference


@pytest.mark.parametrize("shift", [-0.18, -0.1, 0.0, 0.1, 0.15, 0.17, 0.19, 0.25])
def test_the_equivalence_test_agrees_with_statsmodels(shift: float) -> None:
    arm, reference = smooth(shift, 0.5, np.random.default_rng(3))
    means = effects.arm_means({"arm": arm, "reference": reference}, np.arange(400), None, fixed=True)
    found = compare(means, "arm", "reference", 0.2)
    p, _, _ = ttost_paired(arm[0], reference[0], -0.2, 0.2)
    assert found.p_equivalence == pytest.approx(p, rel=1e-6)
    assert found.absent == (p < 0.025)


def test_equivalence_is_seldom_claimed_at_the_margin_itself() -> None:
    rng = np.random.default_rng(4)
    claims = 0
    for _ in range(300):
        noise = rng.normal(0.2, 0.4, (1, 96))
        tables = {"arm": noise, "reference": np.zeros((1, 96))}
        means = effects.arm_means(tables, np.arange(96), None, fixed=True)
        claims += compare(means, "arm", "reference", 0.2).absent
    assert claims / 300 <= 0.025 + 0.027  # three Monte-Carlo standard errors above the nominal 2.5 %


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.1, 0.25, 0.5])
def test_the_p_value_is_below_5_percent_just_where_the_90_percent_interval_lies_within_the_margin(rate: float) -> None:
    rng = np.random.default_rng(int(100 * rate))
    for _ in range(20):
        arm, reference = coins(rate, rng), coins(rate, rng)
        for margin in (0.05, 0.1, 0.15, 0.2):
            found = judged(arm, reference, margin, clusters=ALONE // 6)
            assert found.low90 is not None and found.high90 is not None and found.p_equivalence is not None
            within = -margin < found.low90 and found.high90 < margin
            assert (found.p_equivalence < 0.05) == within, found
            assert found.absent <= within  # "no effect" only ever with the interval inside
            assert found.low90 < (found.difference.value or 0.0) < found.high90


def test_effect_and_no_effect_exclude_each_other_and_each_keeps_its_promise() -> None:
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(60):
        found = judged(coins(rng.random(), rng), coins(rng.random(), rng), margin=0.15, clusters=ALONE // 6)
        seen.add(found.outcome)
        low, high, value = found.difference.low, found.difference.high, found.difference.value
        assert low is not None and high is not None and value is not None
        if found.outcome == "effect":
            assert abs(value) > 0.15 and not low <= 0 <= high
        if found.outcome == "no effect":
            assert -0.15 < low <= high < 0.15
    assert seen >= {"effect", "unclear"}
