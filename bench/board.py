"""The board's content, worked out from rows alone: what terminal, Markdown and HTML then only lay out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bench import board_words as words
from bench.board_headline import headline
from bench.board_words import Cell
from bench.errors import BenchError
from bench.rows import Action, Leakage, Neighbour, Row, TraitResult

REFERENCES = ("original", "clean", "base", "teacher:original", "teacher:clean")
ACTIONS: tuple[Action, ...] = ("drop", "patch", "patch_in", "only")


@dataclass(frozen=True)
class Column:
    """A column of the filter table; `brief` ones are also shown in the terminal."""

    title: str
    meaning: str
    brief: bool = False


@dataclass(frozen=True)
class Line:
    """One filter at one budget; `cells` follow `COLUMNS`."""

    number: int
    filter: str
    version: int
    summary: str
    budget: float
    label: str
    scored: bool
    reason: str
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
    p: str
    p_holm: str
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
    """Removal over budgets for one filter."""

    filter: str
    budgets: list[float]
    drop: list[Cell]
    patch: list[Cell]


@dataclass(frozen=True)
class TraitView:
    """One trait's section."""

    name: str
    description: str
    headline: list[str]
    closed: list[str]  # gate remarks, `not scored: ...`
    facts: list[tuple[str, str]]
    columns: list[Column]
    lines: list[Line]
    effects: list[EffectLine]
    arms: list[ArmLine]
    curves: list[Curve]
    leakage: list[LeakageLine]


@dataclass(frozen=True)
class Provenance:
    """Where the rows come from: facts they share or differ in, and each row's own evidence."""

    facts: list[tuple[str, list[str]]]
    rows: list[tuple[str, str, str, str, str]]  # label, version, origin, options, hash
    costs: list[tuple[str, list[Cell], str]]  # label, share and three durations, device


@dataclass(frozen=True)
class BoardView:
    """The whole board."""

    title: str
    notes: list[str]
    traits: list[TraitView]
    provenance: Provenance


COLUMNS = [
    Column("Filter", "Name of the filter", brief=True),
    Column("Budget", "Share of the pool that may be flagged"),
    Column("Flagged", "Flagged examples and their share of the pool", brief=True),
    Column("Removal by drop", "Share of the gap that goes when the flagged examples are left out", brief=True),
    Column("Removal by patch", "Share of the gap that goes when they get the clean teacher's completion", brief=True),
    Column("Leakage gap", "Removal by patch minus removal by drop", brief=True),
    Column("Lift of drop", "Removal by drop minus that of dropping as many at random"),
    Column("Lift of patch", "Removal by patch minus that of patching as many at random", brief=True),
    Column("Sufficiency", "Share of the gap that comes back with the original teacher on the flagged set alone"),
    Column("Precision", "Share of the flagged set that overtly carries the planted trait", brief=True),
    Column("Recall", "Share of the overtly planted examples that was flagged", brief=True),
    Column("Capability, drop", "Exact answers after dropping, relative to the original arm"),
    Column("Capability, patch", "Exact answers after patching, relative to the original arm"),
    Column("Cost", "Filter, training and evaluation time together"),
]


def board_view(rows: list[Row]) -> BoardView:
    """Work out everything the board shows.

    Args:
        rows: Rows of one suite, in any order; the same set always gives the same view.

    Raises:
        BenchError: If there are no rows.
    """
    if not rows:
        raise BenchError("board", seen="no rows", expected="at least one row", remedy="run a suite first")
    ordered = sorted(rows, key=lambda row: (row.budget, row.filter.name, row.model_dump_json()))
    suites = distinct(f"{row.suite} v{row.suite_version}" for row in ordered)
    names = sorted({name for row in ordered for name in row.traits})
    return BoardView(
        title=f"Suite {', '.join(suites)}",
        notes=_notes(ordered, names),
        traits=[_trait_view(name, [row for row in ordered if name in row.traits]) for name in names],
        provenance=_provenance(ordered),
    )


def distinct(values: Iterable[str]) -> list[str]:
    """Each value once, in order of appearance."""
    return list(dict.fromkeys(values))


def row_label(row: Row) -> str:
    """Filter and budget of a row, as in its file name."""
    return f"{row.filter.name}@{row.budget:g}"


def _notes(rows: list[Row], traits: list[str]) -> list[str]:
    bearers: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            bearers.setdefault(note, []).append(row_label(row))
    told = [note if len(who) == len(rows) else f"{note} ({', '.join(who)})" for note, who in bearers.items()]
    of_row: dict[str, Callable[[Row], Any]] = {
        "suite": lambda row: f"{row.suite} v{row.suite_version}",
        "recipe": lambda row: row.recipe.name if row.recipe == rows[0].recipe else f"{row.recipe.name} (changed)",
        "seeds": lambda row: row.seeds,
    }
    of_trait: dict[str, Callable[[TraitResult], Any]] = {
        "pool": lambda result: f"{result.pool} {result.pool_sha256[:12]}",
        "judge": lambda result: result.judge,
        "eval version": lambda result: result.eval_version,
    }
    mixed = [_differ(f"in {name}", [str(read(row)) for row in rows]) for name, read in of_row.items()]
    for trait in traits:
        results = [row.traits[trait] for row in rows if trait in row.traits]
        mixed += [_differ(f"in {name} of {trait}", [str(read(r)) for r in results]) for name, read in of_trait.items()]
    return [note for note in mixed if note] + told


def _differ(what: str, values: list[str]) -> str:
    seen = distinct(values)
    return f"Rows differ {what}: {'; '.join(seen)}. Do not compare them with one another." if len(seen) > 1 else ""


def _trait_view(name: str, rows: list[Row]) -> TraitView:
    unnumbered = [(row, _measured(row, row.traits[name])) for row in rows]
    unnumbered.sort(key=lambda pair: _rank(pair[0], *pair[1]))
    ordered = [row for row, _ in unnumbered]
    lines = [_line(i, row, row.traits[name], *both) for i, (row, both) in enumerate(unnumbered, 1)]
    results = [row.traits[name] for row in ordered]
    closed = [(f"{words.NOT_SCORED}: {r.reason}", row_label(row)) for row, r in zip(ordered, results) if not r.scored]
    everywhere = len(closed) == len(rows)
    return TraitView(
        name=name,
        description=results[0].description,
        headline=headline(ordered, name),
        closed=distinct(why if everywhere else f"{label} {why}" for why, label in closed),
        facts=_facts(results),
        columns=COLUMNS,
        lines=lines,
        effects=[line for row in ordered for line in _effects(row, row.traits[name])],
        arms=_arms(ordered, name),
        curves=_curves(lines),
        leakage=[_leakage(row_label(row), r.leakage) for row, r in zip(ordered, results) if r.leakage],
    )


def _measured(row: Row, result: TraitResult) -> tuple[Cell, Cell]:
    return _removal(result, "drop"), _removal(result, "patch")


def _removal(result: TraitResult, action: Action) -> Cell:
    if not result.scored:
        return Cell(words.NOT_SCORED)
    effect = result.effects.get(action)
    return words.estimate(effect.removal) if effect else Cell(words.NOT_RUN)


def _rank(row: Row, drop: Cell, patch: Cell) -> tuple[Any, ...]:
    """Budgets apart, because only equal budgets compare; then the most removed first and what is missing last."""
    descending = [(cell.value is None, -(cell.value or 0.0)) for cell in (patch, drop)]
    unscored = patch.text == words.NOT_SCORED
    return unscored, row.budget, *descending, row.filter.name
