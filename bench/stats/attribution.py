"""How good an attribution is: against planted truth, and against what retraining and single steps do.

Pure functions; nothing is read or written. A filter's scores are taken as an attribution of the trait to the rows of a
pool: higher = more of the trait comes from this row.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.outcomes import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RESAMPLES = 2000
TAILS = (0.025, 0.975)
FLAT = "it is the same in all subsets"
NO_CEILING = "the ceiling is not shown to exceed 0"


def average_precision(scores: Floats, hits: Bools) -> float:
    """Return the area under the precision-recall curve (AUPRC) as average precision; equal scores are one threshold.

    Args:
        scores: Shape (n,).
        hits: Shape (n,): the rows to find, at least one.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(hits, scores))


def mean_rank(scores: Floats, hits: Bools) -> float:
    """Return the mean place of the hits when rows are ranked by score, from 0 (first) to 1 (last).

    Equal scores share their mean place, so that 0.5 is chance.

    >>> mean_rank(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]))
    0.0

    Args:
        scores: Shape (n,), n > 1.
        hits: Shape (n,): the rows to find, at least one.
    """
    from scipy.stats import rankdata

    places = rankdata(-scores) - 1
    return float(places[hits].mean() / (len(scores) - 1))


def rank_correlation(x: Floats, y: Floats) -> Floats:
    """Return Spearman's rank correlation along the last axis, with mean ranks for ties; NaN where one does not vary."""
    from scipy.stats import rankdata

    a, b = rankdata(x, axis=-1), rankdata(y, axis=-1)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        found: Floats = (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return found


def subset_sums(scores: Mapping[str, float], subsets: Sequence[Collection[str]]) -> Floats:
    """Return the sum of the scores of each subset's rows, shape (subsets,).

    Sums are exact up to one rounding, so that subsets whose rows score alike are ties whatever their order. Where one
    would overflow, all are of scores divided by one power of two, which changes no rank.
    """
    if float(max(map(abs, scores.values()), default=0.0)) * len(scores) == math.inf:
        scores = {identity: score / 2.0**64 for identity, score in scores.items()}
    return np.array([math.fsum(scores[identity] for identity in subset) for subset in subsets])


@dataclass(frozen=True)
class DatamodelingScores:
    """Linear datamodeling scores of several filters on the same subsets.

    Attributes:
        lds: Filter -> its score.
        of_ceiling: Filter -> its score over the ceiling.
        behind_best: Filter -> the best one's score minus its own.
        best: The filter with the highest score among those that compete; "" where none is estimable.
        ceiling: Rank correlation of the outcomes of two trainings on the same subsets.
    """

    lds: dict[str, Estimate]
    of_ceiling: dict[str, Estimate]
    behind_best: dict[str, Estimate]
    best: str
    ceiling: Estimate


def datamodeling_scores(
    predicted: Mapping[str, Floats],
    outcomes: Floats,
    again: Floats,
    competing: Collection[str],
    seed: int = 0,
) -> DatamodelingScores:
    """Return the linear datamodeling score (LDS; Park et al. 2023) of each filter, and comparisons on equal subsets.

    It is Spearman's rank correlation, over random subsets of the training rows, of the sum of the rows' attributions
    with the outcome of a student trained on that subset. Intervals are those of the percentile bootstrap over subsets;
    those that were trained a second time and those that were not are resampled apart.

    Args:
        predicted: Filter -> sums of its scores, shape (subsets,).
        outcomes: Of the students, shape (subsets,).
        again: Outcomes of second trainings on the first subsets, shape (some of the subsets,), at least 2.
        competing: The filters among which the best is looked for.
        seed: Of the bootstrap.
    """
    draws = _resamples(len(outcomes), len(again), seed)
    twice = draws[:, : len(again)]
    ceiling_draws = rank_correlation(outcomes[twice], again[twice])
    ceiling = _interval(float(rank_correlation(outcomes[: len(again)], again)), ceiling_draws)
    points = {name: float(rank_correlation(sums, outcomes)) for name, sums in predicted.items()}
    found = {name: rank_correlation(sums[draws], outcomes[draws]) for name, sums in predicted.items()}
    best = max((name for name in competing if not math.isnan(points[name])), key=points.__getitem__, default="")
    return DatamodelingScores(
        lds={name: _interval(points[name], found[name]) for name in predicted},
        of_ceiling={name: _share(points[name], found[name], ceiling, ceiling_draws) for name in predicted},
        behind_best={
            name: _interval(points[best] - points[name], found[best] - found[name])
            if best and name != best
            else Estimate(value=0.0 if best else None, note="the best one" if best else FLAT)
            for name in predicted
        },
        best=best,
        ceiling=ceiling,
    )


def _resamples(subsets: int, twice: int, seed: int) -> NDArray[np.int64]:
    """Draw subsets with replacement, shape (resamples, subsets); those trained twice come first and from among them."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, twice, (RESAMPLES, twice))
    if twice == subsets:
        return first
    return np.concatenate([first, rng.integers(twice, subsets, (RESAMPLES, subsets - twice))], axis=1)


def _interval(point: float, draws: Floats) -> Estimate:
    """Return a value with the percentile interval of its bootstrap draws; those that are not a number are left out."""
    if math.isnan(point):
        return Estimate(value=None, note=FLAT)
    low, high = np.quantile(draws[~np.isnan(draws)], TAILS)
    if not np.isfinite([low, high]).all():
        return Estimate(value=point, note="its interval is not bounded")
    return Estimate(value=point, low=float(low), high=float(high))


def _share(point: float, draws: Floats, ceiling: Estimate, ceiling_draws: Floats) -> Estimate:
    """Return a score over the ceiling; draws whose ceiling is not above 0 count as beyond every bound."""
    if math.isnan(point):
        return Estimate(value=None, note=FLAT)
    if ceiling.value is None or ceiling.low is None or ceiling.low <= 0:
        return Estimate(value=None, note=NO_CEILING)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(ceiling_draws > 0, draws / ceiling_draws, np.copysign(np.inf, draws))
    return _interval(point / ceiling.value, ratios)


def top_over_all(changes: Floats, top: Bools, seed: int = 0) -> Estimate:
    """Return the mean of some rows minus the mean of all rows, with a bootstrap interval.

    Rows are resampled within the top ones and within the others, so that their numbers stay.

    Args:
        changes: Of every row, shape (n,).
        top: The rows in question, shape (n,); neither none nor all.
        seed: Of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    chosen, others = changes[top], changes[~top]
    above, below = (rng.choice(part, (RESAMPLES, len(part))).mean(1) for part in (chosen, others))
    share = len(others) / len(changes)  # mean(top) - mean(all) = share of the others * (mean(top) - mean(others))
    return _interval(float(chosen.mean() - changes.mean()), share * (above - below))
