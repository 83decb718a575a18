"""P-values by hand, and their distribution where there is no effect."""

import numpy as np
import pytest
from bench.stats.permutation import holm, paired_p, symmetric_p


def test_paired_p_counts_sign_patterns() -> None:
    control, arm = np.full((2, 6), 0.8), np.full((2, 6), 0.3)
    assert paired_p(arm, control, np.arange(6)) == pytest.approx(1 / 64)  # 1 of 2**6 patterns
    assert paired_p(control, arm, np.arange(6)) == pytest.approx(1.0)
    assert paired_p(arm, arm, np.arange(6)) == pytest.approx(1.0)


def test_paired_p_takes_families_as_units() -> None:
    control, arm = np.full((2, 30), 0.8), np.full((2, 30), 0.3)
    assert paired_p(arm, control, np.arange(30) // 6) == pytest.approx(1 / 32)
    assert paired_p(arm, control, np.arange(30) // 10) is None  # 3 families


def test_paired_p_drops_families_without_scores() -> None:
    control, arm = np.full((2, 7), 0.8), np.full((2, 7), 0.3)
    arm[:, 0] = control[0, 1] = np.nan
    assert paired_p(arm, control, np.arange(7)) == pytest.approx(1 / 64)


def test_paired_p_is_uniform_without_an_effect() -> None:
    rng = np.random.default_rng(0)
    p = [
        paired_p(rng.normal(size=(2, 12)), rng.normal(size=(2, 12)), np.arange(12), resamples=199, seed=trial)
        for trial in range(300)
    ]
    values = np.asarray(p, dtype=np.float64)
    assert np.mean(values <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(values <= 0.5) == pytest.approx(0.5, abs=0.1)
    assert values.min() >= 1 / 200


def test_paired_p_is_seeded() -> None:
    rng = np.random.default_rng(0)
    arm, control = rng.normal(size=(3, 40)), rng.normal(0.2, 1, size=(3, 40))
    first, again = (paired_p(arm, control, np.arange(40), resamples=999) for _ in range(2))
    assert first == again


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == {
        "a": pytest.approx(0.03),
        "b": pytest.approx(0.06),
        "c": pytest.approx(0.06),
    }


def test_holm_does_not_count_what_is_missing() -> None:
    result = holm({"a": 0.01, "b": None, "c": float("nan"), "d": 0.03})
    assert result == {"a": pytest.approx(0.02), "b": None, "c": None, "d": pytest.approx(0.03)}
    assert holm({"a": None}) == {"a": None}
    assert holm({}) == {}


def test_symmetric_p_counts_sign_patterns_on_both_sides() -> None:
    apart = np.full((2, 6), 0.5)
    assert symmetric_p(apart, np.arange(6)) == pytest.approx(2 / 64)  # all plus and all minus
    assert symmetric_p(-apart, np.arange(6)) == pytest.approx(2 / 64)
    assert symmetric_p(0 * apart, np.arange(6)) == pytest.approx(1.0)


def test_symmetric_p_does_not_mind_the_sign() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, (3, 40))
    first, mirrored = (symmetric_p(sign * differences, np.arange(40) // 5) for sign in (1, -1))
    assert first == pytest.approx(mirrored)
    assert first is not None and 0 < first < 1


def test_symmetric_p_takes_families_as_units_and_drops_those_without_scores() -> None:
    apart = np.full((2, 30), 0.5)
    assert symmetric_p(apart, np.arange(30) // 6) == pytest.approx(2 / 32)
    assert symmetric_p(apart, np.arange(30) // 10) is None  # 3 families
    apart[:, :6] = np.nan
    assert symmetric_p(apart, np.arange(30) // 6) is None  # 4 are left
    apart[0, 6:12] = np.nan  # one seed of a family still counts
    assert symmetric_p(apart, np.arange(30) // 5) == pytest.approx(2 / 32)


def test_symmetric_p_is_uniform_without_an_effect() -> None:
    rng = np.random.default_rng(1)
    p = [symmetric_p(rng.normal(size=(2, 12)), np.arange(12), resamples=199, seed=trial) for trial in range(300)]
    values = np.asarray(p, dtype=np.float64)
    assert np.mean(values <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(values <= 0.5) == pytest.approx(0.5, abs=0.1)
