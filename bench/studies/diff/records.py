"""What `bench diff` reports, as JSON: cells, curves, subsets, overlaps and verdicts of every trait."""

from typing import Literal

from pydantic import model_validator

from bench.config.recipe import Recipe
from bench.outcomes import Estimate
from bench.records import Action, Strict
from bench.stats.equivalence import Comparison
from bench.studies.diff.verdicts import Verdict

SCHEMA = 2  # raise it when a field changes its meaning


class CellScore(Strict):
    """One cell: what was trained on what, and how it scored.

    Attributes:
        cell: Its name (see `bench.studies.diff.cells`).
        model: Base model.
        prompts: `original`, `alternative`, or the subset that it is about.
        completions: A teacher, or how teachers were mixed.
        rows: Examples trained on; with several seeds, the mean.
        trait: Trait score.
        capability: Share of exact answers.
    """

    cell: str
    model: str
    prompts: str
    completions: str
    rows: float
    trait: Estimate
    capability: Estimate


class TeacherPoint(Strict):
    """A teacher's own score beside that of the student trained on its completions."""

    teacher: str
    prompts: Literal["original", "alternative"]
    teacher_score: Estimate
    student_score: Estimate


class CurvePoint(Strict):
    """One mixture of a curve.

    Attributes:
        asked: Probability that a prompt got its original completion.
        share: Share that did, mean over seeds.
        score: Trait score.
        departure: Score minus the straight line at `share`.
        p: Two-sided, that the departure is 0; None with fewer than three seeds.
        p_holm: Corrected over the points of the curve.
    """

    asked: float
    share: float
    score: Estimate
    departure: Estimate
    p: float | None
    p_holm: float | None


class InterpolationCurve(Strict):
    """Trait score over the share of original completions, on one prompt set.

    Attributes:
        prompts: Which prompts.
        clean: Score at share 0.
        original: Score at share 1.
        points: The mixtures between, by share.
        area: Mean departure from the straight line, in units of the score.
        p: Two-sided, that it is 0; None with fewer than three seeds.
        half_dose: Share of original completions at which half of the gap is reached; 0.5 on a straight line, less
            where the trait saturates early.
    """

    prompts: Literal["original", "alternative"]
    clean: Estimate
    original: Estimate
    points: list[CurvePoint]
    area: Estimate
    p: float | None
    half_dose: Estimate


class SubsetEffect(Strict):
    """One action on a subset, beside the same action on as many random examples."""

    score: Estimate
    expected: Estimate
    difference: Comparison


class SubsetResult(Strict):
    """Everything done with one subset of the original pool."""

    name: str
    kind: Literal["flagged", "source", "described"]
    definition: str
    size: int
    share: float
    effects: dict[Action, SubsetEffect]


class Overlap(Strict):
    """How the sets overlap; both matrices are indexed [row][column] in the order of `names`.

    Attributes:
        names: The sets.
        sizes: Examples in each.
        jaccard: |A and B| / |A or B|.
        containment: Share of the row's set that lies in the column's set.
    """

    names: list[str]
    sizes: list[int]
    jaccard: list[list[float]]
    containment: list[list[float]]

    @model_validator(mode="after")
    def _square(self) -> "Overlap":
        size = len(self.names)
        if len(self.sizes) != size:
            raise ValueError(f"sizes: {len(self.sizes)}, expected one for each of {size} names")
        for name, matrix in (("jaccard", self.jaccard), ("containment", self.containment)):
            if [len(row) for row in matrix] != [size] * size:
                raise ValueError(f"{name}: expected {size} rows of {size} numbers, one for each name")
            if not all(0 <= value <= 1 for row in matrix for value in row):
                raise ValueError(f"{name}: expected shares from 0 to 1")
        return self


class SetAudit(Strict):
    """One of the sets that verdicts read, as the suite describes it, and what speaks against the description.

    Attributes:
        role: `overt`, `mild` or `unrelated`.
        described: Examples in it as described.
        read: Examples in it as verdicts read it.
        shows_trait: Examples of the described set whose original completion shows the trait by its rules; None where
            the trait has no rules.
        looks: Role -> examples of the described set that a classifier of original completions puts there; empty where
            there was too little to learn from.
        precision: Share of the described set that was planted so; None without planted truth.
        recall: Share of what was planted so that the described set holds; None without planted truth.
    """

    role: str
    described: int
    read: int
    shows_trait: int | None
    looks: dict[str, int]
    precision: float | None
    recall: float | None


class Prerequisites(Strict):
    """Whether the two pipelines differ as the method needs: without that nothing is inferred."""

    met: bool
    reasons: list[str]
    gap: Estimate


class DiffResult(Strict):
    """One trait's part."""

    trait: str
    description: str
    judge: str
    scale: tuple[float, float]
    margin: float
    pool: str
    pool_sha256: str
    alternative_pool: str
    alternative_pool_sha256: str
    prerequisites: Prerequisites
    cells: list[CellScore]
    teachers: list[TeacherPoint]
    curves: list[InterpolationCurve]
    subsets: list[SubsetResult]
    overlap: Overlap | None
    audit: list[SetAudit]
    verdicts: list[Verdict]
    notes: list[str]

    @model_validator(mode="after")
    def _ordered(self) -> "DiffResult":
        if not self.scale[0] < self.scale[1]:
            raise ValueError("scale: expected the lowest value before the highest")
        return self


class DiffReport(Strict):
    """All of `bench diff`."""

    schema_version: int = SCHEMA
    suite: str
    suite_version: int
    seeds: list[int]
    recipe: Recipe
    other_models: dict[str, Recipe]
    traits: list[DiffResult]
    device: str
    command: str
    versions: dict[str, str]
    commit: str
