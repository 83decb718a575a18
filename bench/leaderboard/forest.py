"""Forest plots of removal: a row for each filter or action, marks with intervals, and a number at the right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from markupsafe import Markup

from bench.leaderboard.format import Cell, decimal
from bench.leaderboard.svg import Scale, extent, line, text, ticks
from bench.records import Action

WORST, BEST = -1.0, 2.0  # removals beyond these are drawn at the rim
STEP = 7.0  # between the marks of a row
SIZE = 4.6  # half the height of a mark
TITLES: dict[Action, str] = {"drop": "drop", "drop_refill": "refill", "patch": "patch"}


@dataclass(frozen=True)
class Layout:
    """Sizes of one form of the plot, in pixels; a narrow one writes each label above its marks."""

    kind: str
    width: float
    left: float
    right: float
    line: float  # height of the label's own line, 0 where it stands beside the marks
    axis: str  # title of the axis


WIDE = Layout("wide", 1040, 190, 180, 0, "removal: share of the original-to-clean gap that is gone")
NARROW = Layout("narrow", 350, 8, 8, 17, "removal, as a share of the gap")


@dataclass(frozen=True)
class ForestRow:
    """One row.

    Attributes:
        key: Id of the table row that it leads to; empty where there is none.
        label: What stands at the left.
        marks: What is drawn.
        right: What stands at the right.
        reference: Whether it is a bound and no contender.
    """

    key: str
    label: str
    marks: Mapping[Action, Cell]
    right: str
    reference: bool = False


def forest(rows: Sequence[ForestRow], guides: Mapping[Action, float], right: str, title: str) -> Markup:
    """Draw a plot twice, for wide and for narrow pages; the style sheet shows one of them.

    Args:
        rows: Top to bottom.
        guides: Removal by each action on random sets, dashed lines through all rows.
        right: Heading of the numbers at the right.
        title: Read to those who cannot see it, before all numbers.
    """
    cells = [cell for row in rows for cell in row.marks.values()]
    low, high = extent([*cells, *(Cell("", value=value) for value in guides.values())], 0.0, 1.0)
    limits = max(low, WORST) - 0.03, min(high, BEST) + 0.03
    described = "; ".join(_said(row, right) for row in rows if not row.key)  # a link says it itself
    said = f"<title>{escape(title)}</title>{f'<desc>{escape(described)}</desc>' if described else ''}"
    return Markup("").join(_picture(rows, guides, right, said, limits, layout) for layout in (WIDE, NARROW))


def _said(row: ForestRow, right: str) -> str:
    numbers = [f"{TITLES.get(action, action)} {cell.text}" for action, cell in row.marks.items()]
    return f"{row.label}: {', '.join([*numbers, f'{right} {row.right}'])}"


def _picture(
    rows: Sequence[ForestRow],
    guides: Mapping[Action, float],
    right: str,
    words: str,
    limits: tuple[float, float],
    layout: Layout,
) -> Markup:
    actions = list(dict.fromkeys(action for row in rows for action in row.marks))
    most = max((len(row.marks) for row in rows), default=1)
    height = max(most * STEP + 3, 19.0) + layout.line
    keys, top = _legend(actions, guides, layout)
    bottom = top + height * len(rows)
    x = Scale(*limits, layout.left, layout.width - layout.right)
    parts = [*keys, text(layout.width - 4, top - 8, "end", right, ' class="head"')]
    for tick in ticks(*limits, 5 if layout.line else 8):
        parts += [line("zero" if tick == 0 else "grid", x(tick), top, x(tick), bottom)]
        parts += [text(x(tick), bottom + 15, "middle", f"{tick:g}")]
    parts += [line(f"guide {action}", x(value), top, x(value), bottom) for action, value in guides.items()]
    for number, row in enumerate(rows):
        parts += [_opened(row, right), *_row(row, top + number * height, height, x, layout)]
    parts.append(text((x.start + x.end) / 2, bottom + 33, "middle", layout.axis))
    role = "group" if any(row.key for row in rows) else "img"  # a picture hides the links in it
    size = f'viewBox="0 0 {layout.width:g} {bottom + 40:g}"'
    return Markup(f'<svg class="plot forest {layout.kind}" {size} role="{role}">{words}{"".join(parts)}</svg>')


def _legend(actions: Sequence[Action], guides: Mapping[Action, float], layout: Layout) -> tuple[list[str], float]:
    """Draw what marks and dashed lines stand for; return it with the top of the plot."""
    entries = [(action, TITLES.get(action, action)) for action in actions]
    parts, x, y = [], layout.left + 4, 12.0
    for action, label in entries if len(entries) < len(TITLES) + 1 else []:
        parts += [mark(action, x, y - 4, escape(label)), text(x + 10, y, "start", label, f' class="key {action}"')]
        x += 30 + 6.4 * len(label)
    if guides:
        if layout.line:
            x, y = layout.left, y + 18
        named = ", ".join(f"{TITLES.get(action, action)} {decimal(value)}" for action, value in guides.items())
        parts += [line("guide", x, y - 4, x + 22, y - 4), text(x + 28, y, "start", f"random sets: {named}")]
    return parts, y + (26 if layout.line else 12)


def _opened(row: ForestRow, right: str) -> str:
    """Open a row: a link to its row of the table, where there is one, which says its numbers."""
    kind = ' class="reference"' if row.reference else ""
    if not row.key:
        return f"<g{kind}>"
    key, said = escape(row.key), escape(_said(row, right))
    return f'<a href="#{escape(quote(row.key))}"{kind} data-row="{key}" aria-label="{said}">'


def _row(row: ForestRow, top: float, height: float, x: Scale, layout: Layout) -> list[str]:
    middle = top + layout.line + (height - layout.line) / 2
    base = top + 13 if layout.line else middle + 4
    name = f"{row.label} (reference)" if row.reference else row.label
    parts = [f'<rect class="hit" y="{top:g}" width="{layout.width:g}" height="{height:g}"/>'] if row.key else []
    parts.append(line("rule", 0, top, layout.width, top))
    if layout.line:  # nothing runs through the words
        parts.append(f'<rect class="paper" y="{top + 1:g}" width="{layout.width:g}" height="{layout.line:g}"/>')
    parts.append(text(0, base, "start", name, ' class="name"'))
    parts.append(text(layout.width - 4, base, "end", row.right, ' class="versus"'))
    start = middle - STEP * (len(row.marks) - 1) / 2
    for number, (action, cell) in enumerate(row.marks.items()):
        if cell.value is None:
            continue
        y = start + number * STEP
        if cell.low is not None and cell.high is not None:
            parts.append(line(f"whisker {action}", x(cell.low), y, x(cell.high), y))
        parts.append(mark(action, x(cell.value), y, escape(f"{name}, {TITLES.get(action, action)}: {cell.text}")))
    return [*parts, "</a>" if row.key else "</g>"]


def mark(action: Action, x: float, y: float, title: str) -> str:
    """Draw the mark of an action, whose shape tells it apart as its colour does; `title` is escaped already."""
    s, kind = SIZE, f'class="mark {action}"'
    if action == "patch":
        return f'<circle {kind} cx="{x:g}" cy="{y:g}" r="{s:g}"><title>{title}</title></circle>'
    corners = {
        "drop": ((-s, -s), (s, -s), (s, s), (-s, s)),
        "drop_refill": ((0, -s), (s, s), (-s, s)),
    }.get(action, ((0, -s - 1), (s + 1, 0), (0, s + 1), (-s - 1, 0)))
    points = " ".join(f"{round(x + a, 2):g},{round(y + b, 2):g}" for a, b in corners)
    return f'<polygon {kind} points="{points}"><title>{title}</title></polygon>'
