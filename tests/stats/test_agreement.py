"""Agreement of margin and behaviour: against numbers worked out by hand, and scipy's own correlations."""

import math

import numpy as np
import pytest
from scipy import stats

from bench.errors import BenchError
from bench.stats.agreement import Agreement, margin_agreement
from bench.stats.effects import Floats

NAN = math.nan


def tables(*means: tuple[float, float]) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """One student an arm, two prompts around its mean behaviour and three pairs around its mean margin."""
    behaviour = {f"arm{i}": np.array([[b - 0.5, b + 0.5]]) for i, (b, _) in enumerate(means)}
    margin = {f"arm{i}": np.array([[m - 1, m, m + 1]]) for i, (_, m) in enumerate(means)}
    return behaviour, margin


def test_correlations_and_intervals_by_hand() -> None:
    found = margin_agreement(*tables((1, 2), (2, 1), (3, 4), (4, 3), (5, 5)))
    assert (found.students, found.arms) == (5, 5)
    # deviations -2 -1 0 1 2 and -1 -2 1 0 2: products 2 + 2 + 0 + 0 + 4 = 8, over sqrt(10 * 10)
    assert found.pearson.value == pytest.approx(0.8) and found.spearman.value == pytest.approx(0.8)
    # atanh(0.8) = 1.098612; half width 1.959964 / sqrt(2) = 1.385904 -> tanh(-0.287291), tanh(2.484516)
    assert found.pearson.low == pytest.approx(-0.27964, abs=1e-4)
    assert found.pearson.high == pytest.approx(0.98620, abs=1e-4)
    # for ranks 1.385904 * sqrt(1 + 0.32) = 1.592287 -> tanh(-0.493675), tanh(2.690899)
    assert found.spearman.low == pytest.approx(-0.45716, abs=1e-4)
    assert found.spearman.high == pytest.approx(0.99084, abs=1e-4)


def test_ranks_do_not_ask_for_a_straight_line() -> None:
    found = margin_agreement(*tables((1, 1), (2, 4), (3, 9), (4, 100)))
    assert found.spearman.value == pytest.approx(1.0) and "perfect" in found.spearman.note
    assert found.pearson.value == pytest.approx(stats.pearsonr([1, 2, 3, 4], [1, 4, 9, 100])[0])
    assert found.pearson.value < 0.9


def test_students_count_by_their_own_means_and_intervals_by_arms() -> None:
    rng = np.random.default_rng(3)
    level = {f"arm{i}": rng.normal() for i in range(6)}
    behaviour = {arm: value + 0.3 * rng.normal(size=(3, 8)) for arm, value in level.items()}
    margin = {arm: 4 * value + 0.8 * rng.normal(size=(3, 5)) for arm, value in level.items()}
    found = margin_agreement(behaviour, margin)
    assert (found.students, found.arms) == (18, 6)
    x, y = (np.concatenate([table[arm].mean(1) for arm in level]) for table in (behaviour, margin))
    expected = stats.pearsonr(x, y)
    assert found.pearson.value == pytest.approx(expected[0])
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y)[0])
    alone = expected.confidence_interval()  # as if all 18 were independent
    assert found.pearson.low is not None and found.pearson.low < alone.low


def test_a_model_without_seeds_counts_once_and_scores_that_do_not_apply_are_left_out() -> None:
    behaviour, margin = tables((1, 2), (2, 1), (3, 4))
    once = margin_agreement(behaviour, margin)
    repeated = [{arm: np.repeat(table, 3, axis=0) for arm, table in each.items()} for each in (behaviour, margin)]
    assert margin_agreement(*repeated) == once and once.students == 3
    more = {arm: np.hstack([table, [[NAN]]]) for arm, table in behaviour.items()}
    assert margin_agreement(more | {"teacher": np.ones((1, 2))}, margin) == once
    unscored = margin | {"teacher": np.full((1, 3), NAN)}
    assert margin_agreement(behaviour | {"teacher": np.ones((1, 2))}, unscored) == once


def test_too_little_is_said_and_not_estimated() -> None:
    three: Agreement = margin_agreement(*tables((1, 2), (2, 1), (3, 4)))
    assert three.pearson.value is not None and three.pearson.low is None and "4 arms" in three.pearson.note
    assert margin_agreement(*tables((1, 2), (2, 1))).pearson.value is None
    assert margin_agreement(*tables((1, 2), (1, 1), (1, 4))).spearman.value is None
    assert margin_agreement({}, {}).students == 0


def test_tables_of_other_students_are_refused() -> None:
    with pytest.raises(BenchError, match="arm 'a'"):
        margin_agreement({"a": np.ones((2, 3))}, {"a": np.ones((1, 3))})
