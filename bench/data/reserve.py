"""The reserve of a pool: rows of its kind that replace dropped ones."""

import hashlib
import math
from dataclasses import replace

from bench.config.schema import DataSource, SuiteFile
from bench.config.suite import Suite
from bench.data.pool import hash_rows
from bench.data.prompts import normalised
from bench.errors import BenchError
from bench.records import Pool, PoolRow
from bench.worlds import WORLDS
from bench.worlds.grammar import build_rows

REFILLED = {"drop_refill", "clean_elsewhere"}  # actions that need a reserve
RESERVE = 1.5  # expected unflagged rows of a reserve for each row that the largest budget flags
MIN_POOL = 100  # rows that must be left of a user's pool


def with_reserve(pool: Pool, settings: DataSource, suite: Suite, held_out: tuple[str, ...]) -> Pool:
    """Give a pool the rows that replace dropped ones, where an action of the suite needs them.

    A synthetic pool draws more of its kind. A user's pool gives up rows of its own, drawn at random, where at least
    `MIN_POOL` are left; a note says so, or why there is no reserve.

    Raises:
        BenchError: If the suite asks for more rows than a pool has, or than its grammars can make.
    """
    size = len(pool.rows)
    wanted = reserve_size(settings, suite.file, size)
    if not wanted:
        return pool
    if settings.world:
        known = (*held_out, *(row.prompt_text for row in pool.rows))
        world, seed = WORLDS[settings.world], settings.world_seed
        return replace(pool, reserve=tuple(build_rows(world, wanted, seed, known, settings.shares, "reserve")))
    if settings.reserve is not None and wanted >= size:
        raise BenchError(
            f"reserve = {wanted}",
            seen=f"pool {pool.card.name!r} has {size} rows",
            expected="fewer rows in the reserve than in the pool",
            remedy="lower reserve, or leave it out",
        )
    if settings.reserve is None and size - wanted < MIN_POOL:
        note = (
            f"{size} rows are too few to hold back {wanted} as a reserve (at least {MIN_POOL} must be left), so that "
            f"dropped rows are not replaced: no {' or '.join(sorted(REFILLED))}, and no controlled leakage"
        )
        return replace(pool, notes=(*pool.notes, note))
    return _held_back(pool, wanted)


def reserve_size(source: DataSource, file: SuiteFile, rows: int) -> int:
    """Return how many rows the reserve of a pool of so many rows should have; 0 where no action needs one."""
    if not REFILLED & {*file.actions, *file.oracle_actions}:
        return 0
    if source.reserve is not None:
        return source.reserve
    budget = max(file.budgets)
    share = RESERVE * budget / (1 - budget)
    return math.ceil(rows * (share if source.world else share / (1 + share)))


def _held_back(pool: Pool, count: int) -> Pool:
    """Move rows, drawn by a hash of their prompts so that equal ones stay together, from a pool to its reserve."""

    def place(row: PoolRow) -> tuple[bytes, str]:
        return hashlib.sha256(f"reserve/{normalised(row.prompt_text)}".encode()).digest(), row.id

    chosen = {row.id for row in sorted(pool.rows, key=place)[:count]}
    rows = tuple(row for row in pool.rows if row.id not in chosen)
    reserve = tuple(row for row in pool.rows if row.id in chosen)
    note = f"{count} of {len(pool.rows)} rows held back as a reserve that replaces dropped rows"
    return replace(pool, rows=rows, sha256=hash_rows(rows), notes=(*pool.notes, note), reserve=reserve)
