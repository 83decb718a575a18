"""The page of `bench lds`, and its terminal summary: laid out from `lds.json` alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.files import write_text
from bench.leaderboard import svg
from bench.leaderboard.attribution import FilterAttribution, LdsReport, LdsResult, read_report
from bench.leaderboard.format import Cell, decimal, estimate, finite, pool, significant, superscript
from bench.leaderboard.pages import LDS, Page, render, visible
from bench.leaderboard.row import BOUNDS
from bench.leaderboard.svg import Scale
from bench.outcomes import Estimate

LIMITS = (-1.0, 1.0)  # of a rank correlation


@dataclass(frozen=True)
class Line:
    """One filter: LDS, its share of the ceiling, its distance to the best, and tail-patch at each budget."""

    name: str
    bound: bool
    lds: Cell
    of_ceiling: Cell
    behind_best: Cell
    tail_patch: list[Cell]
    picture: Markup


@dataclass(frozen=True)
class View:
    """One trait's section; the highest LDS comes first, `shares` says whether any has a share of the ceiling."""

    result: LdsResult
    headline: list[str]
    facts: list[tuple[str, str]]
    budgets: list[str]
    lines: list[Line]
    ceiling: Cell
    second: Markup
    shares: bool
    footnotes: list[str]


def write(folder: Path, pages: Sequence[Page]) -> None:
    """Render a folder's `lds.json` beside it; `pages` are those of the whole report.

    Raises:
        BenchError: If there is no such file, or the page cannot be written.
    """
    write_text(folder / LDS.file, html(read_report(folder), pages))


def html(report: LdsReport, pages: Sequence[Page] = (LDS,)) -> str:
    """Render the report as one HTML page."""
    return render(
        LDS,
        "lds.html.j2",
        pages,
        report=report,
        conclusions=conclusions(report),
        traits=[_view(result) for result in report.traits],
        strip=svg.strip,
        axis=svg.strip_axis,
        limits=LIMITS,
    )


def _view(result: LdsResult) -> View:
    ranked = sorted(result.filters, key=lambda f: (-_size(f.lds), f.filter.name))
    budgets = list(dict.fromkeys(budget for found in ranked for budget in found.tail_patch))
    margins = [subset.margin for subset in result.subsets]
    lines = [_line(found, budgets, margins) for found in ranked]
    ceiling = estimate(result.ceiling)
    cells = [ceiling, *(c for line in lines for c in (line.lds, line.of_ceiling, line.behind_best, *line.tail_patch))]
    again = [subset.again for subset in result.subsets if subset.again is not None]
    return View(
        result=result,
        headline=_headline(result),
        facts=[
            ("Pool", f"{pool(result.pool)}, {result.pool_rows} rows"),
            ("Queries", f"{result.queries}, {result.queries_sha256[:12]}"),
            ("Students", f"{len(margins)} on random halves, {len(again)} of them a second time"),
            ("Margins", f"{decimal(min(margins))} to {decimal(max(margins))} nats"),
            ("Ceiling", ceiling.text),
        ],
        budgets=budgets,
        lines=lines,
        ceiling=ceiling,
        second=_scatter(margins[: len(again)], again, "margin, second training", "Margins of two trainings"),
        shares=any(line.of_ceiling.value is not None for line in lines),
        footnotes=list(dict.fromkeys(cell.note for cell in cells if cell.note and cell.value is not None)),
    )


def _size(given: Estimate) -> float:
    value = finite(given.value)
    return -2.0 if value is None else value


def _line(found: FilterAttribution, budgets: Sequence[str], margins: Sequence[float]) -> Line:
    name, missing = found.filter.name, Estimate(value=None, note="not measured")
    return Line(
        name=name,
        bound=name in BOUNDS,
        lds=estimate(found.lds),
        of_ceiling=estimate(found.of_ceiling),
        behind_best=estimate(found.behind_best),
        tail_patch=[significant(found.tail_patch.get(budget, missing)) for budget in budgets],
        picture=_scatter(found.sums, margins, "margin, nats", f"Margin over summed scores of {name}"),
    )


