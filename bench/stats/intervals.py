"""Intervals of contrasts of arms' means, and of ratios of two contrasts."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.stats.means import Floats, Means

Weights = Mapping[str, float]  # arm -> its weight in the contrast
Sets = Sequence[Weights]  # the part of a contrast that each random set stands for, K of them
PRIOR = 1.0  # degrees of freedom that the pooled ratio of an arm's variance to p (1 - p) counts for
MANY = 1e6  # degrees of freedom where scores do not vary, so that no variance is estimated
FURTHEST = 1e6  # a ratio's interval that reaches further is not bounded


def value(means: Means, weights: Weights) -> float:
    """Return a weighted sum of the arms' means."""
    return sum(weight * means.point[arm] for arm, weight in weights.items())


def variance(means: Means, weights: Weights, sets: Sets = ()) -> tuple[float, float]:
    """Return the variance of a contrast and its degrees of freedom (Satterthwaite 1946, Biometrics Bull. 2).

    They are no fewer than those of the part that has the fewest, as they must be for a sum of variances.
    """
    rows, factors = _rows(means, weights)
    prompts = float(((factors @ means.families[rows]) ** 2).sum())
    units = float((factors**2 * means.training.units[rows]).sum())
    drawn, uncertainty = between_sets(means, sets)
    total = prompts + means.training.rate * units + drawn
    noise = prompts**2 / means.degrees + (units**2 * means.training.uncertainty + uncertainty) / 2
    fewest = min(means.degrees, means.training.degrees, len(sets) - 1 if drawn else np.inf)
    return total, max(total**2 / noise, fewest) if noise > 0 else MANY


def between_sets(means: Means, sets: Sets) -> tuple[float, float]:
    """Return what the draw of K random sets adds to the variance of their mean, and the variance of this figure.

    It is the spread of the sets beyond what trainings and prompts explain, over K.
    """
    count = len(sets)
    if count < 2:
        return 0.0, 0.0
    seen = float(np.var([value(means, each) for each in sets], ddof=1))
    matrix = covariance(means, sets)
    expected = float((np.trace(matrix) - matrix.sum() / count) / (count - 1))
    if seen <= expected:
        return 0.0, 0.0
    return (seen - expected) / count, 2 * seen**2 / (count - 1) / count**2


def covariance(means: Means, contrasts: Sets) -> Floats:
    """Return the covariance matrix of several contrasts, (contrasts, contrasts)."""
    factors = np.zeros((len(contrasts), len(means.index)))
    for i, weights in enumerate(contrasts):
        rows, factors_of = _rows(means, weights)
        factors[i, rows] = factors_of
    prompts = factors @ means.families
    training = factors * (means.training.rate * means.training.units)
    return np.asarray(prompts @ prompts.T + training @ factors.T)


def quantile(means: Means, weights: Weights, tail: float, sets: Sets = ()) -> float:
    """Return the quantile of Student's t that leaves `tail` beyond it, for the degrees of freedom of a contrast."""
    from scipy.special import stdtrit

    return float(stdtrit(variance(means, weights, sets)[1], 1 - tail))


def contrast_limits(means: Means, weights: Weights, q: float, drawn: float = 0.0) -> tuple[float, float]:
    """Return the limits of a contrast from those of its arms (MOVER; Zou & Donner 2008, Stat. Med. 27).

    The arms' own limits respect the bounds of the score, and arms on the same prompts are correlated.

    Args:
        means: Of the arms.
        weights: The contrast.
        q: Quantile of Student's t.
        drawn: Variance that the draw of random sets adds, from `between_sets`.
    """
    rows, factors = _rows(means, weights)
    arms = list(weights)
    families = means.families[rows]
    own = (families**2).sum(1) + means.training.rate * means.training.units[rows]
    down, up = _arm_limits(means, arms, own, q)
    sign = np.sign(factors)
    size = np.abs(factors)
    unit = families / np.sqrt(np.where(own > 0, own, 1.0))[:, None]
    correlation = unit @ unit.T
    np.fill_diagonal(correlation, 1.0)
    middle = value(means, weights)
    below = size * np.where(sign > 0, down, up) * sign
    above = size * np.where(sign > 0, up, down) * sign
    return (
        middle - float(np.sqrt(max(below @ correlation @ below, 0.0) + q**2 * drawn)),
        middle + float(np.sqrt(max(above @ correlation @ above, 0.0) + q**2 * drawn)),
    )


def _arm_limits(means: Means, arms: list[str], own: Floats, q: float) -> tuple[Floats, Floats]:
    """Return how far the limits of each arm lie below and above its mean.

    For a score with bounds they are the wider of the normal ones and those of Wilson (1927, JASA 22) for the number of
    independent prompts that would have the arm's variance (Korn & Graubard 1998, Survey Methodology 24). The variance
    of an arm near a bound is too noisy for that, so its ratio to p (1 - p) is drawn towards that of all arms.
    """
    if means.scale is None:
        half = q * np.sqrt(own)
        return half, half
    width = means.scale[1] - means.scale[0]
    share = np.array([means.share(arm) for arm in arms])
    inner = share * (1 - share)
    varies = (own > 0) & (inner > 0)
    alone = own / width**2 / np.where(varies, inner, 1.0)  # 1 / effective number
    pooled = (means.degrees * alone + PRIOR * means.spread) / (means.degrees + PRIOR)
    rate = np.where(varies, pooled, means.spread)
    tight = q**2 * rate
    centre = (share + tight / 2) / (1 + tight)
    wilson = q / (1 + tight) * np.sqrt(rate * (inner + tight / 4))
    normal = q * np.sqrt(own) / width
    below = np.minimum(np.maximum(share - centre + wilson, normal), share)
    above = np.minimum(np.maximum(centre + wilson - share, normal), 1 - share)
    return width * below, width * above


def ratio_limits(
    means: Means, part: Weights, whole: Weights, q: float, drawn: float = 0.0
) -> tuple[float, float] | None:
    """Return the limits of `part / whole` (Fieller 1954, JRSS B 16): the r for which `part - r * whole` may be 0.

    Args:
        means: Of the arms.
        part: The contrast above the line.
        whole: The contrast below the line, surely above 0.
        q: Quantile of Student's t.
        drawn: As in `contrast_limits`.

    Returns:
        None where the interval is not bounded.
    """
    size = value(means, whole)
    ratio = value(means, part) / size
    step = q * variance(means, less(part, whole, ratio))[0] ** 0.5 / size or 0.01
    low = _edge(lambda r: contrast_limits(means, less(part, whole, r), q, drawn)[0], ratio, -step)
    high = _edge(lambda r: contrast_limits(means, less(part, whole, r), q, drawn)[1], ratio, step)
    return None if low is None or high is None else (low, high)


def _edge(limit: Callable[[float], float], start: float, step: float) -> float | None:
    """Walk from the ratio in one direction until the limit of the contrast crosses 0, then find the place."""
    from scipy.optimize import brentq

    inside = start
    if limit(start) * -step >= 0:
        return start
    while abs(step) < FURTHEST:
        outside = start + step
        if limit(outside) * -step > 0:
            return float(brentq(limit, inside, outside, xtol=1e-4))
        inside, step = outside, 2 * step
    return None


def less(part: Weights, whole: Weights, factor: float) -> dict[str, float]:
    """Return the weights of `part - factor * whole`."""
    return {arm: part.get(arm, 0.0) - factor * whole.get(arm, 0.0) for arm in {**part, **whole}}


def _rows(means: Means, weights: Weights) -> tuple[list[int], Floats]:
    return [means.row(arm) for arm in weights], np.array(list(weights.values()), dtype=np.float64)
