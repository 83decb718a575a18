"""The effects that are reported, each a contrast of arms' means or a ratio of two, with a 95 % interval."""

from collections.abc import Sequence

import numpy as np

from bench.errors import BenchError
from bench.outcomes import Estimate
from bench.stats.intervals import (
    Sets,
    Weights,
    between_sets,
    contrast_limits,
    covariance,
    less,
    quantile,
    ratio_limits,
    value,
    variance,
)
from bench.stats.means import MIN_SEEDS, Extent, Floats, Means, arm_means

__all__ = [
    "MIN_SEEDS",
    "Extent",
    "Floats",
    "Means",
    "arm_means",
    "contrast",
    "difference",
    "draw_means",
    "gap",
    "gate",
    "leakage",
    "leakage_difference",
    "lift",
    "lift_difference",
    "mean",
    "p_value",
    "removal",
    "retention",
    "sufficiency",
]

TAIL = 0.025
MIN_PROMPTS = 8
MIN_CLUSTERS = 2
GAP: Weights = {"original": 1.0, "clean": -1.0}
UNBOUNDED = "not estimable: the interval of the ratio is not bounded"


def few_seeds(seeds: int) -> str:
    """Say what an interval from too few trainings leaves out."""
    number = "1 training seed" if seeds == 1 else f"{seeds} training seeds"
    return f"{number}: the interval covers prompts only, not the variation between trainings"


def contrast(means: Means, weights: Weights, sets: Sets = ()) -> Estimate:
    """Value and 95 % interval of a weighted sum of arms' means.

    Args:
        means: From `arm_means`.
        weights: Arm -> its weight.
        sets: The part of the contrast that each of its random sets stands for; their draw is a source of variation.

    Returns:
        An estimate whose note says what the interval leaves out, or why there is none.

    Raises:
        BenchError: If an arm was not measured.
    """
    missing = not_estimable(means, weights)
    if missing is not None:
        return missing
    q = quantile(means, weights, TAIL, sets)
    low, high = contrast_limits(means, weights, q, between_sets(means, sets)[0])
    return Estimate(value=value(means, weights), low=low, high=high, note=_note(means))


def ratio(means: Means, part: Weights, whole: Weights, sets: Sets = (), q: float | None = None) -> Estimate:
    """Value and interval of `part / whole`, where `whole` is surely above 0; 95 % unless `q` is given."""
    both = {**part, **whole}
    missing = not_estimable(means, both)
    if missing is not None:
        return missing
    below = contrast(means, whole)
    if below.value is None or below.low is None or below.low <= 0:
        return Estimate(value=None, note="not estimable: the interval of what it is a share of includes 0")
    share = value(means, part) / below.value
    q = q or quantile(means, less(part, whole, share), TAIL, sets)
    limits = ratio_limits(means, part, whole, q, between_sets(means, sets)[0])
    if limits is None:
        return Estimate(value=share, note=UNBOUNDED)
    return Estimate(value=share, low=limits[0], high=limits[1], note=_note(means))


def not_estimable(means: Means, weights: Weights) -> Estimate | None:
    """Return the estimate without an interval where arms have too few scores for one."""
    rows = [means.row(arm) for arm in weights]
    empty = [arm for arm in weights if np.isnan(means.point[arm])]
    if empty:
        why = [f"{arm}: {means.refused[arm]}" for arm in empty if arm in means.refused]
        reason = "; ".join(why) if why else f"no scores of {', '.join(empty)}"
        return Estimate(value=None, note=f"not estimable: {reason}")
    extents = [means.extent[arm] for arm in weights]
    prompts, families = min(each.prompts for each in extents), min(each.clusters for each in extents)
    missing = sorted(arm for arm in weights if means.extent[arm].seeds < means.seeds)
    note = ""
    if prompts < MIN_PROMPTS:
        note = f"not estimable: {prompts} prompts, an interval needs {MIN_PROMPTS}"
    elif families < MIN_CLUSTERS:
        note = f"not estimable: {families} prompt family, an interval needs {MIN_CLUSTERS}"
    elif missing:
        note = f"not estimable: seeds without scores of {', '.join(missing)}"
    return Estimate(value=value(means, weights), note=note) if note and rows else None


def _note(means: Means) -> str:
    return few_seeds(means.seeds) if means.seeds < MIN_SEEDS and not means.fixed else ""


def mean(means: Means, arm: str) -> Estimate:
    """Mean score of one arm."""
    return contrast(means, {arm: 1.0})


def gap(means: Means) -> Estimate:
    """Mean of `original` minus that of `clean`, in units of the score."""
    return contrast(means, GAP)


def difference(means: Means, arm: str) -> Estimate:
    """Mean of `original` minus that of the arm, in units of the score."""
    return contrast(means, less({"original": 1.0}, {arm: 1.0}, 1.0))


def removal(means: Means, arm: str) -> Estimate:
    """Compute (original - arm) / gap: 1 = all of the removable trait is gone, 0 = none of it, below 0 = worse."""
    return _share_of_gap(means, less({"original": 1.0}, {arm: 1.0}, 1.0))


def lift_difference(means: Means, arm: str, controls: Sequence[str]) -> Estimate:
    """Mean of the random controls (same action, same size) minus that of the arm, in units of the score."""
    return contrast(means, against(arm, controls), of_controls(controls))


