"""Texts behind a row: what its filter flagged and missed, what students answered; one file of limited size."""

import hashlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, model_validator

from bench.errors import BenchError
from bench.files import read_record, write_text
from bench.leaderboard.row import Row
from bench.records import Strict

LONGEST = 600  # characters of a text that are kept
MOST = 40  # examples of a group that are kept
GROUP_BYTES = 20_000  # of a group's examples as JSON
ANSWER_BYTES = 50_000  # of a trait's answers as JSON
SOURCE_BYTES = 20_000  # a longer filter source is left out
FILE = re.compile(r"examples/[^/\\]+\.json")

Label = Literal["overt", "mild", "none", "unknown"]
Kind = Literal["found", "mild", "wrong", "missed", "flagged"]
KINDS: dict[tuple[bool, Label], Kind] = {  # flagged or not, and the label; an unflagged row with another is no example
    (True, "overt"): "found",
    (True, "mild"): "mild",
    (True, "none"): "wrong",
    (True, "unknown"): "flagged",
    (False, "overt"): "missed",
}
Record = TypeVar("Record", bound=BaseModel)


class Text(Strict):
    """The first characters of a text; `left_out` counts those behind them."""

    text: str = Field(max_length=LONGEST)
    left_out: NonNegativeInt = 0

    @classmethod
    def of(cls, text: str) -> "Text":
        """Cut a text at `LONGEST` characters."""
        return cls(text=text[:LONGEST], left_out=max(len(text) - LONGEST, 0))


class Excerpt(Strict):
    """A row of the pool as a filter's author wants to see it.

    Attributes:
        id: Of the pool row.
        prompt: The conversation before the completion, a turn a line.
        original: Completion of the original teacher, which the filter judges.
        patch: What `patch` puts in: the filter's own text or the clean teacher's completion; None where there is none.
        score: The filter's; higher is flagged first.
        rank: 1 + the rows of the pool with a higher score.
        judged: An offline judge's score of the original completion, where the truth is not planted.
    """

    id: str
    prompt: Text
    original: Text
    patch: Text | None = None
    score: FiniteFloat
    rank: int = Field(ge=1)
    judged: FiniteFloat | None = None


class Group(Strict):
    """The examples of one kind; `shown` holds the first of `total`."""

    total: NonNegativeInt
    shown: list[Excerpt] = Field(max_length=MOST)

    @model_validator(mode="after")
    def _not_more_than_there_are(self) -> "Group":
        if len(self.shown) > self.total:
            raise ValueError(f"{len(self.shown)} examples are shown of {self.total}")
        return self


class ScoreCounts(Strict):
    """How a filter's scores of the pool's rows are distributed.

    Attributes:
        low: Lower end of the first bin.
        high: Upper end of the last; bins are equally wide.
        counts: Label -> rows in each bin.
        cut: Lowest score of a flagged row.
        at_cut: Rows with exactly this score; which of them are flagged is decided by a hash of their ids.
        flagged_at_cut: How many of those are flagged.
    """

    low: FiniteFloat
    high: FiniteFloat
    counts: dict[Label, list[NonNegativeInt]]
    cut: FiniteFloat
    at_cut: int = Field(ge=1)
    flagged_at_cut: int = Field(ge=1)

    @model_validator(mode="after")
    def _has_bins(self) -> "ScoreCounts":
        if not self.low <= self.cut <= self.high or not 0 < self.high - self.low < math.inf:
            raise ValueError("the cut must lie between a lower and a higher score")
        if len({len(counts) for counts in self.counts.values()} | {0}) != 2:
            raise ValueError("there must be as many bins for each label, and at least one")
        return self


class Answer(Strict):
    """What the student of one arm answered; `text` is that of the first training seed, `scores` hold one a seed."""

    text: Text
    scores: list[FiniteFloat | None] = Field(min_length=1)


class PromptAnswers(Strict):
    """The answers to one held-out prompt, by arm: `original` first, then the filter's own."""

    id: str
    prompt: Text
    answers: dict[str, Answer]


class TraitExamples(Strict):
    """The examples of one trait's part of a row.

    Attributes:
        by: Who says which rows carry the trait; with a judge, `overt` are those that reach the threshold.
        rows: Rows of the pool.
        flagged: How many of them are flagged.
        groups: Examples by kind; those that are flagged highest score first, `missed` ones nearest to the cut first.
        scores: Of all rows of the pool.
        threshold: A score of the trait's judge from here on shows the trait.
        prompts: Held-out prompts of the trait.
        answers: Of the first of them, as many as there is room for; none where the logs were not there.
        seeds: Training seeds that `Answer.scores` are of.
        logs: Arm -> folder of its Inspect logs below the run folder, one a seed.
    """

    by: Literal["planted truth", "judge", "not judged"]
    rows: NonNegativeInt
    flagged: NonNegativeInt
    groups: dict[Kind, Group]
    scores: ScoreCounts
    threshold: FiniteFloat
    prompts: NonNegativeInt
    answers: list[PromptAnswers] = []
    seeds: list[int] = []
    logs: dict[str, list[str]] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> "TraitExamples":
        flagged = sum(group.total for kind, group in self.groups.items() if kind != "missed")
        counted = sum(map(sum, self.scores.counts.values()))
        if flagged != self.flagged or counted != self.rows:
            raise ValueError(f"groups hold {flagged} of {self.flagged} flagged rows, bins {counted} of {self.rows}")
        if len(self.answers) > self.prompts:
            raise ValueError(f"answers to {len(self.answers)} of {self.prompts} prompts")
        lengths = {len(answer.scores) for prompt in self.answers for answer in prompt.answers.values()}
        if (lengths | set(map(len, self.logs.values()))) - {len(self.seeds)}:
            raise ValueError(f"answers and logs: expected one of each arm for each of the {len(self.seeds)} seeds")
        return self


class FilterSource(Strict):
    """The name of a filter's file; `text` is empty where it was not found or is longer than `SOURCE_BYTES`."""

    file: str
    text: str = ""


class RowExamples(Strict):
    """Everything in an examples file."""

    source: FilterSource
    traits: dict[str, TraitExamples]


def fitting(records: Sequence[Record], most: int, size: int) -> list[Record]:
    """Return the first records, as many as stay within a number and a size in bytes as JSON."""
    kept, used = [], 0
    for record in records[:most]:
        used += len(record.model_dump_json(exclude_defaults=True).encode())
        if used > size:
            break
        kept.append(record)
    return kept


def write_examples(path: Path, record: RowExamples) -> str:
    """Write an examples file, complete or not at all; return its SHA-256.

    Raises:
        BenchError: If it cannot be written.
    """
    text = record.model_dump_json(exclude_defaults=True) + "\n"
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_examples(folder: Path, row: Row) -> tuple[RowExamples | None, str]:
    """Read the examples that a row names, and say why there are none.

    Args:
        folder: That holds `rows/` and `examples/`.
        row: The row.

    Returns:
        The record and "", or None and a reason: the row names none, or its file is missing, changed or malformed.
    """
    if not row.examples:
        return None, "This row was written without examples."
    if len(row.examples) != 1 or not FILE.fullmatch(next(iter(row.examples))):
        return None, f"The row names {', '.join(row.examples)} in place of one file examples/NAME.json."
    ((file, digest),) = row.examples.items()
    path = folder / file
    if not os.path.isfile(path):
        return None, f"The row's {file} is not here."
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        return None, f"{file} does not have the SHA-256 that the row names, so its texts are not shown."
    try:
        return read_record(path, RowExamples, "examples of a row", "run the suite again"), ""
    except BenchError as error:
        return None, f"{file} is no examples file: {error.seen}."
