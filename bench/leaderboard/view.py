"""What a board shows, as records whose numbers are final text: terminal, Markdown and HTML only lay them out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

from bench.arms import BASE, CLEAN, ORIGINAL, control_arm, filter_arm
from bench.data.controls import LENGTH, random_name
from bench.leaderboard import format as words
from bench.leaderboard.attribution import FilterAttribution
from bench.leaderboard.format import Cell
from bench.leaderboard.results import TEACHER
from bench.leaderboard.row import ArmScore, Effect, Found, Row, TraitResult
from bench.records import Action
from bench.stats.leakage import Leakage

ACTIONS: tuple[Action, ...] = get_args(Action)
REFERENCES = (ORIGINAL.name, CLEAN.name, BASE.name, f"{TEACHER}original", f"{TEACHER}clean")  # these first, in order
NO_TRUTH = "no planted truth"


class Column(NamedTuple):
    """A column of the filter table.

    Attributes:
        title: Its heading.
        meaning: What it holds.
        brief: Whether it is shown in the terminal as well.
        optional: Whether it is left out where no row has a value.
    """

    title: str
    meaning: str
    brief: bool = False
    optional: bool = False


COLUMNS = (
    Column("Filter", "Name of the filter", brief=True),
    Column("Budget", "Share of the pool that may be flagged"),
    Column("Flagged", "Flagged examples and their share of the pool", brief=True),
    Column("Removal by drop", "Share of the gap that goes when the flagged examples are left out", brief=True),
    Column("Removal by refill", "The same when unflagged examples of a reserve replace them"),
    Column("Removal by patch", "The same when they get the clean teacher's completion", brief=True),
    Column("Lift of patch", "Removal by patch minus that of patching random sets of the same size", brief=True),
    Column("Leakage", "Removal by patch minus removal by refill, and minus the same of random sets", brief=True),
    Column("Lift of drop", "Removal by drop minus that of dropping random sets"),
    Column("Lift of refill", "Removal by refill minus that of refilling random sets"),
    Column("Patch over length", "Removal by patch minus that of patching a set matched on completion length"),
    Column("Margin, patch", "Removal by patch in log-odds of trait over clean completions"),
    Column("Sufficiency", "Share of the gap that comes back with the original teacher on the flagged set alone"),
    Column("Precision", "Share of the flagged set that carries the planted trait overtly (or at least mildly)"),
    Column("Recall", "Share of the examples that carry it overtly (or at least mildly) that was flagged"),
    Column("AUPRC", "Area under the precision-recall curve of overt (or at least mild) rows by score", optional=True),
    Column("Mean rank", "Mean place of overt rows in the ranking by score: 0 first, 1 last, 0.5 chance", optional=True),
    Column("LDS", "Rank correlation of summed scores with the margin of retrained students (bench lds)", optional=True),
    Column("LDS / ceiling", "The same over the rank correlation of two trainings on equal rows", optional=True),
    Column("Tail-patch", "Margin gained by one training step on a flagged row, over all rows, nats", optional=True),
    Column("Capability, drop", "Exact answers after dropping, relative to the original arm"),
    Column("Capability, patch", "Exact answers after patching, relative to the original arm"),
    Column("Cost", "Filter, training and evaluation time together"),
)


@dataclass(frozen=True)
class Line:
    """One filter at one budget; `cells` follow the table's columns, `number` is its mark in the plot."""

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
    margin: Cell
    extra: dict[str, Cell]


@dataclass(frozen=True)
class OverlapTable:
    """Overlap of flagged sets with others; `lines` hold a row's label, a cell for each of `others`, and chance."""

    others: list[str]
    lines: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class TraitView:
    """One trait's section.

    Attributes:
        closed: The `not scored: ...` remarks of its gate.
        columns: Those of `COLUMNS` that are shown.
        curves: The lines of each filter with two budgets or more, lowest budget first.
        neighbours: Label and nearest kept neighbours of each row that has them.
        overlaps: None where no row has any.
        footnotes: The notes of all its numbers, each once; a note's number is its place, from 1.
    """

    name: str
    description: str
    headline: list[str]
    closed: list[str]
    facts: list[tuple[str, str]]
    columns: list[Column]
    lines: list[Line]
    effects: list[EffectLine]
    arms: list[ArmLine]
    curves: list[list[Line]]
    neighbours: list[tuple[str, Leakage]]
    overlaps: OverlapTable | None
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


