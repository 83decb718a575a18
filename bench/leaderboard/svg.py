"""Plots as small SVG texts: positions from numbers alone, colours and fonts left to the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from bench.leaderboard.format import Cell

WIDTH, HEIGHT, EDGE = 300.0, 190.0, 40.0  # a small plot, and the room left of its axis


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
