"""The test against random sets, Holm's correction and the power of a design."""

import math

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.stats.multitest import multipletests

from bench.errors import BenchError
from bench.stats import effects
from bench.stats.effects import Floats, Means
from bench.stats.inference import beats_random, holm, smallest_detectable_lift, why_no_test

CONTROLS = ["r1", "r2", "r3", "r4"]


def constant(value: float, seeds: int = 3) -> Floats:
    return np.full((seeds, 20), value)


def flat(scores: dict[str, float], seeds: int = 3) -> Means:
    tables = {arm: constant(score, seeds) for arm, score in scores.items()}
    return effects.arm_means(tables, np.arange(20), None)


def test_the_test_is_that_of_crawford_and_howell_where_only_the_sets_differ() -> None:
    scores = {"arm": 0.4, "r1": 0.7, "r2": 0.8, "r3": 0.75, "r4": 0.85}
    controls = np.array([0.7, 0.8, 0.75, 0.85])
    expected = t.sf((controls.mean() - 0.4) / (controls.std(ddof=1) * math.sqrt(5 / 4)), 3)
    assert beats_random(flat(scores), "arm", CONTROLS) == pytest.approx(expected)
    assert beats_random(flat(scores), "arm", CONTROLS, higher_is_more_trait=False) == pytest.approx(1 - expected)


def test_other_random_sets_add_degrees_of_freedom() -> None:
    scores = {"arm": 0.4, "r1": 0.7, "r2": 0.8, "r3": 0.75, "r4": 0.85}
    scores |= {"d1": 0.9, "d2": 1.0, "d3": 0.95, "d4": 1.05}
    means = flat(scores)
    alone, pooled = (beats_random(means, "arm", CONTROLS, pool=p) for p in ((), [["d1", "d2", "d3", "d4"], CONTROLS]))
    spread = np.std([0.7, 0.8, 0.75, 0.85], ddof=1) * math.sqrt(5 / 4)
    assert pooled == pytest.approx(t.sf((0.775 - 0.4) / spread, 6))
    assert alone is not None and pooled is not None and pooled < alone


def test_noise_of_trainings_and_prompts_counts_where_the_sets_are_alike() -> None:
    rng = np.random.default_rng(0)
    same = {name: np.roll(rng.permutation(40) % 2.0, 0)[None].repeat(3, 0) for name in ["arm", *CONTROLS]}
    same["arm"] = np.where(rng.random((3, 40)) < 0.2, 0.0, same["arm"])
    found = beats_random(effects.arm_means(same, np.arange(40), (0, 1)), "arm", CONTROLS)
    assert found is not None and found > 0.01  # the random sets agree to the last digit: alone they would give 0


@pytest.mark.parametrize(("seeds", "controls"), [(1, 4), (2, 4), (3, 2), (3, 1)])
def test_no_test_with_few_seeds_or_few_random_sets(seeds: int, controls: int) -> None:
    means = flat({"arm": 0.1, "r1": 0.7, "r2": 0.8, "r3": 0.75, "r4": 0.85}, seeds)
    assert beats_random(means, "arm", CONTROLS[:controls]) is None
    assert why_no_test(means, CONTROLS[:controls]).startswith("no test: ")
    assert smallest_detectable_lift(seeds, controls, 48, 7) is None


def test_an_arm_that_was_not_measured_is_named() -> None:
    with pytest.raises(BenchError, match="elsewhere"):
        beats_random(flat({"arm": 0.1, "r1": 0.7}), "elsewhere", ["r1"])
    with pytest.raises(BenchError, match="controls"):
        beats_random(flat({"arm": 0.1}), "arm", [])


def test_holm_agrees_with_statsmodels_and_skips_what_is_missing() -> None:
    p = {"a": 0.01, "b": None, "c": 0.04, "d": 0.03, "e": float("nan"), "f": 0.8}
    there = ["a", "c", "d", "f"]
    expected = multipletests([p[name] for name in there], method="holm")[1]
    found = holm(p)
    assert [found[name] for name in there] == pytest.approx(list(expected))
    assert found["b"] is None and found["e"] is None
    assert holm({}) == {} and holm({"a": None}) == {"a": None}


def test_holm_never_exceeds_one_nor_falls_with_rank() -> None:
    p = {str(i): float(x) for i, x in enumerate(np.random.default_rng(0).random(30))}
    found = holm(p)
    ordered = [found[name] or 0.0 for name in sorted(p, key=lambda name: p[name])]
    assert ordered == sorted(ordered) and ordered[-1] <= 1


def test_a_larger_design_detects_smaller_lifts() -> None:
    def least(seeds: int = 3, controls: int = 4, prompts: int = 48, tests: int = 14, sd: float = 0.096) -> float:
        found = smallest_detectable_lift(seeds, controls, prompts, tests, sd=sd)
        assert found is not None
        return found

    assert least(seeds=10) < least(seeds=5) < least() < least(tests=60)
    assert least(controls=9) < least() and least(prompts=200) < least() and least(sd=0.05) < least()
    assert smallest_detectable_lift(3, 4, 48, 14, gap=0.365) == pytest.approx(2 * least())


def test_the_smallest_detectable_lift_is_found_four_times_in_five() -> None:
    """Run means drawn as the design says, tested at the first step of Holm's correction over seven filters."""
    groups = [[f"{action}{k}" for k in range(4)] for action in ("patch", "drop", "refill")]
    lift = smallest_detectable_lift(3, 4, 48, 7, groups=len(groups), gap=1.0)
    assert lift is not None
    rng = np.random.default_rng(1)
    sd = math.sqrt(0.096**2 / 3 + 0.25 / 48 / 3)
    found = 0
    for _ in range(400):
        scores = {name: 0.7 + rng.normal(0, sd) for group in groups for name in group}
        means = flat({**scores, "arm": 0.7 - lift + rng.normal(0, sd)})
        found += (beats_random(means, "arm", groups[0], pool=groups) or 1.0) < 0.05 / 7
    assert found / 400 == pytest.approx(0.8, abs=0.06)  # three Monte-Carlo standard errors