def filter_line(number: int, row: Row, result: TraitResult, judged: FilterAttribution | None) -> Line:
    """Return a filter's line of the main table; `judged` is what `bench lds` found, where it was run."""
    drop, refill, patch = (_effect_cell(result, a, words.removal) for a in ("drop", "drop_refill", "patch"))
    cost = row.cost.filter_seconds + row.cost.train_seconds + row.cost.eval_seconds
    part = result.flagged / result.pool_rows if result.pool_rows else 0.0
    leakage = result.leakage and words.with_difference(result.leakage.gap, result.leakage.difference)
    found, step = result.found, judged.tail_patch.get(f"{row.budget:g}") if judged else None
    cells = [
        Cell(row.filter.name),
        Cell(words.percent(row.budget), value=row.budget),
        Cell(f"{result.flagged} ({words.percent(part)})", value=result.flagged),
        drop,
        refill,
        patch,
        _effect_cell(result, "patch", words.lift),
        leakage or _missing(result),
        _effect_cell(result, "drop", words.lift),
        _effect_cell(result, "drop_refill", words.lift),
        _effect_cell(result, "patch", lambda effect: words.optional(effect.length_lift)),
        _effect_cell(result, "patch", lambda effect: words.optional(effect.margin_removal)),
        words.optional(result.sufficiency) if result.scored else Cell(words.NOT_SCORED),
        words.share_of((found.precision, found.precision_any) if found else None, NO_TRUTH),
        words.share_of((found.recall, found.recall_any) if found else None, NO_TRUTH),
        *_ranking(found),
        words.optional(judged.lds if judged else None),
        words.optional(judged.of_ceiling if judged else None),
        words.significant(step) if step else Cell(words.NOT_RUN),
        _capability(result, "drop"),
        _capability(result, "patch"),
        Cell(words.duration(cost), value=cost),
    ]
    return Line(number, row, row_label(row), result.scored, cells, drop, patch)


def _ranking(found: Found | None) -> list[Cell]:
    """Return how well the scores rank planted rows: AUPRC, and the mean rank of overt ones."""
    if found is None or found.auprc is None or found.auprc_any is None:
        missing = NO_TRUTH if found is None else "not measured when the row was written"
        return [words.share(None, missing)] * 2
    return [words.share_of((found.auprc, found.auprc_any), NO_TRUTH), words.share(found.mean_rank)]


def without_empty_columns(lines: Sequence[Line]) -> tuple[list[Column], list[Line]]:
    """Leave out the optional columns that have a value in no line."""
    kept = [
        i
        for i, column in enumerate(COLUMNS)
        if not column.optional or any(line.cells[i].value is not None for line in lines)
    ]
    return [COLUMNS[i] for i in kept], [replace(line, cells=[line.cells[i] for i in kept]) for line in lines]


def _effect_cell(result: TraitResult, action: Action, write: Callable[[Effect], Cell]) -> Cell:
    effect = result.effects.get(action)
    return write(effect) if effect and result.scored else _missing(result)


def _missing(result: TraitResult) -> Cell:
    return Cell(words.NOT_RUN if result.scored else words.NOT_SCORED)


def _capability(result: TraitResult, action: Action) -> Cell:
    kept = result.capability_retention.get(action)
    return words.estimate(kept) if kept else Cell(words.NOT_RUN)


def effect_lines(row: Row, result: TraitResult) -> list[EffectLine]:
    """Return all actions of a row, also those without a column of their own."""
    lines = []
    for action in ACTIONS:
        effect = result.effects.get(action)
        if effect and result.scored:
            p = [Cell(words.tested(p), value=words.finite(p)) for p in (effect.p, effect.p_holm)]
            lift = words.with_difference(effect.lift, effect.lift_difference)
            cells = [words.removal(effect), lift, *p, _capability(result, action)]
            lines.append(EffectLine(row_label(row), action, cells))
    return lines


def overlap_table(rows: Sequence[Row], trait: str) -> OverlapTable | None:
    """Return how much of each row's flagged set its confounds and its placebo flag; None where no row has any."""
    having = [(row_label(row), row.traits[trait].overlaps) for row in rows if row.traits[trait].overlaps]
    others = sorted({overlap.other for _, overlaps in having for overlap in overlaps})
    lines = []
    for label, overlaps in having:
        found = {overlap.other: overlap.jaccard for overlap in overlaps}
        cells = [words.share(found[other]) if other in found else Cell("–") for other in others]
        lines.append((label, [*cells, words.share(overlaps[0].by_chance)]))
    return OverlapTable(others, lines) if lines else None


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
    controls = {
        control_arm(action, row.budget, control).name
        for row in rows
        for action in ACTIONS
        for control in (LENGTH, *map(random_name, range(1, row.traits[trait].controls + 1)))
    }
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
            margin=words.estimate(score.margin),
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
