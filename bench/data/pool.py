"""Pools: reading, validating and hashing a fixed list of SFT examples."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.data.layouts import POOL
from bench.data.pool_files import SPLIT, format_of, read_records
from bench.data.pool_rows import Source, read_pool
from bench.errors import BenchError
from bench.files import load_toml
from bench.records import Pool, PoolCard, PoolRow

CARD_FILE = "pool.toml"
FILES = (".jsonl", ".parquet")  # what this package writes; it reads more


def hash_rows(rows: Iterable[PoolRow]) -> str:
    """SHA-256 of the canonical rows: one line of JSON each, keys sorted, no spaces."""
    digest = hashlib.sha256()
    for row in rows:
        line = json.dumps(row.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def load_pool(
    source: Source,
    card: PoolCard | None = None,
    columns: Mapping[str, str] | None = None,
    rows: int | None = None,
    split: str = SPLIT,
    config: str = "",
) -> Pool:
    """Read a pool of any known layout (see `docs/pools.md`).

    Args:
        source: Path of a data file or folder, an id for `datasets.load_dataset`, or a file for each teacher, as
            `{teacher: path}`, which are joined on the prompt.
        card: The pool's card; without one, `pool.toml` beside the file (or in the folder) is read.
        columns: Where a row's fields stand, as `field = "column"`; a teacher's completion is `completions.NAME`.
            Left out when rows already have the keys of a layout.
        rows: Keep only the first so many rows; the pool's notes say so.
        split: Of a folder or dataset id.
        config: The same; "" for its default.

    Returns:
        The validated pool.

    Raises:
        BenchError: Naming every bad row, a missing teacher, or a card that does not fit.
    """
    files = [str(file) for file in (source.values() if isinstance(source, Mapping) else [source])]
    name = " + ".join(files)
    for file in files:  # what is no data file is refused before a card is asked for
        read_records(file, split, config)
    card = card or read_card(card_path(files[0]), name)
    reading = read_pool(source, columns or {}, card.teachers, split, config)
    every, notes = reading.checked(), reading.notes
    cut = rows is not None and rows < len(every)
    if cut:
        notes = (f"pool cut to the first {rows} of {len(every)} rows, as the suite asks", *notes)
        every = every[:rows]
    pool = Pool(card, every, hash_rows(every), notes)
    _check_card(pool, name, cut=cut)
    return pool


def load_rows(path: Path, *, to_complete: bool = False) -> list[PoolRow]:
    """Read a pool whose teachers are still to come: a row needs neither completions nor a card.

    Args:
        path: Of the file.
        to_complete: Whether the file is going to be written again, with more completions.

    Raises:
        BenchError: Naming every bad row, or if the file is of another layout or format than this package writes,
            though it is to be completed.
    """
    if not os.path.isfile(path):
        raise BenchError(f"pool {path}", seen="no such file", expected="a file with rows", remedy="fix the path")
    reading = read_pool(path, {})
    if to_complete and (path.suffix not in FILES or reading.layouts not in ((POOL,), (None,))):
        layout = reading.layouts[0]
        raise BenchError(
            f"pool {path}",
            seen=f"{layout.name} rows in a file {path.name}" if layout else f"a file {path.name}",
            expected=f"pool rows in a file {' or '.join(FILES)}, which can be completed in place",
            remedy="leave this file as it is, and write another: --out NAME.jsonl",
        )
    return list(reading.checked())


def card_path(source: str) -> Path:
    """Return where a pool's card is looked for: beside a file, in a folder, for a dataset id in the working folder."""
    path = Path(source).expanduser()
    if os.path.isdir(path):
        return path / CARD_FILE
    return (path.parent if format_of(path)[0] else Path()) / CARD_FILE


def read_card(path: Path, source: str) -> PoolCard:
    """Read a pool's card.

    Raises:
        BenchError: If there is none, or a key is wrong.
    """
    if not os.path.isfile(path):
        raise BenchError(
            f"pool {source}",
            seen=f"no card {path}",
            expected="pool.toml beside the rows, or [pool.card] in the suite, naming the original and clean teachers",
            remedy=f"write one: `bench pool inspect {source}` prints it",
        )
    return load_toml(path, f"card {path}", PoolCard)


def _check_card(pool: Pool, source: str, *, cut: bool) -> None:
    card = pool.card
    facts = {} if cut else {"rows": (card.rows, len(pool.rows)), "sha256": (card.sha256, pool.sha256)}
    wrong = [f"{key} = {seen}, card says {said}" for key, (said, seen) in facts.items() if said not in (None, seen)]
    if card.original == card.clean:
        wrong.append(f"original and clean teacher are both {card.clean!r}")
    if wrong:
        raise BenchError(
            f"pool {source}",
            seen="; ".join(wrong),
            expected="a pool that is the one its card describes",
            remedy="restore the rows, or write a new card with a new version",
        )


def clip_completions(pool: Pool, tokenizer: Any, tokens: int) -> Pool:
    """Cut every completion to its first tokens; the pool's hash and notes change with it.

    Raises:
        BenchError: If nothing is left of a completion.
    """

    def cut(text: str) -> str:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) <= tokens:
            return text
        short: str = tokenizer.decode(ids[:tokens]).rstrip("\ufffd").strip()  # the cut may fall inside a character
        if not short:
            raise BenchError(
                f"pool {pool.card.name!r}",
                seen=f"nothing but blanks in the first {tokens} tokens of {text[:40]!r}",
                expected="a completion to train on",
                remedy="raise completion_tokens",
            )
        return short

    rows = tuple(
        row.model_copy(update={"completions": {name: cut(text) for name, text in row.completions.items()}})
        for row in pool.rows
    )
    note = f"completions cut to their first {tokens} tokens, as the suite asks"
    return Pool(pool.card, rows, hash_rows(rows), (*pool.notes, note))
