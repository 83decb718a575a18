"""Wall time over size for everything that was measured to grow, as one picture."""

import math
from collections.abc import Sequence

from bench.leaderboard.svg import EDGE, HEIGHT, WIDTH, Scale, frame, svg, text, ticks
from bench.studies.speed.records import BenchmarkRecord, Case, Side

COLUMNS = 3
TITLE, FOOT, SPACE = 26.0, 40.0, 14.0  # room above a panel's plot, below it, and between panels, in SVG units
KINDS_OF: dict[Side, str] = {"plain": "drop", "suite": "patch"}  # classes of the pages' style: dashed, solid


def growth_plot(record: BenchmarkRecord) -> str:
    """A panel for each kind of work and axis: plain loop dashed, suite solid."""
    panels = [_panel(f"{kind} by {axis}", axis, cases) for (kind, axis), cases in record.growth().items()]
    rows = -(-len(panels) // COLUMNS)
    across, down = WIDTH + SPACE, HEIGHT + TITLE + SPACE
    parts = [text(EDGE, 18, "start", "seconds (median) over size; dashed: plain loop, solid: suite")]
    for number, panel in enumerate(panels):
        x, y = number % COLUMNS * across, number // COLUMNS * down + TITLE
        parts.append(f'<g transform="translate({x:g} {y:g})">{"".join(panel)}</g>')
    return svg(COLUMNS * across, rows * down + TITLE, "Wall time over size, plain loop and suite", parts)


def _panel(title: str, axis: str, cases: Sequence[Case]) -> list[str]:
    most = max(max(case.seconds(side)) for case in cases for side in KINDS_OF)
    x = Scale(0, cases[-1].size, EDGE + 8, WIDTH - 12)
    y = Scale(0, most * 1.05, TITLE + HEIGHT - FOOT, TITLE)
    room = 8.0 * len(f"{cases[-1].size:,}")  # a label too close to the one after it is left out
    places = [*(x(case.size) for case in cases[1:]), math.inf]
    labels = [
        (case.size, f"{case.size:,}") for case, after in zip(cases, places, strict=True) if after - x(case.size) >= room
    ]
    parts = [text(EDGE + 8, TITLE - 8, "start", title, ' class="number"')]
    parts += frame(x, y, labels, ticks(0, most * 1.05, 4))
    parts.append(text((x.start + x.end) / 2, y.start + 34, "middle", axis))
    for side, kind in KINDS_OF.items():
        path = " ".join(f"{x(case.size):g},{y(case.median(side)):g}" for case in cases)
        parts.append(f'<polyline class="curve {kind}" points="{path}"/>')
        for case in cases:
            parts.append(f'<circle class="dot {kind}" cx="{x(case.size):g}" cy="{y(case.median(side)):g}" r="4"/>')
    return parts