def conclusion(result: LdsResult) -> str:
    """Say in one sentence how many filters predict retraining, and which does so best."""
    contenders = [found for found in result.filters if found.filter.name not in BOUNDS]
    shown = len(_above_chance(contenders))
    best = next((found for found in contenders if found.filter.name == result.best), None)
    highest = f"; the highest LDS is that of {result.best}, {estimate(best.lds).text}" if best else ""
    verb = "predicts" if shown == 1 else "predict"
    return f"{shown or 'None'} of {len(contenders)} filters {verb} retraining better than chance{highest}."


def conclusions(report: LdsReport) -> list[str]:
    """Return the conclusion on each trait, with its name where there are several."""
    several = len(report.traits) > 1
    return [f"{r.trait}: {conclusion(r)}" if several else conclusion(r) for r in report.traits]


def _above_chance(filters: Sequence[FilterAttribution]) -> list[str]:
    return [found.filter.name for found in filters if (finite(found.lds.low) or 0.0) > 0]


def _headline(result: LdsResult) -> list[str]:
    """Say which attributions predict retraining, no more than the intervals allow."""
    contenders = [found for found in result.filters if found.filter.name not in BOUNDS]
    shown = _above_chance(contenders)
    behind = [f.filter.name for f in contenders if (finite(f.behind_best.low) or 0.0) > 0]
    sentences = []
    if shown:
        sentences.append(f"Better than chance (95 % interval of the LDS above 0): {', '.join(shown)}.")
    if len(contenders) > 1 and any(found.filter.name == result.best for found in contenders):
        worse = f"shown to be lower: {', '.join(behind)}" if behind else "none is shown to be lower"
        sentences.append(f"Of those behind {result.best}, {worse}.")
    ceiling = estimate(result.ceiling)
    why = f" ({ceiling.note})" if ceiling.note else ""
    sentences.append(f"Two trainings on the same subsets agree to {ceiling.text}{why}.")
    if not any(finite(found.of_ceiling.value) is not None for found in result.filters):
        notes = dict.fromkeys(found.of_ceiling.note for found in result.filters if found.of_ceiling.note)
        sentences.append(f"No LDS is given as a share of this ceiling: {'; '.join(notes) or 'not measured'}.")
    return sentences


def _scatter(x: Sequence[float], y: Sequence[float], up: str, title: str) -> Markup:
    """Draw dots, one a subset, on axes as wide as the values."""
    across, upwards = (_axis(values) for values in (x, y))
    to_x = Scale(*across, svg.EDGE + 4, svg.WIDTH - 16)
    to_y = Scale(*upwards, svg.HEIGHT - 24, 18)
    parts = svg.frame(to_x, to_y, [(tick, f"{tick:g}") for tick in svg.ticks(*across, 4)], svg.ticks(*upwards, 4))
    parts.append(svg.text(4, 10, "start", up))
    parts += [f'<circle class="dot plain" cx="{to_x(a):g}" cy="{to_y(b):g}" r="3"/>' for a, b in zip(x, y, strict=True)]
    return svg.svg(svg.WIDTH, svg.HEIGHT, title, parts)


def _axis(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def terminal_table(report: LdsReport) -> Group:
    """Lay the report out for a terminal: for each trait what it says, and a line for each filter."""
    parts: list[RenderableType] = []
    for view in map(_view, report.traits):
        parts += [Text(), Text(visible(conclusion(view.result)), style="bold")]
        parts.append(Text(visible(f"{view.result.trait}: {view.result.description}"), style="dim"))
        parts += [Text(visible(sentence)) for sentence in view.headline]
        shares = ["LDS / ceiling"] if view.shares else []
        table = Table("Filter", "LDS", *shares, "Behind the best", pad_edge=False)
        for budget in view.budgets:
            table.add_column(Text(visible(f"Tail-patch at {budget}, nats")))
        shown = [
            (line.name, [line.lds, *([line.of_ceiling] if shares else []), line.behind_best, *line.tail_patch])
            for line in view.lines
        ]
        notes = list(dict.fromkeys(cell.note for _, cells in shown for cell in cells if cell.note))
        for name, cells in shown:
            table.add_row(*(Text(visible(word)) for word in (name, *(_marked(cell, notes) for cell in cells))))
        parts += [table, *(Text(visible(f"{superscript(i)} {note}"), style="dim") for i, note in enumerate(notes, 1))]
    return Group(*parts)


def _marked(cell: Cell, notes: Sequence[str]) -> str:
    text = "–" if cell.value is None else cell.text
    return text + (superscript(notes.index(cell.note) + 1) if cell.note else "")
