"""Effects of score tables against numbers worked out by hand, and the interval against simulated truth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.records import Estimate
from bench.stats import effects
from bench.stats.effects import Floats, Means

ONE_SEED = "1 seed: the interval covers prompts only, seed-to-seed variation is not estimable"


def numbers(result: Estimate) -> list[float | None]:
    return [result.value, result.low, result.high]


def constant(value: float, seeds: int = 3, prompts: int = 10) -> Floats:
    return np.full((seeds, prompts), value)


def flat(**scores: float) -> Means:
    return effects.resample_means({arm: constant(score) for arm, score in scores.items()}, np.arange(10), resamples=50)


def noisy(seeds: int = 3, prompts: int = 40, seed: int = 0, **scores: float) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {arm: score + rng.normal(0, 0.1, (seeds, prompts)) for arm, score in scores.items()}


def test_effects_by_hand() -> None:
    means = flat(original=0.9, clean=0.1, drop=0.7, patch=0.3, r1=0.9, r2=0.8, back=0.5)
    assert effects.gap(means).value == pytest.approx(0.8)
    assert effects.removal(means, "drop").value == pytest.approx(0.25)
    assert effects.removal(means, "patch").value == pytest.approx(0.75)
    assert effects.lift(means, "patch", "r1").value == pytest.approx(0.75)
    assert effects.lift(means, "patch", "r1", "r2").value == pytest.approx(0.6875)
    assert effects.leakage_gap(means, "patch", "drop").value == pytest.approx(0.5)
    assert effects.sufficiency(means, "back").value == pytest.approx(0.5)
    assert effects.retention(flat(original=0.8, drop=0.6), "drop").value == pytest.approx(0.75)


def test_an_arm_worse_than_original_has_negative_removal() -> None:
    assert effects.removal(flat(original=0.5, clean=0.0, drop=0.6), "drop").value == pytest.approx(-0.2)


def test_scores_without_spread_say_so() -> None:
    assert effects.gap(flat(original=1.0, clean=0.0)) == Estimate(value=1, low=1, high=1, note=effects.NO_SPREAD)


def test_same_seed_same_interval_other_seed_another() -> None:
    tables = noisy(original=1.0, clean=0.0)
    first, again, other = (effects.gap(effects.resample_means(tables, np.arange(40), seed=s)) for s in (1, 1, 2))
    assert first == again
    assert first.value == other.value and first.low != other.low


def test_arms_are_paired_on_seed_and_prompt() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 5, (3, 1)) + rng.normal(0, 5, (1, 40))  # huge, but the same in both arms
    means = effects.resample_means({"original": shared + 1, "clean": shared}, np.arange(40))
    result = effects.gap(means)
    assert numbers(result) == pytest.approx([1, 1, 1])


def test_families_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(0, 1, 8).repeat(5)[None].repeat(3, 0)
    narrow = effects.mean(effects.resample_means({"a": table}, np.arange(40)), "a")
    wide = effects.mean(effects.resample_means({"a": table}, np.arange(40) // 5), "a")
    assert None not in (narrow.low, narrow.high, wide.low, wide.high)
    assert (wide.high or 0) - (wide.low or 0) > 1.5 * ((narrow.high or 0) - (narrow.low or 0))


@pytest.mark.parametrize(("seeds", "sd"), [(4, 0.1), (2, 0.1), (4, 0.2)])
def test_interval_covers_the_truth(seeds: int, sd: float) -> None:
    covered = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        tables = {
            arm: truth
            + rng.normal(0, sd, (seeds, 1))  # training runs
            + rng.normal(0, 0.5, (1, 40))  # prompts
            + rng.normal(0, 0.5, (seeds, 40))
            for arm, truth in (("original", 1.0), ("clean", 0.0))
        }
        result = effects.gap(effects.resample_means(tables, np.arange(40), resamples=400, seed=trial))
        assert result.low is not None and result.high is not None
        covered += result.low <= 1.0 <= result.high
    assert 0.85 <= covered / 200 <= 0.99


def test_two_seeds_span_at_least_their_own_difference() -> None:
    table = np.array([[0.2], [0.8]]).repeat(10, 1)
    result = effects.mean(effects.resample_means({"a": table}, np.arange(10)), "a")
    assert numbers(result) == pytest.approx([0.5, 0.2, 0.8])


def test_one_seed_is_named() -> None:
    result = effects.gap(effects.resample_means(noisy(seeds=1, original=1.0, clean=0.0), np.arange(40)))
    assert result.low is not None and result.note == ONE_SEED


def test_missing_scores_do_not_count_as_zero() -> None:
    table = constant(0.5)
    table[0, :4] = np.nan
    table[:, 9] = np.nan
    result = effects.mean(effects.resample_means({"a": table}, np.arange(10)), "a")
    assert numbers(result) == pytest.approx([0.5, 0.5, 0.5])


def test_no_scores_is_no_value() -> None:
    means = effects.resample_means({"original": constant(1), "clean": constant(np.nan)}, np.arange(10))
    expected = Estimate(value=None, note="not estimable: no scores of clean")
    assert effects.gap(means) == effects.removal(means, "original") == expected


def test_an_arm_without_some_seeds_has_a_value_but_no_interval() -> None:
    table = constant(1.0)
    table[1:] = np.nan
    result = effects.mean(effects.resample_means({"a": table}, np.arange(10)), "a")
    assert result.value == 1 and result.low is None and result.note.startswith("not estimable")


@pytest.mark.parametrize(("clusters", "words"), [(np.arange(7), "7 prompts"), (np.zeros(9, int), "1 prompt family")])
def test_too_few_prompts_have_a_value_but_no_interval(clusters: NDArray[np.int64], words: str) -> None:
    result = effects.gap(effects.resample_means(noisy(prompts=len(clusters), original=1.0, clean=0.0), clusters))
    assert result.value == pytest.approx(1, abs=0.2)
    assert result.low is None and result.high is None
    assert result.note.startswith("not estimable: ") and words in result.note


def test_no_ratio_where_the_gap_may_be_zero() -> None:
    tables = noisy(original=0.5, clean=0.5, drop=0.4)
    tables["clean"] += tables["original"].mean() - tables["clean"].mean() - 0.001  # a gap of 0.001
    result = effects.removal(effects.resample_means(tables, np.arange(40)), "drop")
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
        (Estimate(value=0.5, low=0.4, high=0.7, note=ONE_SEED), True, "1 seed"),
        (Estimate(value=0.9, note="not estimable: 3 prompts, an interval needs 8"), False, "3 prompts"),
        (Estimate(value=None, note="not estimable: no scores of clean"), False, "no scores of clean"),
    ],
)
def test_gate(gap: Estimate, opens: bool, words: str) -> None:
    outcome, reason = effects.gate(gap, 0.3)
    assert outcome is opens and words in reason


@pytest.mark.parametrize(
    "tables",
    [{"a": constant(1), "b": constant(1, seeds=2)}, {"a": constant(1, prompts=9)}, {"a": constant(np.inf)}, {}],
)
def test_tables_that_do_not_fit_are_refused(tables: dict[str, Floats]) -> None:
    with pytest.raises(BenchError, match="score tables"):
        effects.resample_means(tables, np.arange(10))


def test_an_unmeasured_arm_is_named() -> None:
    with pytest.raises(BenchError, match="arm 'ptch'"):
        effects.removal(flat(original=1.0, clean=0.0, patch=0.5), "ptch")
