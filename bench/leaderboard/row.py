"""Leaderboard rows: one JSON file per filter and budget, with the evidence behind every number."""

import hashlib
import json
from pathlib import Path

from pydantic import Field

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.files import read_record, write_json, write_text
from bench.records import Action, Estimate, FilterCard, Strict
from bench.stats.leakage import Leakage

SCHEMA = 2  # raise it when a field changes its meaning; 2 added prompts and evidence


UNMEASURED = Estimate(value=None, note="not measured")


class ArmScore(Strict):
    """What was measured of one arm: trait score over seeds and prompts, and capability."""

    trait: Estimate
    capability: Estimate  # share of exact answers
    loss: Estimate  # held-out loss on clean completions, nats a token
    margin: Estimate = UNMEASURED  # log p(trait completion) - log p(clean one), nats; older rows have none
    extra: dict[str, Estimate] = {}  # side scores of the eval, such as recognition


class Effect(Strict):
    """What one action on the flagged set did."""

    removal: Estimate
    lift: Estimate  # removal minus that of the random control of the same action and size
    p: float | None = None  # against the random control, one-sided
    p_holm: float | None = None  # Holm over the filters of the trait


class TraitResult(Strict):
    """One trait's part of a row."""

    trait: str
    description: str
    eval_version: int
    judge: str  # `rules v1` or `model v1`
    pool: str
    pool_sha256: str
    pool_rows: int
    prompts: int | None = None  # held-out prompts that the trait score covers; None in rows of schema 1
    flagged: int
    scored: bool  # False: the gate did not open, `reason` says why
    reason: str
    gap: Estimate
    minimum_gap: float
    effects: dict[Action, Effect]
    leakage_gap: Estimate | None  # None: drop or patch is not part of the suite
    sufficiency: Estimate | None  # None: patch_in is not part of the suite
    capability_retention: dict[Action, Estimate]  # exact answers of the arm / those of `original`
    arms: dict[str, ArmScore]  # reference arms, controls and this filter's arms by name
    precision: float | None  # of the flagged set against planted truth (overt), where it exists
    recall: float | None
    leakage: Leakage | None


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

    schema_version: int = Field(default=SCHEMA, ge=1, le=SCHEMA)  # a later one needs a later version of the suite
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
    evidence: dict[str, str] = {}  # file beside `rows/` -> SHA-256; none in rows of schema 1


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
