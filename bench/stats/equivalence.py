"""Is a difference there, is it surely absent, or can nobody tell? Intervals and equivalence tests on arms' means.

"No effect" is a claim that needs its own test: two one-sided tests (TOST; Schuirmann 1987, J. Pharmacokinet. Biopharm.
15), here as inclusion of the 95 % interval in a margin that was stated beforehand, which is TOST at 2.5 %. At 5 %
the error reached 8 % in simulations near the ends of the scale, where few scores tell how much an arm varies.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from bench.outcomes import Estimate
from bench.records import Strict
from bench.stats import effects
from bench.stats.intervals import contrast_limits, quantile, variance

Outcome = Literal["effect", "no effect", "unclear", "not estimable"]
TAIL = 0.05  # on each side of the 90 % interval
ONE_TRAINING = "one training is not a treatment effect: nothing is claimed below {} training seeds"


class Comparison(Strict):
    """A contrast of arms against a margin.

    Attributes:
        contrast: In words, such as `original - clean`.
        difference: Its value and 95 % interval, in units of the score.
        low90: Lower end of the 90 % interval.
        high90: Upper end.
        p_equivalence: Larger p-value of the two one-sided tests that the contrast lies beyond the margin; None below
            `MIN_SEEDS`.
        margin: Differences below it count as none; fixed beforehand.
        outcome: `effect` where the 95 % interval excludes 0 and the value exceeds the margin on the same side;
            `no effect` where the 95 % interval lies within the margin; `unclear` otherwise, and always with fewer than
            `MIN_SEEDS` trainings.
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


def compare(means: effects.Means, arm: str, reference: str, margin: float) -> Comparison:
    """Compare two arms: `arm - reference`; arguments as in `contrast`."""
    return contrast(means, f"{arm} - {reference}", {arm: 1.0, reference: -1.0}, margin)


def contrast(means: effects.Means, words: str, weights: Mapping[str, float], margin: float) -> Comparison:
    """Judge a weighted sum of arms' means.

    Args:
        means: From `bench.stats.effects.arm_means`.
        words: The contrast in words.
        weights: Arm -> its weight.
        margin: Differences below it count as none, in units of the score.

    Raises:
        BenchError: If an arm was not measured.
    """
    difference = effects.contrast(means, weights)
    if difference.value is None or difference.low is None or difference.high is None:
        return Comparison(contrast=words, difference=difference, margin=margin, outcome="not estimable")
    q = quantile(means, weights, TAIL)
    low, high = contrast_limits(means, weights, q)
    found = Comparison(contrast=words, difference=difference, low90=low, high90=high, margin=margin, outcome="unclear")
    if means.seeds < effects.MIN_SEEDS and not means.fixed:
        note = f"{difference.note}; {ONE_TRAINING.format(effects.MIN_SEEDS)}"
        return found.model_copy(update={"difference": difference.model_copy(update={"note": note})})
    beyond = abs(difference.value) > margin and not difference.low <= 0 <= difference.high
    within = -margin < difference.low and difference.high < margin
    outcome = "effect" if beyond else "no effect" if within else "unclear"
    p = _p_equivalence(difference.value, (low, high), q, margin, variance(means, weights)[1])
    return found.model_copy(update={"outcome": outcome, "p_equivalence": p})


def _p_equivalence(value: float, limits: tuple[float, float], q: float, margin: float, degrees: float) -> float:
    """Return the larger p of the two tests; the standard errors are those of the 90 % interval's two sides."""
    from scipy.special import stdtr

    below, above = (value - limits[0]) / q, (limits[1] - value) / q
    with np.errstate(divide="ignore", invalid="ignore"):
        t = min(np.divide(value + margin, below), np.divide(margin - value, above))
    return float(stdtr(degrees, -t))
