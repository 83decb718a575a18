"""Rows of a pool from one file or several: layouts read, teachers joined on the prompt, ids given, all checked."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.data.joining import joined
from bench.data.layouts import LAYOUTS, TEACHER, Layout, LayoutReader, known_fields
from bench.data.pool_files import SPLIT, Raw, read_records, stem_of
from bench.errors import BenchError, unknown
from bench.records import PoolRow

SHOWN_PROBLEMS = 20
ID_DIGITS = 16  # hexadecimal, of an id that is made of what a row says

Source = str | Path | Mapping[str, str | Path]  # one file, or teacher -> file with its completions


@dataclass(frozen=True)
class Reading:
    """What was read of a pool: the good rows, and what is wrong with the others.

    Attributes:
        source: The files, as messages call them.
        layouts: Of each file; None where no row has one.
        rows: In order.
        places: Row id -> where it stands in its file.
        problems: Place and mistake of every bad row.
        notes: What a reader must know: ids that were made, keys that were not read, rows without a partner.
    """

    source: str
    layouts: tuple[Layout | None, ...]
    rows: tuple[PoolRow, ...]
    places: Mapping[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def checked(self) -> tuple[PoolRow, ...]:
        """Return the rows.

        Raises:
            BenchError: Naming the bad ones, or that there is none.
        """
        if self.rows and not self.problems:
            return self.rows
        known = [layout for layout in self.layouts if layout] or LAYOUTS
        expected = "; or ".join(f"{layout.name} rows: {', '.join(layout.keys)}" for layout in dict.fromkeys(known))
        if not self.problems:
            raise BenchError(f"pool {self.source}", seen="no rows", expected=expected, remedy="put rows into it")
        shown = self.problems[:SHOWN_PROBLEMS]
        left = len(self.problems) - len(shown)
        more = f"\n    ... and {left} more" if left else ""
        raise BenchError(
            f"pool {self.source}",
            seen=f"{len(self.problems)} bad row{'s' * (len(self.problems) > 1)}\n    " + "\n    ".join(shown) + more,
            expected=expected,
            remedy="fix those rows, as nothing is skipped silently; docs/pools.md shows a file of each layout",
        )


def read_pool(
    source: Source,
    columns: Mapping[str, str],
    teachers: Sequence[str] = (),
    split: str = SPLIT,
    config: str = "",
) -> Reading:
    """Read the rows of a pool, whatever layout its files have.

    Args:
        source: Path or dataset id; or one for each teacher, which are joined on the prompt.
        columns: Field -> column, where the names differ.
        teachers: Whose completions every row must have; the first names the teacher where rows do not.
        split: Of a folder or dataset id.
        config: The same.

    Raises:
        BenchError: For a file that cannot be read, a column that no row has, teachers that a layout cannot have, or
            files without a prompt in common. Bad rows are no error yet.
    """
    _check_fields(columns)
    files = source if isinstance(source, Mapping) else {(teachers or [stem_of(str(source))])[0]: source}
    readers = {teacher: LayoutReader(columns, teacher) for teacher in files}
    raw = {teacher: readers[teacher].rows(read_records(str(file), split, config)) for teacher, file in files.items()}
    name = " + ".join(str(file) for file in files.values())
    if not files:
        raise BenchError("pool path", seen="no file", expected="a path, or one for each teacher", remedy="name it")
    merged: Iterable[Raw]
    if isinstance(source, Mapping):
        merged, notes = joined(files, raw)
    else:
        (merged,), notes = raw.values(), []
    ids = _Ids()
    rows, places, problems = _validated(ids.given(merged), teachers)
    layouts = tuple(reader.layout for reader in readers.values())
    _check_columns(name, columns, readers.values())
    if len(files) == 1 and layouts[0] and layouts[0].one_teacher and len(teachers) > 1:
        raise _one_teacher(name, layouts[0], teachers)
    if ids.made:
        notes.append(
            f"{ids.made} of {len(rows) + len(problems)} rows came without an id, and got a hash of their texts"
        )
    unread = dict.fromkeys(key for reader in readers.values() for key in reader.unread)
    if unread:
        notes.append(f"keys of the pool's rows that are not read: {', '.join(unread)}")
    return Reading(name, layouts, tuple(rows), places, tuple(problems), tuple(notes))


def _check_fields(columns: Mapping[str, str]) -> None:
    for field in columns:
        if field not in known_fields() and not field.startswith(TEACHER):
            raise unknown("field of `columns`", field, [*sorted(known_fields()), f"{TEACHER}TEACHER"])


def _check_columns(name: str, columns: Mapping[str, str], readers: Iterable[LayoutReader]) -> None:
    for reader in readers:
        missing = [column for column in columns.values() if reader.found and column not in reader.found]
        if missing:
            raise BenchError(
                f"pool {name}",
                seen=f"no row with the column {', '.join(map(repr, missing))}, which `columns` names",
                expected=f"columns that rows have: {', '.join(reader.found)}",
                remedy="fix `columns`",
            )


def _one_teacher(name: str, layout: Layout, teachers: Sequence[str]) -> BenchError:
    original, clean = teachers
    return BenchError(
        f"pool {name}",
        seen=f"{layout.name} rows, which have the completions of one teacher",
        expected=f"those of {original!r} and {clean!r}, which the card names",
        remedy=f"leave clean out of the card, or give two files: path = {{ {original!r} = ..., {clean!r} = ... }}",
    )


# Ids and checks


class _Ids:
    """Gives rows without an id one that is made of what they say; `made` counts them."""

    def __init__(self) -> None:
        self.made = 0
        self._seen: Counter[str] = Counter()

    def given(self, rows: Iterable[Raw]) -> Iterator[Raw]:
        """Yield the rows with ids; exact duplicates have a running number behind theirs."""
        for place, row in rows:
            if isinstance(row, dict) and row.get("id") is None:
                self.made += 1
                digest = _digest(row)
                self._seen[digest] += 1
                number = self._seen[digest]
                row = row | {"id": digest if number == 1 else f"{digest}-{number}"}
            yield place, row


def _digest(row: Mapping[str, Any]) -> str:
    """Hash prompt and completions; the names of teachers are left out, as a card may rename an only one."""
    prompt, completions = row.get("prompt"), row.get("completions") or {}
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    said = [turns, [completions[name] for name in sorted(completions)]]
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def _validated(raw: Iterable[Raw], teachers: Sequence[str]) -> tuple[list[PoolRow], dict[str, str], list[str]]:
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
    return rows, seen, problems


def _one_row(place: str, value: Any, teachers: Sequence[str], seen: dict[str, str]) -> PoolRow:
    if isinstance(value, Exception):
        raise ValueError(str(value))
    try:
        row = PoolRow.model_validate(value)
    except ValidationError as error:
        raise ValueError("; ".join(map(_sentence, error.errors()))) from error
    for teacher in teachers:
        if teacher not in row.completions:
            known = ", ".join(row.completions) or "none"
            raise ValueError(f"no completion of teacher {teacher!r} (the row has: {known})")
    if row.id in seen:
        raise ValueError(f"id {row.id!r} was already used in {seen[row.id]}")
    seen[row.id] = place
    return row


def _sentence(error: Mapping[str, Any]) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return ": ".join(part for part in (".".join(map(str, error["loc"])), message) if part)
