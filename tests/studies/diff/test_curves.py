"""Interpolation curves of known shape: straight, saturating, flat; numbers worked out by hand."""

import numpy as np
import pytest

from bench.stats import effects
from bench.stats.effects import Floats
from bench.studies.diff.curves import _crossing, curve
from bench.studies.diff.records import InterpolationCurve

FAMILIES = np.arange(48) // 6
SHARES = (0.25, 0.5, 0.75)


def coins(rate: float, rng: np.random.Generator, seeds: int = 3) -> Floats:
    return (rng.random((seeds, 48)) < rate).astype(np.float64)


def smooth(rate: float, rng: np.random.Generator, seeds: int = 3) -> Floats:
    noise = rng.normal(0, 0.1, (seeds, 48))
    return np.asarray(rate + noise - noise.mean())


def described(
    clean: float,
    middle: tuple[float, ...],
    original: float,
    *,
    asked: tuple[float, ...] = SHARES,
    drawn: tuple[float, ...] = SHARES,
    make=smooth,
    seeds: int = 3,
    families: np.ndarray = FAMILIES,
) -> InterpolationCurve:
    rng = np.random.default_rng(0)
    names = [f"mix@{share:g}" for share in asked]
    rates = {"clean": clean, **dict(zip(names, middle, strict=True)), "original": original}
    tables = {cell: make(rate, rng, seeds) for cell, rate in rates.items()}
    mixtures = {name: (a, [d] * seeds) for name, a, d in zip(names, asked, drawn, strict=True)}
    means = effects.arm_means(tables, families, None)
    return curve("original", ("clean", "original"), mixtures, means, tables, families)


@pytest.mark.parametrize("make", [smooth, coins])
def test_a_straight_line_departs_from_itself_by_nothing(make) -> None:
    found = described(0.05, (0.275, 0.5, 0.725), 0.95, make=make)
    for point in found.points:
        low, value, high = point.departure.low, point.departure.value, point.departure.high
        assert low is not None and high is not None and value is not None
        assert low <= 0 <= high and abs(value) < 0.1
        assert point.p is not None and point.p > 0.05
    assert found.area.low is not None and found.area.high is not None and found.area.low <= 0 <= found.area.high
    assert found.p is not None and found.p > 0.05
    half = found.half_dose
    assert half.value == pytest.approx(0.5, abs=0.1)
    assert half.low is not None and half.high is not None and half.low < 0.5 < half.high


@pytest.mark.parametrize("make", [smooth, coins])
def test_a_trait_that_few_examples_suffice_for_lies_above_the_line(make) -> None:
    found = described(0.05, (0.85, 0.9, 0.93), 0.95, make=make)
    assert found.area.low is not None and found.area.low > 0
    assert found.p is not None and found.p <= 2 / 2**8 + 1e-9  # eight families, all on one side
    half = found.half_dose
    assert half.value is not None and half.high is not None
    assert half.value < 0.25 and half.high < 0.5


def test_a_trait_that_needs_many_examples_lies_below_the_line() -> None:
    found = described(0.05, (0.06, 0.08, 0.12), 0.95)
    assert found.area.high is not None and found.area.high < 0
    assert found.half_dose.low is not None and found.half_dose.low > 0.75


def test_departures_and_area_by_hand() -> None:
    found = described(0.1, (0.7, 0.8, 0.9), 0.9)
    line = (0.3, 0.5, 0.7)
    departures = [score - on_line for score, on_line in zip((0.7, 0.8, 0.9), line, strict=True)]
    assert [point.departure.value for point in found.points] == pytest.approx(departures)
    assert found.area.value == pytest.approx(sum(departures) / 3)
    assert found.clean.value == pytest.approx(0.1) and found.original.value == pytest.approx(0.9)
    assert found.half_dose.value == pytest.approx(0.25 * (0.5 - 0.1) / (0.7 - 0.1))


def test_the_shares_that_were_drawn_count_not_those_asked_for() -> None:
    found = described(0.1, (0.42,), 0.9, asked=(0.25,), drawn=(0.4,))
    (point,) = found.points
    assert (point.asked, point.share) == (0.25, pytest.approx(0.4))
    assert point.departure.value == pytest.approx(0.42 - (0.6 * 0.1 + 0.4 * 0.9))  # on the line at 0.4, not at 0.25
    assert found.half_dose.value == pytest.approx(0.4 + 0.6 * (0.5 - 0.42) / (0.9 - 0.42))


