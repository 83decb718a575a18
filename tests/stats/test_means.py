"""Means of arms and the parts of their variance, against numbers worked out by hand and simulated truth."""

import numpy as np
import pytest

from bench.errors import BenchError
from bench.stats.means import FAMILY_CORRELATION, Floats, arm_means


def constant(value: float, seeds: int = 3, prompts: int = 10) -> Floats:
    return np.full((seeds, prompts), value)


def test_missing_scores_do_not_count_as_zero() -> None:
    table = constant(0.5)
    table[0, :4] = np.nan
    table[:, 9] = np.nan
    means = arm_means({"a": table}, np.arange(10) // 2, (0, 1))
    assert means.point["a"] == 0.5
    assert (means.extent["a"].seeds, means.extent["a"].prompts, means.extent["a"].clusters) == (3, 9, 5)


def test_the_variance_over_families_is_that_of_their_means() -> None:
    rng = np.random.default_rng(0)
    by_family = rng.normal(0, 1, 8)
    means = arm_means({"a": by_family.repeat(5)[None]}, np.arange(40) // 5, None)
    assert (means.families**2).sum() == pytest.approx(by_family.var(ddof=1) / 8)
    assert means.degrees == pytest.approx(7)


def test_unequal_families_have_fewer_degrees_of_freedom() -> None:
    clusters = np.array([0] * 30 + [1, 2, 3, 4, 5] * 2)
    assert arm_means({"a": np.random.default_rng(0).normal(size=(1, 40))}, clusters, None).degrees < 1.5


@pytest.mark.parametrize("between", [0.0, 0.1, 0.3])
def test_the_variance_between_trainings_is_found_apart_from_that_of_answers(between: float) -> None:
    rng = np.random.default_rng(1)
    tables = {str(a): rng.normal(0, between, (3, 1)) + rng.normal(0, 1, (3, 60)) for a in range(400)}
    assert arm_means(tables, np.arange(60) // 3, None).training.rate * 0.25**2 == pytest.approx(between**2, abs=0.006)


def test_a_model_without_trainings_has_no_such_variance() -> None:
    rng = np.random.default_rng(0)
    tables = {"trained": rng.random((3, 20)), "teacher": rng.random((1, 20)).repeat(3, 0)}
    means = arm_means(tables, np.arange(20), (0, 1))
    assert means.training.units[means.row("teacher")] == 0 < means.training.units[means.row("trained")]
    for few in (
        arm_means(tables, np.arange(20), (0, 1), fixed=True),
        arm_means({"a": rng.random((2, 20))}, np.arange(20), None),
    ):
        assert few.training.rate == 0 and (few.training.units == 0).all()


def test_an_arm_near_a_bound_varies_less_between_trainings() -> None:
    rng = np.random.default_rng(0)
    tables = {name: (rng.random((3, 200)) < rate).astype(float) for name, rate in (("middle", 0.5), ("low", 0.02))}
    means = arm_means(tables, np.arange(200), (0, 1))
    assert means.training.units[means.row("low")] < 0.05 * means.training.units[means.row("middle")]


def test_scores_that_never_vary_borrow_a_correlation_within_families() -> None:
    means = arm_means({"a": constant(1.0, prompts=48)}, np.arange(48) // 6, (0, 1))
    assert means.spread == pytest.approx((1 + 5 * FAMILY_CORRELATION) / 48)


@pytest.mark.parametrize(
    "tables",
    [{"a": constant(1), "b": constant(1, seeds=2)}, {"a": constant(1, prompts=9)}, {"a": constant(np.inf)}, {}],
)
def test_tables_that_do_not_fit_are_refused(tables: dict[str, Floats]) -> None:
    with pytest.raises(BenchError, match="score tables"):
        arm_means(tables, np.arange(10), None)


def test_a_score_outside_of_its_scale_is_refused() -> None:
    with pytest.raises(BenchError, match=r"(?s)arm 'a'.*7.*0 to 1"):
        arm_means({"a": constant(7.0)}, np.arange(10), (0, 1))
