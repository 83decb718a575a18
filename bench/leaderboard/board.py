"""A board worked out from rows alone: correction, order, tables, and what it says in sentences."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.errors import BenchError
from bench.leaderboard import format as words
from bench.leaderboard.results import adjust
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
    row_label,
)
from bench.records import Action, Estimate

CEILING = "oracle"
FLOOR = "random_flag"  # a control, never "the best filter"
SIGNIFICANT = 0.05


def board_view(rows: Sequence[Row]) -> BoardView:
    """Work out everything the board shows.

    Args:
        rows: Rows of one suite in any order; the same set always gives the same view.

    Raises:
        BenchError: If there are no rows.
    """
    if not rows:
        raise BenchError("board", seen="no rows", expected="at least one row", remedy="run a suite first")
    ordered = sorted(_corrected(rows), key=lambda row: (row.budget, row.filter.name, row.model_dump_json()))
    traits = sorted({name for row in ordered for name in row.traits})
    return BoardView(
        title=f"Suite {', '.join(_distinct(f'{row.suite} v{row.suite_version}' for row in ordered))}",
        notes=_differences(ordered, traits) + _row_notes(ordered),
        traits=[_trait_view(name, [row for row in ordered if name in row.traits]) for name in traits],
        facts=_shared_facts(ordered),
        rows=ordered,
    )


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Apply Holm's correction over the filters that are shown: rows of several runs were each corrected among fewer."""
    families: dict[tuple[str, int, float, str], dict[str, TraitResult]] = {}
    for number, row in enumerate(rows):
        for name, result in row.traits.items():
            families.setdefault((row.suite, row.suite_version, row.budget, name), {})[str(number)] = result
    traits = [dict(row.traits) for row in rows]
    for (*_, name), members in families.items():
        for key, result in adjust(members).items():
            traits[int(key)][name] = result
    return [row.model_copy(update={"traits": results}) for row, results in zip(rows, traits, strict=True)]


def _trait_view(name: str, rows: Sequence[Row]) -> TraitView:
    ordered = sorted(rows, key=lambda row: _rank(row, row.traits[name]))
    results = [row.traits[name] for row in ordered]
    lines = [filter_line(number, row, row.traits[name]) for number, row in enumerate(ordered, 1)]
    effects = [line for row in ordered for line in effect_lines(row, row.traits[name])]
    arms = arm_lines(ordered, name)
    return TraitView(
        name=name,
        description=results[0].description,
        headline=_headline(ordered, name),
        closed=_closed_gates(ordered, name),
        facts=_trait_facts(results),
        lines=lines,
        effects=effects,
        arms=arms,
        curves=curves(lines),
        leakage=[(row_label(row), leakage) for row in ordered if (leakage := row.traits[name].leakage)],
        footnotes=_footnotes(lines, effects, arms),
    )


def _rank(row: Row, result: TraitResult) -> tuple[Any, ...]:
    """Keep budgets apart, as only equal ones compare; then the most removed first and what is missing last."""
    removals = [_removal(result, action) if result.scored else None for action in ("patch", "drop")]
    descending = [(each is None, -(each.value or 0.0) if each else 0.0) for each in removals]
    return not result.scored, row.budget, *descending, row.filter.name


def _removal(result: TraitResult, action: Action) -> Estimate | None:
    """Return the removal by an action where it was run and is a number."""
    effect = result.effects.get(action)
    return effect.removal if effect and words.finite(effect.removal.value) is not None else None


def _footnotes(lines: Sequence[Line], effects: Sequence[EffectLine], arms: Sequence[ArmLine]) -> list[str]:
    cells = [cell for line in lines for cell in line.cells] + [cell for line in effects for cell in line.cells]
    cells += [cell for arm in arms for cell in (arm.trait, arm.capability, arm.loss, *arm.extra.values())]
    return _distinct(cell.note for cell in cells if cell.note)


def _closed_gates(rows: Sequence[Row], name: str) -> list[str]:
    closed = [row for row in rows if not row.traits[name].scored]
    if len(closed) == len(rows):
        return _distinct(f"{words.NOT_SCORED}: {row.traits[name].reason}" for row in closed)
    return [f"{row_label(row)} {words.NOT_SCORED}: {row.traits[name].reason}" for row in closed]


