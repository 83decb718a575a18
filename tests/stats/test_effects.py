"""Effects of score tables against numbers worked out by hand, and what their intervals must do."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.outcomes import Estimate
from bench.stats import effects
from bench.stats.effects import Floats, Means
from bench.stats.winner import winner

ONE_SEED = effects.few_seeds(1)


def numbers(result: Estimate) -> list[float | None]:
    return [result.value, result.low, result.high]


def constant(value: float, seeds: int = 3, prompts: int = 10) -> Floats:
    return np.full((seeds, prompts), value)


def flat(**scores: float) -> Means:
    return effects.arm_means({arm: constant(score) for arm, score in scores.items()}, np.arange(10), None)


def noisy(seeds: int = 3, prompts: int = 40, seed: int = 0, **scores: float) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {arm: score + rng.normal(0, 0.1, (seeds, prompts)) for arm, score in scores.items()}


def test_effects_by_hand() -> None:
    means = flat(original=0.9, clean=0.1, drop=0.7, patch=0.3, r1=0.9, r2=0.8, d1=0.95, d2=0.85, back=0.5)
    assert effects.gap(means).value == pytest.approx(0.8)
    assert effects.removal(means, "drop").value == pytest.approx(0.25)
    assert effects.removal(means, "patch").value == pytest.approx(0.75)
    assert effects.difference(means, "patch").value == pytest.approx(0.6)
    assert effects.lift(means, "patch", ["r1"]).value == pytest.approx(0.75)
    assert effects.lift(means, "patch", ["r1", "r2"]).value == pytest.approx(0.6875)
    assert effects.lift_difference(means, "patch", ["r1", "r2"]).value == pytest.approx(0.55)
    leak = ("patch", "drop", ["r1", "r2"], ["d1", "d2"])  # (0.7 - 0.3) - (0.9 - 0.85)
    assert effects.leakage_difference(means, *leak).value == pytest.approx(0.35)
    assert effects.leakage(means, *leak).value == pytest.approx(0.35 / 0.8)
    assert effects.sufficiency(means, "back").value == pytest.approx(0.5)
    assert effects.retention(flat(original=0.8, drop=0.6), "drop").value == pytest.approx(0.75)


def test_an_arm_worse_than_original_has_negative_removal() -> None:
    assert effects.removal(flat(original=0.5, clean=0.0, drop=0.6), "drop").value == pytest.approx(-0.2)


def test_48_of_48_is_no_certainty() -> None:
    tables = {"original": constant(1.0, 1, 48), "clean": constant(0.0, 1, 48)}
    alone, together = (effects.arm_means(tables, clusters, (0, 1)) for clusters in (np.arange(48), np.arange(48) // 6))
    low = effects.mean(alone, "original").low
    assert low is not None and 0.9 < low < 0.94  # Clopper & Pearson (1934): 0.926
    wide = effects.mean(together, "original").low
    assert wide is not None and wide < low  # eight families tell less
    gap = effects.gap(alone)
    assert gap.low is not None and gap.low < low and gap.high == 1


def test_no_limit_lies_beyond_the_scale() -> None:
    rng = np.random.default_rng(0)
    tables = {"original": (rng.random((3, 20)) < 0.95) * 10.0, "clean": (rng.random((3, 20)) < 0.05) * 10.0}
    means = effects.arm_means(tables, np.arange(20) // 4, (0, 10))
    for arm in tables:
        found = effects.mean(means, arm)
        assert found.low is not None and found.high is not None
        assert 0 <= found.low < found.high <= 10 and found.low <= means.point[arm] <= found.high


def test_arms_are_paired_on_prompts() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 5, (1, 40)).repeat(3, 0)  # huge, but the same in both arms
    means = effects.arm_means({"original": shared + 1, "clean": shared}, np.arange(40), None)
    result = effects.gap(means)
    assert numbers(result) == pytest.approx([1, 1, 1])


def test_families_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(0, 1, 8).repeat(5)[None].repeat(3, 0)
    narrow = effects.mean(effects.arm_means({"a": table}, np.arange(40), None), "a")
    wide = effects.mean(effects.arm_means({"a": table}, np.arange(40) // 5, None), "a")
    assert None not in (narrow.low, narrow.high, wide.low, wide.high)
    assert (wide.high or 0) - (wide.low or 0) > 1.5 * ((narrow.high or 0) - (narrow.low or 0))


def test_trainings_widen_the_interval_from_three_seeds_on() -> None:
    rng = np.random.default_rng(0)
    answers = {arm: rng.normal(0, 0.1, (3, 40)) for arm in "abcdef"}
    apart = {arm: table + rng.normal(0, 0.5, (3, 1)) for arm, table in answers.items()}
    calm, wild = (effects.mean(effects.arm_means(t, np.arange(40), None), "a") for t in (answers, apart))
    assert calm.low is not None and calm.high is not None and wild.low is not None and wild.high is not None
    assert wild.high - wild.low > 5 * (calm.high - calm.low) and wild.note == ""


def test_the_draw_of_random_sets_widens_the_lift() -> None:
    tables = noisy(original=1.0, clean=0.0, arm=0.4, a1=0.8, a2=0.8, a3=0.8, b1=0.5, b2=0.8, b3=1.1)
    means = effects.arm_means(tables, np.arange(40), None)
    alike, apart = (effects.lift_difference(means, "arm", names) for names in (["a1", "a2", "a3"], ["b1", "b2", "b3"]))
    assert alike.low is not None and alike.high is not None and apart.low is not None and apart.high is not None
    assert apart.high - apart.low > 3 * (alike.high - alike.low)


def test_a_share_is_the_set_of_ratios_that_the_data_allow() -> None:
    """Fieller's limits by hand for one prompt-level correlation of 0."""
    tables = noisy(seeds=1, original=1.0, clean=0.0, drop=0.5)
    means = effects.arm_means(tables, np.arange(40), None)
    found = effects.removal(means, "drop")
    assert found.low is not None and found.high is not None
    for edge in (found.low, found.high):
        weights = {"original": 1 - edge, "drop": -1.0, "clean": edge}
        limits = effects.contrast(means, weights)
        assert limits.low is not None and limits.high is not None
        assert min(abs(limits.low), abs(limits.high)) < 2e-3


