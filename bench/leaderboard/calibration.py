"""The record of `bench calibrate`, and what a board shows of it: the cells whose design is that of its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from bench.files import read_record
from bench.leaderboard.evidence import Evidence
from bench.leaderboard.format import Cell
from bench.leaderboard.pages import CALIBRATION
from bench.leaderboard.paired import Scores
from bench.leaderboard.row import Row
from bench.leaderboard.view import CalibrationTable, MatrixTable
from bench.records import Strict

SCHEMA = 1  # raise it when a field changes its meaning
FOLDER = "calibration"
QUANTITIES = (
    *("mean, original", "mean, clean", "mean, patch", "gap", "difference, patch", "removal, drop", "removal, patch"),
    *("lift", "lift, difference", "leakage", "leakage, difference", "sufficiency", "retention"),
)
WINNERS = ("filters differ", "all random")  # boards whose largest lift was looked at
SHOWN = {  # quantity of the record -> what the board calls it
    "gap": "Gap",
    "removal, drop": "Removal by drop",
    "removal, patch": "Removal by patch",
    "lift": "Lift of patch",
    "leakage": "Leakage",
    "sufficiency": "Sufficiency",
    "retention": "Capability",
}


class Rate(Strict):
    """How often something happened: `hits` of `trials`."""

    hits: int = Field(ge=0)
    trials: int = Field(ge=0, le=2**53)

    @model_validator(mode="after")
    def _some_of_all(self) -> Self:
        if self.hits > self.trials:
            raise ValueError(f"{self.hits} of {self.trials}")
        return self

    @property
    def value(self) -> float:
        """Return the share; NaN without trials."""
        return self.hits / self.trials if self.trials else float("nan")

    @property
    def error(self) -> float:
        """Return the Monte-Carlo standard error."""
        return float(np.sqrt(self.value * (1 - self.value) / self.trials)) if self.trials else float("nan")


class CellResult(Strict):
    """What was measured in one cell.

    Attributes:
        level: Where the true scores lie.
        kind: Of score.
        seeds: Trainings of each arm.
        prompts: Held-out prompts.
        families: Prompt families.
        between: Standard deviation of an arm's logit between trainings.
        replicates: Simulated boards, of each of the two kinds.
        coverage: Quantity -> how often its 95 % interval held the true value, where there was an interval.
        winner: The same for the largest lift, where the filters differ and where they are all random.
        false_raw: Random filters that "beat random" at 5 %, of all tests.
        false_holm: Boards of random filters on which any did after Holm's correction.
        power_holm: Boards on which the best filter beat random after Holm's correction.
        false_effect: Comparisons at a true difference of 0 that came out as an effect.
        false_no_effect: Comparisons at a true difference of the margin that came out as no effect.
        gate_opened: Boards on which the gap cleared the gate.
        removal_opened: Mean removal by patch on those.
        removal_true: Its true value.
    """

    level: str
    kind: str
    seeds: int
    prompts: int
    families: int
    between: float
    replicates: int
    coverage: dict[str, Rate]
    winner: dict[str, Rate]
    false_raw: Rate
    false_holm: Rate
    power_holm: Rate
    false_effect: Rate
    false_no_effect: Rate
    gate_opened: Rate
    removal_opened: float | None
    removal_true: float

    @model_validator(mode="after")
    def _all_rates(self) -> Self:
        for name, rates, expected in (("coverage", self.coverage, QUANTITIES), ("winner", self.winner, WINNERS)):
            if rates.keys() != {*expected}:
                raise ValueError(f"{name}: rates of {', '.join(rates) or 'nothing'}; expected {', '.join(expected)}")
        return self


class Calibration(Strict):
    """A finished calibration.

    Attributes:
        schema_version: Of this record.
        replicates: Simulated boards of each of two kinds, per cell.
        filters: On each board.
        controls: Random sets of each action.
        cells: What was measured.
        command: That made it.
        commit: Of the code.
    """

    schema_version: int = Field(default=SCHEMA, ge=SCHEMA, le=SCHEMA)
    replicates: int = Field(ge=1, le=2**53)
    filters: int
    controls: int
    cells: list[CellResult]
    command: str
    commit: str


def read_calibration(folder: Path) -> Calibration:
    """Read a folder's `calibration.json`.

    Raises:
        BenchError: If it is missing or not a record of this schema.
    """
    return read_record(folder / CALIBRATION.data, Calibration, "the record of bench calibrate", "run bench calibrate")


def calibration_near(folder: Path) -> Calibration | None:
    """Read the record in the folder `calibration` beside a board's; None where there is none.

    Raises:
        BenchError: If it is not a record of this schema.
    """
    beside = folder.resolve().parent / FOLDER
    return read_calibration(beside) if (beside / CALIBRATION.data).is_file() else None


def rate_floor(cells: Sequence[CellResult]) -> float:
    """Return how many trials a rate needs to be shown: a tenth of the boards."""
    return max(cells[0].replicates / 10, 1.0)


@dataclass(frozen=True)
class Design:
    """What a board's rows and a simulated cell must have in common: seeds, prompts, their families, kind of score."""

    seeds: int
    prompts: int
    families: int
    kind: str