def _headline(rows: Sequence[Row], trait: str) -> list[str]:
    """Say what drop and patch did at each budget, for the best filter and for the oracle; rows come in table order."""
    budgets: dict[float, list[Row]] = {}
    for row in rows:
        if row.traits[trait].scored:
            budgets.setdefault(row.budget, []).append(row)
    return [f"At {words.percent(budget)}, {_budget_result(scored, trait)}" for budget, scored in budgets.items()]


def _budget_result(rows: Sequence[Row], trait: str) -> str:
    contenders = [row for row in rows if row.filter.name not in (CEILING, FLOOR)]
    sentences = []
    if contenders and _removal(contenders[0].traits[trait], "patch"):
        best = contenders[0].traits[trait]
        place = f"best of {len(contenders)} filters by patching" if len(contenders) > 1 else "the only filter"
        sentences.append(f"{contenders[0].filter.name} ({place}): {_removals(best)}")
        sentences += [_drop_or_patch(best), _significance(best)]
    elif contenders:
        sentences.append("no filter has an estimable removal by patching.")
    oracle = next((row for row in rows if row.filter.name == CEILING), None)
    if oracle:
        sentences.append(f"Oracle, which flags by the planted truth: {_removals(oracle.traits[trait])}")
    return " ".join(sentences or ["only random controls were run."])


def _removals(result: TraitResult) -> str:
    drop, patch = (_in_percent(_removal(result, action)) for action in ("drop", "patch"))
    return f"dropping removed {drop} of the gap, patching {patch}."


def _in_percent(removal: Estimate | None) -> str:
    if removal is None or removal.value is None:
        return f"an amount that is {words.NOT_ESTIMABLE}"
    low, high = words.finite(removal.low), words.finite(removal.high)
    text = f"{words.decimal(100 * removal.value, 0)} %"
    if low is None or high is None:
        return text
    return f"{text} [{words.decimal(100 * low, 0)}, {words.decimal(100 * high, 0)}]"


def _drop_or_patch(result: TraitResult) -> str:
    gap = result.leakage_gap
    low, high = (words.finite(gap.low), words.finite(gap.high)) if gap else (None, None)
    if low is None or high is None:
        return "Which of the two is better cannot be told from these runs."
    if low > 0:
        return "Patching beat dropping."
    return "Dropping beat patching." if high < 0 else "The difference between the two is within its interval."


def _significance(result: TraitResult) -> str:
    effect = result.effects.get("patch")
    p = words.finite(effect.p_holm) if effect else None
    if p is None:
        return "Whether it beats patching at random could not be tested."
    finding = "beats" if p < SIGNIFICANT else "cannot be told from"
    return f"It {finding} patching as many at random (Holm p {words.probability(p)})."


def _row_notes(rows: Sequence[Row]) -> list[str]:
    """Return the notes of all rows, each once, with the rows that carry it unless all do."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            labels.setdefault(note, []).append(row_label(row))
    return [note if len(of) == len(rows) else f"{note} ({', '.join(of)})" for note, of in labels.items()]


def _differences(rows: Sequence[Row], traits: Sequence[str]) -> list[str]:
    """Warn where rows differ in something that makes them incomparable."""
    found: dict[str, list[str]] = {
        "suite": [f"{row.suite} v{row.suite_version}" for row in rows],
        "recipe": [row.recipe.model_dump_json() for row in rows],
        "seeds": [str(row.seeds) for row in rows],
    }
    for trait in traits:
        results = [row.traits[trait] for row in rows if trait in row.traits]
        found[f"pool of {trait}"] = [f"{result.pool} {result.pool_sha256[:12]}" for result in results]
        found[f"judge of {trait}"] = [result.judge for result in results]
        found[f"eval version of {trait}"] = [str(result.eval_version) for result in results]
    return [
        f"Rows differ in {what}, so they do not compare: {'; '.join(_distinct(values))}"
        for what, values in found.items()
        if len(set(values)) > 1
    ]


def _trait_facts(results: Sequence[TraitResult]) -> list[tuple[str, str]]:
    """Return what the rows of a trait share: gap, gate, judge and pool."""
    reads: list[tuple[str, Callable[[TraitResult], str]]] = [
        ("Gap between original and clean", lambda r: _gap_text(r.gap)),
        ("Smallest gap that the gate lets through", lambda r: words.decimal(r.minimum_gap)),
        ("Judge", lambda r: f"{r.judge}, eval version {r.eval_version}"),
        ("Pool", lambda r: f"{r.pool}, {r.pool_rows} rows, SHA-256 {r.pool_sha256[:12]}"),
    ]
    return [(name, " / ".join(_distinct(map(read, results)))) for name, read in reads]


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
