"""From score tables to effects with intervals and p-values; pure functions, nothing is read or written.

A *table* holds one arm's scores as float64 of shape (seeds, prompts), NaN where the score does not apply.
Scores are oriented so that higher = more trait. All tables of one call share the seeds (rows) and the prompts
(columns), which is what pairs the arms; *clusters* is an int array (prompts,) with the family of each prompt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, unknown
from bench.records import Estimate

Floats = NDArray[np.float64]
Statistic = Callable[[Mapping[str, Floats]], Floats]

ONE_SEED = "1 seed: the interval covers prompts only, seed-to-seed variation is not estimable"
NO_SPREAD = "the scores of these arms do not vary, so the interval shows no uncertainty"
MIN_PROMPTS = 8  # below this a percentile interval means nothing
MIN_CLUSTERS = 2
MAX_EMPTY = 0.01  # share of resamples that may miss an arm altogether


@dataclass(frozen=True)
class Extent:
    """How many seeds, prompts and prompt families of an arm hold at least one score."""

    seeds: int
    prompts: int
    clusters: int


@dataclass(frozen=True)
class Means:
    """Mean score of every arm, as measured and in each resample; the same draw for all arms.

    Attributes:
        point: The measured mean per arm, a 0-d array; NaN where the arm has no score.
        draws: The resampled means per arm, (resamples,).
        extent: How much data each arm rests on.
    """

    point: dict[str, Floats]
    draws: dict[str, Floats]
    extent: dict[str, Extent]


def _check(tables: Mapping[str, Floats], clusters: NDArray[np.int64]) -> tuple[int, int]:
    shapes = {name: table.shape for name, table in tables.items()}
    shape = next(iter(shapes.values()), (0,))
    if len(set(shapes.values())) != 1 or len(shape) != 2 or shape[0] < 1 or clusters.shape != shape[1:]:
        raise BenchError(
            "score tables",
            seen=f"shapes {shapes}, clusters {clusters.shape}",
            expected="one shape (seeds, prompts) for all arms, clusters (prompts,)",
            remedy="evaluate all arms with the same seeds and prompts",
        )
    if any(np.isinf(table).any() for table in tables.values()):
        raise BenchError("score tables", seen="inf", expected="finite or NaN", remedy="fix the eval's scorer")
    return shape[0], shape[1]


def _seed_weights(seeds: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw how often each seed counts, (resamples, seeds).

    S - 1 of S seeds are drawn, since S of S would understate the variance of a mean by the factor (S - 1) / S,
    a half with two seeds (Rao & Wu 1988, JASA 83, with m = n - 1).
    """
    return rng.multinomial(max(seeds - 1, 1), np.full(seeds, 1 / seeds), size=resamples).astype(np.float64)


def _prompt_weights(clusters: NDArray[np.int64], resamples: int, rng: np.random.Generator) -> Floats:
    """Draw families with replacement, then prompts within each drawn family: counts (resamples, prompts)."""
    names, index = np.unique(clusters, return_inverse=True)
    families = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    weights = np.zeros((resamples, len(clusters)))
    for family in range(len(names)):
        members = np.flatnonzero(index == family)
        times = families[:, family] * len(members)
        weights[:, members] = rng.multinomial(times, np.full(len(members), 1 / len(members)))
    return weights


def resample_means(
    tables: Mapping[str, Floats], clusters: NDArray[np.int64], *, resamples: int = 2000, seed: int = 0
) -> Means:
    """Resample seeds and prompts together, the same draw for all arms; every effect is arithmetic on the result.

    Seeds and prompts are crossed, so both are drawn independently and a score counts as the product of its two
    weights: the pigeonhole bootstrap (Owen 2007, Ann. Appl. Stat. 1). Within prompts it is the two-stage bootstrap
    of clustered data (Davison & Hinkley 1997, sec. 3.8; Field & Welsh 2007, JRSS B 69). Both err on the wide side
    where prompts dominate; few seeds make the interval too narrow where seeds dominate.

    Args:
        tables: Scores per arm, each (seeds, prompts).
        clusters: Family of each prompt, (prompts,).
        resamples: Number of draws.
        seed: Seed of the draws.

    Raises:
        BenchError: If the shapes differ or a score is infinite.
    """
    seeds, _ = _check(tables, clusters)
    rng = np.random.default_rng(seed)
    by_seed = _seed_weights(seeds, resamples, rng)
    by_prompt = _prompt_weights(clusters, resamples, rng)
    means = Means({}, {}, {})
    for arm, table in tables.items():
        there = ~np.isnan(table)
        filled = np.where(there, table, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            total = ((by_seed @ filled) * by_prompt).sum(1)
            count = ((by_seed @ there.astype(np.float64)) * by_prompt).sum(1)
            means.draws[arm] = total / count
            means.point[arm] = np.asarray(filled.sum() / np.float64(there.sum()))
        used = there.any(0)
        means.extent[arm] = Extent(int(there.any(1).sum()), int(used.sum()), len(np.unique(clusters[used])))
    return means


def _why_no_interval(extents: Sequence[Extent]) -> str:
    prompts = min(extent.prompts for extent in extents)
    families = min(extent.clusters for extent in extents)
    if prompts < MIN_PROMPTS:
        return f"not estimable: {prompts} prompts, an interval needs {MIN_PROMPTS}"
    if families < MIN_CLUSTERS:
        return f"not estimable: {families} prompt family, an interval needs {MIN_CLUSTERS}"
    return ""


def estimate(means: Means, arms: Sequence[str], statistic: Statistic) -> Estimate:
    """Value and 95 % percentile interval of a statistic of some arms' means.

    Args:
        means: From `resample_means`.
        arms: The arms that the statistic reads.
        statistic: Elementwise arithmetic on a mapping from arm to means.

    Raises:
        BenchError: If an arm was not measured.
    """
    for arm in arms:
        if arm not in means.point:
            raise unknown("arm", arm, sorted(means.point))
    empty = [arm for arm in arms if np.isnan(means.point[arm])]
    if empty:
        return Estimate(value=None, note=f"not estimable: no scores of {', '.join(empty)}")
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(means.point))
        draws = np.asarray(statistic(means.draws), dtype=np.float64)
    if not np.isfinite(value):
        return Estimate(value=None, note="not estimable: division by zero")
    extents = [means.extent[arm] for arm in arms]
    note = _why_no_interval(extents)
    finite = draws[np.isfinite(draws)]
    if not note and len(finite) < (1 - MAX_EMPTY) * len(draws):
        note = "not estimable: too many resamples leave an arm without scores"
    if note:
        return Estimate(value=value, note=note)
    low, high = np.quantile(finite, [0.025, 0.975])
    notes = [ONE_SEED] if min(extent.seeds for extent in extents) < 2 else []
    if all(np.ptp(means.draws[arm][np.isfinite(means.draws[arm])]) < 1e-12 for arm in arms):
        notes.append(NO_SPREAD)
    return Estimate(value=value, low=float(low), high=float(high), note="; ".join(notes))


