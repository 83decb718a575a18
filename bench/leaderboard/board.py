"""The board's content, worked out from rows alone: what terminal, Markdown and HTML then only lay out."""

from typing import Any

from bench.errors import BenchError
from bench.leaderboard import format as words
from bench.leaderboard.board_parts import (
    arm_lines,
    cost_line,
    curves,
    effect_lines,
    evidence,
    filter_line,
    leakage_line,
    row_label,
)
from bench.leaderboard.board_records import ArmLine, BoardView, EffectLine, Line, TraitView
from bench.leaderboard.board_sentences import differences, distinct, facts_of_rows, facts_of_trait, headline, told_notes
from bench.leaderboard.results import adjust
from bench.leaderboard.row import Row, TraitResult
from bench.records import Action


def board_view(rows: list[Row]) -> BoardView:
    """Work out everything the board shows.

    Args:
        rows: Rows of one suite in any order; the same set always gives the same view.

    Raises:
        BenchError: If there are no rows.
    """
    if not rows:
        raise BenchError("board", seen="no rows", expected="at least one row", remedy="run a suite first")
    rows = _corrected(rows)
    ordered = sorted(rows, key=lambda row: (row.budget, row.filter.name, row.model_dump_json()))
    traits = sorted({name for row in ordered for name in row.traits})
    return BoardView(
        title=f"Suite {', '.join(distinct(f'{row.suite} v{row.suite_version}' for row in ordered))}",
        notes=differences(ordered, traits) + told_notes(ordered),
        traits=[_trait_view(name, [row for row in ordered if name in row.traits]) for name in traits],
        facts=facts_of_rows(ordered),
        evidence=[evidence(row) for row in ordered],
        costs=[cost_line(row) for row in ordered],
    )


def _corrected(rows: list[Row]) -> list[Row]:
    """Holm's correction over the filters that are shown: rows of several runs were each corrected among fewer."""
    traits = [dict(row.traits) for row in rows]
    for family in {(row.suite, row.suite_version, row.budget, name) for row in rows for name in row.traits}:
        members = {
            str(i): row.traits[family[3]]
            for i, row in enumerate(rows)
            if (row.suite, row.suite_version, row.budget) == family[:3] and family[3] in row.traits
        }
        for i, result in adjust(members).items():
            traits[int(i)][family[3]] = result
    return [row.model_copy(update={"traits": mine}) for row, mine in zip(rows, traits, strict=True)]


def _trait_view(name: str, rows: list[Row]) -> TraitView:
    rows = _corrected(rows)
    ordered = sorted(rows, key=lambda row: _rank(row, row.traits[name]))
    results = [row.traits[name] for row in ordered]
    lines = [filter_line(number, row, row.traits[name]) for number, row in enumerate(ordered, 1)]
    effects = [line for row in ordered for line in effect_lines(row, row.traits[name])]
    arms = arm_lines(ordered, name)
    return TraitView(
        name=name,
        description=results[0].description,
        headline=headline(ordered, name),
        closed=_closed_gates(ordered, name),
        facts=facts_of_trait(results),
        lines=lines,
        effects=effects,
        arms=arms,
        curves=curves(lines),
        leakage=[
            leakage_line(row, result.leakage) for row, result in zip(ordered, results, strict=True) if result.leakage
        ],
        footnotes=_footnotes(lines, effects, arms),
    )


def _footnotes(lines: list[Line], effects: list[EffectLine], arms: list[ArmLine]) -> list[str]:
    cells = [cell for line in lines for cell in line.cells]
    cells += [cell for line in effects for cell in (line.removal, line.lift, line.capability)]
    cells += [cell for arm in arms for cell in (arm.trait, arm.capability, arm.loss, *(c for _, c in arm.extra))]
    return distinct(cell.note for cell in cells if cell.note)


def _rank(row: Row, result: TraitResult) -> tuple[Any, ...]:
    """Budgets apart, as only equal ones compare; then the most removed first and what is missing last."""
    removals = [_removal(result, action) for action in ("patch", "drop")]
    descending = [(value is None, -(value or 0.0)) for value in removals]
    return not result.scored, row.budget, *descending, row.filter.name


def _removal(result: TraitResult, action: Action) -> float | None:
    effect = result.effects.get(action)
    return words.finite(effect.removal.value) if effect and result.scored else None


def _closed_gates(rows: list[Row], name: str) -> list[str]:
    closed = [row for row in rows if not row.traits[name].scored]
    if len(closed) == len(rows):
        return distinct(f"{words.NOT_SCORED}: {row.traits[name].reason}" for row in closed)
    return [f"{row_label(row)} {words.NOT_SCORED}: {row.traits[name].reason}" for row in closed]
