"""The files of a pool with rollouts: rows, provenance beside them, the card, and answers of an unfinished rollout."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.data.pool import CARD_FILE, FILES, hash_rows, load_rows, read_card
from bench.errors import BenchError, unwritable
from bench.files import read_record, read_text, replacing, write_json, write_text
from bench.records import PoolRow
from bench.run_folder.store import Store
from bench.studies.rollouts.records import Answer, Provenance, ProvenanceFile, Question, differences

ANSWERS_FILE = "answers.jsonl"  # of an unfinished rollout


def provenance_path(pool: Path) -> Path:
    """`answers.jsonl` -> `answers.rollouts.json`, beside it."""
    return pool.with_suffix(".rollouts.json")


def read_provenance(pool: Path) -> ProvenanceFile:
    """Read the provenance of a pool's teachers; empty where there is none.

    Raises:
        BenchError: If the file is damaged.
    """
    path = provenance_path(pool)
    if not os.path.lexists(path):
        return ProvenanceFile()
    return read_record(path, ProvenanceFile, "the provenance of a pool's teachers", "restore it, or delete it")


def completions_hash(rows: Sequence[PoolRow], teacher: str) -> str:
    """Return the SHA-256 of one teacher's completions, in pool order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.id, row.completions.get(teacher)], ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def with_completions(rows: Sequence[PoolRow], teacher: str, texts: Mapping[str, str]) -> list[PoolRow]:
    """Return the rows with this teacher's completions, by row id."""
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
    """Return a row as people write it: one user turn is text, and what is empty is left out."""
    turns = [message.model_dump() for message in row.prompt]
    written = row.model_dump(exclude_defaults=True)
    return written | {"prompt": turns[0]["content"] if len(turns) == 1 else turns}


def check_suffix(out: Path) -> None:
    """Refuse a target that is no pool file.

    Raises:
        BenchError: If its suffix is another.
    """
    if out.suffix not in FILES:
        raise BenchError(f"--out {out}", seen=out.suffix or "no suffix", expected=" or ".join(FILES), remedy="fix it")


def card_advice(path: Path, rows: Sequence[PoolRow], before: str, teacher: str) -> list[str]:
    """Say what is left to do for the card of a pool that has got completions; a stale hash in it is renewed.

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
    """Say how to write the card: which teacher shows the trait cannot be read from the rows."""
    known = ", ".join(map(repr, teachers))
    more = "" if len(teachers) > 1 else "; a pool needs two teachers"
    return (
        f"next: write {file} with name = {json.dumps(pool.stem)}, and original = ... and clean = ... "
        f"(of {known}; original is the one that shows the trait){more}"
    )


class Partial:
    """The unfinished rollout of one teacher: a folder beside the pool with one file, its settings in the first line."""

    def __init__(self, pool: Path, teacher: str) -> None:
        """Nothing is read or written yet."""
        self._root = pool.parent / f"{pool.name}.rollouts"
        self._folder = self._root / teacher
        self._file = self._folder / ANSWERS_FILE

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other rollouts of this teacher out.

        Raises:
            BenchError: If one is at work.
        """
        with Store(self._folder).claimed():
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other teachers' rollouts from writing the same pool at the same moment.

        Raises:
            BenchError: If one does.
        """
        with Store(self._root).claimed():
            yield

    def begin(self, settings: Mapping[str, Any], *, replace: bool) -> None:
        """Start a rollout, or go on with one that was stopped.

        Args:
            settings: Everything that determines the answers, as plain data.
            replace: Throw answers under other settings away.

        Raises:
            BenchError: If there are answers under other settings, or the place cannot be written.
        """
        now = json.loads(json.dumps(dict(settings)))
        lines = self._whole_lines()
        before = json.loads(lines[0]) if lines else None
        if before not in (None, now) and not replace:
            raise BenchError(
                f"unfinished rollout {self._file}",
                seen="; ".join(differences(before, now)),
                expected="the settings that it was begun with",
                remedy="restore those settings, use another --teacher, or begin anew with --replace",
            )
        if before == now:
            # What a killed process left of a line goes, so that the next answer begins one.
            os.truncate(self._file, sum(map(len, lines)))
        else:
            self._write(json.dumps(now) + "\n", "w")

    def answers(self, questions: Sequence[Question]) -> dict[str, Answer]:
        """Return the finished answers by row id; one to a prompt that has changed since is none."""
        prompts = {question.id: question.prompt for question in questions}
        stored = (Answer.model_validate_json(line) for line in self._whole_lines()[1:])
        return {answer.id: answer for answer in stored if prompts.get(answer.id) == answer.prompt}

    def append(self, answers: Sequence[Answer]) -> None:
        """Keep answers, on the disk when this returns.

        Raises:
            BenchError: If the disk is full.
        """
        self._write("".join(answer.model_dump_json() + "\n" for answer in answers), "a")

    def finish(self) -> None:
        """Remove it: its answers stand in the pool."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._root.is_dir() and not any(path.is_dir() for path in self._root.iterdir()):
            shutil.rmtree(self._root, ignore_errors=True)

    def _whole_lines(self) -> list[bytes]:
        """Return the lines up to the first that a killed process left unfinished."""
        if not self._file.is_file():
            return []
        lines = []
        for line in self._file.read_bytes().splitlines(keepends=True):
            try:
                json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            lines.append(line)
        return lines

    def _write(self, text: str, mode: str) -> None:
        try:
            with self._file.open(mode, encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self._file, error) from error
