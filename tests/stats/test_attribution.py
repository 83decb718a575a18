"""Metrics of attributions: by hand, and where the outcome is exactly linear in known weights."""

import math

import numpy as np
import pytest

from bench.stats.attribution import (
    FLAT,
    NO_CEILING,
    Floats,
    average_precision,
    datamodeling_scores,
    mean_rank,
    rank_correlation,
    subset_sums,
    top_over_all,
)

ROWS, SUBSETS = 60, 40
IDS = [f"r{i}" for i in range(ROWS)]


def halves(count: int = SUBSETS) -> list[frozenset[str]]:
    rng = np.random.default_rng(5)
    return [frozenset(rng.choice(IDS, ROWS // 2, replace=False).tolist()) for _ in range(count)]


def sums(weights: Floats, subsets: list[frozenset[str]]) -> Floats:
    return subset_sums(dict(zip(IDS, weights.tolist(), strict=True)), subsets)


def test_sums_of_the_largest_scores_do_not_overflow() -> None:
    largest = np.finfo(np.float64).max
    high, low = subset_sums({"a": largest, "b": largest, "c": 0.0}, [{"a", "b"}, {"c"}])
    assert np.isfinite([high, low]).all() and high > low


def test_precision_and_rank_by_hand() -> None:
    scores, hits = np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False])
    assert average_precision(scores, hits) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert mean_rank(scores, hits) == pytest.approx((0 + 2) / 2 / 3)
    assert mean_rank(-scores, hits) == pytest.approx((3 + 1) / 2 / 3)


def test_equal_scores_are_chance_whatever_the_order() -> None:
    hits = np.array([True, True, False, False, False])
    for order in (hits, hits[::-1]):
        assert average_precision(np.ones(5), order) == pytest.approx(0.4)  # the share of hits
        assert mean_rank(np.ones(5), order) == 0.5


def test_rank_correlation_is_scipys_and_missing_where_nothing_varies() -> None:
    from scipy.stats import spearmanr

    x, y = np.array([1.0, 2.0, 2.0, 5.0, 7.0]), np.array([3.0, 1.0, 4.0, 4.0, 9.0])
    assert float(rank_correlation(x, y)) == pytest.approx(spearmanr(x, y).statistic)
    assert math.isnan(rank_correlation(np.ones(5), y))
    both = rank_correlation(np.stack([x, y]), np.stack([y, y]))
    assert both == pytest.approx([spearmanr(x, y).statistic, 1.0])


def test_the_weights_of_a_linear_outcome_have_a_score_of_one() -> None:
    rng = np.random.default_rng(0)
    weights, subsets = rng.normal(size=ROWS), halves()
    outcomes = sums(weights, subsets)
    predicted = {"true": outcomes, "opposite": sums(-weights, subsets), "shifted": sums(3 * weights + 7, subsets)}
    found = datamodeling_scores(predicted, outcomes, outcomes[:12], list(predicted))
    values = {name: each.value for name, each in found.lds.items()}
    assert values == pytest.approx({"true": 1.0, "opposite": -1.0, "shifted": 1.0})
    assert found.best == "true" and found.behind_best["true"].note == "the best one"
    assert found.behind_best["opposite"].low == pytest.approx(2.0)
    assert found.ceiling.value == pytest.approx(1.0) and found.of_ceiling["opposite"].value == pytest.approx(-1.0)
    noise = [float(rank_correlation(sums(rng.normal(size=ROWS), subsets), outcomes)) for _ in range(200)]
    assert abs(np.mean(noise)) < 0.05 and 0.1 < np.std(noise) < 0.25  # about 1 / sqrt(40)


def test_binary_scores_and_ties_work_and_constant_ones_are_not_estimable() -> None:
    weights = np.random.default_rng(1).normal(size=ROWS)
    subsets = halves()
    outcomes = sums(weights, subsets)
    binary = sums((weights > 1).astype(np.float64), subsets)
    constant = sums(np.full(ROWS, 0.1), subsets)
    assert len(set(binary)) < SUBSETS and len(set(constant)) == 1  # whatever the order in which 0.1 is added up
    predicted = {"binary": binary, "constant": constant, "true": outcomes}
    found = datamodeling_scores(predicted, outcomes, outcomes[:12], ["binary", "constant"])
    low, value = found.lds["binary"].low, found.lds["binary"].value
    assert low is not None and value is not None and 0 < low < value < 1
    assert (found.lds["constant"].value, found.lds["constant"].note) == (None, FLAT)
    assert found.behind_best["constant"].value is None and found.of_ceiling["constant"].value is None
    assert found.best == "binary"  # the true weights do not compete ...
    assert (found.behind_best["true"].high or 0) < 0  # ... and lie ahead


def test_a_ceiling_that_may_be_zero_gives_no_share() -> None:
    rng = np.random.default_rng(2)
    outcomes, again = rng.normal(size=SUBSETS), rng.normal(size=12)
    found = datamodeling_scores({"a": outcomes}, outcomes, again, ["a"])
    assert (found.ceiling.low or 0) < 0 < (found.ceiling.high or 0)
    assert (found.of_ceiling["a"].value, found.of_ceiling["a"].note) == (None, NO_CEILING)


def test_equal_inputs_give_equal_intervals() -> None:
    rng = np.random.default_rng(3)
    outcomes, noisy = rng.normal(size=SUBSETS), rng.normal(size=SUBSETS)
    one, two = (datamodeling_scores({"a": outcomes + noisy}, outcomes, outcomes[:12], ["a"]) for _ in range(2))
    assert one == two


def test_every_subset_may_be_trained_twice() -> None:
    outcomes = np.random.default_rng(4).normal(size=8)
    found = datamodeling_scores({"a": outcomes}, outcomes, outcomes, ["a"])
    assert found.lds["a"].value == pytest.approx(1.0) == found.of_ceiling["a"].value


def test_top_rows_over_all_rows() -> None:
    changes, top = np.array([3.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), np.arange(8) < 2
    found = top_over_all(changes, top)
    assert found.value == pytest.approx(4.0 - 1.0)
    assert found.low == pytest.approx(0.75 * 3) and found.high == pytest.approx(0.75 * 5)
    assert top_over_all(np.ones(8), top).value == 0.0
