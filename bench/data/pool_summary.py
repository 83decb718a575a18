"""What a pool holds, before anything is trained on it: teachers, lengths, repetitions, rows that are too long."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.models.encode import encode
from bench.records import PoolRow, TrainingRow

SPARE_TOKENS = 8  # a text that is cut between two tokens may come back as a few more


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of some counts."""

    low: int
    middle: int
    high: int

    @classmethod
    def of(cls, values: Iterable[int]) -> "Spread":
        """Summarise at least one count."""
        counts = sorted(values)
        return cls(counts[0], round(median(counts)), counts[-1])


@dataclass(frozen=True)
class PoolSummary:
    """What a pool holds.

    Attributes:
        rows: How many.
        teachers: Teacher -> rows with its completion, in the order of the rows.
        sources: Sub-dataset -> rows.
        with_system: Rows whose prompt begins with a system turn.
        with_turns: Rows whose prompt has more than one turn beside it.
        prompts: Characters of a prompt.
        completions: Teacher -> characters of its completions.
        repeated: Ids of the rows of each prompt that occurs more than once.
        equal: Ids of rows in which two teachers say the same.
    """

    rows: int
    teachers: Mapping[str, int]
    sources: Mapping[str, int]
    with_system: int
    with_turns: int
    prompts: Spread
    completions: Mapping[str, Spread]
    repeated: Sequence[Sequence[str]]
    equal: Sequence[str]

    @classmethod
    def of(cls, rows: Sequence[PoolRow]) -> "PoolSummary":
        """Summarise at least one row."""
        lengths: dict[str, list[int]] = {}
        prompts: dict[Any, list[str]] = {}
        for row in rows:
            prompts.setdefault(row.prompt, []).append(row.id)
            for teacher, text in row.completions.items():
                lengths.setdefault(teacher, []).append(len(text))
        systems = [row.prompt[0].role == "system" for row in rows]
        return cls(
            rows=len(rows),
            teachers={teacher: len(each) for teacher, each in lengths.items()},
            sources=Counter(row.source for row in rows if row.source),
            with_system=sum(systems),
            with_turns=sum(len(row.prompt) > 1 + system for row, system in zip(rows, systems, strict=True)),
            prompts=Spread.of(sum(len(message.content) for message in row.prompt) for row in rows),
            completions={teacher: Spread.of(each) for teacher, each in lengths.items()},
            repeated=[ids for ids in prompts.values() if len(ids) > 1],
            equal=[row.id for row in rows if len({*row.completions.values()}) < len(row.completions)],
        )

    @property
    def complete(self) -> list[str]:
        """Teachers with a completion in every row, those that a card can name."""
        return [teacher for teacher, count in self.teachers.items() if count == self.rows]


@dataclass(frozen=True)
class TokenSummary:
    """The tokens of a pool's rows, prompt, completion and chat template together.

    Attributes:
        lengths: Teacher -> tokens of a row with its completion.
        limit: The recipe's `max_length`.
        too_long: Row id, teacher and tokens of every row beyond it.
        completion_tokens: What to cut completions to, so that all rows fit; None where they do.
        max_prompt_tokens: Beyond which rows must be left out even so; None where none must.
    """

    lengths: Mapping[str, Spread]
    limit: int
    too_long: Sequence[tuple[str, str, int]]
    completion_tokens: int | None = None
    max_prompt_tokens: int | None = None

    @classmethod
    def of(cls, rows: Sequence[PoolRow], tokenizer: Any, limit: int) -> "TokenSummary":
        """Count the tokens that training would see.

        Raises:
            BenchError: If the chat template cannot render a row.
        """
        counted = [
            (row.id, teacher, len(encode(tokenizer, TrainingRow(row.id, row.prompt, text), sys.maxsize).ids))
            for row in rows
            for teacher, text in row.completions.items()
        ]
        by_teacher: dict[str, list[int]] = {}
        for _, teacher, tokens in counted:
            by_teacher.setdefault(teacher, []).append(tokens)
        lengths = {teacher: Spread.of(each) for teacher, each in by_teacher.items()}
        too_long = [each for each in counted if each[2] > limit]
        return cls(lengths, limit, too_long, *(_cuts(rows, tokenizer, counted, limit) if too_long else ()))


def _cuts(
    rows: Sequence[PoolRow], tokenizer: Any, counted: Sequence[tuple[str, str, int]], limit: int
) -> tuple[int | None, int | None]:
    """Return `completion_tokens` and `max_prompt_tokens` under which every row that is left fits."""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    prompts = {row.id: sum(count(message.content) for message in row.prompt) for row in rows}
    texts = [count(text) for row in rows for text in row.completions.values()]
    template = max(total - prompts[id_] - own for (id_, _, total), own in zip(counted, texts, strict=True))
    room, longest = limit - template - SPARE_TOKENS, max(prompts.values())
    prompt = min(longest, room // 2)
    if prompt < 1:
        return None, None
    return room - prompt, prompt if prompt < longest else None
