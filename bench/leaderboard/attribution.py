"""The record of `bench lds`, `lds.json` in a run folder: a page of its own shows it, and the board beside its rows."""

from pathlib import Path

from pydantic import Field, model_validator

from bench.config.recipe import Recipe
from bench.files import read_record
from bench.leaderboard.pages import LDS
from bench.leaderboard.row import Row
from bench.outcomes import Estimate, FilterCard
from bench.records import Strict

SCHEMA = 1  # raise it when a field changes its meaning


class SubsetOutcome(Strict):
    """The students of one random half of the pool.

    Attributes:
        margin: Mean over the queries of log p(trait completion) - log p(clean completion), in nats.
        again: The same of a second training; None where there was none.
    """

    margin: float
    again: float | None


class FilterAttribution(Strict):
    """What one filter's scores are worth as an attribution.

    Attributes:
        filter: Which filter, exactly.
        lds: Linear datamodeling score.
        of_ceiling: The same over the ceiling.
        behind_best: LDS of the best filter, bounds left out, minus that of this one, on the same subsets.
        tail_patch: Budget -> mean change of the margin by one training step on a flagged row, minus the mean over all
            rows, in nats; empty where it was not measured.
        sums: Sum of the scores of each subset's original rows.
    """

    filter: FilterCard
    lds: Estimate
    of_ceiling: Estimate
    behind_best: Estimate
    tail_patch: dict[str, Estimate]
    sums: list[float]


class LdsResult(Strict):
    """One trait's part.

    Attributes:
        queries: How many there are.
        queries_sha256: Of their prompts and completions.
        ceiling: Rank correlation of the margins of two trainings on the same subsets.
        best: Filter with the highest LDS, bounds left out; "" where none is estimable.
        changes: Row id -> change of the margin by one training step on the row, in nats; empty where not measured.
        notes: What a reader must know.
    """

    trait: str
    description: str
    pool: str
    pool_sha256: str
    pool_rows: int
    queries: int
    queries_sha256: str
    subsets: list[SubsetOutcome] = Field(min_length=1)
    ceiling: Estimate
    best: str
    filters: list[FilterAttribution]
    changes: dict[str, float]
    notes: list[str]

    @model_validator(mode="after")
    def _sums_of_subsets(self) -> "LdsResult":
        for found in self.filters:
            if len(found.sums) != len(self.subsets):
                raise ValueError(
                    f"filters.{found.filter.name}.sums: {len(found.sums)}, expected one for each of "
                    f"{len(self.subsets)} subsets"
                )
        return self


class LdsReport(Strict):
    """All of `bench lds`.

    Attributes:
        seeds: Training seeds of the subsets' students and of the second trainings.
        tail_patch_seed: Training seed of the student that single steps start from.
    """

    schema_version: int = Field(default=SCHEMA, ge=SCHEMA, le=SCHEMA)
    suite: str
    suite_version: int
    seeds: tuple[int, int]
    tail_patch_seed: int
    recipe: Recipe
    traits: list[LdsResult]
    device: str
    command: str
    versions: dict[str, str]
    commit: str


def read_report(folder: Path) -> LdsReport:
    """Read a folder's `lds.json`.

    Raises:
        BenchError: If it is missing or not a report of this schema.
    """
    return read_record(folder / LDS.data, LdsReport, "the report of bench lds", "run bench lds with this --out")


def report_beside(folder: Path) -> LdsReport | None:
    """Read the report that lies beside a folder's rows, if one does; errors as for `read_report`."""
    return read_report(folder) if (folder / LDS.data).is_file() else None


def attribution_of(report: LdsReport | None, row: Row, trait: str) -> FilterAttribution | None:
    """Return what a report says of a row's filter on the row's pool, under the row's recipe; None where it does not."""
    if report is None or report.recipe != row.recipe:
        return None
    return next(
        (
            found
            for result in report.traits
            if (result.trait, result.pool_sha256) == (trait, row.traits[trait].pool_sha256)
            for found in result.filters
            if found.filter == row.filter
        ),
        None,
    )
