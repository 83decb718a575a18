"""P-values of an arm against its random controls, and Holm's correction over filters.

Tables as in `bench.stats.effects`.
"""

import warnings
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_FLIPS = 5  # with 4 families the smallest possible sign-flip p is 1/16 > 0.05


def _family_differences(arm: Floats, control: Floats, clusters: NDArray[np.int64]) -> Floats:
    """Mean of control - arm per prompt family, (families with scores of both,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing but NaN is NaN, and dropped below
        by_prompt = np.nanmean(control - arm, axis=0)
        families = [np.nanmean(by_prompt[clusters == name]) for name in np.unique(clusters)]
    difference = np.asarray(families, dtype=np.float64)
    return difference[~np.isnan(difference)]


def paired_p(
    arm: Floats, control: Floats, clusters: NDArray[np.int64], *, resamples: int = 9999, seed: int = 0
) -> float | None:
    """One-sided sign-flip permutation p that the arm shows less trait than its control.

    Families are the units: the differences (control - arm) are averaged over seeds, then within each family. All
    sign patterns are tried where they are at most `resamples`, else that many are drawn. The test is conditional on
    the trained students: it says whether *these* runs differ, not whether new seeds would.

    Args:
        arm: Trait scores of the filter's arm, (seeds, prompts).
        control: Scores of the random control, (seeds, prompts).
        clusters: Family of each prompt, (prompts,).
        resamples: Most sign patterns to try.
        seed: Seed of the drawn patterns.

    Returns:
        The p-value, or None where fewer than `MIN_FLIPS` families hold scores of both arms.
    """
    return _flip_p(_family_differences(arm, control, clusters), "greater", resamples, seed)


def symmetric_p(
    differences: Floats, clusters: NDArray[np.int64], *, resamples: int = 9999, seed: int = 0
) -> float | None:
    """Two-sided sign-flip permutation p that paired differences are centred on 0; the rest as in `paired_p`.

    Args:
        differences: (seeds, prompts), NaN where one of the two scores is missing.
        clusters: Family of each prompt, (prompts,).
        resamples: Most sign patterns to try.
        seed: Seed of the drawn patterns.
    """
    return _flip_p(_family_differences(np.zeros_like(differences), differences, clusters), "two-sided", resamples, seed)


def _flip_p(difference: Floats, alternative: str, resamples: int, seed: int) -> float | None:
    from scipy.stats import permutation_test

    if len(difference) < MIN_FLIPS:
        return None
    outcome = permutation_test(
        (difference,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        alternative=alternative,
        vectorized=True,
        n_resamples=resamples,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return float(outcome.pvalue)


def holm(p: Mapping[str, float | None]) -> dict[str, float | None]:
    """Adjust p-values by Holm's method; a missing one stays None and is no hypothesis."""
    there = {name: value for name, value in p.items() if value is not None and np.isfinite(value)}
    adjusted: dict[str, float | None] = dict.fromkeys(p)
    if there:
        adjusted.update(zip(there, _holm(tuple(there.values())), strict=True))
    return adjusted


@lru_cache
def _holm(p: tuple[float, ...]) -> tuple[float, ...]:
    """Adjust p-values; cached, as statsmodels collects garbage at every call, which takes longer than a whole board."""
    from statsmodels.stats.multitest import multipletests

    return tuple(map(float, multipletests(p, method="holm")[1]))
