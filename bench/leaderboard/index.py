"""The index over a folder of boards: what each found, in one line a suite, trait, model and budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bench.leaderboard import format as words
from bench.leaderboard.board import board_view
from bench.leaderboard.headline import contenders
from bench.leaderboard.pages import BOARD, INDEX, render
from bench.leaderboard.paired import Comparison, Scores, compare
from bench.leaderboard.row import Row, TraitResult
from bench.leaderboard.view import Budget, TraitView
from bench.stats.effects import MIN_SEEDS


@dataclass(frozen=True)
class Entry:
    """One line of the index.

    Attributes:
        title: Suite, trait, model and budget; or what a study asks.
        found: What was found, the most important sentence first.
        link: Address of the page that shows it.
        kind: `benchmark`, `demo` (too few trainings for a claim), `unverified` or `study`.
        facts: Names and values beside it.
    """

    title: str
    found: Sequence[str]
    link: str
    kind: str
    facts: Sequence[tuple[str, str]] = ()


def board_entries(
    rows: Sequence[Row],
    folder: str,
    problems: Mapping[str, Sequence[str]] | None = None,
    scores: Scores | None = None,
) -> list[Entry]:
    """Return the entries of a board, one for each trait and budget, largest budget first.

    Args:
        rows: Of the board, at least one.
        folder: Its name, for the links.
        problems: `row_key` of a row -> what its evidence does not bear out; such rows are used for nothing.
        scores: Per-sample scores of the rows, see `bench.leaderboard.paired.read_scores`.

    Raises:
        BenchError: If there are no rows.
    """
    view, link = board_view(rows, None, problems, scores), f"{quote(folder)}/{BOARD.file}"
    if not view.traits:
        suites = ", ".join(dict.fromkeys(f"{row.suite} v{row.suite_version}" for row in rows))
        found = f"None of {len(view.unverified)} rows follows from its per-sample scores, so that nothing is said."
        return [Entry(suites, [found], link, "unverified")]
    entries = []
    for trait in view.traits:
        place = f"#{quote(trait.key)}" if len(view.traits) > 1 else ""
        entries += [
            _entry(trait, budget, f"{link}{place}", scores or {}, len(view.unverified))
            for budget in reversed(trait.budgets)
        ]
    return entries


def _entry(trait: TraitView, budget: Budget, link: str, scores: Scores, unverified: int) -> Entry:
    rows = [line.row for line in budget.lines]
    first = rows[0]
    result = first.traits[trait.name]
    seeds = min(len(row.seeds) for row in rows)
    facts = [
        ("Patch minus drop", _patch_minus_drop(compare(rows, trait.name, scores))),
        ("Best filter, by lift over random sets", _best(rows, trait.name)),
        ("Training seeds", str(seeds)),
        ("Held-out prompts", str(result.prompts)),
        ("Filters", str(len(contenders(rows)))),
        ("Pool", f"{words.pool(result.pool)}, {result.pool_rows} rows"),
    ]
    if unverified:
        facts.append(("Unverified rows, left out", str(unverified)))
    title = f"{first.suite} v{first.suite_version}: {trait.name}, {first.recipe.model}, {words.percent(budget.share)}"
    return Entry(title, _found(trait, budget), link, "benchmark" if seeds >= MIN_SEEDS else "demo", facts)


def _found(trait: TraitView, budget: Budget) -> list[str]:
    """Return what the board says of a budget: its own conclusion, or why there is none."""
    if not any(line.scored for line in budget.lines):
        return trait.closed
    return dict(trait.others).get(budget.share, trait.conclusion).sentences


def _patch_minus_drop(compared: Comparison) -> str:
    """Return the mean over filters of removal by patch minus by drop, with its interval where scores give one."""
    both = [row for row in contenders(compared.rows) if compared.has(row, "patch", "drop")]
    if not both:
        return words.NOT_ESTIMABLE
    each = [compared.minus("patch", "drop", [row]).value or 0.0 for row in both]
    mean = words.signed(compared.minus("patch", "drop", both))
    alone = " (over prompts alone)" if mean.low is not None and min(len(row.seeds) for row in both) < MIN_SEEDS else ""
    above = f", above 0 for {sum(value > 0 for value in each)} of {len(both)} filters" if len(both) > 1 else ""
    return f"{mean.text}{alone}{above}"


def _best(rows: Sequence[Row], trait: str) -> str:
    """Return the filter with the largest lift, with its interval adjusted for the choice; only of one run."""
    results: dict[str, TraitResult] = {row.filter.name: row.traits[trait] for row in contenders(rows)}
    if min(len(row.seeds) for row in rows) < MIN_SEEDS:
        return f"not ranked below {MIN_SEEDS} seeds"
    found = {result.winner.model_dump_json(): result.winner for result in results.values() if result.winner}
    if len(found) != 1:
        return words.NOT_ESTIMABLE
    (best,) = found.values()
    if set(best.among) != set(results):
        return "not compared in one run"
    chosen = f", adjusted for the choice among {len(results)}" if len(results) > 1 else ""
    return f"{best.filter}, {words.estimate(best.lift).text}{chosen}"


def html(boards: Sequence[Entry], studies: Sequence[Entry]) -> str:
    """Render the index; benchmarks come before demos."""
    ordered = sorted(boards, key=lambda entry: entry.kind)
    return render(INDEX, "index.html.j2", (INDEX,), boards=ordered, studies=studies)
