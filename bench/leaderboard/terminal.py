"""Lay the board out for a terminal: what was found, and one table that no number or name is broken in."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.leaderboard.format import Cell, percent
from bench.leaderboard.pages import visible
from bench.leaderboard.view import BoardView, TraitView

COLUMNS = ("Removal by patch", "Removal by drop", "Patch minus drop", "Lift of patch", "Leakage", "Flagged")
GAP = 2  # between columns
Rows = Sequence[tuple[str, Sequence[Cell]]]


def terminal_table(view: BoardView, width: int = 80) -> Group:
    """Lay the board out; columns that do not fit are left out, the most important ones last.

    Args:
        view: What to show.
        width: Columns of the terminal.
    """
    parts: list[RenderableType] = [Text(visible(view.title), style="bold")]
    parts += [Text(visible(f"! {note}"), style="bold yellow") for note in view.differences]
    for label, problems in view.unverified:
        parts.append(Text(visible(f"! {label} is unverified and not counted: {'; '.join(problems)}"), style="bold red"))
    parts += [Text(visible(note), style="dim") for note in view.notes]
    for trait in view.traits:
        context = ", ".join(f"{what} {value}" for what, value in trait.context[1:])
        parts += [Text(), Text(visible(f"{trait.name}: {context}"), style="dim")]
        parts += [Text(visible(why), style="bold yellow") for why in trait.closed]
        parts += [Text(visible(sentence), style="bold") for sentence in trait.conclusion.sentences]
        for share, other in trait.others:
            parts.append(Text(visible(f"At {percent(share)}: {' '.join(other.sentences)}")))
        parts += [Text(visible(words)) for words in (trait.conclusion.advice, trait.few) if words]
        parts += [Text(), _filter_table(trait, width) if _scored(trait) else _arm_table(trait, width)]
    return Group(*parts)


def _scored(trait: TraitView) -> bool:
    return any(line.scored for line in trait.lines)


def _filter_table(trait: TraitView, width: int) -> Table:
    places = {column.title: place for place, column in enumerate(trait.columns)}
    titles = [title for title in COLUMNS if title in places]
    several = len(trait.budgets) > 1
    rows = [
        (line.label if several else line.row.filter.name, [line.cells[places[title]] for title in titles])
        for line in trait.lines
    ]
    return _table("Filter", titles, rows, width)


def _arm_table(trait: TraitView, width: int) -> Table:
    rows = [(arm.name, [arm.trait, arm.capability]) for arm in trait.arms]
    return _table("Arm", ["Trait score", "Exact answers"], rows, width)


def _table(head: str, titles: Sequence[str], rows: Rows, width: int) -> Table:
    """Make a table of the first columns that fit; a name alone may be folded, where nothing fits beside it."""
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, collapse_padding=True)
    room = width - max(cell_len(visible(name)) for name in (head, *(name for name, _ in rows)))
    table.add_column(head, overflow="fold")
    kept = []
    for place, title in enumerate(titles):
        size = max(cell_len(visible(text)) for text in (*_heading(title), *(row[place].text for _, row in rows)))
        if size + GAP > room:
            break
        room -= size + GAP
        kept.append(place)
        table.add_column("\n".join(_heading(title)), justify="right", no_wrap=True)
    for name, cells in rows:
        table.add_row(Text(visible(name)), *(Text(visible(cells[place].text)) for place in kept))
    return table


def _heading(title: str) -> list[str]:
    """Return a heading in two lines: `Removal by` above `patch`."""
    first, _, last = title.rpartition(" ")
    return [first, last]
