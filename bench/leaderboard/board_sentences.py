"""What the board says in words: the headline of a trait, notes and warnings, and shared facts."""

from collections.abc import Callable, Iterable
from typing import Any

from bench.leaderboard import format as words
from bench.leaderboard.board_parts import row_label
from bench.leaderboard.row import Row, TraitResult
from bench.records import Action, Estimate

CEILING = "oracle"
FLOOR = "random_flag"  # a control, never "the best filter"
SIGNIFICANT = 0.05


def distinct(values: Iterable[str]) -> list[str]:
    """Each value once, in order of appearance."""
    return list(dict.fromkeys(values))


def headline(rows: list[Row], trait: str) -> list[str]:
    """What drop and patch did, at each budget: for the best filter and for the oracle.

    Args:
        rows: The trait's rows in table order, so that the first of a budget is its best.
        trait: Name of the trait.
    """
    scored = [row for row in rows if row.traits[trait].scored]
    return [_at_budget(budget, scored, trait) for budget in dict.fromkeys(row.budget for row in scored)]


def _at_budget(budget: float, scored: list[Row], trait: str) -> str:
    rows = [row for row in scored if row.budget == budget]
    contenders = [r for r in rows if r.filter.name != CEILING and r.filter.name != FLOOR]
    oracle = next((row for row in rows if row.filter.name == CEILING), None)
    told = []
    if contenders and _removal(contenders[0].traits[trait], "patch"):
        best = contenders[0].traits[trait]
        of = f"best of {len(contenders)} filters by patching" if len(contenders) > 1 else "the only filter"
        told.append(f"{contenders[0].filter.name} ({of}): {_deeds(best)} {_verdict(best)}{_doubt(best)}")
    elif contenders:
        told.append("no filter has an estimable removal by patching.")
    if oracle:
        told.append(f"Oracle, which flags by the planted truth: {_deeds(oracle.traits[trait])}")
    return f"At {words.percent(budget)}, " + " ".join(told or ["only random controls were run."])


def _deeds(result: TraitResult) -> str:
    drop, patch = _removal(result, "drop"), _removal(result, "patch")
    return f"dropping removed {_in_percent(drop)} of the gap, patching {_in_percent(patch)}."


def _removal(result: TraitResult, action: Action) -> Estimate | None:
    effect = result.effects.get(action)
    return effect.removal if effect and words.finite(effect.removal.value) is not None else None


def _in_percent(removal: Estimate | None) -> str:
    if removal is None or removal.value is None:
        return f"an amount that is {words.NOT_ESTIMABLE}"
    low, high = words.finite(removal.low), words.finite(removal.high)
    text = f"{words.decimal(100 * removal.value, 0)} %"
    if low is None or high is None:
        return text
    return f"{text} [{words.decimal(100 * low, 0)}, {words.decimal(100 * high, 0)}]"


def _verdict(result: TraitResult) -> str:
    given = result.leakage_gap
    low, high = (words.finite(given.low), words.finite(given.high)) if given else (None, None)
    if low is None or high is None:
        return "Which of the two is better cannot be told from these runs."
    if low > 0:
        return "Patching beat dropping."
    return "Dropping beat patching." if high < 0 else "The difference between the two is within its interval."


def _doubt(result: TraitResult) -> str:
    effect = result.effects.get("patch")
    p = words.finite(effect.p_holm) if effect else None
    if p is None:
        return " Whether it beats patching at random could not be tested."
    if p < SIGNIFICANT:
        return f" It beats patching as many at random (Holm p {words.probability(p)})."
    return f" It cannot be told from patching as many at random (Holm p {words.probability(p)})."


def told_notes(rows: list[Row]) -> list[str]:
    """The notes of all rows, each once, with the rows that carry it unless all do."""
    bearers: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            bearers.setdefault(note, []).append(row_label(row))
    return [note if len(who) == len(rows) else f"{note} ({', '.join(who)})" for note, who in bearers.items()]


def differences(rows: list[Row], traits: list[str]) -> list[str]:
    """Warnings where rows differ in something that makes them incomparable."""
    of_row: list[tuple[str, Callable[[Row], Any]]] = [
        ("suite", lambda row: f"{row.suite} v{row.suite_version}"),
        ("recipe", lambda row: row.recipe.model_dump_json()),
        ("seeds", lambda row: row.seeds),
    ]
    of_trait: list[tuple[str, Callable[[TraitResult], Any]]] = [
        ("pool", lambda result: f"{result.pool} {result.pool_sha256[:12]}"),
        ("judge", lambda result: result.judge),
        ("eval version", lambda result: result.eval_version),
    ]
    warnings = [_differ(what, [str(read(row)) for row in rows]) for what, read in of_row]
    for trait in traits:
        results = [row.traits[trait] for row in rows if trait in row.traits]
        warnings += [_differ(f"{what} of {trait}", [str(read(r)) for r in results]) for what, read in of_trait]
    return [warning for warning in warnings if warning]


def _differ(what: str, values: list[str]) -> str:
    seen = distinct(values)
    return f"Rows differ in {what}, so they do not compare: {'; '.join(seen)}" if len(seen) > 1 else ""


def facts_of_trait(results: list[TraitResult]) -> list[tuple[str, str]]:
    """What the rows of a trait share: gap, gate, judge and pool."""
    reads: list[tuple[str, Callable[[TraitResult], str]]] = [
        ("Gap between original and clean", lambda r: _gap_text(r.gap)),
        ("Smallest gap that the gate lets through", lambda r: words.decimal(r.minimum_gap)),
        ("Judge", lambda r: f"{r.judge}, eval version {r.eval_version}"),
        ("Pool", lambda r: f"{r.pool}, {r.pool_rows} rows, SHA-256 {r.pool_sha256[:12]}"),
    ]
    return [(name, " / ".join(distinct(read(result) for result in results))) for name, read in reads]


def _gap_text(gap: Estimate) -> str:
    cell = words.estimate(gap)
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def facts_of_rows(rows: list[Row]) -> list[tuple[str, list[str]]]:
    """Provenance that rows mostly share; several values where they do not."""
    results = [result for row in rows for result in row.traits.values()]
    packages = sorted({package for row in rows for package in row.versions})
    return [
        ("Suite", distinct(f"{row.suite}, version {row.suite_version}" for row in rows)),
        ("Pools", distinct(f"{r.pool}: {r.pool_rows} rows, SHA-256 {r.pool_sha256}" for r in results)),
        ("Recipe", distinct(", ".join(f"{k} {v}" for k, v in row.recipe.model_dump().items()) for row in rows)),
        ("Seeds", distinct(", ".join(map(str, row.seeds)) for row in rows)),
        ("Commit", distinct(row.commit for row in rows)),
        ("Packages", [f"{p} {' / '.join(distinct(r.versions.get(p, 'absent') for r in rows))}" for p in packages]),
        ("Device", distinct(row.cost.device for row in rows)),
        ("Command", distinct(row.command for row in rows)),
    ]
