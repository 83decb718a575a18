"""The files of a pool with rollouts: rows, provenance beside them, and the card."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.data.pool import CARD_FILE, FILES, hash_rows, load_rows, read_card
from bench.errors import BenchError
from bench.files import read_record, read_text, replacing, write_json, write_text
from bench.records import PoolRow
from bench.studies.rollouts.records import Provenance, ProvenanceFile


def provenance_path(pool: Path) -> Path:
    """`answers.jsonl` -> `answers.rollouts.json`, beside it."""
    return pool.with_suffix(".rollouts.json")


def read_provenance(pool: Path) -> ProvenanceFile:
    """The provenance of a pool's teachers; empty where there is none.

    Raises:
        BenchError: If the file is damaged.
    """
    path = provenance_path(pool)
    if not path.is_file():
        return ProvenanceFile()
    return read_record(path, ProvenanceFile, "the provenance of a pool's teachers", "restore it, or delete it")


def completions_hash(rows: Sequence[PoolRow], teacher: str) -> str:
    """SHA-256 of one teacher's completions, in pool order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.id, row.completions.get(teacher)], ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def with_completions(rows: Sequence[PoolRow], teacher: str, texts: Mapping[str, str]) -> list[PoolRow]:
    """The rows with this teacher's completions, by row id."""
    return [row.model_copy(update={"completions": row.completions | {teacher: texts[row.id]}}) for row in rows]


def write_pool(path: Path, rows: Sequence[PoolRow], entry: Provenance, earlier: ProvenanceFile) -> None:
    """Write rows and provenance, each atomically; another teacher's entries stay.

    The provenance goes first: killed in between, the next run finds rows without completions and goes on.

    Raises:
        BenchError: If a file cannot be written, or a Parquet table cannot hold these rows.
    """
    others = [e for e in earlier.rollouts if e.teacher != entry.teacher]
    document = ProvenanceFile(rollouts=[*others, entry])
    with replacing(path) as partial:
        _write_rows(partial, rows)
        if hash_rows(load_rows(partial)) != hash_rows(rows):
            raise BenchError(
                str(path),
                seen="rows that a Parquet table would change, such as `meta` with different keys from row to row",
                expected="rows that come back as they are",
                remedy="write JSON lines: --out NAME.jsonl",
            )
        write_json(provenance_path(path), document)


def _write_rows(path: Path, rows: Sequence[PoolRow]) -> None:
    if path.suffix == ".parquet":
        from datasets import Dataset

        try:
            # Nothing rather than an empty value: a table has no struct without fields.
            table = [{key: value or None for key, value in row.model_dump().items()} for row in rows]
            kept = {key for row in table for key, value in row.items() if value}
            Dataset.from_list([{key: row[key] for key in row if key in kept} for row in table]).to_parquet(path)
        except (ValueError, TypeError, NotImplementedError) as error:  # a column of more than one type
            raise BenchError(
                str(path), seen=str(error), expected="rows that fit a table", remedy="use --out NAME.jsonl"
            ) from error
        return
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(_plain(row), ensure_ascii=False) + "\n")


def _plain(row: PoolRow) -> dict[str, Any]:
    """A row as people write it: one user turn is text, and what is empty is left out."""
    turns = [message.model_dump() for message in row.prompt]
    written = row.model_dump(exclude_defaults=True)
    return written | {"prompt": turns[0]["content"] if len(turns) == 1 else turns}


def check_suffix(out: Path) -> None:
    """Refuse a target that is no pool file.

    Raises:
        BenchError: If its suffix is another.
    """
    if out.suffix not in FILES:
        raise BenchError(f"--out {out}", seen=out.suffix or "no suffix", expected=" or ".join(FILES), remedy="mend it")


def card_advice(path: Path, rows: Sequence[PoolRow], before: str, teacher: str) -> list[str]:
    """What is left to do for the card of a pool that has got completions; a stale hash in it is renewed.

    Args:
        path: The pool.
        rows: Its rows now.
        before: Hash of the rows before.
        teacher: Whose completions came in.

    Raises:
        BenchError: If the card is damaged, or cannot be written.
    """
    teachers = sorted(set.intersection(*(set(row.completions) for row in rows)))
    file = path.parent / CARD_FILE
    if not file.is_file():
        return [_missing_card(file, path, teachers)]
    card = read_card(file, str(path))
    now = hash_rows(rows)
    said = []
    if card.sha256 == before != now:
        write_text(file, read_text(file).replace(before, now))
        said.append(f"{file}: sha256 renewed; raise its version if somebody has used the pool before")
    elif card.sha256 not in (None, now):
        said.append(f"{file} describes other rows; sha256 of these: {now}")
    absent = [name for name in (card.original, card.clean) if name not in teachers]
    if absent:
        said.append(f"{file} names teacher {', '.join(map(repr, absent))}, without completions here so far")
    elif teacher not in (card.original, card.clean):
        said.append(f"{file} compares {card.original!r} with {card.clean!r}; name {teacher!r} there to use it")
    return said


def _missing_card(file: Path, pool: Path, teachers: Sequence[str]) -> str:
    """Which teacher shows the trait cannot be read from the rows, so the card is the user's to write."""
    known = ", ".join(map(repr, teachers))
    more = "" if len(teachers) > 1 else "; a pool needs two teachers"
    return (
        f"next: write {file} with name = {json.dumps(pool.stem)}, and original = ... and clean = ... "
        f"(of {known}; original is the one that shows the trait){more}"
    )
