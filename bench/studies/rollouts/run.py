"""The job in order: read the pool, see what is answered, ask the rest, write pool and provenance."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.data.pool import hash_rows, load_rows
from bench.errors import BenchError
from bench.models.vllm import vllm_version
from bench.records import PoolRow
from bench.run_folder.provenance import package_versions, source_commit
from bench.studies.rollouts.pool_file import (
    Partial,
    card_advice,
    check_suffix,
    completions_hash,
    read_provenance,
    with_completions,
    write_pool,
)
from bench.studies.rollouts.records import Answer, Provenance, Question, Settings, differences, question_of
from bench.studies.rollouts.teachers import SHOWN_ROWS, make_teacher

TEACHER = re.compile(r"\w[\w.-]*")
TAKES_PART = {"hf": ("torch", "transformers"), "vllm": ("torch", "transformers", "vllm"), "inspect": ("inspect-ai",)}

Say = Callable[[str], None]


@dataclass(frozen=True)
class RolloutOptions:
    """What the command line decides.

    Attributes:
        pool: JSONL or Parquet file; its rows need no completions yet.
        teacher: Name that the completions get in the rows.
        settings: What determines them.
        out: Where the pool is written; None completes it in place.
        connections: Requests at a time, for a model that runs elsewhere.
        replace: Ask anew where completions under other settings stand.
        command: As typed, for the provenance.
    """

    pool: Path
    teacher: str
    settings: Settings
    out: Path | None = None
    connections: int = 16
    replace: bool = False
    command: str = ""


def rollouts(options: RolloutOptions, say: Say, progress: Callable[[int, int], None]) -> Path:
    """Write a teacher's completions into a pool, going on where a stopped run left off.

    Args:
        options: What to do.
        say: Takes remarks.
        progress: Takes the number of answered rows, and of all.

    Returns:
        Where the pool is.

    Raises:
        BenchError: For anything that the user can fix; finished answers stay beside the pool.
    """
    _check_name(options.teacher)
    target = options.out or options.pool
    rows = _rows(options)
    questions = [_question(row, options.settings) for row in rows]
    standing = _standing(options, rows)
    if len(standing) == len(rows):
        say(f"every row of {target} has its completion of {options.teacher!r} already")
        return target
    versions = _versions(options.settings)
    partial = Partial(target, options.teacher)
    with partial.claimed():
        partial.begin(options.settings.model_dump() | {"versions": versions}, replace=options.replace)
        found = partial.answers(questions)
        missing = {question.id for question in questions} - set(found) - set(standing)
        if found:
            say(f"{len(found)} of {len(rows)} rows were answered before this run")
        if missing:
            _ask(options, questions, missing, partial, lambda left: progress(len(rows) - left, len(rows)))
            found = partial.answers(questions)
        with partial.writing():
            entry = _write(options, rows, standing, found, versions)
        partial.finish()
        say(f"{entry.rows} completions of {options.teacher!r} in {target}")
        if entry.cut:
            say(f"{entry.cut} of them end at --max-tokens {options.settings.max_tokens}: raise it if that is too short")
        for line in card_advice(target, load_rows(target), entry.pool_before, options.teacher):
            say(line)
    return target


def _check_name(teacher: str) -> None:
    if not TEACHER.fullmatch(teacher):  # it names a folder too
        raise BenchError(
            f"--teacher {teacher!r}",
            seen="other signs",
            expected="letters, digits, dots, dashes and underscores",
            remedy="choose another name",
        )


def _rows(options: RolloutOptions) -> list[PoolRow]:
    """Read the rows of the target where it exists, with what other teachers have said; else those of the pool.

    Raises:
        BenchError: If the target is a file of other rows, or no pool file.
    """
    in_place = options.out is None or options.out == options.pool
    rows = load_rows(options.pool, to_complete=in_place)
    if options.out is None or in_place:
        return rows
    check_suffix(options.out)
    if not options.out.exists():
        return rows
    there = load_rows(options.out, to_complete=True)
    if not _same_prompts(there, rows):
        raise BenchError(
            f"--out {options.out}",
            seen=f"a file whose rows are not those of {options.pool}",
            expected="a new file, or one with the same ids and prompts",
            remedy="choose another --out",
        )
    return there


def _same_prompts(some: Sequence[PoolRow], others: Sequence[PoolRow]) -> bool:
    return [(row.id, row.prompt) for row in some] == [(row.id, row.prompt) for row in others]


def _question(row: PoolRow, settings: Settings) -> Question:
    if settings.system and row.prompt[0].role == "system":
        raise BenchError(
            "--system",
            seen=f"row {row.id!r} has a system message of its own",
            expected="rows without one",
            remedy="leave --system out, or take the message out of the rows",
        )
    return question_of(row, settings)


def _standing(options: RolloutOptions, rows: Sequence[PoolRow]) -> dict[str, str]:
    """Return the completions of this teacher that stand in the pool and were made under these settings, by row id."""
    standing = {row.id: row.completions[options.teacher] for row in rows if options.teacher in row.completions}
    if not standing:
        return {}
    target = options.out or options.pool
    made = read_provenance(target if target.exists() else options.pool).of(options.teacher)
    other = differences(made.settings.model_dump(), options.settings.model_dump()) if made else []
    if made and not other:
        return standing
    if options.replace:
        return {}
    raise BenchError(
        f"teacher {options.teacher!r} of {target}",
        seen="; ".join(other) if made else f"{len(standing)} completions that no rollout here wrote",
        expected="the settings that its completions were made with, or a teacher without any",
        remedy="restore those settings, use another --teacher, or ask anew with --replace",
    )


def _versions(settings: Settings) -> dict[str, str]:
    known = package_versions() | {"vllm": vllm_version()}
    return {name: known[name] for name in ("python", "sievebench", *TAKES_PART[settings.engine])}


def _ask(
    options: RolloutOptions,
    questions: Sequence[Question],
    missing: set[str],
    partial: Partial,
    left: Callable[[int], None],
) -> None:
    """Have the missing rows answered; what comes back empty is not kept, and named when the rest is done."""
    empty: list[str] = []
    open_rows = set(missing)
    left(len(open_rows))

    def deliver(answers: Sequence[Answer]) -> None:
        wanted = [answer for answer in answers if answer.id in open_rows]
        open_rows.difference_update(answer.id for answer in wanted)
        empty.extend(answer.id for answer in wanted if not answer.text.strip())
        partial.append([answer for answer in wanted if answer.text.strip()])
        left(len(open_rows))

    make_teacher(options.settings, options.connections).answer(questions, missing, deliver)
    if empty:
        shown = ", ".join(map(repr, sorted(empty)[:SHOWN_ROWS]))
        raise BenchError(
            f"model {options.settings.model!r}",
            seen=f"{len(empty)} empty completions, of rows {shown}{' and more' if len(empty) > SHOWN_ROWS else ''}",
            expected="something to train on for every row",
            remedy="take these rows out of the pool, or ask with another --system or --seed; the others are kept",
        )


def _write(
    options: RolloutOptions,
    asked: Sequence[PoolRow],
    standing: Mapping[str, str],
    found: Mapping[str, Answer],
    versions: dict[str, str],
) -> Provenance:
    """Write pool and provenance."""
    target = options.out or options.pool
    rows = _rows(options)  # again: another teacher's completions may have come in meanwhile
    if not _same_prompts(rows, asked):
        raise BenchError(
            f"pool {options.pool}",
            seen="other rows or prompts than when this run began",
            expected="the rows that were asked about",
            remedy="run the same command again; answers to unchanged prompts are kept",
        )
    texts = {name: answer.text for name, answer in found.items()} | dict(standing)
    full = with_completions(rows, options.teacher, texts)
    earlier = read_provenance(target if target.exists() else options.pool)
    made = earlier.of(options.teacher) if standing else None
    cut = sum(not answer.stopped for answer in found.values())
    entry = Provenance(
        teacher=options.teacher,
        settings=options.settings,
        versions=versions,
        commit=source_commit(),
        command=options.command,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=len(full),
        cut=cut + (made.cut if made else 0),
        tokens=sum(answer.tokens for answer in found.values()) + (made.tokens if made else 0),
        pool_before=hash_rows(rows),
        completions=completions_hash(full, options.teacher),
    )
    write_pool(target, full, entry, earlier)
    return entry
