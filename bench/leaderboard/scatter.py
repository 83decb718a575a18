"""Scatter plots of numbered points with intervals both ways."""

import math
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from bench.leaderboard.format import Cell
from bench.leaderboard.svg import Scale, frame, line, svg, text, ticks

SIDE, MARGIN = 420.0, 52.0  # of a plot, in SVG units

Points = Sequence[tuple[int, str, Cell, Cell]]  # number, label, value across, value upwards


def scatter(points: Points, limits: tuple[float, float], axes: tuple[str, str], title: str) -> Markup:
    """Draw numbered points with intervals both ways, and the diagonal where both values are equal.

    Args:
        points: Number, label and the two values; points without both are left out.
        limits: Of both axes.
        axes: Titles of the horizontal and the vertical axis.
        title: Read to those who cannot see it.
    """
    x, y = Scale(*limits, MARGIN, SIDE - 12), Scale(*limits, SIDE - MARGIN, 12)
    marks = ticks(*limits)
    parts = frame(x, y, [(value, f"{value:g}") for value in marks], marks)
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
