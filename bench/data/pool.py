"""Pools: reading, validating and hashing a fixed list of SFT examples."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.errors import BenchError
from bench.files import load_toml
from bench.records import Pool, PoolCard, PoolRow

SHOWN_PROBLEMS = 20
CARD_FILE = "pool.toml"
FILES = (".jsonl", ".parquet")


def hash_rows(rows: Iterable[PoolRow]) -> str:
    """SHA-256 of the canonical rows: one line of JSON each, keys sorted, no spaces."""
    digest = hashlib.sha256()
    for row in rows:
        line = json.dumps(row.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def load_pool(
    source: str | Path,
    card: PoolCard | None = None,
    columns: Mapping[str, str] | None = None,
    rows: int | None = None,
) -> Pool:
    """Read a pool from JSONL, Parquet or a `datasets` id.

    Args:
        source: Path of a `.jsonl` or `.parquet` file, or an id for `datasets.load_dataset` (its train split).
        card: The pool's card; without one, `pool.toml` beside the file is read.
        columns: Where a row's fields stand, as `field = "column"`; a teacher's completion is `completions.NAME`.
            Left out when rows already have the fields of a pool row.
        rows: Keep only the first so many rows; the pool's notes say so.

    Returns:
        The validated pool.

    Raises:
        BenchError: Naming every bad row, a missing teacher, or a card that does not fit.
    """
    source, columns = str(source), columns or {}
    path = Path(source).expanduser()
    is_file = path.suffix in FILES
    if (is_file and not path.is_file()) or (not is_file and path.is_file()):
        raise _missing(source)
    card = card or read_card(path.parent / CARD_FILE if is_file else Path(CARD_FILE), source)
    raw = _read_jsonl(path) if path.suffix == ".jsonl" else _read_table(source, path)
    mapped = ((place, _mapped(row, columns)) for place, row in raw)
    every = _validated(mapped, source, card.teachers)
    notes = []
    if rows is not None and rows < len(every):
        notes.append(f"pool cut to the first {rows} of {len(every)} rows, as the suite asks")
        every = every[:rows]
    pool = Pool(card, tuple(every), hash_rows(every), tuple(notes))
    _check_card(pool, source, cut=bool(notes))
    return pool


def load_rows(path: Path) -> list[PoolRow]:
    """Read a pool file whose teachers are still to come: a row needs neither completions nor a card.

    Raises:
        BenchError: Naming every bad row, or if it is no JSONL or Parquet file.
    """
    if path.suffix not in FILES or not path.is_file():
        raise _missing(str(path))
    raw = _read_jsonl(path) if path.suffix == ".jsonl" else _read_table(str(path), path)
    return _validated(((place, _without_missing(_unanswered(row))) for place, row in raw), str(path), ())


def _unanswered(row: Any) -> Any:
    bare = isinstance(row, dict) and row.get("completions") is None
    return row | {"completions": {}} if bare else row


def _missing(source: str) -> BenchError:
    path = Path(source).expanduser()
    seen = "a file of another kind" if path.is_file() else "no such file"
    return BenchError(f"pool {source}", seen=seen, expected="a .jsonl or .parquet file", remedy="fix the path")


def read_card(path: Path, source: str) -> PoolCard:
    """Read a pool's card.

    Raises:
        BenchError: If there is none, or a key is wrong.
    """
    if not path.is_file():
        raise BenchError(
            f"pool {source}",
            seen=f"no card {path}",
            expected="pool.toml beside the rows, or [pool.card] in the suite, naming the original and clean teachers",
            remedy='write one: name = "...", original = "TEACHER", clean = "TEACHER"',
        )
    return load_toml(path, f"card {path}", PoolCard)


def _read_jsonl(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield f"line {number}", json.loads(line.decode("utf-8"))
                except ValueError as error:  # bad JSON or bad UTF-8
                    yield f"line {number}", error


def _read_table(source: str, path: Path) -> Iterator[tuple[str, Any]]:
    from datasets import load_dataset

    try:
        if path.suffix == ".parquet":
            table = load_dataset("parquet", data_files=str(path), split="train", keep_in_memory=True)
        else:
            table = load_dataset(source, split="train")
    except Exception as error:  # whatever the library raises is the user's to see, in one line
        raise BenchError(
            f"pool {source}",
            seen=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            expected="a .jsonl or .parquet file, or a dataset id that `datasets` can load",
            remedy="fix the path or id, or check the network",
        ) from error
    for number, row in enumerate(table, start=1):
        yield f"row {number}", row


def _mapped(row: Any, columns: Mapping[str, str]) -> Any:
    """Rename columns to the fields of a pool row; an unmapped column is left out."""
    if not columns or not isinstance(row, dict):
        return _without_missing(row)
    mapped: dict[str, Any] = {"completions": {}}
    for field, column in columns.items():
        if column not in row:
            return KeyError(f"column {column!r} is not among {', '.join(sorted(row))}")
        if field.startswith("completions."):
            mapped["completions"][field.removeprefix("completions.")] = row[column]
        else:
            mapped[field] = row[column]
    return _without_missing(mapped)


def _without_missing(row: Any) -> Any:
    """Drop empty fields: tables give every row every column."""
    if isinstance(row, dict) and isinstance(row.get("completions"), dict):
        row = row | {"completions": {k: v for k, v in row["completions"].items() if v is not None}}
        return {key: value for key, value in row.items() if value is not None}
    return row


def _validated(raw: Iterable[tuple[str, Any]], source: str, teachers: Sequence[str]) -> list[PoolRow]:
    rows: list[PoolRow] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for place, value in raw:
        try:
            row = _one_row(place, value, teachers, seen)
        except ValueError as error:
            problems.append(f"{place}: {error}")
        else:
            rows.append(row)
    if problems or not rows:
        shown = problems[:SHOWN_PROBLEMS]
        more = f"\n    ... and {len(problems) - len(shown)} more" if len(problems) > len(shown) else ""
        raise BenchError(
            f"pool {source}",
            seen=f"{len(problems)} bad rows\n    " + "\n    ".join(shown) + more if problems else "no rows",
            expected='{"id", "prompt": text or messages, "completions": {"TEACHER": text}, "source"?, "meta"?}',
            remedy="fix those rows; nothing is skipped silently",
        )
    return rows


def _one_row(place: str, value: Any, teachers: Sequence[str], seen: dict[str, str]) -> PoolRow:
    if isinstance(value, Exception):
        raise ValueError(str(value).strip("\"'"))
    try:
        row = PoolRow.model_validate(value)
    except ValidationError as error:
        details = [f"{'.'.join(map(str, e['loc'])) or 'row'}: {e['msg']}" for e in error.errors()]
        raise ValueError("; ".join(details)) from error
    hash_rows([row])  # half a surrogate pair is text to JSON and to pydantic, but no file can hold it
    for teacher in teachers:
        if teacher not in row.completions:
            known = ", ".join(row.completions) or "none"
            raise ValueError(f"no completion of teacher {teacher!r} (the row has: {known})")
    if row.id in seen:
        raise ValueError(f"id {row.id!r} was already used in {seen[row.id]}")
    seen[row.id] = place
    return row


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
