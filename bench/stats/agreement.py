"""How well two outcomes of the same students agree; pure functions, nothing is read or written."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.outcomes import Estimate
from bench.records import Strict

Floats = NDArray[np.float64]
MIN_ARMS = 4  # the standard error of Fisher's z divides by arms - 3
FEW_ARMS = "fewer than 4 arms, so there is no interval"


class Agreement(Strict):
    """Correlation of two outcomes over students.

    Attributes:
        students: Trained students that have both outcomes; a model without seeds counts once.
        arms: Arms that they belong to.
        pearson: Of the students' means, with a 95 % interval.
        spearman: Of the ranks of the means, with a 95 % interval.
    """

    students: int
    arms: int
    pearson: Estimate
    spearman: Estimate


def margin_agreement(behaviour: Mapping[str, Floats], margin: Mapping[str, Floats]) -> Agreement:
    """Correlate the mean behaviour of every student with its mean margin.

    Students of one arm differ by their seed alone and are not independent, so intervals are as wide as one student an
    arm would make them: Fisher's z with standard error 1 / sqrt(arms - 3), and for ranks
    sqrt((1 + r^2 / 2) / (arms - 3)) (Bonett & Wright 2000, Psychometrika 65).

    Args:
        behaviour: Arm -> scores (seeds, prompts), NaN where a score does not apply.
        margin: Arm -> margins (seeds, pairs), in nats, with the same seeds; an arm that lacks either is left out.

    Raises:
        BenchError: If an arm has other numbers of seeds in the two tables.
    """
    students: list[tuple[float, float]] = []
    arms = 0
    for arm in sorted(behaviour.keys() & margin.keys()):
        if len(behaviour[arm]) != len(margin[arm]):
            raise BenchError(
                f"score tables of arm {arm!r}",
                seen=f"{len(behaviour[arm])} seeds of behaviour, {len(margin[arm])} of margin",
                expected="both outcomes of the same students",
                remedy="evaluate every student on both",
            )
        pairs = zip(_run_means(behaviour[arm]), _run_means(margin[arm]), strict=True)
        # The tables repeat a model without seeds for each of them; equal means in float64 are the same student.
        own = dict.fromkeys(pair for pair in pairs if not any(map(math.isnan, pair)))
        students += own
        arms += bool(own)
    x, y = np.array(students, dtype=np.float64).reshape(-1, 2).T
    return Agreement(
        students=len(students), arms=arms, pearson=_correlation(x, y, arms), spearman=_rank_correlation(x, y, arms)
    )


def _run_means(table: Floats) -> list[float]:
    """Return each seed's mean over the prompts that have a score; NaN where none has."""
    there = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        means: list[float] = (np.where(there, table, 0.0).sum(1) / there.sum(1)).tolist()
    return means


def _correlation(x: Floats, y: Floats, arms: int, *, ranks: bool = False) -> Estimate:
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(value=None, note=f"not estimable: {len(x)} students, or an outcome that does not vary")
    r = float(np.corrcoef(x, y)[0, 1])
    if arms < MIN_ARMS or abs(r) >= 1:
        return Estimate(value=r, note=FEW_ARMS if arms < MIN_ARMS else "a perfect correlation has no interval")
    error = math.sqrt((1 + r**2 / 2 if ranks else 1) / (arms - 3))
    low, high = (math.tanh(math.atanh(r) + side * 1.959964 * error) for side in (-1, 1))
    return Estimate(value=r, low=low, high=high)


def _rank_correlation(x: Floats, y: Floats, arms: int) -> Estimate:
    from scipy.stats import rankdata

    return _correlation(rankdata(x), rankdata(y), arms, ranks=True)
