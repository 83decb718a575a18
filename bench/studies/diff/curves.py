"""Interpolation curves: trait score over the share of original completions, against the straight line.

[R] (see `bench.studies.diff.verdicts`) trains on random mixtures of two teachers' completions of the same prompts and
compares the scores with a linear interpolation: one trait scaled smoothly, another was there with few original
examples.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.outcomes import Estimate
from bench.stats import effects
from bench.stats.inference import holm
from bench.studies.diff.records import CurvePoint, InterpolationCurve

Floats = NDArray[np.float64]


def curve(
    prompts: str,
    ends: tuple[str, str],
    mixtures: Mapping[str, tuple[float, Sequence[float]]],
    means: effects.Means,
    tables: Mapping[str, Floats],
    clusters: NDArray[np.int64],
) -> InterpolationCurve:
    """Describe one curve.

    Args:
        prompts: `original` or `alternative`.
        ends: The cells at share 0 and 1.
        mixtures: Cell -> share asked for, and the share drawn under each seed, in the order of the tables' rows.
        means: Means of all cells.
        tables: Scores per cell, each (seeds, prompts), NaN where the score does not apply.
        clusters: Family of each prompt, (prompts,).
    """
    clean, original = ends
    share = {cell: float(np.mean(drawn)) for cell, (_, drawn) in mixtures.items()}
    cells = sorted(mixtures, key=lambda cell: share[cell])
    away = {cell: tables[cell] - _line(tables[clean], tables[original], mixtures[cell][1]) for cell in cells}
    area = np.mean([away[cell] for cell in cells], axis=0)
    departures = effects.arm_means(away, clusters, None)
    p = {cell: effects.p_value(departures, {cell: 1.0}) for cell in cells}
    whole = effects.arm_means(
        {"area": area}, clusters, None
    )  # apart, for a mean of cells varies less between trainings
    corrected = holm(p)
    points = [
        CurvePoint(
            asked=mixtures[cell][0],
            share=share[cell],
            score=effects.mean(means, cell),
            departure=effects.mean(departures, cell),
            p=p[cell],
            p_holm=corrected[cell],
        )
        for cell in cells
    ]
    return InterpolationCurve.model_validate(
        {
            "prompts": prompts,
            "clean": effects.mean(means, clean),
            "original": effects.mean(means, original),
            "points": points,
            "area": effects.mean(whole, "area"),
            "p": effects.p_value(whole, {"area": 1.0}),
            "half_dose": _half_dose(means, ends, cells, [share[cell] for cell in cells]),
        }
    )


def _line(clean: Floats, original: Floats, drawn: Sequence[float]) -> Floats:
    """Return what linear scaling would give each prompt under each seed, (seeds, prompts)."""
    share = np.asarray(drawn)[:, None]
    return np.asarray((1 - share) * clean + share * original)


def _half_dose(means: effects.Means, ends: tuple[str, str], cells: Sequence[str], shares: Sequence[float]) -> Estimate:
    """Return the share at which half of the gap is reached, with a 95 % interval."""
    clean, original = ends
    gap = effects.contrast(means, {original: 1.0, clean: -1.0})
    if gap.value is None or gap.low is None:
        return Estimate(value=None, note=gap.note or "not estimable")
    if gap.low <= 0:
        return Estimate(value=None, note="not estimable: the scores at share 0 and 1 do not surely differ")
    if refused := [f"{cell}: {means.refused[cell]}" for cell in cells if cell in means.refused]:
        return Estimate(value=None, note=f"not estimable: {'; '.join(refused)}")
    order = [clean, *cells, original]
    at = np.array([0.0, *shares, 1.0])
    value = _crossing(at, np.array([means.point[cell] for cell in order]))
    draws = effects.draw_means(means, order)
    found = np.array([_crossing(at, row) for row in draws])
    found = found[np.isfinite(found)]
    if not np.isfinite(value) or len(found) < 0.99 * len(draws):
        return Estimate(value=None, note="not estimable: the curve does not rise from share 0 to 1")
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(value=value, low=float(low), high=float(high), note=gap.note)


def _crossing(at: Floats, scores: Floats) -> float:
    """Find where the rising curve closest to the scores passes the middle of its ends.

    The curve is the isotonic regression (Barlow et al. 1972), linear between the shares; nan where it does not rise.

    >>> _crossing(np.array([0, 0.5, 1]), np.array([0.0, 0.5, 1.0]))
    0.5
    """
    from scipy.optimize import isotonic_regression

    rising = isotonic_regression(scores).x
    middle = (scores[0] + scores[-1]) / 2
    if not rising[0] < middle < rising[-1]:
        return float("nan")
    after = int(np.argmax(rising >= middle))
    step = (middle - rising[after - 1]) / (rising[after] - rising[after - 1])
    return float(at[after - 1] + step * (at[after] - at[after - 1]))
