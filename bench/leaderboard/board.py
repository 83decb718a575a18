"""A board worked out from rows alone: correction, order, tables, and what it says in sentences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import BenchError
from bench.leaderboard import format as words
from bench.leaderboard import tables, unanswered
from bench.leaderboard.attribution import LdsReport, attribution_of
from bench.leaderboard.calibration import Calibration, table_for
from bench.leaderboard.comparable import adjust, comparable_groups, differences, distinct_rows, row_key
from bench.leaderboard.filter_words import as_planted, pool_seed_words
from bench.leaderboard.headline import Conclusion, conclude, few_trainings, random_removal, truth_and_removal
from bench.leaderboard.paired import Comparison, Scores, compare
from bench.leaderboard.row import Row, TraitResult
from bench.leaderboard.view import BoardView, Budget, Line, TraitView, curves, row_label
from bench.stats.agreement import Agreement
from bench.stats.effects import MIN_SEEDS


def board_view(
    rows: Sequence[Row],
    judged: LdsReport | None = None,
    problems: Mapping[str, Sequence[str]] | None = None,
    scores: Scores | None = None,
    calibration: Calibration | None = None,
) -> BoardView:
    """Work out everything the board shows.

    Args:
        rows: Rows of one suite in any order; the same set always gives the same view.
        judged: What `bench lds` found of their filters, see `bench.leaderboard.attribution.report_beside`.
        problems: `row_key` of a row -> what its evidence does not bear out; such rows are listed and used for nothing.
        scores: Per-sample scores of the rows, see `bench.leaderboard.paired.read_scores`; without them differences of
            actions have no intervals.
        calibration: What `bench calibrate` measured, see `bench.leaderboard.calibration.calibration_near`.

    Raises:
        BenchError: If there are no rows.
    """
    if not rows:
        raise BenchError("board", seen="no rows", expected="at least one row", remedy="run a suite first")
    ordered = distinct_rows(rows)
    wrong = {key: list(found) for key, found in (problems or {}).items() if found}
    sound = [row for row in ordered if row_key(row) not in wrong]
    groups = [adjust(group) for group in comparable_groups(sound)]
    parts = [(group, name) for group in groups for name in sorted({name for row in group for name in row.traits})]
    beside = Beside(judged, scores or {}, calibration)
    return BoardView(
        title=f"Suite {', '.join(_distinct(f'{row.suite} v{row.suite_version}' for row in ordered))}",
        differences=differences(sound),
        notes=[*_row_notes(sound), *unanswered.of_rows(sound)],
        traits=[
            _trait_view(name, [row for row in group if name in row.traits], f"t{number}", beside)
            for number, (group, name) in enumerate(parts, 1)
        ],
        facts=_shared_facts(sound),
        rows=[row for group in groups for row in group],
        unverified=[(row_label(row), wrong[key]) for row in ordered if (key := row_key(row)) in wrong],
    )


@dataclass(frozen=True)
class Beside:
    """What lies beside rows and is read with them; see `board_view`."""

    judged: LdsReport | None
    scores: Scores
    calibration: Calibration | None


def _trait_view(name: str, rows: Sequence[Row], key: str, beside: Beside) -> TraitView:
    ordered = sorted(rows, key=lambda row: _rank(row, row.traits[name]))
    results = [row.traits[name] for row in ordered]
    shares = sorted({row.budget for row in ordered})
    compared = [compare([row for row in ordered if row.budget == share], name, beside.scores) for share in shares]
    columns, lines = tables.shown_columns(
        [tables.filter_line(row, c, attribution_of(beside.judged, row, name), key) for c in compared for row in c.rows]
    )
    found = [(c.rows[0].budget, conclude(scored)) for c in reversed(compared) if (scored := _scored(c))]
    largest = [row for row in ordered if row.budget == (found[0][0] if found else shares[-1])]
    return TraitView(
        name=name,
        key=key,
        description=results[0].description,
        closed=_closed_gates(ordered, name),
        conclusion=found[0][1] if found else Conclusion([]),
        others=found[1:],
        context=_context(ordered, name),
        few=few_trainings(min(len(row.seeds) for row in ordered)),
        tiles=tables.tiles(largest, name),
        facts=_trait_facts(results),
        columns=columns,
        budgets=[_budget(c, [line for line in lines if line.row.budget == c.rows[0].budget]) for c in compared],
        effects=[line for c in compared for row in c.rows for line in tables.effect_lines(row, c)],
        arms=tables.arm_lines(ordered, name),
        curves=curves(lines),
        truth=tables.truth_table(ordered, name),
        agreement=truth_and_removal(largest, name) if found else "",
        neighbours=[(row, near) for row in ordered if (near := row.traits[name].neighbours)],
        overlaps=tables.overlap_table(ordered, name),
        calibration=table_for(beside.calibration, ordered, name, beside.scores),
    )


def _scored(compared: Comparison) -> Comparison | None:
    """Return the part of a comparison that is measurable; None where no row is."""
    rows = [row for row in compared.rows if row.traits[compared.trait].scored]
    return replace(compared, rows=rows) if rows else None


def _budget(compared: Comparison, lines: Sequence[Line]) -> Budget:
    rows, trait = compared.rows, compared.trait
    guides = {action: random_removal(rows, trait, action) for action in tables.ACTIONS}
    return Budget(
        share=rows[0].budget,
        lines=sorted(lines, key=lambda line: line.bound),
        guides={action: value for action, value in guides.items() if value is not None},
        actions=tables.action_lines(compared),
        pairs=tables.pair_table(compared),
    )


def _context(rows: Sequence[Row], name: str) -> list[tuple[str, str]]:
    """Return what the numbers of a trait are of, for one line."""
    results = [row.traits[name] for row in rows]
    reads: list[tuple[str, Iterable[str]]] = [
        ("trait", [name]),
        ("suite", (f"{row.suite} v{row.suite_version}" for row in rows)),
        ("model", (f"{row.recipe.model} ({row.recipe.method})" for row in rows)),
        ("pool", (f"{words.pool(r.pool)}, {r.pool_rows} rows" for r in results)),
        ("budget", (words.percent(share) for share in sorted({row.budget for row in rows}))),
        ("prompts", (str(result.prompts) for result in results)),
        ("seeds", (str(len(row.seeds)) for row in rows)),
        ("random sets", (str(result.controls) for result in results)),
    ]
    return [(what, " / ".join(_distinct(values))) for what, values in reads]


def _rank(row: Row, result: TraitResult) -> tuple[Any, ...]:
    """Keep budgets apart, as only equal ones compare; then the largest lift first, from enough seeds to rank by it."""
    effect = result.effects.get(result.primary) if result.scored and len(row.seeds) >= MIN_SEEDS else None
    lift = words.finite(effect.lift.value) if effect and effect.lift else None
    return not result.scored, row.budget, lift is None, -(lift or 0.0), row.filter.name


def _closed_gates(rows: Sequence[Row], name: str) -> list[str]:
    closed = [row for row in rows if not row.traits[name].scored]
    if len(closed) == len(rows):
        return _distinct(f"{words.NOT_SCORED.capitalize()}: {row.traits[name].reason}." for row in closed)
    return [f"{row_label(row)} is {words.NOT_SCORED}: {row.traits[name].reason}." for row in closed]


def _row_notes(rows: Sequence[Row]) -> list[str]:
    """Return the notes of all rows, each once, with the rows that carry it unless all do."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        planted = [f"{name}: {said}" for name, result in row.traits.items() if (said := as_planted(row, result))]
        drawn = [pool_seed_words(result) for result in row.traits.values() if result.found]
        for note in (*row.notes, *drawn, *planted):
            labels.setdefault(note, []).append(row_label(row))
    return [note if len(of) == len(rows) else f"{note} ({', '.join(of)})" for note, of in labels.items()]


