"""Plots as small SVG texts: positions from numbers alone, colours and fonts left to the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.leaderboard.format import Cell

SIDE, MARGIN = 420.0, 52.0  # the drop-versus-patch plot, in SVG units
WIDTH, HEIGHT, EDGE = 300.0, 190.0, 40.0  # one budget curve
WORST, BEST = -1.0, 2.0  # removals beyond these are drawn at the rim


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high`, drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Position of a value; values outside are drawn at the rim."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two bounds.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) + 0.0 for i in range(first, last + 1)]


def bounds(cells: Sequence[Cell], least: float, most: float) -> tuple[float, float]:
    """Limits that hold 0, 1 or the given ones, and every value and interval, widened to whole fifths."""
    numbers = [n for cell in cells for n in (cell.value, cell.low, cell.high) if n is not None]
    low, high = min([least, *numbers]), max([most, *numbers])
    step = (high - low) / 5
    return (low if low == least else low - step / 4), (high if high == most else high + step / 4)


def _removal_bounds(cells: Sequence[Cell]) -> tuple[float, float]:
    low, high = bounds(cells, 0.0, 1.0)
    return max(low, WORST) - 0.04, min(high, BEST) + 0.04


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A line of a class of the style sheet."""
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def text(x: float, y: float, anchor: str, words: str, more: str = "") -> str:
    """Words at a place; `anchor` is start, middle or end."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def svg(width: float, height: float, title: str, parts: list[str]) -> str:
    """A picture of its parts; the title is read to those who cannot see it."""
    head = f'<svg class="plot" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
    return head + "".join(parts) + "</svg>"


def frame(x: Scale, y: Scale, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[float]) -> list[str]:
    """Grid lines and the numbers beside them."""
    parts = []
    for value, label in x_ticks:
        parts += [line("grid", x(value), y.start, x(value), y.end), text(x(value), y.start + 17, "middle", label)]
    for value in y_ticks:
        parts += [
            line("grid", x.start, y(value), x.end, y(value)),
            text(x.start - 7, y(value) + 4, "end", f"{value:g}"),
        ]
    return parts


def drop_versus_patch(points: Sequence[tuple[int, str, Cell, Cell]]) -> str:
    """Removal by patch over removal by drop, with intervals on both axes and a diagonal where both are equal.

    Args:
        points: Number, label, removal by drop and removal by patch; points without both values are left out.
    """
    shown = [point for point in points if point[2].value is not None and point[3].value is not None]
    low, high = _removal_bounds([cell for point in shown for cell in point[2:]])
    x, y = Scale(low, high, MARGIN, SIDE - 12), Scale(low, high, SIDE - MARGIN, 12)
    marks = ticks(low, high)
    parts = frame(x, y, [(value, f"{value:g}") for value in marks], marks)
    parts += [line("zero", x(0), y.start, x(0), y.end), line("zero", x.start, y(0), x.end, y(0))]
    parts.append(line("diagonal", x(low), y(low), x(high), y(high)))
    parts.append(text((x.start + x.end) / 2, SIDE - 10, "middle", "removal by drop"))
    middle = (y.start + y.end) / 2
    parts.append(text(15, middle, "middle", "removal by patch", f' transform="rotate(-90 15 {middle:g})"'))
    for _, _, drop, patch in shown:
        parts += whiskers(x, y, drop, patch)
    parts += numbered([(number, label, x(d.value or 0.0), y(p.value or 0.0)) for number, label, d, p in shown])
    return svg(SIDE, SIDE, "Removal by patch over removal by drop; the numbers are those of the list beside it", parts)


def whiskers(x: Scale, y: Scale, drop: Cell, patch: Cell) -> list[str]:
    """Intervals of a point: of `drop` across, of `patch` upwards."""
    across, up = x(drop.value or 0.0), y(patch.value or 0.0)
    parts = []
    if drop.low is not None and drop.high is not None:
        parts.append(line("whisker drop", x(drop.low), up, x(drop.high), up))
    if patch.low is not None and patch.high is not None:
        parts.append(line("whisker patch", across, y(patch.low), across, y(patch.high)))
    return parts


def numbered(points: Sequence[tuple[int, str, float, float]]) -> list[str]:
    """Dots with numbers; each number takes the nearest free place around its dot."""
    dots = [(x, y) for _, _, x, y in points]
    taken: list[tuple[float, float]] = []
    parts = []
    for number, label, x, y in points:
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
    """How free a place is, at most 1: 1 when no dot is within 15 units and no number within 21."""
    room = [math.dist(place, dot) / 15 for dot in dots] + [math.dist(place, other) / 21 for other in taken]
    return min([1.0, *room])


def removal_by_budget(budgets: Sequence[float], drop: Sequence[Cell], patch: Sequence[Cell], title: str) -> str:
    """Removal over budget, one line for drop (dashed) and one for patch; the axis has a place for each budget."""
    low, high = _removal_bounds([*drop, *patch])
    slots = Scale(0, max(len(budgets) - 1, 1), EDGE + 18, WIDTH - 18)
    x, y = Scale(0, 1, EDGE, WIDTH - 4), Scale(low, high, HEIGHT - 40, 8)
    parts = frame(x, y, [], ticks(low, high, 4))
    parts.append(line("zero", x.start, y(0), x.end, y(0)))
    parts += [text(slots(i), y.start + 17, "middle", f"{100 * b:g} %") for i, b in enumerate(budgets)]
    parts.append(text((x.start + x.end) / 2, HEIGHT - 6, "middle", "budget"))
    for kind, cells, shift in (("drop", drop, -3.0), ("patch", patch, 3.0)):
        spots = [(slots(i) + shift, cell) for i, cell in enumerate(cells) if cell.value is not None]
        path = " ".join(f"{at:g},{y(cell.value or 0.0):g}" for at, cell in spots)
        parts.append(f'<polyline class="curve {kind}" points="{path}"/>')
        for at, cell in spots:
            if cell.low is not None and cell.high is not None:
                parts.append(line(f"whisker {kind}", at, y(cell.low), at, y(cell.high)))
            parts.append(f'<circle class="dot {kind}" cx="{at:g}" cy="{y(cell.value or 0.0):g}" r="4"/>')
    return svg(WIDTH, HEIGHT, title, parts)


def strip(cells: Sequence[tuple[str, Cell]], limits: tuple[float, float]) -> str:
    """One row of a dot plot, as wide as its table cell: a dot and whisker for each value of a kind."""
    place = Scale(*limits, 4, 96)
    parts = [_percent_line("grid", place(tick), place(tick), 0, 22) for tick in ticks(*limits)]
    for kind, cell in cells:
        if cell.low is not None and cell.high is not None:
            parts.append(_percent_line(f"whisker {kind}", place(cell.low), place(cell.high), 11, 11))
        if cell.value is not None:
            parts.append(f'<circle class="dot {kind}" cx="{place(cell.value):g}%" cy="11" r="5"/>')
    return f'<svg class="strip" height="22" aria-hidden="true">{"".join(parts)}</svg>'


def strip_axis(limits: tuple[float, float]) -> str:
    """The axis below a dot plot's rows."""
    place = Scale(*limits, 4, 96)
    marks = [f'<text x="{place(tick):g}%" y="13" text-anchor="middle">{tick:g}</text>' for tick in ticks(*limits)]
    return f'<svg class="strip" height="16" aria-hidden="true">{"".join(marks)}</svg>'


def _percent_line(kind: str, x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:g}%" x2="{x2:g}%" y1="{y1:g}" y2="{y2:g}"/>'
