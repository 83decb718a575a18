"""Leaderboard rows: one JSON file per filter and budget, with the evidence behind every number."""

import hashlib
import json
from pathlib import Path

from pydantic import Field

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.files import read_record, write_json, write_text
from bench.outcomes import Estimate, FilterCard, FlagOverlap
from bench.records import Action, Strict
from bench.stats.agreement import Agreement
from bench.stats.leakage import Leakage

SCHEMA = 3  # raise it when a field changes its meaning; 3 brought controls held over seeds and controlled leakage
BOUNDS = ("oracle", "random_flag")  # ceiling and floor: no contenders, and no hypotheses of the board
UNMEASURED = Estimate(value=None, note="not measured")


class ArmScore(Strict):
    """What was measured of one arm: trait score over seeds and prompts, and capability."""

    trait: Estimate
    capability: Estimate  # share of exact answers
    loss: Estimate  # held-out loss on clean completions, nats a token
    margin: Estimate = UNMEASURED  # log p(trait completion) - log p(clean one), nats
    extra: dict[str, Estimate] = {}  # side scores of the eval, such as recognition


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
    p: float | None = None
    p_holm: float | None = None


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

    precision: float
    recall: float
    precision_any: float
    recall_any: float
    auprc: float | None = None
    auprc_any: float | None = None
    mean_rank: float | None = None


class TraitResult(Strict):
    """One trait's part of a row."""

    trait: str
    description: str
    eval_version: int
    judge: str  # `rules v1` or `model v1`
    pool: str
    pool_sha256: str
    pool_rows: int
    reserve_rows: int  # that replace dropped ones
    prompts: int  # held-out prompts that the trait score covers
    controls: int  # random sets held over all seeds
    flagged: int
    scored: bool  # False: the gate did not open, `reason` says why
    reason: str
    gap: Estimate
    minimum_gap: float
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


class Cost(Strict):
    """What the row took."""

    share_flagged: float
    filter_seconds: float
    train_seconds: float  # of this filter's own arms, all seeds
    eval_seconds: float
    device: str
    memory_estimated: int | None = None  # bytes at the peak: main memory, or the CUDA device's own
    memory_peak: int | None = None  # the same as seen in the processes that trained and evaluated


class Row(Strict):
    """One filter at one budget in one suite."""

    schema_version: int = Field(default=SCHEMA, ge=SCHEMA, le=SCHEMA)  # numbers of other schemas mean other things
    filter: FilterCard
    suite: str
    suite_version: int
    budget: float
    seeds: list[int]
    recipe: Recipe
    traits: dict[str, TraitResult]
    cost: Cost
    command: str
    versions: dict[str, str]  # of the packages that decide results, and of this suite
    commit: str
    notes: list[str] = []
    evidence: dict[str, str] = {}  # file beside `rows/` -> SHA-256
    examples: dict[str, str] = {}  # the same of the texts that its page shows; none where they were left out


class Evidence(Strict):
    """Per-sample scores behind one trait's part of a row, in the order of the samples.

    Attributes:
        ids: Score name -> sample ids.
        families: Score name -> family (bootstrap cluster) of each sample.
        arms: Arm -> score name -> one list of values a training seed; None where a score does not apply.
    """

    ids: dict[str, list[str]]
    families: dict[str, list[str]]
    arms: dict[str, dict[str, list[list[float | None]]]]


def row_file(row: Row) -> str:
    """File name of a row: filter and budget."""
    return f"{row.filter.name}@{row.budget:g}.json"


def write_rows(rows: list[Row], evidence: list[dict[str, Evidence]], folder: Path) -> list[Row]:
    """Write one JSON file per row, and beside it one with its per-sample scores, each complete or not at all.

    Args:
        rows: The rows.
        evidence: Of each row, by trait.
        folder: Results folder; rows go to `rows/`, scores to `evidence/`.

    Returns:
        The rows, with the hash of their evidence.

    Raises:
        BenchError: If they cannot be written.
    """
    written = []
    for row, parts in zip(rows, evidence, strict=True):
        text = json.dumps({trait: part.model_dump() for trait, part in parts.items()}) + "\n"
        file = f"evidence/{row_file(row)}"
        write_text(folder / file, text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        written.append(row.model_copy(update={"evidence": {file: digest}}))
        write_json(folder / "rows" / row_file(row), written[-1])
    return written


def read_rows(folder: str | Path) -> list[Row]:
    """Read a folder of rows, or the `rows` folder of a run, sorted by file name.

    Raises:
        BenchError: If the folder holds none, or a file is not a row of this schema.
    """
    folder = Path(folder)
    files = sorted((folder / "rows" if (folder / "rows").is_dir() else folder).glob("*.json"))
    if not files:
        raise BenchError(str(folder), seen="no *.json rows", expected="rows of a finished run", remedy="run the suite")
    return [read_record(file, Row, "a row's JSON", "delete it, run again") for file in files]
