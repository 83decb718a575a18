"""Lay the board out: a terminal table, Markdown, and one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.files import write_text
from bench.leaderboard import format as words
from bench.leaderboard import svg
from bench.leaderboard.attribution import report_beside
from bench.leaderboard.board import board_view
from bench.leaderboard.filter_pages import page_file
from bench.leaderboard.format import Cell
from bench.leaderboard.pages import BOARD, Page, environment, pages_of, render, visible
from bench.leaderboard.row import Row, read_rows
from bench.leaderboard.view import BoardView, Line, TraitView, row_label
from bench.stats.leakage import Neighbour


def render_board(rows: Sequence[Row] | str | Path, out: str | Path, *, linked: bool = False) -> Path:
    """Write `report.html` and `report.md` from rows alone, each complete or not at all.

    Args:
        rows: Rows of one suite, of one run or of several; or the folder of a run.
        out: Folder for the two files; made where it is missing.
        linked: Whether the pages of the rows lie there as well, see `bench.leaderboard.filter_pages`.

    Returns:
        The HTML file.

    Raises:
        BenchError: If there are no rows, or the folder cannot be written.
    """
    folder = Path(out)
    view = board_view(read_rows(rows) if isinstance(rows, str | Path) else rows, report_beside(folder))
    write_text(folder / BOARD.file, html(view, pages_of(folder), linked=linked))
    write_text(folder / "report.md", markdown(view))
    return folder / BOARD.file


def html(view: BoardView, pages: Sequence[Page] = (BOARD,), *, linked: bool = False) -> str:
    """Render the board as one HTML page; `pages` are those of the whole report, `linked` adds those of the rows."""
    return render(
        BOARD,
        "report.html.j2",
        pages,
        board=view,
        words=words,
        label=row_label,
        page_of=page_file if linked else None,
        remark=_remark,
        scatters=_scatters,
        curve=_curve,
        limits=svg.bounds,
        strip=svg.strip,
        axis=svg.strip_axis,
    )


def markdown(view: BoardView) -> str:
    """Render the board as Markdown; texts from outside are escaped so that they stay text."""
    template = environment(html=False).get_template("report.md.j2")
    return template.render(board=view, words=words, label=row_label, mark=_footnote)


def terminal_table(view: BoardView) -> Group:
    """Lay the board out for a terminal: for each trait its headline and the columns that matter most."""
    parts: list[RenderableType] = [Text(visible(view.title), style="bold")]
    parts += [Text(visible(f"! {note}"), style="bold yellow") for note in view.notes]
    for trait in view.traits:
        parts += [Text(), Text(visible(f"{trait.name}: {trait.description}"), style="bold")]
        parts += [Text(visible(why), style="bold yellow") for why in trait.closed]
        parts += [Text(visible(sentence)) for sentence in trait.headline]
        parts.append(_filter_table(trait) if any(line.scored for line in trait.lines) else _arm_table(trait))
        notes = enumerate(trait.footnotes, 1)
        parts += [Text(visible(f"{words.superscript(i)} {note}"), style="dim") for i, note in notes]
    return Group(*parts)


def _filter_table(trait: TraitView) -> Table:
    table = Table(show_lines=False, pad_edge=False)
    brief = [i for i, column in enumerate(trait.columns) if column.brief]
    for i in brief:
        table.add_column(trait.columns[i].title, justify="right" if i else "left", overflow="fold")
    for line in trait.lines:
        cells = [Text(visible(line.label)), *(_terminal_cell(line.cells[i], trait) for i in brief[1:])]
        table.add_row(*cells)
    return table


def _arm_table(trait: TraitView) -> Table:
    table = Table("Arm", "Trait score", "Exact answers", pad_edge=False)
    for arm in trait.arms:
        table.add_row(Text(visible(arm.name)), _terminal_cell(arm.trait, trait), _terminal_cell(arm.capability, trait))
    return table


def _terminal_cell(cell: Cell, trait: TraitView) -> Text:
    text = f"{cell.text}{_footnote(cell, trait)}".replace(" [", "\n[").replace(" (", "\n(")
    return Text(visible(f"{text}\n{cell.aside}" if cell.aside else text))


def _footnote(cell: Cell, trait: TraitView) -> str:
    return words.superscript(trait.footnotes.index(cell.note) + 1) if cell.note else ""


def _scatters(trait: TraitView) -> list[tuple[float, list[Line], Markup]]:
    """Draw patch over drop for each budget, as only equal budgets compare."""
    budgets: dict[float, list[Line]] = {}
    for line in trait.lines:
        if line.drop.value is not None and line.patch.value is not None:
            budgets.setdefault(line.row.budget, []).append(line)
    return [
        (budget, lines, svg.drop_versus_patch([(line.number, line.label, line.drop, line.patch) for line in lines]))
        for budget, lines in budgets.items()
    ]


def _curve(lines: Sequence[Line]) -> Markup:
    series = [(line.row.budget, line.drop, line.patch) for line in lines]
    return svg.removal_by_budget(series, lines[0].row.filter.name)


def _remark(near: Neighbour) -> str:
    """Say what is known of the kept example of a pair."""
    remarks = []
    if near.kept_truth is not None:
        remarks.append(f"planted truth: {'no trait' if near.kept_truth == 'none' else near.kept_truth}")
    if (score := words.finite(near.kept_score)) is not None:
        remarks.append(f"judge: {words.decimal(score)}")
    return ", ".join(remarks) or "not judged"
