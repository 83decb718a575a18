"""What a rendered board consists of: plain records whose text is final, shared by terminal, Markdown and HTML."""

from dataclasses import dataclass

from bench.leaderboard.format import Cell


@dataclass(frozen=True)
class Column:
    """A column of the filter table; `brief` ones are also shown in the terminal."""

    title: str
    meaning: str
    brief: bool = False


COLUMNS = (
    Column("Filter", "Name of the filter", brief=True),
    Column("Budget", "Share of the pool that may be flagged"),
    Column("Flagged", "Flagged examples and their share of the pool", brief=True),
    Column("Removal by drop", "Share of the gap that goes when the flagged examples are left out", brief=True),
    Column("Removal by patch", "Share of the gap that goes when they get the clean teacher's completion", brief=True),
    Column("Leakage gap", "Removal by patch minus removal by drop", brief=True),
    Column("Lift of drop", "Removal by drop minus that of dropping as many at random"),
    Column("Lift of patch", "Removal by patch minus that of patching as many at random", brief=True),
    Column("Sufficiency", "Share of the gap that comes back with the original teacher on the flagged set alone"),
    Column("Precision", "Share of the flagged set that overtly carries the planted trait"),
    Column("Recall", "Share of the overtly planted examples that was flagged"),
    Column("Capability, drop", "Exact answers after dropping, relative to the original arm"),
    Column("Capability, patch", "Exact answers after patching, relative to the original arm"),
    Column("Cost", "Filter, training and evaluation time together"),
)


@dataclass(frozen=True)
class Line:
    """One filter at one budget; `cells` follow `COLUMNS`, `number` is its mark in the plot."""

    number: int
    filter: str
    version: int
    summary: str
    budget: float
    label: str
    scored: bool
    cells: list[Cell]
    drop: Cell
    patch: Cell


@dataclass(frozen=True)
class EffectLine:
    """Everything measured of one action of one filter."""

    label: str
    action: str
    removal: Cell
    lift: Cell
    p: Cell
    p_holm: Cell
    capability: Cell


@dataclass(frozen=True)
class ArmLine:
    """One arm's raw scores; `group` is the heading that it stands under."""

    name: str
    group: str
    trait: Cell
    capability: Cell
    loss: Cell
    extra: list[tuple[str, Cell]]


@dataclass(frozen=True)
class Pair:
    """A dropped example beside the kept one that is close to it."""

    similarity: str
    dropped_id: str
    dropped_text: str
    kept_id: str
    kept_text: str
    remark: str


@dataclass(frozen=True)
class LeakageLine:
    """Trait among the nearest kept neighbours of what one filter drops."""

    label: str
    k: int
    similarity: str
    near: Cell
    base: Cell
    by: str
    worst: list[Pair]


@dataclass(frozen=True)
class Curve:
    """Removal over budgets for one filter, lowest budget first."""

    filter: str
    budgets: list[float]
    drop: list[Cell]
    patch: list[Cell]


@dataclass(frozen=True)
class TraitView:
    """One trait's section.

    Attributes:
        closed: The `not scored: ...` remarks of its gate.
        footnotes: The notes of all its numbers, each once; a note's number is its place, from 1.
    """

    name: str
    description: str
    headline: list[str]
    closed: list[str]
    facts: list[tuple[str, str]]
    lines: list[Line]
    effects: list[EffectLine]
    arms: list[ArmLine]
    curves: list[Curve]
    leakage: list[LeakageLine]
    footnotes: list[str]


@dataclass(frozen=True)
class Evidence:
    """Which filter made a row, exactly."""

    label: str
    version: str
    origin: str
    options: str
    sha256: str


@dataclass(frozen=True)
class CostLine:
    """What one row took."""

    label: str
    flagged: Cell
    filter: Cell
    train: Cell
    eval: Cell
    device: str


@dataclass(frozen=True)
class BoardView:
    """The whole board; a fact has several values where rows differ in it."""

    title: str
    notes: list[str]
    traits: list[TraitView]
    facts: list[tuple[str, list[str]]]
    evidence: list[Evidence]
    costs: list[CostLine]