def table_for(record: Calibration | None, rows: Sequence[Row], trait: str, scores: Scores) -> CalibrationTable | None:
    """Return what the record says of rows of one design; None where it has no cell of it.

    Args:
        record: Of `bench calibrate`.
        rows: Comparable rows.
        trait: Which of theirs.
        scores: Their per-sample scores, which tell families and kind of score; without them nothing applies.
    """
    evidence = [scores[file].get(trait) for row in rows for file in row.evidence.values() if file in scores]
    design = _design(evidence[0]) if evidence and evidence[0] else None
    if record is None or design is None or rows[0].traits[trait].controls != record.controls:
        return None
    cells = [c for c in record.cells if Design(c.seeds, c.prompts, c.families, c.kind) == design]
    if not cells:
        return None
    lines = [(name, [Cell(f"{100 * part:.1f}", value=part) for part in of]) for name, of in _rates(cells)]
    titles = ["Lowest, %", "Median, %", "Highest, %"]
    return CalibrationTable(_said(record, cells, design), MatrixTable(titles, lines))


def _design(evidence: Evidence) -> Design | None:
    """Return the design of a trait's scores; None where no simulation has scores like them."""
    tables, families = evidence.tables(evidence.score)
    binary = all(np.isin(table[~np.isnan(table)], evidence.scale).all() for table in tables.values())
    kind = "binary" if binary else "0-10" if evidence.scale == (0.0, 10.0) else ""
    return Design(len(evidence.seeds), len(families), len(np.unique(families)), kind) if kind else None


def _rates(cells: Sequence[CellResult]) -> Iterator[tuple[str, tuple[float, float, float]]]:
    named: dict[str, list[Rate]] = {
        f"{label}: interval holds the true value": [c.coverage[name] for c in cells] for name, label in SHOWN.items()
    }
    named |= {
        "Largest lift, adjusted for the choice: the same": [c.winner["filters differ"] for c in cells],
        "False “beats random sets”, each test before correction": [c.false_raw for c in cells],
        "False “beats random sets”, any on a board after Holm": [c.false_holm for c in cells],
        "True “beats random sets” of the best filter, after Holm": [c.power_holm for c in cells],
    }
    for label, rates in named.items():
        values = [rate.value for rate in rates if rate.trials >= rate_floor(cells)]
        if values:
            yield label, (min(values), float(np.median(values)), max(values))


def _said(record: Calibration, cells: Sequence[CellResult], design: Design) -> str:
    levels = ", ".join(dict.fromkeys(cell.level for cell in cells))
    spreads = ", ".join(f"{between:g}" for between in sorted({cell.between for cell in cells}))
    trainings = f"{design.seeds} training{'s' if design.seeds > 1 else ''}"
    return (
        f"Measured by bench calibrate on simulated boards of this design: {trainings} of each arm, {design.prompts} "
        f"prompts in {design.families} families, {design.kind} scores, {record.controls} random sets; with "
        f"{record.filters} filters, whatever this board has. {record.replicates:,} boards with effects and as many of "
        f"random filters in each of {len(cells)} cells: true scores {levels}; standard deviation of an arm's logit "
        f"between trainings {spreads}. Which cell is closest to this board is not known."
    )
