"""Join files that hold one teacher's completions each: a row for every prompt that all of them have."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.data.pool_files import Raw
from bench.errors import BenchError

FACTS = ("source", "meta")  # of a row, beside its id, which each file may number as it likes
Prompt = tuple[tuple[str, str], ...]


def joined(files: Mapping[str, str | Path], rows: Mapping[str, Iterable[Raw]]) -> tuple[list[Raw], list[str]]:
    """Join rows on their prompts, turns compared without the blanks around them.

    A prompt that occurs more than once is paired in file order: any two completions of one prompt are a pair.

    Args:
        files: Teacher -> its file.
        rows: Teacher -> the rows of its file, as fields of a pool row.

    Returns:
        The rows, in the order of the first file, after the bad ones of all files; and remarks on what was left out.

    Raises:
        BenchError: If a file has no rows, or no prompt occurs in every file, though all of their rows are good.
    """
    found: list[Raw] = []
    waiting: dict[str, dict[Prompt, deque[Raw]]] = {}
    for teacher, file in files.items():
        waiting[teacher] = {}
        for place, row in _of_one_teacher(rows[teacher], teacher, Path(file).name):
            if isinstance(row, Exception):
                found.append((place, row))
            else:
                waiting[teacher].setdefault(_key(row), deque()).append((place, row))
    counts = {teacher: sum(map(len, by_prompt.values())) for teacher, by_prompt in waiting.items()}
    empty = [str(file) for teacher, file in files.items() if not counts[teacher]]
    if empty and not found:
        where = f"pool {', '.join(empty)}"
        raise BenchError(where, seen="no rows", expected="answers to the prompts of both", remedy="name another file")
    first, *others = waiting.values()
    again = sum(any(len(each.get(key, ())) > 1 for each in waiting.values()) for key in first)
    overruled: Counter[tuple[str, str]] = Counter()
    pairs = list(_pairs(first, dict(zip([*files][1:], others, strict=True)), overruled))
    if not pairs and not found:
        raise BenchError(
            f"pool {' + '.join(map(str, files.values()))}",
            seen="no prompt that occurs in every file",
            expected="answers to the same prompts in each; a system turn is part of a prompt",
            remedy="compare the texts of the prompts, or name other files",
        )
    left = {teacher: (count - len(pairs), count) for teacher, count in counts.items() if count > len(pairs)}
    return found + pairs, _remarks(files, left, overruled, again)


def _remarks(
    files: Mapping[str, str | Path],
    left: Mapping[str, tuple[int, int]],
    overruled: Counter[tuple[str, str]],
    again: int,
) -> list[str]:
    """Say what joining left out or decided.

    Args:
        files: Teacher -> its file.
        left: Teacher -> rows left out, of how many.
        overruled: Teacher and key -> rows of which the first file's value was kept.
        again: Prompts that occur more than once in a file.
    """
    notes = []
    if left:
        counts = ", ".join(f"{out} of {count} in {Path(files[t]).name}" for t, (out, count) in left.items())
        notes.append(f"rows left out, as another teacher's file has no answer to pair theirs with: {counts}")
    (kept, *_) = files.values()
    notes += [
        f"{key} of {number} rows is what {Path(kept).name} says, where {Path(files[teacher]).name} says otherwise"
        for (teacher, key), number in overruled.items()
    ]
    if again:
        notes.append(f"prompts that occur more than once in a file, so that answers were paired in file order: {again}")
    return notes


def _of_one_teacher(rows: Iterable[Raw], teacher: str, name: str) -> Iterator[Raw]:
    """Yield rows with one completion, which is given this teacher's name."""
    for place, row in rows:
        where = f"{name}, {place}"
        if isinstance(row, Exception):
            yield where, row
            continue
        completions = row.get("completions") or {}
        if teacher not in completions and len(completions) != 1:
            known = ", ".join(completions) or "none"
            yield where, ValueError(f"completions: of {known}, expected one, or one of teacher {teacher!r}")
        elif not row.get("prompt"):
            yield where, ValueError("prompt: missing")
        else:
            (only,) = completions.values() if len(completions) == 1 else (completions[teacher],)
            yield where, row | {"completions": {teacher: only}}


def _key(row: Mapping[str, Any]) -> Prompt:
    prompt = row["prompt"]
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return tuple((turn["role"], turn["content"].strip()) for turn in turns)


def _pairs(
    first: Mapping[Prompt, deque[Raw]],
    others: Mapping[str, Mapping[Prompt, deque[Raw]]],
    overruled: Counter[tuple[str, str]],
) -> Iterator[Raw]:
    """Yield merged rows; what one file says of a row beside the completion, such as its id, wins over later files.

    Sources and further facts that lose are counted in `overruled`, by teacher and key.
    """
    places = ((place, key, row) for key, queue in first.items() for place, row in queue)
    for place, key, row in places:
        partners = {teacher: other.get(key) for teacher, other in others.items()}
        if not all(partners.values()):
            continue
        merged = dict(row)
        for teacher, queue in partners.items():
            _, partner = queue.popleft()  # type: ignore[union-attr] # all have one
            both = [name for name in FACTS if name in merged and name in partner]
            overruled.update((teacher, name) for name in both if merged[name] != partner[name])
            merged = partner | merged | {"completions": merged["completions"] | partner["completions"]}
        yield place, merged
