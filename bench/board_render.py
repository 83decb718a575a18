"""Lay the board out: a terminal table, Markdown, and one HTML page that needs nothing but itself."""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench import plots
from bench.board import board_view
from bench.board_records import COLUMNS, BoardView, Line, TraitView
from bench.board_words import Cell
from bench.rows import Row

TEMPLATES = "bench.templates"
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def terminal_table(view: BoardView) -> Group:
    """The board for a terminal: for each trait its headline and the columns that matter most."""
    parts: list[RenderableType] = [Text(_visible(view.title), style="bold")]
    parts += [Text(_visible(f"! {note}"), style="bold yellow") for note in view.notes]
    for trait in view.traits:
        parts += [Text(), Text(_visible(f"{trait.name}: {trait.description}"), style="bold")]
        parts += [Text(_visible(why), style="bold yellow") for why in trait.closed]
        parts += [Text(_visible(sentence)) for sentence in trait.headline]
        parts.append(_filter_table(trait) if any(line.scored for line in trait.lines) else _arm_table(trait))
        parts += [Text(_visible(f"{_mark(i)} {note}"), style="dim") for i, note in enumerate(trait.footnotes, 1)]
    return Group(*parts)


def _filter_table(trait: TraitView) -> Table:
    table = Table(show_lines=False, pad_edge=False)
    brief = [i for i, column in enumerate(COLUMNS) if column.brief]
    for i in brief:
        table.add_column(COLUMNS[i].title, justify="right" if i else "left", overflow="fold")
    for line in trait.lines:
        cells = [Text(_visible(line.label)), *(_terminal_cell(line.cells[i], trait) for i in brief[1:])]
        table.add_row(*cells)
    return table


def _terminal_cell(cell: Cell, trait: TraitView) -> Text:
    text = f"{cell.text}{_footnote(cell, trait)}".replace(" [", "\n[").replace(" (", "\n(")
    return Text(_visible(f"{text}\n{cell.aside}" if cell.aside else text))


def _arm_table(trait: TraitView) -> Table:
    table = Table("Arm", "Trait score", "Exact answers", pad_edge=False)
    for arm in trait.arms:
        table.add_row(Text(_visible(arm.name)), _terminal_cell(arm.trait, trait), _terminal_cell(arm.capability, trait))
    return table


def markdown(view: BoardView) -> str:
    """The board as Markdown; texts from outside are escaped so that they stay text."""
    environment = _environment(html=False)
    environment.filters["md"] = _markdown_text
    return environment.get_template("report.md.j2").render(board=view, columns=COLUMNS, mark=_footnote, number=_mark)


def html(view: BoardView) -> str:
    """The board as one HTML page with its style, script and plots inside."""
    environment = _environment(html=True)
    return environment.get_template("report.html.j2").render(
        board=view,
        columns=COLUMNS,
        style=Markup(_template("board.css")),
        script=Markup(_template("board.js")),
        scatters=_scatters,
        curve=lambda curve: Markup(plots.removal_by_budget(curve.budgets, curve.drop, curve.patch, curve.filter)),
        limits=plots.bounds,
        strip=lambda cells, limits: Markup(plots.strip(cells, limits)),
        axis=lambda limits: Markup(plots.strip_axis(limits)),
        footnote=lambda cell, trait: trait.footnotes.index(cell.note) + 1,
    )


def write_report(rows: list[Row], folder: Path) -> None:
    """Write `report.html` and `report.md` into a folder, each complete or not at all."""
    view = board_view(rows)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("report.html", html(view)), ("report.md", markdown(view))):
        partial = folder / f"{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)


def _scatters(trait: TraitView) -> list[tuple[float, list[Line], Markup]]:
    """A drop-versus-patch plot for each budget, as only equal budgets compare."""
    budgets: dict[float, list[Line]] = {}
    for line in trait.lines:
        if line.drop.value is not None and line.patch.value is not None:
            budgets.setdefault(line.budget, []).append(line)
    return [(budget, lines, _scatter(lines)) for budget, lines in budgets.items()]


def _scatter(lines: Sequence[Line]) -> Markup:
    return Markup(plots.drop_versus_patch([(line.number, line.label, line.drop, line.patch) for line in lines]))


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    return environment


def _template(name: str) -> str:
    return files(TEMPLATES).joinpath(name).read_text(encoding="utf-8")


def _finalize(value: Any) -> Any:
    if isinstance(value, Markup):
        return Markup(_visible(value))
    return _visible(value) if isinstance(value, str) else value


def _visible(text: str) -> str:
    """Text without control characters and lone surrogates, which could move a cursor, turn a line or break a page."""
    return HIDDEN.sub("\ufffd", text.replace("\r\n", "\n"))


def _mark(number: int) -> str:
    return str(number).translate(SUPERSCRIPTS)


def _footnote(cell: Cell, trait: TraitView) -> str:
    return _mark(trait.footnotes.index(cell.note) + 1) if cell.note else ""


def _markdown_text(text: str) -> str:
    r"""One line of Markdown that shows the text as it is; names keep their underscores.

    >>> _markdown_text("a|b <i>")
    'a\\|b &lt;i>'
    """
    line = " ".join(_visible(text).split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for symbol in "|`*":
        line = line.replace(symbol, f"\\{symbol}")
    return line.replace("](", "]\\(")