def test_each_seed_is_held_against_the_line_at_the_share_that_it_drew() -> None:
    clean, original = np.array([[0.0], [0.2]]), np.array([[1.0], [0.8]])
    mixed = np.array([[0.25], [0.2 + 0.75 * 0.6]])  # on its own line under either seed
    wide = np.ones((1, 48))
    tables = {"clean": clean * wide, "mix@0.5": mixed * wide, "original": original * wide}
    means = effects.arm_means(tables, FAMILIES, (0.0, 1.0))
    found = curve("original", ("clean", "original"), {"mix@0.5": (0.5, [0.25, 0.75])}, means, tables, FAMILIES)
    (point,) = found.points
    assert point.share == 0.5 and point.score.value == pytest.approx(0.45)  # below the line of the means
    for departure in (point.departure, found.area):
        assert (departure.value, departure.low, departure.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_the_shares_follow_the_seeds_not_the_other_way_round() -> None:
    clean, original = np.zeros((2, 48)), np.ones((2, 48))
    mixed = np.array([[0.3], [0.9]]) * np.ones((1, 48))
    tables = {"clean": clean, "mix@0.5": mixed, "original": original}
    means = effects.arm_means(tables, FAMILIES, (0.0, 1.0))
    found = curve("original", ("clean", "original"), {"mix@0.5": (0.5, [0.3, 0.6])}, means, tables, FAMILIES)
    departure = found.points[0].departure  # 0 under the first seed, 0.3 under the second
    assert departure.value == pytest.approx(0.15)


def test_points_come_in_the_order_of_the_shares_drawn() -> None:
    found = described(0.0, (0.3, 0.2), 1.0, asked=(0.2, 0.3), drawn=(0.31, 0.22))
    assert [(point.asked, point.share) for point in found.points] == [(0.3, 0.22), (0.2, 0.31)]
    assert [point.score.value for point in found.points] == pytest.approx([0.2, 0.3])


@pytest.mark.parametrize(
    ("clean", "original"), [(0.5, 0.5), (0.9, 0.1)], ids=["no gap", "the clean end is above the original one"]
)
def test_half_a_gap_that_is_not_there_has_no_dose(clean: float, original: float) -> None:
    half = described(clean, (0.5, 0.5, 0.5), original).half_dose
    assert (half.value, half.low, half.high) == (None, None, None)
    assert "do not surely differ" in half.note


def test_scores_that_never_vary_still_have_a_half_dose() -> None:
    found = described(0.0, (1.0, 1.0, 1.0), 1.0, make=lambda rate, rng, seeds: np.full((seeds, 48), rate))
    assert found.half_dose.value == pytest.approx(0.125)


def test_one_mixture_on_the_line_puts_the_half_dose_in_the_middle() -> None:
    assert described(0.1, (0.5,), 0.9, asked=(0.5,), drawn=(0.5,)).half_dose.value == pytest.approx(0.5)


def test_p_values_are_corrected_over_the_points_of_the_curve() -> None:
    found = described(0.05, (0.9, 0.9, 0.9), 0.95)
    p, corrected = [point.p for point in found.points], [point.p_holm for point in found.points]
    assert all(a is not None and b is not None and b >= a for a, b in zip(p, corrected, strict=True))
    assert min(c for c in corrected if c is not None) == pytest.approx(3 * min(a for a in p if a is not None))


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_trainings_give_no_p_value(seeds: int) -> None:
    found = described(0.05, (0.9, 0.9, 0.9), 0.95, seeds=seeds)
    assert found.p is None and all(point.p is None and point.p_holm is None for point in found.points)


def test_one_seed_is_remarked() -> None:
    found = described(0.05, (0.275, 0.5, 0.725), 0.95, seeds=1)
    assert "1 training seed" in found.area.note
    assert "1 training seed" in found.half_dose.note


@pytest.mark.parametrize(
    ("at", "scores", "where"),
    [
        ([0, 0.5, 1], [0, 0.2, 1], 0.5 + 0.5 * 0.3 / 0.8),
        ([0, 0.25, 0.5, 1], [0, 0.8, 0.6, 1], 0.25 * 0.5 / 0.7),  # 0.8 and 0.6 pool to 0.7
        ([0, 1], [0, 1], 0.5),
        ([0, 0.2, 1], [0, 0.5, 1], 0.2),
        ([0, 0, 1], [0, 0.1, 1], 4 / 9),  # a mixture that drew no original completion
    ],
)
def test_the_crossing_by_hand(at: list[float], scores: list[float], where: float) -> None:
    assert _crossing(np.array(at, dtype=float), np.array(scores, dtype=float)) == pytest.approx(where)


@pytest.mark.parametrize("scores", [[1, 0.5, 0], [0.5, 0.5, 0.5], [0.5, 1, 0.5]])
def test_a_curve_that_does_not_rise_crosses_nothing(scores: list[float]) -> None:
    assert np.isnan(_crossing(np.array([0, 0.5, 1]), np.array(scores, dtype=float)))
