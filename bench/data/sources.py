"""Whole sources of a pool: what `drop_source` drops in place of flagged rows, and what it is compared with."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random

from bench.records import Pool

DRAWS = 50  # random orders of the sources for each set that is wanted: few sources make few sets


def best_sources(pool: Pool, size: int, scores: Sequence[float]) -> frozenset[str]:
    """Choose whole sources by the sum of their rows' scores, the highest first, passing over what no longer fits.

    Args:
        pool: The examples; rows without a source are never chosen.
        size: Rows to choose at most.
        scores: Of its rows, and perhaps of its reserve behind them.

    Returns:
        Ids of all rows of the chosen sources; none where no source is small enough.
    """
    sums: dict[str, float] = {}
    for row, score in zip(pool.rows, scores, strict=False):
        sums[row.source] = sums.get(row.source, 0.0) + score
    order = sorted(sums, key=lambda source: (-sums[source], source))
    return _rows(pool, _that_fit(_sizes(pool), size, order))


def random_sources(pool: Pool, size: int, count: int) -> list[frozenset[str]]:
    """Choose rows by whole sources in random orders; all sets are empty where there are not as many different ones."""
    sizes, found = _sizes(pool), dict[frozenset[str], None]()
    for draw in range(DRAWS * count):
        order = Random(f"control/sources/{draw}").sample(sorted(sizes), len(sizes))
        found.setdefault(_that_fit(sizes, size, order))
        if len(found) == count:
            break
    return [_rows(pool, names) for names in found] if len(found) == count else [frozenset()] * count


def source_notes(pool: Pool, budgets: Iterable[float], controls: int) -> list[str]:
    """Say where whole sources cannot be dropped, or random ones not often enough to compare with."""
    sizes = _sizes(pool)
    if not sizes:
        return [f"no drop_source: no row of pool {pool.card.name!r} names a source"]
    notes = []
    for budget in budgets:
        size = round(budget * len(pool.rows))
        if size < min(sizes.values()):
            notes.append(f"no drop_source at {budget:g}: every source has more than the {size} rows of the budget")
        elif not random_sources(pool, size, controls)[0]:
            notes.append(
                f"drop_source at {budget:g} has no random sets to compare with, and so no lift: fewer than {controls} "
                "different sets of whole sources fit the budget"
            )
    return notes


def _sizes(pool: Pool) -> Counter[str]:
    return Counter(row.source for row in pool.rows if row.source)


def _that_fit(sizes: Mapping[str, int], size: int, order: Iterable[str]) -> frozenset[str]:
    chosen, left = set[str](), size
    for source in order:
        if 0 < sizes.get(source, 0) <= left:
            chosen.add(source)
            left -= sizes[source]
    return frozenset(chosen)


def _rows(pool: Pool, sources: Collection[str]) -> frozenset[str]:
    return frozenset(row.id for row in pool.rows if row.source in sources)