def mean(means: Means, arm: str) -> Estimate:
    """Mean score of one arm."""
    return estimate(means, [arm], lambda m: m[arm])


def _gap(m: Mapping[str, Floats]) -> Floats:
    return np.asarray(m["original"] - m["clean"])


def gap(means: Means) -> Estimate:
    """Mean of `original` minus that of `clean`, in units of the score."""
    return estimate(means, ["original", "clean"], _gap)


def _share_of_gap(means: Means, arms: Sequence[str], part: Statistic) -> Estimate:
    """Express a difference of means as a share of the gap, where the gap is surely above zero."""
    whole = gap(means)
    if whole.value is None:
        return Estimate(value=None, note=whole.note)
    if whole.low is not None and whole.high is not None and whole.low <= 0 <= whole.high:
        return Estimate(value=None, note="not estimable: the gap's interval includes 0")
    if whole.value <= 0:
        return Estimate(value=None, note="not estimable: the gap is not positive, there is no trait to remove")
    if np.any(_gap(means.draws) <= 0):
        return Estimate(value=None, note="not estimable: the gap changes sign between resamples")
    return estimate(means, ["original", "clean", *arms], lambda m: np.asarray(part(m) / _gap(m)))


def removal(means: Means, arm: str) -> Estimate:
    """Compute (original - arm) / gap: 1 = all of the removable trait is gone, 0 = none of it, below 0 = worse."""
    return _share_of_gap(means, [arm], lambda m: m["original"] - m[arm])


def lift(means: Means, arm: str, control: str, *more: str) -> Estimate:
    """Subtract from the removal of the arm the mean removal of its random controls (same action, same size)."""
    controls = [control, *more]
    return _share_of_gap(
        means, [arm, *controls], lambda m: np.asarray(sum(m[name] for name in controls) / len(controls) - m[arm])
    )


def leakage_gap(means: Means, patch: str, drop: str) -> Estimate:
    """Subtract the removal of dropping from that of patching the same flagged set."""
    return _share_of_gap(means, [patch, drop], lambda m: m[drop] - m[patch])


def sufficiency(means: Means, patch_in: str) -> Estimate:
    """Compute (patch_in - clean) / gap: the share of the trait that the flagged set alone brings back."""
    return _share_of_gap(means, [patch_in], lambda m: m[patch_in] - m["clean"])


def retention(means: Means, arm: str) -> Estimate:
    """Capability of the arm over that of `original`; these means are of capability scores (higher = better)."""
    base = mean(means, "original")
    if base.value is not None and (base.value <= 0 or (base.low is not None and base.low <= 0)):
        return Estimate(value=None, note="not estimable: the capability of `original` is not above 0")
    return estimate(means, ["original", arm], lambda m: np.asarray(m[arm] / m["original"]))


def gate(gap: Estimate, minimum: float) -> tuple[bool, str]:
    """Say whether a trait is scored: only where the low end of the gap's interval reaches the minimum, and why."""
    if gap.value is None or gap.low is None or gap.high is None:
        return False, f"the gap has no interval ({gap.note or 'no data'})"
    seen = f"gap {gap.value:.3g} [{gap.low:.3g}, {gap.high:.3g}]"
    note = f" ({gap.note})" if gap.note else ""
    if gap.low >= minimum:
        return True, f"{seen} clears the minimum of {minimum:g}{note}"
    return False, f"{seen} does not clear the minimum of {minimum:g}{note}"
