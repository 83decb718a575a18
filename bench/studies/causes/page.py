"""The page of the planted causes, and its terminal summary: laid out from `causes.json` alone."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from bench.files import write_text
from bench.leaderboard.format import Cell, decimal, estimate
from bench.leaderboard.pages import CAUSES, Page, render, visible
from bench.stats.equivalence import Comparison
from bench.studies.causes.records import CausesRecord, Found, MatrixRow, WorldRecord, read_causes
from bench.studies.diff.verdicts import RULES

SHORT: dict[Found, str] = {"supported": "yes", "ruled out": "no", "undetermined": "open"}


def squares(row: MatrixRow) -> list[tuple[list[str], float, bool]]:
    """Return the matrix cells of one planted cause, in the order of the hypotheses.

    Returns:
        For each: counts in words, the share of support from 0 to 1, whether it is the planted hypothesis.
    """
    shown = []
    for rule in RULES:
        counts = row.counts[rule.hypothesis]
        words = [f"{count} {answer}" for answer, count in counts.items() if count]
        share = counts["supported"] / row.worlds if row.worlds else 0.0
        shown.append((words, share, rule.hypothesis == row.hypothesis))
    return shown


def misses(world: WorldRecord) -> list[str]:
    """Say why the planted hypothesis was not found, and which other ones were; empty where all is as planted."""
    if not world.met:
        return ["The prerequisites of the diff were not met, so nothing was inferred."]
    found = []
    for verdict in world.verdicts:
        if verdict.hypothesis == world.hypothesis and verdict.verdict != "supported":
            found.append(f"{verdict.hypothesis}, planted, is {verdict.verdict}: {verdict.because}")
        elif verdict.hypothesis != world.hypothesis and verdict.verdict == "supported":
            found.append(f"{verdict.hypothesis}, not planted, is supported: {verdict.because}")
    return found


def comparisons(world: WorldRecord) -> list[tuple[str, str, Cell, str]]:
    """Return the comparisons behind a world's verdicts, each once: question, contrast, difference, outcome."""
    compared: dict[str, Comparison] = {}
    for verdict in world.verdicts:
        compared |= verdict.evidence
    return [(key, c.contrast, estimate(c.difference), c.outcome) for key, c in compared.items()]


def headline(record: CausesRecord) -> str:
    """Say how often the planted hypothesis was found, and how often it alone."""
    total = len(record.worlds)
    found = sum(world.verdict(world.hypothesis) == "supported" for world in record.worlds)
    wrong = sum(world.verdict(world.hypothesis) == "ruled out" for world in record.worlds)
    exact = sum(world.exact for world in record.worlds)
    return (
        f"The planted hypothesis was supported in {found} of {total} worlds, in {exact} of them no other one; "
        f"it was ruled out in {wrong}."
    )


def write(folder: Path, pages: Sequence[Page]) -> None:
    """Write `causes.html` from the `causes.json` of a folder.

    Args:
        folder: Of a finished run.
        pages: All pages of the report, for the links.

    Raises:
        BenchError: If there is no finished run, or the page cannot be written.
    """
    record = read_causes(folder)
    text = render(
        CAUSES,
        "causes.html.j2",
        pages,
        record=record,
        headline=headline(record),
        rules=RULES,
        lines=[(row, squares(row)) for row in record.matrix],
        worlds=[(world, misses(world), comparisons(world)) for world in record.worlds],
        decimal=decimal,
    )
    write_text(folder / CAUSES.file, text)


def terminal_table(record: CausesRecord) -> Table:
    """Lay the matrix out for a terminal: worlds with yes, no and open for each planted cause and hypothesis."""
    table = Table("Planted", *(rule.hypothesis for rule in RULES), "It alone", title=headline(record), pad_edge=False)
    for row in record.matrix:
        cells = [
            "\n".join(f"{count} {SHORT[answer]}" for answer, count in row.counts[rule.hypothesis].items() if count)
            for rule in RULES
        ]
        texts = [row.planted, *cells, f"{row.exact} of {row.worlds}"]
        table.add_row(*(Text(visible(text)) for text in texts))
    return table
