"""The filter with the largest lift, with an interval that accounts for its being chosen."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.outcomes import Estimate
from bench.stats.effects import GAP, TAIL, UNBOUNDED, against, gap, not_estimable, of_controls, ratio
from bench.stats.intervals import Sets, Weights, between_sets, covariance, less, quantile, ratio_limits, value, variance
from bench.stats.means import MIN_SEEDS, Means

DRAWS = 4000  # for the quantile of the largest of several effects


def winner(means: Means, candidates: Mapping[str, tuple[str, Sequence[str]]]) -> tuple[str, Estimate] | None:
    """Return the filter with the largest lift, with an interval that holds whichever filter is chosen.

    The lower limit holds for all lifts at once: the quantile of the largest of correlated t's (Hothorn, Bretz &
    Westfall 2008, Biometrical J. 50). The upper limit needs no correction: where the limit of the largest estimate lies
    below its true lift, so does that of the truly best filter, whose estimate is no larger. The value itself is that of
    the largest and so too large on average.

    Args:
        means: From `arm_means`.
        candidates: Filter -> its arm and the arm's controls.

    Returns:
        The filter and its lift as a share of the gap; None below `MIN_SEEDS` or where no lift is estimable.
    """
    if means.seeds < MIN_SEEDS:
        return None
    whole = gap(means)
    weights = {name: against(*candidate) for name, candidate in candidates.items()}
    found = {name: value(means, each) for name, each in weights.items() if not_estimable(means, each) is None}
    if not found or whole.value is None or whole.low is None or whole.low <= 0:
        return None
    best = max(found, key=lambda name: found[name])
    part, sets = weights[best], of_controls(candidates[best][1])
    chosen = ratio(means, part, GAP, sets)
    q = _largest(means, [less(weights[name], GAP, lifted / whole.value) for name, lifted in found.items()], sets)
    limits = ratio_limits(means, part, GAP, q, between_sets(means, sets)[0])
    if limits is None or chosen.low is None:
        return best, chosen.model_copy(update={"low": None, "high": None, "note": UNBOUNDED})
    note = f"interval adjusted for the choice among {len(found)} filters; the value is too large on average"
    return best, chosen.model_copy(update={"low": min(limits[0], chosen.low), "note": note})


def _largest(means: Means, contrasts: list[Weights], sets: Sets) -> float:
    """Return the 97.5 % quantile of the largest t of several contrasts; `sets` are those of the chosen one."""
    matrix = covariance(means, contrasts)
    deviation = np.sqrt(np.diag(matrix))
    degrees = min(variance(means, weights, sets)[1] for weights in contrasts)
    if not (deviation > 0).all():
        return quantile(means, contrasts[0], TAIL / len(contrasts), sets)
    values, vectors = np.linalg.eigh(matrix)
    # The symmetric root: unlike eigenvectors it has no sign that another build of LAPACK would choose otherwise.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((DRAWS, len(contrasts))) @ root / deviation
    t = normal / np.sqrt(rng.chisquare(degrees, DRAWS) / degrees)[:, None]
    return float(np.quantile(t.max(1), 1 - TAIL))
