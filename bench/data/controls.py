"""Control sets: what a filter's flagged set is compared with, drawn once and held over all training seeds."""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import comb
from random import Random

from bench.data.sources import random_sources
from bench.errors import BenchError
from bench.outcomes import Selection
from bench.records import Pool

LENGTH = "length"  # name of the length-matched set
NEAREST = 5  # candidates among which a row of the length-matched set is drawn


@dataclass(frozen=True)
class ControlSet:
    """A set that stands in for a flagged one.

    Attributes:
        name: `random1`, `random2`, ... or `length`.
        ids: As many rows of the pool as a filter flags.
        refill: As many rows of the reserve; none where it holds fewer.
        sourced: Rows of whole sources, no more of them than of `ids`; none where there is no such control.
    """

    name: str
    ids: frozenset[str]
    refill: tuple[str, ...]
    sourced: frozenset[str] = frozenset()


def random_name(number: int) -> str:
    """Return the name of a random set, counted from 1."""
    return f"random{number}"


def random_ids(pool: Pool, budget: float, draw: int) -> frozenset[str]:
    """Draw a flagged set of the size that the budget gives a filter."""
    ids = sorted(row.id for row in pool.rows)
    return frozenset(Random(f"control/{draw}").sample(ids, round(budget * len(ids))))


def random_sets(pool: Pool, budget: float, count: int) -> list[ControlSet]:
    """Draw random sets that all differ.

    Raises:
        BenchError: If the pool is so small that there are not as many.
    """
    size = round(budget * len(pool.rows))
    if comb(len(pool.rows), size) < count:
        raise BenchError(
            f"controls = {count}",
            seen=f"{comb(len(pool.rows), size)} different sets of {size} of the pool's {len(pool.rows)} rows",
            expected="as many sets as controls",
            remedy="lower controls, or use a larger pool",
        )
    found: dict[frozenset[str], int] = {}
    draw = 0
    while len(found) < count:
        draw += 1
        found.setdefault(random_ids(pool, budget, draw), draw)
    sourced = random_sources(pool, size, count)
    return [
        ControlSet(random_name(number), ids, random_refill(pool, size, draw), rows)
        for number, ((ids, draw), rows) in enumerate(zip(found.items(), sourced, strict=True), start=1)
    ]


def random_refill(pool: Pool, size: int, draw: int | str) -> tuple[str, ...]:
    """Draw rows of the reserve; none where it holds too few."""
    ids = sorted(row.id for row in pool.reserve)
    return tuple(Random(f"refill/{draw}").sample(ids, size)) if size <= len(ids) else ()


def length_matched_set(pool: Pool, budget: float, selections: Iterable[Selection]) -> ControlSet:
    """Draw a set whose completions are as long as those that the filters flag, all filters taken together.

    For each of as many evenly spaced quantiles of the flagged completions' lengths, one of the nearest rows that are
    left is drawn.

    Args:
        pool: The examples.
        budget: Share of the pool to draw.
        selections: What the filters flagged at that budget.
    """
    lengths = {row.id: len(row.completions[pool.card.original]) for row in pool.rows}
    wanted = sorted(lengths[identity] for selection in selections for identity in selection.flagged[budget])
    size = round(budget * len(lengths))
    targets = [wanted[int((i + 0.5) / size * len(wanted))] for i in range(size)]
    rng, chosen = Random(f"control/{LENGTH}"), set[str]()
    rng.shuffle(targets)
    left = sorted((length, identity) for identity, length in lengths.items())
    for target in targets:
        start = max(0, min(bisect_left(left, (target, "")) - NEAREST // 2, len(left) - NEAREST))
        place = rng.randrange(start, min(start + NEAREST, len(left)))
        chosen.add(left.pop(place)[1])
    return ControlSet(LENGTH, frozenset(chosen), random_refill(pool, size, LENGTH))


def unflagged_refill(pool: Pool, size: int, unflagged: Collection[str]) -> tuple[str, ...]:
    """Draw rows of the reserve that a filter leaves unflagged, as far as possible the same for all filters.

    Args:
        pool: The examples and their reserve.
        size: Rows to draw.
        unflagged: Ids of the reserve's rows that rank below the cut.

    Returns:
        Ids; none where fewer are unflagged.
    """
    order = sorted(row.id for row in pool.reserve)
    Random("refill/filters").shuffle(order)
    found = tuple(identity for identity in order if identity in unflagged)[:size]
    return found if len(found) == size else ()
