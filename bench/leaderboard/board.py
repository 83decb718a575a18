"""A board worked out from rows alone: correction, order, tables, and what it says in sentences."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.errors import BenchError
from bench.leaderboard import format as words
from bench.leaderboard.attribution import LdsReport, attribution_of
from bench.leaderboard.comparable import adjust, comparable_groups, differences, distinct_rows
from bench.leaderboard.headline import headline
from bench.leaderboard.row import Row, TraitResult
from bench.leaderboard.view import (
    ArmLine,
    BoardView,
    EffectLine,
    Line,
    TraitView,
    arm_lines,
    curves,
    effect_lines,
    filter_line,
    overlap_table,
    row_label,
    without_empty_columns,
)
from bench.outcomes import Estimate
from bench.stats.agreement import Agreement
from bench.stats.effects import MIN_SEEDS


def board_view(rows: Sequence[Row], judged: LdsReport | None = None) -> BoardView:
    """Work out everything the board shows.

    Args:
        rows: Rows of one suite in any order; the same set always gives the same view.
        judged: What `bench lds` found of their filters, see `bench.leaderboard.attribution.report_beside`.

    Raises:
        BenchError: If there are no rows.
    """
    if not rows:
        raise BenchError("board", seen="no rows", expected="at least one row", remedy="run a suite first")
    ordered = distinct_rows(rows)
    groups = [adjust(group) for group in comparable_groups(ordered)]
    return BoardView(
        title=f"Suite {', '.join(_distinct(f'{row.suite} v{row.suite_version}' for row in ordered))}",
        notes=differences(ordered) + _row_notes(ordered),
        traits=[
            _trait_view(name, [row for row in group if name in row.traits], judged, apart=len(groups) > 1)
            for group in groups
            for name in sorted({name for row in group for name in row.traits})
        ],
        facts=_shared_facts(ordered),
        rows=[row for group in groups for row in group],
    )


def _trait_view(name: str, rows: Sequence[Row], judged: LdsReport | None, *, apart: bool) -> TraitView:
    ordered = sorted(rows, key=lambda row: _rank(row, row.traits[name]))
    results = [row.traits[name] for row in ordered]
    columns, lines = without_empty_columns(
        [
            filter_line(number, row, row.traits[name], attribution_of(judged, row, name))
            for number, row in enumerate(ordered, 1)
        ]
    )
    effects = [line for row in ordered for line in effect_lines(row, row.traits[name])]
    arms = arm_lines(ordered, name)
    return TraitView(
        name=f"{name}, {rows[0].suite} v{rows[0].suite_version}" if apart else name,
        description=results[0].description,
        headline=headline(ordered, name),
        closed=_closed_gates(ordered, name),
        facts=_trait_facts(results),
        columns=columns,
        lines=lines,
        effects=effects,
        arms=arms,
        curves=curves(lines),
        neighbours=[(row_label(row), near) for row in ordered if (near := row.traits[name].neighbours)],
        overlaps=overlap_table(ordered, name),
        footnotes=_footnotes(lines, effects, arms),
    )


def _rank(row: Row, result: TraitResult) -> tuple[Any, ...]:
    """Keep budgets apart, as only equal ones compare; then the largest lift first, from enough seeds to rank by it."""
    effect = result.effects.get(result.primary) if result.scored and len(row.seeds) >= MIN_SEEDS else None
    lift = words.finite(effect.lift.value) if effect and effect.lift else None
    return not result.scored, row.budget, lift is None, -(lift or 0.0), row.filter.name


def _footnotes(lines: Sequence[Line], effects: Sequence[EffectLine], arms: Sequence[ArmLine]) -> list[str]:
    cells = [cell for line in lines for cell in line.cells] + [cell for line in effects for cell in line.cells]
    cells += [cell for arm in arms for cell in (arm.trait, arm.capability, arm.loss, arm.margin, *arm.extra.values())]
    return _distinct(cell.note for cell in cells if cell.note)


def _closed_gates(rows: Sequence[Row], name: str) -> list[str]:
    closed = [row for row in rows if not row.traits[name].scored]
    if len(closed) == len(rows):
        return _distinct(f"{words.NOT_SCORED}: {row.traits[name].reason}" for row in closed)
    return [f"{row_label(row)} {words.NOT_SCORED}: {row.traits[name].reason}" for row in closed]


def _row_notes(rows: Sequence[Row]) -> list[str]:
    """Return the notes of all rows, each once, with the rows that carry it unless all do."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            labels.setdefault(note, []).append(row_label(row))
    return [note if len(of) == len(rows) else f"{note} ({', '.join(of)})" for note, of in labels.items()]


def _trait_facts(results: Sequence[TraitResult]) -> list[tuple[str, str]]:
    """Return what the rows of a trait share: gap, gate, judge and pool."""
    reads: list[tuple[str, Callable[[TraitResult], str]]] = [
        ("Gap between original and clean", lambda r: _gap_text(r.gap)),
        ("Smallest gap that the gate lets through", lambda r: words.decimal(r.minimum_gap)),
        ("Judge", lambda r: f"{r.judge}, eval version {r.eval_version}"),
        ("Pool", lambda r: f"{r.pool}, {r.pool_rows} rows and {r.reserve_rows} in reserve, {r.pool_sha256[:12]}"),
        ("Held-out prompts", lambda r: str(r.prompts)),
        ("Random sets, held over all seeds", lambda r: str(r.controls)),
        ("Margin and behaviour over students", lambda r: _agreement_text(r.margin)),
    ]
    return [(name, " / ".join(_distinct(map(read, results)))) for name, read in reads]


def _agreement_text(found: Agreement | None) -> str:
    return words.estimate(found.pearson).text if found else "not measured"


def _gap_text(gap: Estimate) -> str:
    cell = words.estimate(gap)
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def _shared_facts(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Return the provenance that rows mostly share; several values where they do not."""
    results = [result for row in rows for result in row.traits.values()]
    packages = sorted({package for row in rows for package in row.versions})
    return [
        ("Suite", _distinct(f"{row.suite}, version {row.suite_version}" for row in rows)),
        ("Pools", _distinct(f"{r.pool}: {r.pool_rows} rows, SHA-256 {r.pool_sha256}" for r in results)),
        ("Recipe", _distinct(", ".join(f"{k} {v}" for k, v in row.recipe.model_dump().items()) for row in rows)),
        ("Seeds", _distinct(", ".join(map(str, row.seeds)) for row in rows)),
        ("Commit", _distinct(row.commit for row in rows)),
        ("Packages", [f"{p} {' / '.join(_distinct(r.versions.get(p, 'absent') for r in rows))}" for p in packages]),
        ("Device", _distinct(row.cost.device for row in rows)),
        ("Command", _distinct(row.command for row in rows)),
    ]


def _distinct(values: Iterable[str]) -> list[str]:
    """Return each value once, in order of appearance."""
    return list(dict.fromkeys(values))