def _trait_facts(results: Sequence[TraitResult]) -> list[tuple[str, str]]:
    """Return what the rows of a trait share: gap, gate, judge and pool."""
    reads: list[tuple[str, Callable[[TraitResult], str]]] = [
        ("Gap between original and clean", lambda r: words.estimate(r.gap).text),
        ("Minimum effect that the gap must clear", lambda r: words.decimal(r.minimum_gap)),
        ("Judge", lambda r: f"{r.judge}, eval version {r.eval_version}"),
        ("Pool", lambda r: f"{words.pool(r.pool)}, {r.pool_rows} rows and {r.reserve_rows} in reserve"),
        ("Held-out prompts", lambda r: str(r.prompts)),
        ("Random sets, held over all seeds", lambda r: str(r.controls)),
        ("Margin and behaviour over students", lambda r: _agreement_text(r.margin)),
    ]
    return [(name, " / ".join(_distinct(map(read, results)))) for name, read in reads]


def _agreement_text(found: Agreement | None) -> str:
    return words.estimate(found.pearson).text if found else "not measured"


def _shared_facts(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Return the provenance that rows mostly share; several values where they do not."""
    results = [result for row in rows for result in row.traits.values()]
    packages = sorted({package for row in rows for package in row.versions})
    return [
        ("Suite", _distinct(f"{row.suite}, version {row.suite_version}" for row in rows)),
        ("Pools", _distinct(f"{words.pool(r.pool)}: {r.pool_rows} rows, SHA-256 {r.pool_sha256}" for r in results)),
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
