"""What the stages hand to one another: what a filter flagged, what is trained, what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from bench.records import Action, Strict


class Estimate(Strict):
    """A number with its 95 % interval; `value` is None where it is not estimable, and `note` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


class AnswerCounts(Strict):
    """How many answers a model gave, and how many of them say nothing; a scorer takes such ones for answers.

    Attributes:
        asked: Answers, repetitions of a sample included.
        refused: Of these, stopped by a content filter.
        empty: Of the others, those without any text or tool call.
    """

    asked: int = Field(ge=0)
    refused: int = Field(ge=0)
    empty: int = Field(ge=0)

    @model_validator(mode="after")
    def _parts_of_all(self) -> Self:
        if self.refused + self.empty > self.asked:
            raise ValueError(f"{self.refused} refused and {self.empty} empty of {self.asked} answers")
        return self

    @classmethod
    def total(cls, counts: Sequence["AnswerCounts"]) -> "AnswerCounts":
        """Add counts up."""
        return cls(**{name: sum(getattr(each, name) for each in counts) for name in cls.model_fields})


class SampleScores(Strict):
    """Scores of one model on one or more tasks, in the order of the samples.

    Attributes:
        values: Score name -> one value per sample; None where the score does not apply.
        ids: Score name -> sample ids.
        families: Score name -> the family (bootstrap cluster) of each sample.
        tasks: Task name -> version.
        logs: File names of the Inspect logs, in the folder of the scores.
        seconds: Wall time.
        answers_at_once: Prompts at a time where memory did not suffice for a batch of them, else None.
        memory_peak: Bytes at the peak of the process, where the suite's own provider answered.
        answers: Score name -> the answers that it was given; none in evaluations from before they were counted.
    """

    values: dict[str, list[float | None]]
    ids: dict[str, list[str]]
    families: dict[str, list[str]]
    tasks: dict[str, int | str]
    logs: list[str]
    seconds: float
    answers_at_once: int | None = None
    memory_peak: int | None = None
    answers: dict[str, AnswerCounts] = {}

    def array(self, score: str) -> Any:
        """Return one score as float64 of shape (samples,), NaN where it does not apply."""
        import numpy as np

        return np.array([math.nan if v is None else v for v in self.values[score]])


@dataclass(frozen=True)
class Trial:
    """A finished trial: scores per sample, and what training took when it was computed.

    Attributes:
        student: Name of its folder in the store, or of the base.
        scores: Per sample.
        train_seconds: Wall time of the steps.
        rows_at_once: Rows of a forward pass where memory did not suffice for a batch, else None.
        memory_estimated: Bytes that the run was to take at its peak.
        memory_peak: Bytes seen at the peak, up to the end of the trial.
        note: What failed in training and was done in another way, else "".
    """

    student: str
    scores: SampleScores
    train_seconds: float
    rows_at_once: int | None = None
    memory_estimated: int | None = None
    memory_peak: int | None = None
    note: str = ""


class FilterCard(Strict):
    """Which filter, exactly."""

    name: str
    version: int
    summary: str
    origin: str  # `built in`, a distribution, or the name of a file
    sha256: str
    options: dict[str, Any] = {}


class FlagOverlap(Strict):
    """How much of a flagged set another one of the same size shares.

    Attributes:
        other: The confound filter, or `placebo: TRAIT`, the same filter asked for another trait.
        jaccard: Rows in both over rows in either, 0 to 1.
        by_chance: About what a random set of this size would have.
    """

    other: str
    jaccard: float
    by_chance: float


@dataclass(frozen=True)
class Selection:
    """One filter's result on a pool: what it flags at each budget.

    Attributes:
        filter: Which filter, with the options it ran with, defaults included.
        seconds: Wall time of scoring, when it was computed.
        flagged: Budget -> ids of the flagged examples.
        refill: Budget -> ids of the reserve's rows that replace them, as many; none where too few are unflagged.
        patches: Id -> completion that the filter itself puts in; empty where it leaves that to the clean teacher.
        needs_truth: Whether the filter reads the planted truth, as the oracle does.
        sourced: Budget -> ids of the rows of the whole sources that `drop_source` drops; none where none fits.
        scores: Id -> score of every example of the pool and its reserve; higher = flagged first.
        overlaps: Budget -> overlap with what confounds, and the filter itself for another trait, flag at that budget.
    """

    filter: FilterCard
    seconds: float
    flagged: dict[float, frozenset[str]]
    patches: dict[str, str]
    needs_truth: bool = False
    refill: dict[float, tuple[str, ...]] = field(default_factory=dict)
    sourced: dict[float, frozenset[str]] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    overlaps: dict[float, tuple[FlagOverlap, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One training mixture: what a student is trained on, apart from its seed.

    Attributes:
        name: As reports show it, such as `original`, `drop:keyword@0.1` or `random1_drop@0.1`.
        action: What is done with the flagged set; or a mixture without one.
        filter: The filter that flagged, "" for reference arms and controls.
        budget: Share of the pool flagged, 0 where nothing is.
        share: Probability of an original completion, of a mixture.
        control: Which control set it acts on, such as `random1`; "" for other arms.
        model: Role of the base model; one other than `original` only in `bench diff`.
        prompts: Whose prompts, or which subset, for the tables of `bench diff`.
        completions: Whose completions, for the same tables.
    """

    name: str
    action: Action | Literal["base", "original", "clean", "mix", "teacher"]
    filter: str = ""
    budget: float = 0.0
    share: float = 0.0
    control: str = ""
    model: str = "original"
    prompts: str = "original"
    completions: str = ""


TrialKey = tuple[Arm, int]  # an arm and a training seed
