"""Plots as small SVG texts: positions from numbers alone, colours and fonts left to the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from bench.leaderboard.format import Cell

SIDE, MARGIN = 420.0, 52.0  # a scatter plot, in SVG units
WIDTH, HEIGHT, EDGE = 300.0, 190.0, 40.0  # one budget curve
WORST, BEST = -1.0, 2.0  # removals beyond these are drawn at the rim
BARS_HEIGHT, BARS_TOP, BARS_BOTTOM, BARS_LEFT = 210.0, 24.0, 10.0, 36.0  # one group of bars, in pixels
BAR, GAP, LEAST = 34.0, 8.0, 130.0  # width of a bar, space beside it, least width of a group
CAP = 4.0  # half the width of a whisker's ends
SERIES = 6  # colours that the style sheet knows


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high`, drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value; values outside are drawn at the rim."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers between two bounds.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) + 0.0 for i in range(first, last + 1)]


def extent(cells: Sequence[Cell], least: float, most: float) -> tuple[float, float]:
    """Return the narrowest limits that hold the given ones, every value and every interval."""
    numbers = [n for cell in cells for n in (cell.value, cell.low, cell.high) if n is not None]
    return min([least, *numbers]), max([most, *numbers])


def bounds(cells: Sequence[Cell], least: float, most: float) -> tuple[float, float]:
    """Return limits as `extent` does, with some space beyond numbers that lie outside the given ones."""
    low, high = extent(cells, least, most)
    step = (high - low) / 5
    return (low if low == least else low - step / 4), (high if high == most else high + step / 4)


def _removal_bounds(cells: Sequence[Cell]) -> tuple[float, float]:
    low, high = bounds(cells, 0.0, 1.0)
    return max(low, WORST) - 0.04, min(high, BEST) + 0.04


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Draw a line of a class of the style sheet."""
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def text(x: float, y: float, anchor: str, words: str, more: str = "") -> str:
    """Draw words at a place; `anchor` is start, middle or end."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def svg(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    """Make a picture of its parts; the title is read to those who cannot see it."""
    head = f'<svg class="plot" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
    return Markup(f"{head}{''.join(parts)}</svg>")


def frame(x: Scale, y: Scale, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[float]) -> list[str]:
    """Draw grid lines and the numbers beside them."""
    parts = []
    for value, label in x_ticks:
        parts += [line("grid", x(value), y.start, x(value), y.end), text(x(value), y.start + 17, "middle", label)]
    for value in y_ticks:
        parts += [
            line("grid", x.start, y(value), x.end, y(value)),
            text(x.start - 7, y(value) + 4, "end", f"{value:g}"),
        ]
    return parts


def curve(kind: str, spots: Sequence[tuple[float, Cell]], y: Scale) -> list[str]:
    """Draw a line through dots with their intervals; spots are horizontal positions and cells."""
    shown = [(x, y(cell.value), cell) for x, cell in spots if cell.value is not None]
    path = " ".join(f"{x:g},{height:g}" for x, height, _ in shown)
    parts = [f'<polyline class="curve {kind}" points="{path}"/>']
    for x, height, cell in shown:
        if cell.low is not None and cell.high is not None:
            parts.append(line(f"whisker {kind}", x, y(cell.low), x, y(cell.high)))
        parts.append(f'<circle class="dot {kind}" cx="{x:g}" cy="{height:g}" r="4"/>')
    return parts


Points = Sequence[tuple[int, str, Cell, Cell]]  # number, label, value across, value upwards


def scatter(
    points: Points, limits: tuple[float, float], axes: tuple[str, str], title: str, *, zero: bool = False
) -> Markup:
    """Draw numbered points with intervals both ways, and the diagonal where both values are equal.

    Args:
        points: Number, label and the two values; points without both are left out.
        limits: Of both axes.
        axes: Titles of the horizontal and the vertical axis.
        title: Read to those who cannot see it.
        zero: Whether to draw the lines where a value is 0.
    """
    x, y = Scale(*limits, MARGIN, SIDE - 12), Scale(*limits, SIDE - MARGIN, 12)
    marks = ticks(*limits)
    parts = frame(x, y, [(value, f"{value:g}") for value in marks], marks)
    if zero:
        parts += [line("zero", x(0), y.start, x(0), y.end), line("zero", x.start, y(0), x.end, y(0))]
    parts.append(line("diagonal", x(limits[0]), y(limits[0]), x(limits[1]), y(limits[1])))
    middle = (y.start + y.end) / 2
    parts.append(text((x.start + x.end) / 2, SIDE - 10, "middle", axes[0]))
    parts.append(text(15, middle, "middle", axes[1], f' transform="rotate(-90 15 {middle:g})"'))
    places = []
    for number, label, across, up in points:
        if across.value is None or up.value is None:
            continue
        at = x(across.value), y(up.value)
        places.append((number, label, at))
        if across.low is not None and across.high is not None:
            parts.append(line("whisker drop", x(across.low), at[1], x(across.high), at[1]))
        if up.low is not None and up.high is not None:
            parts.append(line("whisker patch", at[0], y(up.low), at[0], y(up.high)))
    return svg(SIDE, SIDE, f"{title}; the numbers are those of the list beside it", parts + _numbered(places))


def _numbered(points: Sequence[tuple[int, str, tuple[float, float]]]) -> list[str]:
    """Draw dots with numbers; each number takes the nearest free place around its dot."""
    dots = [dot for _, _, dot in points]
    taken: list[tuple[float, float]] = []
    parts = []
    for number, label, (x, y) in points:
        places = [
            (x + reach * math.cos(angle * math.pi / 6), y - reach * math.sin(angle * math.pi / 6))
            for reach in (17, 30, 44, 60, 78)
            for angle in (1, 2, 4, 5, 7, 8, 10, 11, 0, 3, 6, 9)
        ]
        inside = [(a, b) for a, b in places if MARGIN < a < SIDE - 16 and 16 < b < SIDE - MARGIN]
        at = max(inside or places, key=lambda place: (round(_free(place, dots, taken), 3), -math.dist(place, (x, y))))
        taken.append(at)
        parts += [
            line("leader", x, y, round(at[0], 1), round(at[1], 1)),
            f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="5"><title>{escape(label)}</title></circle>',
            f'<circle class="badge" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="9.5"/>',
            text(round(at[0], 1), round(at[1] + 4.3, 1), "middle", str(number), ' class="number"'),
        ]
    return parts


def _free(
    place: tuple[float, float], dots: Sequence[tuple[float, float]], taken: Sequence[tuple[float, float]]
) -> float:
    """Return how free a place is, at most 1: 1 when no dot is within 15 units and no number within 21."""
    room = [math.dist(place, dot) / 15 for dot in dots] + [math.dist(place, other) / 21 for other in taken]
    return min([1.0, *room])


def drop_versus_patch(points: Points) -> Markup:
    """Draw removal by patch over removal by drop; at least one point must have both."""
    limits = _removal_bounds([cell for point in points for cell in point[2:]])
    axes = "removal by drop", "removal by patch"
    return scatter(points, limits, axes, "Removal by patch over removal by drop", zero=True)


def removal_by_budget(series: Sequence[tuple[float, Cell, Cell]], title: str) -> Markup:
    """Draw removal over budget, one line for drop (dashed) and one for patch; the axis has a place for each budget.

    Args:
        series: Budget, removal by drop and removal by patch.
        title: Read to those who cannot see it.
    """
    low, high = _removal_bounds([cell for _, drop, patch in series for cell in (drop, patch)])
    slots = Scale(0, max(len(series) - 1, 1), EDGE + 18, WIDTH - 18)
    x, y = Scale(0, 1, EDGE, WIDTH - 4), Scale(low, high, HEIGHT - 40, 8)
    parts = frame(x, y, [], ticks(low, high, 4))
    parts.append(line("zero", x.start, y(0), x.end, y(0)))
    parts += [text(slots(i), y.start + 17, "middle", f"{100 * budget:g} %") for i, (budget, _, _) in enumerate(series)]
    parts.append(text((x.start + x.end) / 2, HEIGHT - 6, "middle", "budget"))
    parts += curve("drop", [(slots(i) - 3, drop) for i, (_, drop, _) in enumerate(series)], y)
    parts += curve("patch", [(slots(i) + 3, patch) for i, (_, _, patch) in enumerate(series)], y)
    return svg(WIDTH, HEIGHT, title, parts)


def strip(cells: Sequence[tuple[str, Cell]], limits: tuple[float, float]) -> Markup:
    """Draw one row of a dot plot, as wide as its table cell: a dot and whisker for each value of a kind."""
    place = Scale(*limits, 4, 96)
    parts = [_percent_line("grid", place(tick), place(tick), 0, 22) for tick in ticks(*limits)]
    for kind, cell in cells:
        if cell.low is not None and cell.high is not None:
            parts.append(_percent_line(f"whisker {kind}", place(cell.low), place(cell.high), 11, 11))
        if cell.value is not None:
            parts.append(f'<circle class="dot {kind}" cx="{place(cell.value):g}%" cy="11" r="5"/>')
    return Markup(f'<svg class="strip" height="22" aria-hidden="true">{"".join(parts)}</svg>')


def strip_axis(limits: tuple[float, float]) -> Markup:
    """Draw the axis below a dot plot's rows."""
    place = Scale(*limits, 4, 96)
    marks = [f'<text x="{place(tick):g}%" y="13" text-anchor="middle">{tick:g}</text>' for tick in ticks(*limits)]
    return Markup(f'<svg class="strip" height="16" aria-hidden="true">{"".join(marks)}</svg>')


def _percent_line(kind: str, x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:g}%" x2="{x2:g}%" y1="{y1:g}" y2="{y2:g}"/>'


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