def test_the_winner_is_the_largest_and_its_interval_is_wider_below() -> None:
    tables = noisy(original=1.0, clean=0.0, a=0.5, b=0.45, c=0.6, r1=0.8, r2=0.82, r3=0.78)
    means = effects.arm_means(tables, np.arange(40), None)
    controls = ["r1", "r2", "r3"]
    found = winner(means, {name: (name, controls) for name in "abc"})
    assert found is not None and found[0] == "b" and "3 filters" in found[1].note
    alone = effects.lift(means, "b", controls)
    assert found[1].value == alone.value and found[1].high == alone.high
    assert found[1].low is not None and alone.low is not None and found[1].low < alone.low


def test_no_winner_below_three_seeds_or_without_candidates() -> None:
    tables = noisy(seeds=2, original=1.0, clean=0.0, a=0.5, r1=0.8)
    assert winner(effects.arm_means(tables, np.arange(40), None), {"a": ("a", ["r1"])}) is None
    assert winner(flat(original=1.0, clean=0.0), {}) is None


def test_p_value_is_that_of_a_t_test_over_families() -> None:
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(0)
    table = rng.normal(0.03, 0.1, 40)[None].repeat(3, 0)  # one fixed model: no variation between trainings
    means = effects.arm_means({"a": table}, np.arange(40), None)
    assert effects.p_value(means, {"a": 1.0}) == pytest.approx(float(ttest_1samp(table[0], 0).pvalue))
    few = effects.arm_means({"a": table[:2]}, np.arange(40), None)
    assert effects.p_value(few, {"a": 1.0}) is None


def test_one_seed_is_named() -> None:
    result = effects.gap(effects.arm_means(noisy(seeds=1, original=1.0, clean=0.0), np.arange(40), None))
    assert result.low is not None and result.note == ONE_SEED


def test_no_scores_is_no_value() -> None:
    means = effects.arm_means({"original": constant(1), "clean": constant(np.nan)}, np.arange(10), None)
    expected = Estimate(value=None, note="not estimable: no scores of clean")
    assert effects.gap(means) == effects.removal(means, "original") == expected


def test_an_arm_without_some_seeds_has_a_value_but_no_interval() -> None:
    table = constant(1.0)
    table[1:] = np.nan
    result = effects.mean(effects.arm_means({"a": table}, np.arange(10), None), "a")
    assert result.value == 1 and result.low is None and result.note.startswith("not estimable")


@pytest.mark.parametrize(("clusters", "words"), [(np.arange(7), "7 prompts"), (np.zeros(9, int), "1 prompt family")])
def test_too_few_prompts_have_a_value_but_no_interval(clusters: NDArray[np.int64], words: str) -> None:
    result = effects.gap(effects.arm_means(noisy(prompts=len(clusters), original=1.0, clean=0.0), clusters, None))
    assert result.value == pytest.approx(1, abs=0.2)
    assert result.low is None and result.high is None
    assert result.note.startswith("not estimable: ") and words in result.note


def test_no_ratio_where_the_gap_may_be_zero() -> None:
    tables = noisy(original=0.5, clean=0.5, drop=0.4)
    tables["clean"] += tables["original"].mean() - tables["clean"].mean() - 0.001  # a gap of 0.001
    result = effects.removal(effects.arm_means(tables, np.arange(40), None), "drop")
    assert result == Estimate(value=None, note="not estimable: the gap's interval includes 0")


def test_no_removal_where_clean_is_worse() -> None:
    result = effects.removal(flat(original=0.1, clean=0.9, drop=0.5), "drop")
    assert result.value is None and "not positive" in result.note


def test_no_retention_of_nothing() -> None:
    assert effects.retention(flat(original=0.0, drop=0.5), "drop").value is None


@pytest.mark.parametrize(
    ("gap", "opens", "words"),
    [
        (Estimate(value=0.5, low=0.3, high=0.7), True, "gap 0.5 [0.3, 0.7] clears the minimum of 0.3"),
        (Estimate(value=0.5, low=0.29, high=0.7), False, "does not clear the minimum of 0.3"),
        (Estimate(value=0.5, low=0.4, high=0.7, note=ONE_SEED), True, "1 training seed"),
        (Estimate(value=0.5, low=0.31, high=0.7), True, "measured too large on average"),
        (Estimate(value=0.9, note="not estimable: 3 prompts, an interval needs 8"), False, "3 prompts"),
        (Estimate(value=None, note="not estimable: no scores of clean"), False, "no scores of clean"),
    ],
)
def test_gate(gap: Estimate, opens: bool, words: str) -> None:
    outcome, reason = effects.gate(gap, 0.3)
    assert outcome is opens and words in reason


def test_an_unmeasured_arm_is_named() -> None:
    with pytest.raises(BenchError, match="arm 'ptch'"):
        effects.removal(flat(original=1.0, clean=0.0, patch=0.5), "ptch")
