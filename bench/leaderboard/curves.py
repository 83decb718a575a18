"""Small plots of removal over budget, a filter each, all on the same axes."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.leaderboard.forest import BEST, WORST
from bench.leaderboard.format import Cell
from bench.leaderboard.svg import EDGE, HEIGHT, WIDTH, Scale, curve, extent, frame, line, svg, text, ticks
from bench.leaderboard.view import Line

ACTIONS = ("drop", "patch")


def removal_by_budget(filters: Sequence[Sequence[Line]]) -> list[tuple[str, Markup]]:
    """Draw removal over budget, one line for drop (dashed) and one for patch; every plot has a place for each budget.

    Args:
        filters: The lines of each filter, lowest budget first.

    Returns:
        Name and plot of each filter.
    """
    budgets = sorted({line.row.budget for lines in filters for line in lines})
    low, high = extent([line.removals[a] for ls in filters for line in ls for a in ACTIONS if a in line.removals], 0, 1)
    limits = max(low, WORST) - 0.04, min(high, BEST) + 0.04
    return [(lines[0].row.filter.name, _plot(lines, budgets, limits)) for lines in filters]


def _plot(lines: Sequence[Line], budgets: Sequence[float], limits: tuple[float, float]) -> Markup:
    slots = Scale(0, max(len(budgets) - 1, 1), EDGE + 18, WIDTH - 18)
    x, y = Scale(0, 1, EDGE, WIDTH - 4), Scale(*limits, HEIGHT - 40, 8)
    parts = frame(x, y, [], ticks(*limits, 4))
    parts.append(line("zero", x.start, y(0), x.end, y(0)))
    parts += [text(slots(i), y.start + 17, "middle", f"{100 * budget:g} %") for i, budget in enumerate(budgets)]
    parts.append(text((x.start + x.end) / 2, HEIGHT - 6, "middle", "budget"))
    said = []
    for action, shift in zip(ACTIONS, (-3, 3), strict=True):
        spots: list[tuple[float, Cell]] = []
        for each in lines:
            if cell := next((cell for name, cell in each.removals.items() if name == action), None):
                spots.append((slots(budgets.index(each.row.budget)) + shift, cell))
                said.append(f"{action} at {100 * each.row.budget:g} % {cell.text}")
        parts += curve(action, spots, y)
    return svg(WIDTH, HEIGHT, f"Removal by budget, {lines[0].row.filter.name}: {'; '.join(said)}", parts)
