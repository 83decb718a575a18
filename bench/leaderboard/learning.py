"""Whether training changed anything, read from the scores of the students; a gap of 0 does not tell."""

from collections.abc import Sequence

from bench.arms import BASE, CLEAN, ORIGINAL
from bench.leaderboard.evidence import ScoreTables

NATS = ("loss", "margin")  # scores that move with any change of the weights
SAME_NATS = 1e-4  # difference on every text up to which two models count as equal
Runs = Sequence[Sequence[float | None]]


def nothing_learnt(tables: ScoreTables) -> str:
    """Say that the students of `original` equal the base model, or those of `clean`; "" where neither is so.

    Models count as equal where every score of every sample is, and losses and margins differ by `SAME_NATS` at most.
    """
    if _equal(tables, ORIGINAL.name, BASE.name):
        return "the student equals the base model, so nothing was learnt: raise learning_rate or epochs"
    if _equal(tables, ORIGINAL.name, CLEAN.name):
        return "the students of original and clean are equal, so both teachers taught the same"
    return ""


def _equal(tables: ScoreTables, one: str, other: str) -> bool:
    first, second = tables.arms.get(one, {}), tables.arms.get(other, {})
    shared = [name for name in first if name in second]
    told = any(value is not None for name in NATS if name in shared for run in first[name] for value in run)
    return told and all(_same(first[name], second[name], SAME_NATS if name in NATS else 0.0) for name in shared)


def _same(first: Runs, second: Runs, most: float) -> bool:
    """Compare runs seed by seed; a model without seeds stands beside all of them."""
    runs = max(len(first), len(second))
    pairs = zip(*(list(each) * (runs if len(each) == 1 else 1) for each in (first, second)), strict=True)
    return all(
        (a is None) == (b is None) and (a is None or b is None or abs(a - b) <= most)
        for one, other in pairs
        for a, b in zip(one, other, strict=True)
    )
