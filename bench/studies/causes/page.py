"""The page of the planted causes, and its terminal summary: laid out from `causes.json` alone."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from bench.files import write_text
from bench.leaderboard.format import Cell, decimal, estimate, percent
from bench.leaderboard.pages import CAUSES, Page, render, visible
from bench.stats.equivalence import Comparison
from bench.studies.causes.records import CausesRecord, Found, MatrixRow, Share, WorldRecord, read_causes
from bench.studies.causes.worlds import PATTERNS
from bench.studies.diff.rules import QUESTIONS, RULES

SHORT: dict[Found, str] = {"supported": "yes", "ruled out": "no", "undetermined": "open"}
NAMES = {rule.hypothesis: rule.name for rule in RULES}


def squares(row: MatrixRow) -> list[tuple[list[str], float, bool]]:
    """Return the matrix cells of one planted cause, in the order of the hypotheses.

    Returns:
        For each: counts in words, the share of support from 0 to 1, whether it is the planted hypothesis.
    """
    shown = []
    for rule in RULES:
        counts = row.counts[rule.hypothesis]
        words = [f"{count} {SHORT[answer]}" for answer, count in counts.items() if count]
        share = counts["supported"] / row.worlds if row.worlds else 0.0
        shown.append((words, share, rule.hypothesis == row.hypothesis))
    return shown


def misses(world: WorldRecord) -> list[str]:
    """Say why the planted hypothesis was not found, and which other ones were; empty where all is as planted."""
    if not world.met:
        return ["The prerequisites of the diff were not met, so nothing was inferred."]
    found = []
    for verdict in world.verdicts:
        hypothesis = f"{verdict.name} ({verdict.hypothesis})"
        if verdict.hypothesis == world.hypothesis and verdict.verdict != "supported":
            found.append(f"{hypothesis}, planted, is {verdict.verdict}: {verdict.because}")
        elif verdict.hypothesis != world.hypothesis and verdict.verdict == "supported":
            found.append(f"{hypothesis}, not planted, is supported: {verdict.because}")
    return found


def comparisons(world: WorldRecord) -> list[tuple[str, str, Cell, str]]:
    """Return the comparisons behind a pool's verdicts, each once: question, contrast, difference, outcome."""
    compared: dict[str, Comparison] = {}
    for verdict in world.verdicts:
        compared |= verdict.evidence
    return [
        (QUESTIONS[key].asks if key in QUESTIONS else key, c.contrast, estimate(c.difference), c.outcome)
        for key, c in compared.items()
    ]


def counted(share: Share) -> str:
    """Return a share as counts."""
    return f"{share.count} of {share.total}"


def interval(share: Share) -> str:
    """Return the exact 95 % interval of a share; "" where nothing was counted."""
    return f"[{percent(share.low)}, {percent(share.high)}]" if share.total else ""


def in_words(share: Share) -> str:
    """Return a share as counts with its exact 95 % interval."""
    return f"{counted(share)} {interval(share)}".strip()


def conclusion(record: CausesRecord) -> str:
    """Say in one sentence how often a planted cause was found, and how often a wrong one was."""
    best = next((patterns for patterns in PATTERNS if patterns in record.totals), None)
    if best is None:
        return "No synthetic pool was judged."
    rates = record.totals[best]
    return (
        f"{in_words(rates.found)} planted causes were found; a wrong cause was supported in "
        f"{in_words(rates.false_support)} synthetic pools."
    )


def headline(record: CausesRecord) -> list[str]:
    """Say how often the planted hypothesis was found, how often it alone, and how often a wrong one."""
    return [
        f"With {patterns} patterns the planted hypothesis was supported in {in_words(r.found)} synthetic pools where "
        f"it takes hold, it alone in {in_words(r.alone)}, and ruled out in {r.missed.count}; a wrong one was supported "
        f"in {in_words(r.false_support)} of all pools."
        for patterns, r in record.totals.items()
    ]


def precision_and_recall(record: CausesRecord) -> list[tuple[str, str, str, str]]:
    """Return patterns, set, and mean precision and recall of its description over the pools with planted truth."""
    lines: list[tuple[str, str, str, str]] = []
    for patterns in PATTERNS:
        for role in ("overt", "mild", "unrelated"):
            audits = [a for w in record.worlds if w.patterns == patterns for a in w.audit if a.role == role]
            shares = [[a.precision for a in audits], [a.recall for a in audits]]
            precision, recall = (_mean([value for value in some if value is not None]) for some in shares)
            lines.append((patterns, role, precision, recall))
    return lines


def _mean(values: Sequence[float]) -> str:
    return percent(sum(values) / len(values)) if values else "–"


def html(record: CausesRecord, pages: Sequence[Page] = (CAUSES,)) -> str:
    """Render the planted causes as one HTML page; `pages` are those of the whole report, for the links."""
    return render(
        CAUSES,
        "causes.html.j2",
        pages,
        record=record,
        conclusion=conclusion(record),
        headline=headline(record),
        rules=RULES,
        names=NAMES,
        tables=_tables(record),
        counted=counted,
        interval=interval,
        agreement=precision_and_recall(record),
        pools=[(world, misses(world), comparisons(world)) for world in record.worlds],
        decimal=decimal,
    )


def write(folder: Path, pages: Sequence[Page]) -> None:
    """Write `causes.html` from the `causes.json` of a folder.

    Args:
        folder: Of a finished run.
        pages: All pages of the report, for the links.

    Raises:
        BenchError: If there is no finished run, or the page cannot be written.
    """
    write_text(folder / CAUSES.file, html(read_causes(folder), pages))


def _tables(record: CausesRecord) -> list[tuple[str, list[tuple[MatrixRow, list[tuple[list[str], float, bool]]]]]]:
    """Return the matrix of each kind of patterns."""
    tables = [(p, [(row, squares(row)) for row in record.matrix if row.patterns == p]) for p in PATTERNS]
    return [(patterns, lines) for patterns, lines in tables if lines]


def terminal_table(record: CausesRecord) -> Table:
    """Lay the matrix out for a terminal: pools with yes, no and open for each planted cause and hypothesis."""
    names = [rule.hypothesis for rule in RULES]
    table = Table(
        "Planted",
        "Patterns",
        *names,
        "It alone",
        "A wrong one",
        title=Text(visible(conclusion(record))),
        pad_edge=False,
    )
    for row in record.matrix:
        cells = [
            "\n".join(f"{count} {SHORT[answer]}" for answer, count in row.counts[rule.hypothesis].items() if count)
            for rule in RULES
        ]
        counts = [f"{each.count} of {each.total}" for each in (row.rates.alone, row.rates.false_support)]
        texts = [row.planted, row.patterns, *cells, *counts]
        table.add_row(*(Text(visible(text)) for text in texts))
    return table