def lift(means: Means, arm: str, controls: Sequence[str]) -> Estimate:
    """Return the `lift_difference` as a share of the gap."""
    return _share_of_gap(means, against(arm, controls), of_controls(controls))


def of_controls(controls: Sequence[str]) -> Sets:
    """Return the sets of a contrast with the mean of random controls: each control stands for that mean."""
    return [{name: 1.0} for name in controls]


def against(arm: str, controls: Sequence[str]) -> dict[str, float]:
    """Return the weights of the controls' mean minus the arm.

    Raises:
        BenchError: If there are no controls.
    """
    if not controls:
        raise BenchError(
            f"controls of arm {arm!r}", seen="none", expected="at least one random set", remedy="set `controls`"
        )
    return less(dict.fromkeys(controls, 1 / len(controls)), {arm: 1.0}, 1.0)


def leakage_difference(
    means: Means, patch: str, refill: str, control_patches: Sequence[str], control_refills: Sequence[str]
) -> Estimate:
    """Compute refill minus patch of the filter, less the same of the random sets; in units of the score.

    Positive where patching the flagged rows removes more than as many clean rows do by themselves.
    """
    weights = _leakage(patch, refill, control_patches, control_refills)
    return contrast(means, weights, _pairs(control_patches, control_refills))


def leakage(
    means: Means, patch: str, refill: str, control_patches: Sequence[str], control_refills: Sequence[str]
) -> Estimate:
    """Return the `leakage_difference` as a share of the gap."""
    weights = _leakage(patch, refill, control_patches, control_refills)
    return _share_of_gap(means, weights, _pairs(control_patches, control_refills))


def _leakage(
    patch: str, refill: str, control_patches: Sequence[str], control_refills: Sequence[str]
) -> dict[str, float]:
    return less(against(patch, control_patches), against(refill, control_refills), 1.0)


def _pairs(control_patches: Sequence[str], control_refills: Sequence[str]) -> Sets:
    return [{refill: 1.0, patch: -1.0} for patch, refill in zip(control_patches, control_refills, strict=True)]


def sufficiency(means: Means, patch_in: str) -> Estimate:
    """Compute (patch_in - clean) / gap: the share of the trait that the flagged set alone brings back."""
    return _share_of_gap(means, less({patch_in: 1.0}, {"clean": 1.0}, 1.0))


def _share_of_gap(means: Means, part: Weights, sets: Sets = ()) -> Estimate:
    """Express a contrast as a share of the gap, where the gap is surely above zero."""
    whole = gap(means)
    if whole.value is None:
        return Estimate(value=None, note=whole.note)
    if whole.low is not None and whole.high is not None and whole.low <= 0 <= whole.high:
        return Estimate(value=None, note="not estimable: the gap's interval includes 0")
    if whole.value <= 0:
        return Estimate(value=None, note="not estimable: the gap is not positive, there is no trait to remove")
    return ratio(means, part, GAP, sets)


def retention(means: Means, arm: str) -> Estimate:
    """Capability of the arm over that of `original`; these means are of capability scores (higher = better)."""
    base = mean(means, "original")
    if base.value is not None and (base.value <= 0 or (base.low is not None and base.low <= 0)):
        return Estimate(value=None, note="not estimable: the capability of `original` is not above 0")
    return ratio(means, {arm: 1.0}, {"original": 1.0})


def gate(gap: Estimate, minimum: float) -> tuple[bool, str]:
    """Say whether a trait is scored: only where the low end of the gap's interval reaches the minimum, and why.

    The rule selects gaps that were measured too large, so shares of a gap that only just clears it are biased; the
    reason says so where the value lies within the width of an interval above the minimum.
    """
    if gap.value is None or gap.low is None or gap.high is None:
        return False, f"the gap has no interval ({gap.note or 'no data'})"
    seen = f"gap {gap.value:.3g} [{gap.low:.3g}, {gap.high:.3g}]"
    note = f" ({gap.note})" if gap.note else ""
    if gap.low < minimum:
        return False, f"{seen} does not clear the minimum of {minimum:g}{note}"
    if gap.low - minimum < gap.value - gap.low:
        note += "; near the minimum the gap is measured too large on average, so read differences of scores, not shares"
    return True, f"{seen} clears the minimum of {minimum:g}{note}"


def draw_means(means: Means, arms: Sequence[str], draws: int = 2000, seed: int = 0) -> Floats:
    """Draw the means of arms from their joint distribution, a multivariate t: (draws, arms); for other statistics."""
    matrix = covariance(means, [{arm: 1.0} for arm in arms])
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal(np.zeros(len(arms)), matrix, draws, method="eigh")
    factor = np.sqrt(rng.chisquare(means.degrees, draws) / means.degrees)
    drawn = np.array([means.point[arm] for arm in arms]) + normal / factor[:, None]
    return drawn if means.scale is None else np.clip(drawn, *means.scale)


def p_value(means: Means, weights: Weights) -> float | None:
    """Two-sided p-value that a contrast is 0, over trainings and prompts; None below `MIN_SEEDS`."""
    from scipy.special import stdtr

    if means.seeds < MIN_SEEDS or contrast(means, weights).low is None:
        return None
    spread, degrees = variance(means, weights)
    if spread == 0:
        return 1.0 if value(means, weights) == 0 else 0.0
    return float(2 * stdtr(degrees, -abs(value(means, weights)) / np.sqrt(spread)))
