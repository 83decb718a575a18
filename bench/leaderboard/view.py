"""What a board shows, as records whose numbers are final text: terminal, Markdown and HTML only lay them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.leaderboard.format import Cell
from bench.leaderboard.headline import Conclusion
from bench.leaderboard.row import Row
from bench.records import Action
from bench.stats.leakage import Leakage

MAIN = 7  # columns of the filter table that are shown without asking


class Column(NamedTuple):
    """A column of the filter table: its heading, what it holds, and whether it is among the first `MAIN`."""

    title: str
    meaning: str
    main: bool = True


@dataclass(frozen=True)
class Line:
    """One filter at one budget.

    Attributes:
        row: Its row.
        label: Filter and budget.
        anchor: Name of its place on the page.
        bound: Whether it is a reference and no contender.
        scored: Whether the trait is measurable.
        cells: They follow the table's columns.
        removals: Removal by each action that was run.
        versus: Removal by patch minus removal by drop.
    """

    row: Row
    label: str
    anchor: str
    bound: bool
    scored: bool
    cells: list[Cell]
    removals: dict[Action, Cell]
    versus: Cell


@dataclass(frozen=True)
class Tile:
    """One number of the first screen."""

    kind: str  # class in the style sheet
    label: str
    cell: Cell
    detail: str


@dataclass(frozen=True)
class Budget:
    """The lines of one budget, references last.

    Attributes:
        share: The budget.
        lines: In table order.
        guides: What random sets remove by each action that they got.
        actions: Every action's mean over filters; empty unless patch and one more were run.
        pairs: Filter minus filter; None where too little is known.
    """

    share: float
    lines: list[Line]
    guides: dict[Action, float]
    actions: list["ActionLine"]
    pairs: "PairTable | None"


@dataclass(frozen=True)
class ActionLine:
    """One action, the mean over the filters at one budget that got it as well as patch."""

    action: Action
    filters: int
    removal: Cell
    versus: Cell


@dataclass(frozen=True)
class PairTable:
    """Removal by one action on what one filter flagged minus the same of another, for every pair.

    Attributes:
        action: Which.
        labels: Of the filters, in table order.
        lines: For each label but the last, its filter minus each of those after it.
    """

    action: Action
    labels: list[str]
    lines: list[list[Cell]]


@dataclass(frozen=True)
class EffectLine:
    """One action of one filter; `cells` are removal, difference to patch, lift, p, Holm p and capability."""

    label: str
    action: Action
    cells: list[Cell]


@dataclass(frozen=True)
class ArmLine:
    """One arm's raw scores, under the heading `group`; `kind` is its class in the style sheet."""

    name: str
    group: str
    kind: str
    trait: Cell
    capability: Cell
    loss: Cell
    margin: Cell
    extra: dict[str, Cell]


@dataclass(frozen=True)
class MatrixTable:
    """A table of numbers: titles of its columns, and lines of a label and a cell for each."""

    titles: list[str]
    lines: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class CalibrationTable:
    """What intervals and tests were worth on simulated boards of the same design, and which design that is."""

    design: str
    table: MatrixTable


@dataclass(frozen=True)
class TraitView:
    """One trait's section.

    Attributes:
        name: Of the trait, with the suite where rows of several are shown.
        key: Part of the names of its places on the page.
        closed: Why the trait, or some of its rows, are not measurable.
        conclusion: At the largest budget.
        others: Conclusions at smaller budgets, largest first.
        context: What the numbers are of, in one line.
        few: What too few trainings leave out; empty where there are enough.
        columns: Those of `tables.COLUMNS` that are shown.
        budgets: Lowest first.
        curves: The lines of each filter with two budgets or more, lowest budget first.
        truth: Kinds of flagged and missed rows; None where no truth is planted.
        agreement: What AUPRC says of removal; empty where nothing can be said.
        neighbours: Each row that has them, and its nearest kept neighbours.
        overlaps: None where no row has any.
        calibration: None where none of the design was measured.
    """

    name: str
    key: str
    description: str
    closed: list[str]
    conclusion: Conclusion
    others: list[tuple[float, Conclusion]]
    context: list[tuple[str, str]]
    few: str
    tiles: list[Tile]
    facts: list[tuple[str, str]]
    columns: list[Column]
    budgets: list[Budget]
    effects: list[EffectLine]
    arms: list[ArmLine]
    curves: list[list[Line]]
    truth: MatrixTable | None
    agreement: str
    neighbours: list[tuple[Row, Leakage]]
    overlaps: MatrixTable | None
    calibration: CalibrationTable | None

    @property
    def lines(self) -> list[Line]:
        """All lines in table order."""
        return [line for budget in self.budgets for line in budget.lines]


@dataclass(frozen=True)
class BoardView:
    """The whole board; a fact has several values where rows differ in it.

    Attributes:
        differences: In what rows differ so that they are shown apart.
        notes: What the rows themselves say that a reader must know.
        unverified: Label and problems of the rows that are no part of anything else.
    """

    title: str
    differences: list[str]
    notes: list[str]
    traits: list[TraitView]
    facts: list[tuple[str, list[str]]]
    rows: list[Row]
    unverified: list[tuple[str, list[str]]]


def row_label(row: Row) -> str:
    """Return filter and budget of a row, as in its file name."""
    return f"{row.filter.name}@{row.budget:g}"


def curves(lines: Sequence[Line]) -> list[list[Line]]:
    """Return the scored lines of each filter with two budgets or more, lowest budget first."""
    filters: dict[str, list[Line]] = {}
    for line in sorted((line for line in lines if line.scored), key=lambda line: line.row.budget):
        filters.setdefault(line.row.filter.name, []).append(line)
    return [points for _, points in sorted(filters.items()) if len({line.row.budget for line in points}) > 1]
