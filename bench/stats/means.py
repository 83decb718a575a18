"""From score tables to the mean of every arm and how it varies over prompt families and trainings.

A *table* holds one arm's scores as float64 of shape (seeds, prompts), NaN where the score does not apply.
Scores are oriented so that higher = more trait. All tables of one call share the seeds (rows) and the prompts
(columns), which is what pairs the arms; *clusters* is an int array (prompts,) with the family of each prompt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.errors import unknown as unknown_name

Floats = NDArray[np.float64]

MIN_SEEDS = 3  # trainings of an arm below which nothing is claimed about a treatment
FAMILY_CORRELATION = 0.1  # between prompts of a family, assumed where an arm's scores do not vary


@dataclass(frozen=True)
class Extent:
    """How many seeds, prompts and prompt families of an arm hold at least one score."""

    seeds: int
    prompts: int
    clusters: int


@dataclass(frozen=True)
class Training:
    """Variance of an arm's mean between trainings, `rate * units[arm]`, pooled over all arms.

    Attributes:
        units: Variance of each arm's mean over its trainings for a rate of 1, (arms,); 0 for a model that is fixed.
        rate: The pooled variance: of the logit of a score with bounds, else of the score.
        uncertainty: Variance of the rate.
        degrees: Degrees of freedom of the variance of run means that the rate is estimated from.
    """

    units: Floats
    rate: float
    uncertainty: float
    degrees: float


@dataclass(frozen=True)
class Means:
    """Mean score of every arm, and the parts of its variance; all effects are contrasts of these means.

    Attributes:
        point: Mean score per arm, in units of the score; NaN where the arm has no score.
        extent: How much data each arm rests on.
        scale: Lowest and highest possible score, None for a score without bounds.
        seeds: Number of training seeds.
        fixed: Whether the models are taken as they are, so that trainings are not a source of variation.
        index: Arm -> its row in `families` and `training.units`.
        families: Each family's share in the deviation of an arm's mean, (arms, families); the covariance of two arms
            over prompts is the sum of products of their rows.
        training: Variance between trainings; all zero with fewer than `MIN_SEEDS` seeds.
        spread: Variance of a mean over prompts as a share of p (1 - p), pooled over arms; p is the mean from 0 to 1.
        degrees: Degrees of freedom of a variance over families.
        refused: Arm without scores -> why it is not compared, see `bench.stats.unscored`.
    """

    point: dict[str, float]
    extent: dict[str, Extent]
    scale: tuple[float, float] | None
    seeds: int
    fixed: bool
    index: dict[str, int]
    families: Floats
    training: Training
    spread: float
    degrees: float
    refused: Mapping[str, str] = field(default_factory=dict)

    def row(self, arm: str) -> int:
        """Return the row of an arm.

        Raises:
            BenchError: If the arm was not measured.
        """
        if arm not in self.index:
            raise unknown_name("arm", arm, sorted(self.index))
        return self.index[arm]

    def share(self, arm: str) -> float:
        """Return the mean of an arm on a scale from 0 to 1."""
        low, high = self.scale or (0.0, 1.0)
        return (self.point[arm] - low) / (high - low)


def arm_means(
    tables: Mapping[str, Floats],
    clusters: NDArray[np.int64],
    scale: tuple[float, float] | None,
    *,
    fixed: bool = False,
) -> Means:
    """Average the scores of every arm, and estimate how the means vary.

    Prompts and trainings are crossed. Over prompts, the covariance of the arms' means is cluster-robust (Liang & Zeger
    1986, Biometrika 73), families being the clusters. Over trainings, arms are independent and share one variance on
    the logit scale, so that its degrees of freedom are arms x (seeds - 1); the part that is due to prompts is
    subtracted (analysis of variance of the two-way table, as in Searle, Casella & McCulloch 1992, ch. 4).

    Args:
        tables: Scores per arm, each (seeds, prompts). An arm whose rows are all alike counts as one fixed model.
        clusters: Family of each prompt, (prompts,).
        scale: Lowest and highest possible score, None for a score without bounds.
        fixed: Whether the models are taken as they are: no training is a draw from many.

    Raises:
        BenchError: If the shapes differ, or a score is infinite or outside of its scale.
    """
    _check(tables, clusters, scale)
    names, member = np.unique(clusters, return_inverse=True)
    there = {arm: ~np.isnan(table) for arm, table in tables.items()}
    point = {arm: _mean(table) for arm, table in tables.items()}
    sums = np.stack([_family_sums(tables[arm] - point[arm], member, len(names)) for arm in tables])  # arm, seed, family
    sizes = np.stack([_family_sums(there[arm].astype(np.float64), member, len(names)) for arm in tables])
    counts = sizes.sum((1, 2))
    used = sizes.sum(1) > 0
    families = np.maximum(used.sum(1), 2)
    residuals = sums.sum(1) / np.maximum(counts, 1)[:, None] * np.sqrt(families / (families - 1))[:, None]
    width = 1.0 if scale is None else scale[1] - scale[0]
    inner = np.array([0.25 if scale is None else _binomial((point[a] - scale[0]) / width) for a in tables]) * width**2
    extent = {
        arm: Extent(int(there[arm].any(1).sum()), int(there[arm].any(0).sum()), int(used[row].sum()))
        for row, arm in enumerate(tables)
    }
    largest = sizes.sum((0, 1))
    effective = float(largest.sum() ** 2 / max((largest**2).sum(), 1))
    return Means(
        point=point,
        extent=extent,
        scale=scale,
        seeds=sums.shape[1],
        fixed=fixed,
        index={arm: row for row, arm in enumerate(tables)},
        families=residuals,
        training=_training(sums, sizes, inner / width, fixed),
        spread=_spread(residuals, inner, extent),
        degrees=max(effective - 1, 1.0),
    )


def _check(tables: Mapping[str, Floats], clusters: NDArray[np.int64], scale: tuple[float, float] | None) -> None:
    shapes = {name: table.shape for name, table in tables.items()}
    shape = next(iter(shapes.values()), (0,))
    if len(set(shapes.values())) != 1 or len(shape) != 2 or shape[0] < 1 or clusters.shape != shape[1:]:
        raise BenchError(
            "score tables",
            seen=f"shapes {shapes}, clusters {clusters.shape}",
            expected="one shape (seeds, prompts) for all arms, clusters (prompts,)",
            remedy="evaluate all arms with the same seeds and prompts",
        )
    low, high = scale or (-np.finfo(np.float64).max, np.finfo(np.float64).max)
    for name, table in tables.items():
        outside = table[(table < low) | (table > high)]
        if outside.size:
            raise BenchError(
                f"score tables, arm {name!r}",
                seen=f"{outside[0]:g}",
                expected="finite or NaN" if scale is None else f"{low:g} to {high:g}, or NaN",
                remedy="fix the eval's scorer, or the scale of the score",
            )


def _mean(table: Floats) -> float:
    scores = table[~np.isnan(table)]
    return float(scores.mean()) if scores.size else float("nan")


def _binomial(share: float) -> float:
    return share * (1 - share) if np.isfinite(share) else 0.0


def _family_sums(table: Floats, member: NDArray[np.intp], families: int) -> Floats:
    """Sum the scores of each family under each seed, (seeds, families)."""
    sums = np.zeros((families, len(table)))
    np.add.at(sums, member, np.nan_to_num(table).T)
    return sums.T


def _training(sums: Floats, sizes: Floats, slopes: Floats, fixed: bool) -> Training:
    """Estimate the variance between trainings.

    Args:
        sums: Sums of deviations from the arm's mean, (arms, seeds, families).
        sizes: Number of scores in each sum.
        slopes: Change of the arm's mean per unit of the logit, (arms,).
        fixed: Whether there is no such variance.
    """
    arms, seeds, families = sums.shape
    counts = sizes.sum(2)
    complete = (counts > 0).all(1) & (np.ptp(sums, axis=1).max(1) > 0)
    nothing = Training(np.zeros(arms), 0.0, 0.0, np.inf)
    if fixed or seeds < MIN_SEEDS or not complete.any():
        return nothing
    units = np.where(complete, slopes**2, 0.0)
    part = sums[complete] / counts[complete][:, :, None]
    run = part.sum(2)
    between = run.var(1, ddof=1)
    weight = sizes[complete] / counts[complete][:, :, None]
    left = part - part.mean(1, keepdims=True) - weight * (run - run.mean(1, keepdims=True))[:, :, None]
    within = (left**2).sum((1, 2)) / (seeds - 1) * families / max(families - 1, 1)
    total = units.sum()
    if total == 0:
        return nothing
    rate = max(float((between - within).sum() / total), 0.0)
    noise = 2 / (seeds - 1) * ((between**2).sum() + (within**2).sum() / max(families - 1, 1))
    degrees = (seeds - 1) * total**2 / (units**2).sum()
    return Training(units / seeds, rate, float(noise / total**2), float(degrees))


def _spread(residuals: Floats, inner: Floats, extent: Mapping[str, Extent]) -> float:
    """Pool the variance over prompts, as a share of p (1 - p), over the arms whose scores vary.

    One arm that answers whole families alike (a teacher, say) must not make the others uncertain: the figure is at most
    that of prompts correlated by `FAMILY_CORRELATION` within families.
    """
    prompts = min((each.prompts for each in extent.values() if each.prompts), default=0)
    families = min((each.clusters for each in extent.values() if each.clusters), default=0)
    most = (1 + (prompts / max(families, 1) - 1) * FAMILY_CORRELATION) / max(prompts, 1)
    variance = (residuals**2).sum(1)
    return min(float(variance.sum() / inner[variance > 0].sum()), most) if variance.sum() > 0 else most
