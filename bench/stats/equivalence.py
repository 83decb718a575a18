"""Is a difference there, is it surely absent, or can nobody tell? Intervals and equivalence tests on resampled means.

"No effect" is a claim that needs its own test: two one-sided tests (TOST; Schuirmann 1987, J. Pharmacokinet. Biopharm.
15), here as inclusion of the 90 % interval in a margin that was stated beforehand, which is TOST at 5 %.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.records import Estimate, Strict
from bench.stats import effects

Floats = NDArray[np.float64]
Outcome = Literal["effect", "no effect", "unclear", "not estimable"]
TAIL = 0.05  # of each one-sided test


class Comparison(Strict):
    """A contrast of arms against a margin.

    Attributes:
        contrast: In words, such as `original - clean`.
        difference: Its value and 95 % interval, in units of the score.
        low90: Lower end of the 90 % interval, which TOST reads.
        high90: Upper end.
        p_equivalence: Larger p-value of the two one-sided tests that the contrast lies beyond the margin.
        margin: Differences below it count as none; fixed beforehand.
        outcome: `effect` where the 95 % interval excludes 0 and the value exceeds the margin on the same side;
            `no effect` where the 90 % interval lies within the margin; `unclear` otherwise.
    """

    contrast: str
    difference: Estimate
    low90: float | None = None
    high90: float | None = None
    p_equivalence: float | None = None
    margin: float
    outcome: Outcome

    @property
    def positive(self) -> bool:
        """Whether there is an effect, and upwards."""
        return self.outcome == "effect" and (self.difference.value or 0.0) > 0

    @property
    def absent(self) -> bool:
        """Whether equivalence was shown."""
        return self.outcome == "no effect"


def compare(means: effects.Means, arm: str, reference: str, margin: float, scale: float = 1.0) -> Comparison:
    """Compare two arms: `arm - reference`; arguments as in `contrast`."""
    return contrast(means, f"{arm} - {reference}", {arm: 1.0, reference: -1.0}, margin, scale)


def contrast(
    means: effects.Means, words: str, weights: Mapping[str, float], margin: float, scale: float = 1.0
) -> Comparison:
    """Judge a weighted sum of arms' means.

    Args:
        means: From `bench.stats.effects.resample_means`.
        words: The contrast in words.
        weights: Arm -> its weight.
        margin: Differences below it count as none, in units of the score.
        scale: Highest minus lowest possible score.

    Raises:
        BenchError: If an arm was not measured.
    """
    arms = list(weights)
    difference = effects.estimate(means, arms, lambda m: np.asarray(sum(w * m[arm] for arm, w in weights.items())))
    if difference.value is None or difference.low is None or difference.high is None:
        return Comparison(contrast=words, difference=difference, margin=margin, outcome="not estimable")
    draws = np.asarray(sum(weight * means.draws[arm] for arm, weight in weights.items()), dtype=np.float64)
    low, high, p = _one_sided(draws[np.isfinite(draws)], difference.value, margin, _floor(means, arms, scale))
    beyond = abs(difference.value) > margin and not difference.low <= 0 <= difference.high
    within = -margin < low and high < margin
    return Comparison(
        contrast=words,
        difference=difference,
        low90=low,
        high90=high,
        p_equivalence=p,
        margin=margin,
        outcome="effect" if beyond else "no effect" if within else "unclear",
    )


def _floor(means: effects.Means, arms: Sequence[str], scale: float) -> float:
    """Least half-width of the 90 % interval.

    A bootstrap of scores that do not vary has no width, yet n prompts without a difference cannot exclude that a few in
    a hundred would differ: at most 1 - 0.05^(1/n) of them (Clopper & Pearson 1934, one-sided 95 %).
    """
    prompts = min(means.extent[arm].prompts for arm in arms)
    return scale * float(1 - TAIL ** (1 / prompts))


def _one_sided(draws: Floats, value: float, margin: float, floor: float) -> tuple[float, float, float]:
    """Return the 90 % interval and the larger p of the two tests, read off the draws and no narrower than the floor."""
    ordered = np.sort(draws)
    cut = max(math.ceil(TAIL * (len(draws) + 1)) - 2, 0)  # so that p < 0.05 where the interval lies within the margin
    low, high = ordered[cut], ordered[-1 - cut]
    narrow = value - floor <= low or high <= value + floor
    low, high = min(low, value - floor), max(high, value + floor)
    beyond = max((draws >= margin).sum(), (draws <= -margin).sum())
    p = float((beyond + 1) / (len(draws) + 1))
    if narrow and not -margin < low <= high < margin:
        p = max(p, TAIL)
    return float(low), float(high), p
