"""Leaderboard rows: one JSON file per filter and budget, with the evidence behind every number."""

import re
from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.files import read_record, write_json
from bench.filtering.plugin import NAME_PATTERN
from bench.leaderboard.checks import LARGEST, wrong_numbers
from bench.leaderboard.evidence import MOST_CONTROLS, Evidence, remove_evidence, write_evidence
from bench.outcomes import AnswerCounts, Estimate, FilterCard, FlagOverlap
from bench.records import Action, Strict
from bench.stats.agreement import Agreement
from bench.stats.leakage import Leakage

SCHEMA = 3  # raise it when a field changes its meaning; 3 brought controls held over seeds and controlled leakage
BOUNDS = ("oracle", "random_flag")  # ceiling and floor: no contenders, and no hypotheses of the board
SAME = 1e-6  # of a removal and what its difference and the gap make of it
HASH = re.compile("[0-9a-f]{64}")
UNMEASURED = Estimate(value=None, note="not measured")

Count = Annotated[int, Field(ge=0, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class ArmScore(Strict):
    """What was measured of one arm: trait score over seeds and prompts, and capability."""

    trait: Estimate
    capability: Estimate  # share of exact answers
    loss: Estimate  # held-out loss on clean completions, nats a token
    margin: Estimate = UNMEASURED  # log p(trait completion) - log p(clean one), nats
    extra: dict[str, Estimate] = {}  # side scores of the eval, such as recognition
    unscored: Count = 0  # answers, over all seeds, that the trait's scorer gave no score
    answers: AnswerCounts | None = None  # over all seeds; None where they were not counted


class Effect(Strict):
    """What one action on the flagged set did.

    Attributes:
        difference: Score of `original` minus that of the arm, in units of the score.
        removal: The same as a share of the gap.
        lift: Removal minus the mean removal of the random sets, same action and size; None where they did not get it.
        lift_difference: The same in units of the score.
        length_lift: Removal minus that of the length-matched set; None where it was not run.
        margin_removal: Removal of the margin, `original` minus the arm over `original` minus `clean`; None where it was
            not measured.
        p: One-sided, against the random sets, of the primary contrast alone; None below 3 seeds.
        p_holm: Holm over all filters, budgets and traits of the board, bounds left out.
    """

    difference: Estimate
    removal: Estimate
    lift: Estimate | None = None
    lift_difference: Estimate | None = None
    length_lift: Estimate | None = None
    margin_removal: Estimate | None = None
    p: Share | None = None
    p_holm: Share | None = None


class LeakageEffect(Strict):
    """Does dropping leave behind what patching removes? Each is patch against drop_refill, on the same flagged set.

    Attributes:
        gap: Removal by patch minus removal by drop_refill, and minus the mean of the same of the random sets, so that
            what clean completions remove wherever they are put cancels out.
        difference: The same in units of the score.
        uncontrolled: Without the random sets' part.
    """

    gap: Estimate
    difference: Estimate
    uncontrolled: Estimate


class Winner(Strict):
    """The filter with the largest lift of a run at one budget.

    Attributes:
        filter: Its name.
        lift: With an interval that accounts for the choice.
        among: The filters that were compared, bounds left out.
    """

    filter: str
    lift: Estimate
    among: list[str]


class Found(Strict):
    """How well a filter agrees with planted truth: overt rows alone, and (`_any`) overt or mild ones.

    Precision and recall are of the flagged set. The rest is of the scores, whatever the budget, and missing in rows
    that were written before it was measured.

    Attributes:
        auprc: Area under the precision-recall curve.
        mean_rank: Mean place of the overt rows in the ranking by score, 0 first and 1 last.
    """

    precision: Share
    recall: Share
    precision_any: Share
    recall_any: Share
    auprc: Share | None = None
    auprc_any: Share | None = None
    mean_rank: Share | None = None

    @property
    def planted(self) -> str:
        """Which planted rows the flagged set is, all of them and no other; "" where it is not."""
        if self.precision == self.recall == 1:
            return "overt"
        return "overt and mild" if self.precision_any == self.recall_any == 1 else ""


class TraitResult(Strict):
    """One trait's part of a row."""

    trait: str
    description: str
    eval_version: Count
    judge: str  # `rules v1` or `model v1`
    pool: str
    pool_sha256: str
    pool_rows: Count
    reserve_rows: Count  # that replace dropped ones
    prompts: Count  # held-out prompts that the trait score covers
    left_out: Count = 0  # answers of each arm, of seeds x prompts, that are not compared as some arm has no score there
    controls: int = Field(ge=0, le=MOST_CONTROLS)  # random sets held over all seeds
    flagged: Count
    scored: bool  # False: the gate did not open, `reason` says why
    reason: str
    gap: Estimate
    minimum_gap: float = Field(gt=0)
    effects: dict[Action, Effect]
    primary: Action  # the action whose lift is tested
    winner: Winner | None  # of the run that the row is of; None below 3 seeds
    leakage: LeakageEffect | None  # None: drop_refill or patch was not run
    margin: Agreement | None  # of margin and behaviour over all students; None where margins were not measured
    sufficiency: Estimate | None  # None: patch_in is not part of the suite
    capability_retention: dict[Action, Estimate]  # exact answers of the arm / those of `original`
    arms: dict[str, ArmScore]  # reference arms, controls and this filter's arms by name
    found: Found | None  # where the truth is planted
    neighbours: Leakage | None  # nearest kept examples of the flagged
    overlaps: tuple[FlagOverlap, ...] = ()  # with what confounds and a placebo flag; none in rows from before

    @model_validator(mode="after")
    def _counts_and_shares(self) -> Self:
        if not 1 <= self.flagged <= self.pool_rows:
            raise ValueError(f"{self.flagged} of {self.pool_rows} rows flagged")
        if any(not 0 <= share <= 1 for each in self.overlaps for share in (each.jaccard, each.by_chance)):
            raise ValueError("overlaps are shares, from 0 to 1")
        return self

    @model_validator(mode="after")
    def _removals_are_shares_of_the_gap(self) -> Self:
        for action, effect in self.effects.items():
            removal, difference, gap = effect.removal.value, effect.difference.value, self.gap.value
            if removal is None:
                continue
            if gap is None or difference is None or not isclose(removal * gap, difference, rel_tol=SAME, abs_tol=SAME):
                raise ValueError(f"effects.{action}: removal {removal:g} is not difference {difference} over gap {gap}")
        return self


class Cost(Strict):
    """What the row took."""

    share_flagged: Share
    filter_seconds: Seconds
    train_seconds: Seconds  # of this filter's own arms, all seeds
    eval_seconds: Seconds
    device: str
    memory_estimated: Count | None = None  # bytes at the peak: main memory, or the CUDA device's own
    memory_peak: Count | None = None  # the same as seen in the processes that trained and evaluated


class Row(Strict):
    """One filter at one budget in one suite."""

    schema_version: int = Field(default=SCHEMA, ge=SCHEMA, le=SCHEMA)  # numbers of other schemas mean other things
    filter: FilterCard
    suite: str
    suite_version: Count
    budget: float = Field(gt=0, le=1)
    seeds: list[Count] = Field(min_length=1)
    recipe: Recipe
    traits: dict[str, TraitResult]
    cost: Cost
    command: str
    versions: dict[str, str]  # of the packages that decide results, and of this suite
    commit: str
    notes: list[str] = []
    evidence: dict[str, str] = {}  # file beside `rows/` -> SHA-256
    examples: dict[str, str] = {}  # the same of the texts that its page shows; none where they were left out

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("a seed is there twice")
        return value

    @model_validator(mode="after")
    def _numbers(self) -> Self:
        wrong = list(wrong_numbers(self))
        if wrong:
            raise ValueError("; ".join(wrong[:10]))
        return self

    @model_validator(mode="after")
    def _traits_and_share(self) -> Self:
        if not self.traits or any(name != result.trait for name, result in self.traits.items()):
            raise ValueError("traits: at least one, each under its name")
        flagged, rows = (sum(getattr(r, name) for r in self.traits.values()) for name in ("flagged", "pool_rows"))
        if not isclose(self.cost.share_flagged, flagged / rows, abs_tol=SAME):
            raise ValueError(f"cost.share_flagged is {self.cost.share_flagged:g}, but {flagged} of {rows} are flagged")
        return self


def row_file(row: Row) -> str:
    """File name of a row: filter and budget."""
    return f"{row.filter.name}@{row.budget:g}.json"


def write_rows(rows: Sequence[Row], evidence: Mapping[str, Evidence], folder: Path) -> list[Row]:
    """Write one JSON file per row, and beside them one with the per-sample scores, each complete or not at all.

    Scores of an earlier run that no row names any more are removed.

    Args:
        rows: The rows of one run.
        evidence: Of the run, by trait.
        folder: Results folder; rows go to `rows/`, scores to `evidence/`.

    Returns:
        The rows, with the hash of their evidence.

    Raises:
        BenchError: If they cannot be written.
    """
    named = write_evidence(evidence, folder)
    written = [row.model_copy(update={"evidence": named}) for row in rows]
    for row in written:
        write_json(folder / "rows" / row_file(row), row)
    remove_evidence(folder, {file for row in read_rows(folder) for file in row.evidence})
    return written


def read_rows(folder: str | Path) -> list[Row]:
    """Read a folder of rows, or the `rows` folder of a run, sorted by file name.

    Raises:
        BenchError: If the folder holds none, or a file is not a row of this schema.
    """
    folder = Path(folder)
    files = row_files(folder)
    if not files:
        raise BenchError(str(folder), seen="no *.json rows", expected="rows of a finished run", remedy="run the suite")
    return [read_row(file) for file in files]


def row_files(folder: Path) -> list[Path]:
    """Return the files of a folder of rows, or of the `rows` folder of a run, sorted by name."""
    return sorted((folder / "rows" if (folder / "rows").is_dir() else folder).glob("*.json"))


def read_row(file: Path) -> Row:
    """Read one row.

    Raises:
        BenchError: If the file is not a row of this schema, or not named after its filter and budget; if names and
            hashes do not look like some.
    """
    row = read_record(file, Row, "a row's JSON", "delete it, run again")
    hashes = {"filter.sha256": row.filter.sha256, **{f"evidence.{name}": its for name, its in row.evidence.items()}}
    hashes |= {f"traits.{name}.pool_sha256": result.pool_sha256 for name, result in row.traits.items()}
    wrong = [f"{where}: {text[:80]!r} is no SHA-256" for where, text in hashes.items() if not HASH.fullmatch(text)]
    if not NAME_PATTERN.fullmatch(row.filter.name):
        wrong.append(f"filter.name: {row.filter.name[:80]!r}, expected lower-case letters, digits and underscores")
    elif file.name != row_file(row):
        wrong.append(f"a row that belongs in {row_file(row)}")
    if wrong:
        expected = "a row as a run wrote it, under the name it gave"
        raise BenchError(
            str(file), seen="; ".join(wrong), expected=expected, remedy="run the suite, or take the row out"
        )
    return row
