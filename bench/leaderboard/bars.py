"""Grouped bar charts as HTML: one SVG and caption a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from bench.leaderboard.format import Cell
from bench.leaderboard.svg import Scale, extent, text, ticks

BARS_HEIGHT, BARS_TOP, BARS_BOTTOM, BARS_LEFT = 210.0, 24.0, 10.0, 36.0  # one group of bars, in pixels
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
    """Return the class of the n-th series, from 0; the colours repeat after six."""
    return f"series-{number % SERIES + 1}"


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Say what the colours stand for: (kind, label) pairs as an HTML list."""
    items = (f'<li><span class="swatch {kind}"></span> {escape(label)}</li>' for kind, label in entries)
    return Markup(f'<ul class="legend keys">{"".join(items)}</ul>')


def bars(groups: Sequence[Group]) -> Markup:
    """Draw a grouped bar chart as HTML: one SVG and caption a group, all on one axis that holds 0.

    Every group is a picture of its own, so that a narrow page puts them below one another and nothing shrinks.
    """
    limits = _bar_limits(groups)
    return Markup(f'<div class="bars">{"".join(_figure(group, limits) for group in groups)}</div>')


def _bar_limits(groups: Sequence[Group]) -> tuple[float, float]:
    """Return the axis: 0, every value and interval, widened to whole ticks."""
    cells = [bar.cell for group in groups for bar in group.bars]
    low, high = extent(cells + [cell for group in groups for _, cell in group.lines], 0.0, 0.0)
    if high - low < 1e-9:
        return 0.0, 1.0
    marks = ticks(low, high)
    step = marks[1] - marks[0]
    start = marks[0] - step if low < marks[0] - 1e-9 else marks[0]
    return start, marks[-1] + step if high > marks[-1] + 1e-9 else marks[-1]


def _figure(group: Group, limits: tuple[float, float]) -> str:
    width = max(BARS_LEFT + len(group.bars) * (BAR + GAP) + 2 * GAP, LEAST)
    y = Scale(*limits, BARS_HEIGHT - BARS_BOTTOM, BARS_TOP)
    parts = []
    for tick in ticks(*limits):
        parts.append(_line("zero" if tick == 0 else "grid", BARS_LEFT, y(tick), width, y(tick)))
        parts.append(text(BARS_LEFT - 6, y(tick) + 4, "end", f"{tick:g}"))
    first = BARS_LEFT + (width - BARS_LEFT - len(group.bars) * (BAR + GAP) + GAP) / 2
    parts += [_bar(bar, first + number * (BAR + GAP), y) for number, bar in enumerate(group.bars)]
    keys = []
    for number, (label, cell) in enumerate(group.lines):
        kind = f"line-{number % 2 + 1}"
        keys.append(f'<small><span class="dots {kind}"></span> {escape(f"{label} {_words(cell)}")}</small>')
        if cell.value is not None:
            parts.append(_line(f"reference {kind}", BARS_LEFT, y(cell.value), width, y(cell.value), label))
    said = escape(f"{group.label}: {'; '.join(f'{bar.label} {_words(bar.cell)}' for bar in group.bars)}")
    size = f'width="{width:g}" height="{BARS_HEIGHT:g}" viewBox="0 0 {width:g} {BARS_HEIGHT:g}"'
    picture = f'<svg {size} role="img" aria-label="{said}">{"".join(parts)}</svg>'
    caption = f"<figcaption>{escape(group.label)}{''.join(keys)}</figcaption>"
    return f"<figure>{picture}{caption}</figure>"


def _bar(bar: Bar, x: float, y: Scale) -> str:
    """Draw one bar with its whisker and number; a place without a value gets words, never a bar of height 0."""
    middle, cell = x + BAR / 2, bar.cell
    title = f"<title>{escape(f'{bar.label}: {_words(cell)}')}</title>"
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
    number = escape(cell.text.partition(" [")[0])
    parts.append(f'<text class="number" x="{middle:g}" y="{above - 5:g}" text-anchor="middle">{number}</text>')
    return f'<g class="{bar.kind}">{title}{"".join(parts)}</g>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float, title: str = "") -> str:
    """Draw a line that may have a title."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}">{inside}</line>'


def _words(cell: Cell) -> str:
    """Return a value, or why there is none."""
    return cell.text if cell.value is not None else f"not measured ({cell.note or cell.text})"
