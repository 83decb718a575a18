"""Bar charts as small SVG texts: a group for each thing measured, bars side by side, whiskers for intervals.

Every group is a picture of its own with the same axis, so that a narrow page puts them below one another and nothing
shrinks. Positions come from numbers alone; colours and fonts are left to the page's style sheet, by class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.leaderboard.format import Cell
from bench.leaderboard.pages import visible
from bench.leaderboard.svg import Scale, ticks

HEIGHT, TOP, BOTTOM, LEFT = 210.0, 24.0, 10.0, 36.0  # of one group, in pixels
BAR, GAP, LEAST = 34.0, 8.0, 130.0  # width of a bar, space beside it, least width of a group
CAP = 4.0  # half the width of a whisker's ends
SERIES = 6  # colours that the style sheet knows


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        label: What it stands for; said to those who cannot see the chart.
        kind: Class of the style sheet that colours it, such as `series(0)`.
        cell: Its value and interval; without a value the place is marked as not measured.
    """

    label: str
    kind: str
    cell: Cell


@dataclass(frozen=True)
class Group:
    """Bars side by side, with dotted reference lines across them: (what the line stands for, its value)."""

    label: str
    bars: Sequence[Bar]
    lines: Sequence[tuple[str, Cell]] = ()


def series(number: int) -> str:
    """Class of the n-th series, from 0; the colours repeat after six."""
    return f"series-{number % SERIES + 1}"


def bars(groups: Sequence[Group]) -> str:
    """A grouped bar chart as HTML: one SVG and caption a group, all on one axis that holds 0."""
    low, high = _limits(groups)
    return f'<div class="bars">{"".join(_figure(group, low, high) for group in groups)}</div>'


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """What the colours stand for: (kind, label) pairs as an HTML list."""
    items = (f'<li><span class="swatch {kind}"></span> {_shown(label)}</li>' for kind, label in entries)
    return f'<ul class="legend keys">{"".join(items)}</ul>'


def _limits(groups: Sequence[Group]) -> tuple[float, float]:
    """The axis: 0, every value and interval, widened to whole ticks."""
    cells = [bar.cell for group in groups for bar in group.bars]
    cells += [cell for group in groups for _, cell in group.lines]
    numbers = [n for cell in cells for n in (cell.value, cell.low, cell.high) if n is not None]
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    if high - low < 1e-9:
        return 0.0, 1.0
    marks = ticks(low, high)
    step = marks[1] - marks[0]
    return (marks[0] - step if low < marks[0] - 1e-9 else marks[0]), (
        marks[-1] + step if high > marks[-1] + 1e-9 else marks[-1]
    )


def _figure(group: Group, low: float, high: float) -> str:
    width = max(LEFT + len(group.bars) * (BAR + GAP) + 2 * GAP, LEAST)
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = []
    for tick in ticks(low, high):
        parts.append(_line("zero" if tick == 0 else "grid", LEFT, y(tick), width, y(tick)))
        parts.append(f'<text x="{LEFT - 6:g}" y="{y(tick) + 4:g}" text-anchor="end">{tick:g}</text>')
    first = LEFT + (width - LEFT - len(group.bars) * (BAR + GAP) + GAP) / 2
    for number, bar in enumerate(group.bars):
        parts.append(_bar(bar, first + number * (BAR + GAP), y))
    for number, (label, cell) in enumerate(group.lines):
        if cell.value is not None:
            parts.append(_line(f"reference line-{number % 2 + 1}", LEFT, y(cell.value), width, y(cell.value), label))
    said = "; ".join(f"{bar.label} {_words(bar.cell)}" for bar in group.bars)
    size = f'width="{width:g}" height="{HEIGHT:g}" viewBox="0 0 {width:g} {HEIGHT:g}"'
    picture = f'<svg {size} role="img" aria-label="{_shown(f"{group.label}: {said}")}">{"".join(parts)}</svg>'
    return f'<figure style="width:{width:g}px">{picture}<figcaption>{_caption(group)}</figcaption></figure>'


def _caption(group: Group) -> str:
    keys = (
        f'<small><span class="dots line-{number % 2 + 1}"></span> {_shown(label)} {_shown(_words(cell))}</small>'
        for number, (label, cell) in enumerate(group.lines)
    )
    return _shown(group.label) + "".join(keys)


def _bar(bar: Bar, x: float, y: Scale) -> str:
    """One bar with its whisker and number; a place without a value gets words, never a bar of height 0."""
    middle, cell = x + BAR / 2, bar.cell
    title = f"<title>{_shown(f'{bar.label}: {_words(cell)}')}</title>"
    if cell.value is None:
        at = f'x="{middle + 4:g}" y="{y(0) - 8:g}" transform="rotate(-90 {middle + 4:g} {y(0) - 8:g})"'
        return f'<g class="missing">{title}{_line("grid", x, y(0), x + BAR, y(0))}<text {at}>not measured</text></g>'
    top, height = min(y(cell.value), y(0)), max(abs(y(cell.value) - y(0)), 1.0)
    parts = [f'<rect class="bar" x="{x:g}" y="{top:g}" width="{BAR:g}" height="{height:g}"/>']
    above = top
    if cell.low is not None and cell.high is not None:
        above = min(top, y(cell.high))
        parts.append(_line("whisker", middle, y(cell.low), middle, y(cell.high)))
        parts += [_line("whisker", middle - CAP, y(end), middle + CAP, y(end)) for end in (cell.low, cell.high)]
    number = _shown(cell.text.partition(" [")[0])
    parts.append(f'<text class="number" x="{middle:g}" y="{above - 5:g}" text-anchor="middle">{number}</text>')
    return f'<g class="{bar.kind}">{title}{"".join(parts)}</g>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float, title: str = "") -> str:
    inside = f"<title>{_shown(title)}</title>" if title else ""
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}">{inside}</line>'


def _words(cell: Cell) -> str:
    """A value, or why there is none."""
    if cell.value is not None:
        return cell.text
    return f"not measured ({cell.note or cell.text})"


def _shown(text: str) -> str:
    return escape(visible(text))
