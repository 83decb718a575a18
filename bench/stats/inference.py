"""The test of a filter against random sets, Holm's correction, and the power of a design."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from bench.stats.effects import MIN_SEEDS, Means, against
from bench.stats.intervals import variance

MIN_CONTROLS = 3
BOUNDS = ("oracle", "random_flag")  # filters that are no candidates: no hypotheses of Holm's correction
LEVEL = 0.05
Key = TypeVar("Key", bound=Hashable)


def beats_random(
    means: Means,
    arm: str,
    controls: Sequence[str],
    higher_is_more_trait: bool = True,
    pool: Sequence[Sequence[str]] = (),
) -> float | None:
    """One-sided p-value that an arm is not just another random set.

    The arm's mean over seeds and prompts is compared with those of K random sets held over the same seeds, in units of
    the spread of such sets: t with K - 1 degrees of freedom (Crawford & Howell 1998, Clinical Neuropsychologist 12).
    The variance is no smaller than what trainings and prompts alone explain.

    Args:
        means: From `bench.stats.effects.arm_means`.
        arm: The filter's arm.
        controls: Its K random sets.
        higher_is_more_trait: False where the arm should bring the trait back (`patch_in`, `only`).
        pool: Random sets of other actions and budgets, a group each; their spread on the logit scale is taken as the
            same and adds degrees of freedom.

    Returns:
        The p-value, or None with fewer than `MIN_SEEDS` seeds or `MIN_CONTROLS` controls (`why_no_test` says which).

    Raises:
        BenchError: If an arm was not measured.
    """
    from scipy.special import stdtr

    weights = against(arm, controls)
    least, _ = variance(means, weights)
    if why_no_test(means, controls) or any(math.isnan(means.point[name]) for name in weights):
        return None
    groups = [list(controls), *(list(group) for group in pool if len(group) > 1 and set(group) != set(controls))]
    groups = [group for group in groups if not any(math.isnan(means.point[name]) for name in group)]
    squares = [_squares(means, group) for group in groups]
    degrees = sum(len(group) for group in groups) - len(groups)
    spread = sum(squares) / degrees * _slope(means, controls) ** 2 * (1 + 1 / len(controls))
    ahead = sum(weight * means.point[name] for name, weight in weights.items())
    ahead = ahead if higher_is_more_trait else -ahead
    error = math.sqrt(max(spread, least))
    if error == 0:
        return 1.0 if ahead <= 0 else 0.0
    return float(stdtr(degrees, -ahead / error))


def why_no_test(means: Means, controls: Sequence[str]) -> str:
    """Say why there is no test against random sets; empty where there is one."""
    if means.seeds < MIN_SEEDS:
        return f"no test: {means.seeds} training seeds, a test needs {MIN_SEEDS}"
    if len(controls) < MIN_CONTROLS:
        return f"no test: {len(controls)} random sets, a test needs {MIN_CONTROLS}"
    return ""


def _squares(means: Means, group: Sequence[str]) -> float:
    """Sum the squared deviations of random sets from their mean, on the logit scale where the score has bounds."""
    points = np.array([means.point[name] for name in group])
    return float(((points - points.mean()) ** 2).sum() / _slope(means, group) ** 2)


def _slope(means: Means, group: Sequence[str]) -> float:
    """Return the change of a mean per unit of its logit, at the mean of a group; 1 for a score without bounds."""
    if means.scale is None:
        return 1.0
    share = float(np.mean([means.share(name) for name in group]))
    prompts = min(means.extent[name].prompts for name in group)
    share = min(max(share, 0.5 / prompts), 1 - 0.5 / prompts)
    return share * (1 - share) * (means.scale[1] - means.scale[0])


def holm(p: Mapping[Key, float | None]) -> dict[Key, float | None]:
    """Adjust p-values by Holm's method (1979, Scand. J. Stat. 6); a missing one stays None and is no hypothesis.

    Args:
        p: One entry per primary contrast of the whole board (filter x budget x trait, patch against random patch),
            without `BOUNDS`.
    """
    known = [(value, name) for name, value in p.items() if value is not None and math.isfinite(value)]
    order = sorted(known, key=lambda pair: pair[0])
    adjusted: dict[Key, float | None] = dict.fromkeys(p)
    least = 0.0
    for rank, (value, name) in enumerate(order):
        least = max(least, min((len(order) - rank) * value, 1.0))
        adjusted[name] = least
    return adjusted


def smallest_detectable_lift(
    seeds: int, controls: int, prompts: int, tests: int, *, groups: int = 1, sd: float = 0.096, gap: float = 0.73
) -> float | None:
    """Return the lift, as a share of the gap, that `beats_random` finds with 80 % probability.

    Args:
        seeds: Training seeds.
        controls: Random sets, held over the seeds.
        prompts: Held-out prompts.
        tests: Primary contrasts under Holm's correction; the first step, level / tests, counts.
        groups: Actions whose random sets are pooled, see `beats_random`.
        sd: Standard deviation of an arm's mean between trainings, in units of a score from 0 to 1.
        gap: Mean of `original` minus `clean`.

    Returns:
        None where the design allows no test.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    if seeds < MIN_SEEDS or controls < MIN_CONTROLS:
        return None
    degrees = (controls - 1) * groups
    error = math.sqrt((sd**2 / seeds + 0.25 / prompts / seeds) * (1 + 1 / controls))
    critical = float(t.isf(LEVEL / tests, degrees))
    away = brentq(lambda shift: nct.sf(critical, degrees, shift) - 0.8, 0.0, 50 * critical)
    return float(away * error / gap)
