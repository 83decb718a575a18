"""Lay the board out for a terminal: what was found, and one table that no number or name is broken in."""

import re
import textwrap
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
INTERVAL = re.compile(r"\S+ \[-?[\d.]+, -?[\d.]+\]")
Rows = Sequence[tuple[str, Sequence[Cell]]]


def terminal_table(view: BoardView, width: int = 80) -> Group:
    """Lay the board out; columns that do not fit are left out, the most important ones last.

    Args:
        view: What to show.
        width: Columns of the terminal.
    """

    def said(words: str, style: str = "") -> Text:
        return Text(_wrapped(words, width), style=style)

    parts: list[RenderableType] = [said(view.title, "bold")]
    parts += [said(f"! {note}", "bold yellow") for note in view.differences]
    for label, problems in view.unverified:
        parts.append(said(f"! {label} is unverified and not counted: {'; '.join(problems)}", "bold red"))
    parts += [said(note, "dim") for note in view.notes]
    for trait in view.traits:
        context = ", ".join(f"{what}\u00a0{value}" for what, value in trait.context[1:])
        parts += [Text(), said(f"{trait.name}: {context}", "dim")]
        parts += [said(why, "bold yellow") for why in trait.closed]
        parts += [said(sentence, "bold") for sentence in trait.conclusion.sentences]
        parts += [said(f"At {percent(share)}: {' '.join(other.sentences)}") for share, other in trait.others]
        parts += [said(words) for words in (trait.conclusion.advice, trait.few) if words]
        parts += [Text(), _filter_table(trait, width) if _scored(trait) else _arm_table(trait, width)]
    return Group(*parts)


def _wrapped(words: str, width: int) -> str:
    """Break lines between words, and not within a number and its interval."""
    whole = INTERVAL.sub(lambda found: found.group().replace(" ", "\u00a0"), visible(words))
    lines = textwrap.wrap(whole, width, break_on_hyphens=False)  # which takes no no-break space for a space
    return "\n".join(lines).replace("\u00a0", " ")


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
