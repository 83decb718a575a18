"""What a board shows, as records whose numbers are final text: terminal, Markdown and HTML only lay them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from bench.arms import BASE, CLEAN, ORIGINAL, control_arm, filter_arm
from bench.leaderboard import format as words
from bench.leaderboard.format import Cell
from bench.leaderboard.results import TEACHER
from bench.leaderboard.row import ArmScore, Row, TraitResult
from bench.records import Action, Estimate
from bench.stats.leakage import Leakage

ACTIONS: tuple[Action, ...] = get_args(Action)
REFERENCES = (ORIGINAL.name, CLEAN.name, BASE.name, f"{TEACHER}original", f"{TEACHER}clean")  # these first, in order
NO_TRUTH = "no planted truth"


class Column(NamedTuple):
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
    row: Row
    label: str
    scored: bool
    cells: list[Cell]
    drop: Cell
    patch: Cell


@dataclass(frozen=True)
class EffectLine:
    """One action of one filter; `cells` are removal, lift, p, Holm p and capability."""

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
    extra: dict[str, Cell]


@dataclass(frozen=True)
class TraitView:
    """One trait's section.

    Attributes:
        closed: The `not scored: ...` remarks of its gate.
        curves: The lines of each filter with two budgets or more, lowest budget first.
        leakage: Label and leakage of each row that has it.
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
    curves: list[list[Line]]
    leakage: list[tuple[str, Leakage]]
    footnotes: list[str]


@dataclass(frozen=True)
class BoardView:
    """The whole board; a fact has several values where rows differ in it."""

    title: str
    notes: list[str]
    traits: list[TraitView]
    facts: list[tuple[str, list[str]]]
    rows: list[Row]


def row_label(row: Row) -> str:
    """Return filter and budget of a row, as in its file name."""
    return f"{row.filter.name}@{row.budget:g}"


def filter_line(number: int, row: Row, result: TraitResult) -> Line:
    """Return a filter's line of the main table."""
    drop, patch = (_effect_cell(result, action, "removal") for action in ("drop", "patch"))
    cost = row.cost.filter_seconds + row.cost.train_seconds + row.cost.eval_seconds
    part = result.flagged / result.pool_rows if result.pool_rows else 0.0
    cells = [
        Cell(row.filter.name),
        Cell(words.percent(row.budget), value=row.budget),
        Cell(f"{result.flagged} ({words.percent(part)})", value=result.flagged),
        drop,
        patch,
        _estimate_cell(result, result.leakage_gap),
        _effect_cell(result, "drop", "lift"),
        _effect_cell(result, "patch", "lift"),
        _estimate_cell(result, result.sufficiency),
        words.share(result.precision, NO_TRUTH),
        words.share(result.recall, NO_TRUTH),
        _capability(result, "drop"),
        _capability(result, "patch"),
        Cell(words.duration(cost), value=cost),
    ]
    return Line(number, row, row_label(row), result.scored, cells, drop, patch)


def _effect_cell(result: TraitResult, action: Action, part: str) -> Cell:
    if not result.scored:
        return Cell(words.NOT_SCORED)
    effect = result.effects.get(action)
    if effect is None:
        return Cell(words.NOT_RUN)
    return words.lift(effect) if part == "lift" else words.estimate(effect.removal)


def _estimate_cell(result: TraitResult, given: Estimate | None) -> Cell:
    if not result.scored:
        return Cell(words.NOT_SCORED)
    return words.estimate(given) if given else Cell(words.NOT_RUN)


def _capability(result: TraitResult, action: Action) -> Cell:
    kept = result.capability_retention.get(action)
    return words.estimate(kept) if kept else Cell(words.NOT_RUN)


def effect_lines(row: Row, result: TraitResult) -> list[EffectLine]:
    """Return all actions of a row, also those without a column of their own."""
    lines = []
    for action in ACTIONS:
        effect = result.effects.get(action)
        if effect and result.scored:
            p = [Cell(words.probability(p), value=words.finite(p)) for p in (effect.p, effect.p_holm)]
            cells = [words.estimate(effect.removal), words.estimate(effect.lift), *p, _capability(result, action)]
            lines.append(EffectLine(row_label(row), action, cells))
    return lines


def arm_lines(rows: Sequence[Row], trait: str) -> list[ArmLine]:
    """Return the raw scores of every arm, each once: references, then controls, then the filters' arms in table order.

    Rows of one run repeat the reference arms. Where rows disagree on an arm, each version names its row.
    """
    versions: dict[str, list[tuple[ArmScore, str]]] = {}
    for row in rows:
        for name, score in row.traits[trait].arms.items():
            known = versions.setdefault(name, [])
            if all(score != other for other, _ in known):
                known.append((score, row_label(row)))
    own = {filter_arm(a, row.filter.name, row.budget).name: a for row in rows for a in ACTIONS}
    controls = {control_arm(action, row.budget).name for row in rows for action in ACTIONS}
    others = sorted(versions.keys() - own - controls - {*REFERENCES})
    arms = [("References", "reference", name) for name in (*REFERENCES, *others)]
    arms += [("Controls", "control", name) for name in sorted(controls)]
    arms += [("Filters", action, name) for name, action in own.items()]
    return [
        ArmLine(
            name=name if len(versions[name]) == 1 else f"{name} (in {label})",
            group=group,
            kind=kind,
            trait=words.estimate(score.trait),
            capability=words.estimate(score.capability),
            loss=words.estimate(score.loss),
            extra={side: words.estimate(value) for side, value in sorted(score.extra.items())},
        )
        for group, kind, name in arms
        for score, label in versions.get(name, [])
    ]


def curves(lines: Sequence[Line]) -> list[list[Line]]:
    """Return the scored lines of each filter with two budgets or more, lowest budget first."""
    filters: dict[str, list[Line]] = {}
    for line in sorted((line for line in lines if line.scored), key=lambda line: line.row.budget):
        filters.setdefault(line.row.filter.name, []).append(line)
    return [points for _, points in sorted(filters.items()) if len({line.row.budget for line in points}) > 1]
