"""Lay the board out: a terminal table, Markdown, and one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.leaderboard import svg as plots
from bench.leaderboard.board import board_view
from bench.leaderboard.board_records import COLUMNS, BoardView, Line, TraitView
from bench.leaderboard.format import Cell
from bench.leaderboard.pages import BOARD, Page, environment, pages_of, render, visible, write_page
from bench.leaderboard.row import Row

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def terminal_table(view: BoardView) -> Group:
    """The board for a terminal: for each trait its headline and the columns that matter most."""
    parts: list[RenderableType] = [Text(visible(view.title), style="bold")]
    parts += [Text(visible(f"! {note}"), style="bold yellow") for note in view.notes]
    for trait in view.traits:
        parts += [Text(), Text(visible(f"{trait.name}: {trait.description}"), style="bold")]
        parts += [Text(visible(why), style="bold yellow") for why in trait.closed]
        parts += [Text(visible(sentence)) for sentence in trait.headline]
        parts.append(_filter_table(trait) if any(line.scored for line in trait.lines) else _arm_table(trait))
        parts += [Text(visible(f"{_mark(i)} {note}"), style="dim") for i, note in enumerate(trait.footnotes, 1)]
    return Group(*parts)


def _filter_table(trait: TraitView) -> Table:
    table = Table(show_lines=False, pad_edge=False)
    brief = [i for i, column in enumerate(COLUMNS) if column.brief]
    for i in brief:
        table.add_column(COLUMNS[i].title, justify="right" if i else "left", overflow="fold")
    for line in trait.lines:
        cells = [Text(visible(line.label)), *(_terminal_cell(line.cells[i], trait) for i in brief[1:])]
        table.add_row(*cells)
    return table


def _terminal_cell(cell: Cell, trait: TraitView) -> Text:
    text = f"{cell.text}{_footnote(cell, trait)}".replace(" [", "\n[").replace(" (", "\n(")
    return Text(visible(f"{text}\n{cell.aside}" if cell.aside else text))


def _arm_table(trait: TraitView) -> Table:
    table = Table("Arm", "Trait score", "Exact answers", pad_edge=False)
    for arm in trait.arms:
        table.add_row(Text(visible(arm.name)), _terminal_cell(arm.trait, trait), _terminal_cell(arm.capability, trait))
    return table


def markdown(view: BoardView) -> str:
    """The board as Markdown; texts from outside are escaped so that they stay text."""
    template = environment(html=False).get_template("report.md.j2")
    return template.render(board=view, columns=COLUMNS, mark=_footnote, number=_mark)


def html(view: BoardView, pages: Sequence[Page] = (BOARD,)) -> str:
    """The board as one HTML page with its style, script and plots inside; `pages` are those of the whole report."""
    return render(
        BOARD,
        "report.html.j2",
        pages,
        board=view,
        columns=COLUMNS,
        scatters=_scatters,
        curve=lambda curve: Markup(plots.removal_by_budget(curve.budgets, curve.drop, curve.patch, curve.filter)),
        limits=plots.bounds,
        strip=lambda cells, limits: Markup(plots.strip(cells, limits)),
        axis=lambda limits: Markup(plots.strip_axis(limits)),
    )


def write_report(rows: list[Row], folder: Path) -> None:
    """Write `report.html` and `report.md` into a folder, each complete or not at all."""
    view = board_view(rows)
    write_page(folder, BOARD.file, html(view, pages_of(folder)))
    write_page(folder, "report.md", markdown(view))


def _scatters(trait: TraitView) -> list[tuple[float, list[Line], Markup]]:
    """A drop-versus-patch plot for each budget, as only equal budgets compare."""
    budgets: dict[float, list[Line]] = {}
    for line in trait.lines:
        if line.drop.value is not None and line.patch.value is not None:
            budgets.setdefault(line.budget, []).append(line)
    return [(budget, lines, _scatter(lines)) for budget, lines in budgets.items()]


def _scatter(lines: Sequence[Line]) -> Markup:
    return Markup(plots.drop_versus_patch([(line.number, line.label, line.drop, line.patch) for line in lines]))


def _mark(number: int) -> str:
    return str(number).translate(SUPERSCRIPTS)


def _footnote(cell: Cell, trait: TraitView) -> str:
    return _mark(trait.footnotes.index(cell.note) + 1) if cell.note else ""
