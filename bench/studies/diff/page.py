"""The page of a diff, and its terminal summary: laid out from `diff.json` alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bench.arms import mix_arm
from bench.files import read_record, write_text
from bench.leaderboard import svg
from bench.leaderboard.bars import Bar, Group, bars, legend, series
from bench.leaderboard.format import Cell, decimal, estimate, finite, percent, pool, probability
from bench.leaderboard.pages import DIFF, Page, render, visible
from bench.leaderboard.scatter import scatter
from bench.leaderboard.svg import Scale
from bench.stats.equivalence import Comparison
from bench.studies.diff.cells import ALTERNATIVE, BASE, CLEAN, ORIGINAL, OTHER, PRETRAINED, by_model, on_alternative
from bench.studies.diff.records import CellScore, DiffReport, DiffResult, InterpolationCurve, SubsetResult
from bench.studies.diff.rules import QUESTIONS, RULES
from bench.studies.diff.verdicts import Verdict

JOINT = "Several hypotheses are supported: the experiments do not say which of them carries the trait, or how much."
IMPURE = "Milder examples that were taken for unrelated ones would give the same result; see the audit of the sets."
ORDER = ("supported", "ruled out", "undetermined")
UNTRAINED = 5  # series of what no teacher of the pool has trained: grey
CURVE_WIDTH, CURVE_HEIGHT = 420.0, 280.0


@dataclass(frozen=True)
class DiffView:
    """One trait's section: the result, its notes once each, and sentences on top."""

    result: DiffResult
    headline: list[str]
    pipelines: list[CellScore]
    footnotes: list[str]


def read_report(folder: Path) -> DiffReport:
    """Read a folder's `diff.json`.

    Raises:
        BenchError: If it is missing or not a report of this schema.
    """
    return read_record(folder / DIFF.data, DiffReport, "the report of a diff", "run bench diff with this --out")


def write(folder: Path, pages: Sequence[Page]) -> None:
    """Render a folder's `diff.json` beside it; `pages` are those of the whole report."""
    write_text(folder / DIFF.file, html(read_report(folder), pages))


def html(report: DiffReport, pages: Sequence[Page] = (DIFF,)) -> str:
    """Render the diff as one HTML page."""
    return render(
        DIFF,
        "diff.html.j2",
        pages,
        report=report,
        traits=[_view(result) for result in report.traits],
        rules=RULES,
        questions=QUESTIONS,
        cell=estimate,
        compared=compared,
        conclusions=conclusions(report),
        named=_named,
        percent=percent,
        pool=pool,
        probability=probability,
        pipeline_bars=pipeline_bars,
        pipeline_legend=pipeline_legend,
        curve=interpolation,
        curve_words=curve_words,
        scatter=students_over_teachers,
        strip=svg.strip,
        axis=svg.strip_axis,
    )


def _view(result: DiffResult) -> DiffView:
    subsets = {f"set {each.name}" for each in result.subsets}
    random = [cell.cell for cell in result.cells if cell.prompts == "control examples"]
    elsewhere = {*_mixtures(result), *random}
    pipelines = [cell for cell in result.cells if cell.cell not in elsewhere and cell.prompts not in subsets]
    return DiffView(result, _headline(result), pipelines, _footnotes(result))


def _mixtures(result: DiffResult) -> set[str]:
    """Return the names of the cells that are points of a curve."""
    names = {mix_arm(point.asked).name for curve in result.curves for point in curve.points}
    return names | set(map(on_alternative, names))


def conclusion(result: DiffResult) -> str:
    """Say where a trait comes from, as far as the verdicts say; codes of hypotheses come after words."""
    if not result.prerequisites.met:
        return "Nothing is inferred: the two pipelines do not differ as the method needs."
    given = {each: [v for v in result.verdicts if v.verdict == each] for each in ORDER}
    supported, out, open_ = (given[each] for each in ORDER)
    rest = f"{len(out)} of {len(result.verdicts)} explanations are ruled out, {len(open_)} undetermined"
    if len(supported) == 1:
        return f"Supported: {_name(supported[0], lower=False)}. {rest}."
    if supported:
        names = "; ".join(_name(v) for v in supported)
        return f"{len(supported)} explanations are supported and not told apart: {names}. {rest}."
    return f"No explanation is supported: {rest}." if result.verdicts else "No verdict was asked for."


def conclusions(report: DiffReport) -> list[str]:
    """Return the conclusion on each trait, with its name where there are several."""
    several = len(report.traits) > 1
    return [f"{r.trait}: {conclusion(r)}" if several else conclusion(r) for r in report.traits]


def _name(verdict: Verdict, *, lower: bool = True) -> str:
    name = verdict.name[:1].lower() + verdict.name[1:] if lower else verdict.name
    return f"{name} ({verdict.hypothesis})"


def _headline(result: DiffResult) -> list[str]:
    """Return what the conclusion leaves out: the hypotheses of each verdict, and what a joint support means."""
    if not result.prerequisites.met:
        return []
    sentences = []
    for verdict in ORDER:
        named = [v for v in result.verdicts if v.verdict == verdict]
        if named:
            sentences.append(f"{verdict.capitalize()}: {'; '.join(map(_name, named))}.")
        if verdict == "supported" and len(named) > 1:
            sentences.append(JOINT)
            if any(v.hypothesis == "1" for v in named) and any(v.hypothesis in ("2", "3a", "3b") for v in named):
                sentences.append(IMPURE)
    return sentences


def _named(hypotheses: Sequence[str]) -> str:
    """Return hypotheses by name, with their codes after it."""
    names = {rule.hypothesis: rule.name for rule in RULES}
    return "; ".join(f"{names[code]} ({code})" if code in names else code for code in hypotheses)


def decision(verdict: Verdict) -> str:
    """Return a verdict in words, with the hypotheses that are supported beside it."""
    return f"{verdict.verdict}, jointly with {_named(verdict.jointly)}" if verdict.jointly else verdict.verdict


def _footnotes(result: DiffResult) -> list[str]:
    estimates = [e for cell in result.cells for e in (cell.trait, cell.capability)]
    estimates += [e for point in result.teachers for e in (point.teacher_score, point.student_score)]
    estimates += [c.difference for v in result.verdicts for c in v.evidence.values()]
    for each in result.subsets:
        estimates += [e for s in each.effects.values() for e in (s.score, s.expected, s.difference.difference)]
    for curve in result.curves:
        estimates += [e for p in curve.points for e in (p.score, p.departure)]
    return list(dict.fromkeys(note for e in estimates if (note := estimate(e).note)))


def compared(comparison: Comparison) -> Cell:
    """Return a difference with its outcome below it."""
    return replace(estimate(comparison.difference), aside=comparison.outcome)


def pipeline_bars(result: DiffResult) -> Markup:
    """Draw bars of every combination of model, prompts and teacher, with the teachers' own scores as dotted lines."""
    groups: list[Group] = []
    for name, label in ((BASE, "Base, untrained"), (ALTERNATIVE, "Alternative model on its own data")):
        groups.append(Group(label, [_bar(cell, UNTRAINED) for cell in result.cells if cell.cell == name]))
    names = _teachers(result)
    for cell in _whole(result):
        own = [p.teacher_score for p in result.teachers if p.teacher == cell.completions and p.prompts == cell.prompts]
        lines = [(f"teacher {cell.completions}", estimate(e)) for e in own]
        words = f"{cell.prompts} prompts, {cell.completions} completions"
        groups.append(Group(words, [_bar(cell, names.index(cell.completions))], lines))
    return bars([group for group in groups if group.bars])


def pipeline_legend(result: DiffResult) -> Markup:
    """Say which colour stands for whose completions."""
    shown = [(series(number), f"completions of {name}") for number, name in enumerate(_teachers(result))]
    return legend([*shown, (series(UNTRAINED), "neither")])


def _teachers(result: DiffResult) -> list[str]:
    return list(dict.fromkeys(cell.completions for cell in _whole(result)))


def _whole(result: DiffResult) -> list[CellScore]:
    """Return the cells of the original model on a whole prompt set with one teacher's completions."""
    controls = {by_model(model, cell) for model in (OTHER, PRETRAINED) for cell in (ORIGINAL, CLEAN)}
    others = {*_mixtures(result), ALTERNATIVE, *controls}
    return [c for c in result.cells if c.prompts in ("original", "alternative") and c.cell not in others]


def _bar(cell: CellScore, number: int) -> Bar:
    return Bar(cell.cell, series(number), estimate(cell.trait))


def interpolation(curve: InterpolationCurve, scale: tuple[float, float]) -> Markup:
    """Draw score over the share of original completions: dots with intervals, the straight line, the half dose.

    Args:
        curve: What was measured.
        scale: Lowest and highest possible score.
    """
    cells = [estimate(e) for e in (curve.clean, *(point.score for point in curve.points), curve.original)]
    shares = [0.0, *(point.share for point in curve.points), 1.0]
    x, y = Scale(0, 1, svg.EDGE + 8, CURVE_WIDTH - 12), Scale(*svg.extent(cells, *scale), CURVE_HEIGHT - 48, 10)
    parts = svg.frame(x, y, [(share / 4, f"{25 * share} %") for share in range(5)], svg.ticks(y.low, y.high))
    title = "prompts with the original completion"
    parts.append(svg.text((x.start + x.end) / 2, CURVE_HEIGHT - 8, "middle", title))
    clean, original = cells[0].value, cells[-1].value
    if clean is not None and original is not None:
        parts.append(svg.line("diagonal", x(0), y(clean), x(1), y(original)))
    half = finite(curve.half_dose.value)
    if half is not None:
        parts.append(svg.line("half", x(half), y.start, x(half), y.end))
    parts += svg.curve("plain", list(zip(map(x, shares), cells, strict=True)), y)
    words = f"Trait score over the share of original completions, {curve.prompts} prompts"
    return svg.svg(CURVE_WIDTH, CURVE_HEIGHT, words, parts)


def students_over_teachers(result: DiffResult) -> Markup:
    """Draw student score over teacher score with intervals on both axes; on the diagonal both are equal."""
    points = [
        (number, point.teacher, estimate(point.teacher_score), estimate(point.student_score))
        for number, point in enumerate(result.teachers, start=1)
    ]
    points = [point for point in points if point[2].value is not None and point[3].value is not None]
    low, high = svg.extent([cell for point in points for cell in point[2:]], *result.scale)
    edge = 0.04 * (high - low)
    axes = "teacher's own score", "student's score"
    return scatter(points, (low - edge, high + edge), axes, "Student's score over teacher's score")


def curve_words(curve: InterpolationCurve) -> str:
    """Say what a curve shows, in one or two sentences."""
    area, half = estimate(curve.area), estimate(curve.half_dose)
    side = "not estimable" if area.value is None else f"{area.text} (p {probability(curve.p)})"
    words = f"Mean departure from the straight line {side}."
    if half.value is None:
        why = half.note.removeprefix("not estimable").removeprefix(": ")
        return f"{words} Half dose {half.text}{f': {why}' if why else ''}."
    reading = ""
    if curve.p is None:
        reading = " Too few trainings to say more."
    elif (half.high or 1.0) < 0.5 and (area.low or 0.0) > 0:
        reading = " Less than a straight line would need, and the curve lies above it: the trait saturates early."
    elif (half.low or 0.0) > 0.5 and (area.high or 0.0) < 0:
        reading = " More than a straight line would need, and the curve lies below it."
    return f"{words} Half of the gap is reached at a share of {half.text}.{reading}"


def terminal(report: DiffReport) -> Lines:
    """Lay the report out for a terminal: prerequisites, pipelines, curves and verdicts of every trait."""
    parts: list[RenderableType] = []
    for result in report.traits:
        parts += [Text(), Text(visible(conclusion(result)), style="bold")]
        parts.append(Text(visible(f"{result.trait}: {result.description}"), style="dim"))
        parts += [Text(visible(reason), style="dim") for reason in result.prerequisites.reasons]
        table = Table("Cell", "Prompts", "Completions", "Trait score", pad_edge=False)
        for cell in _view(result).pipelines:
            words = (cell.cell, cell.prompts, cell.completions, estimate(cell.trait).text)
            table.add_row(*(Text(visible(word)) for word in words))
        parts.append(table)
        parts += [Text(f"{curve.prompts} prompts: {curve_words(curve)}") for curve in result.curves]
        if result.verdicts:
            parts.append(_verdict_table(result))
        if result.subsets:
            parts.append(_subset_table(result.subsets))
    return Lines(*parts)


def _verdict_table(result: DiffResult) -> Table:
    table = Table("", "Hypothesis", "Verdict", "Because", pad_edge=False)
    colours = {"supported": "bold green", "ruled out": "dim", "undetermined": "yellow"}
    for v in result.verdicts:
        words = (v.hypothesis, v.name, decision(v), v.because)
        table.add_row(
            *(Text(visible(word), style=colours[v.verdict] if i == 2 else "") for i, word in enumerate(words))
        )
    return table


def _subset_table(subsets: Sequence[SubsetResult]) -> Table:
    actions = list(dict.fromkeys(action for each in subsets for action in each.effects))
    table = Table("Subset", "Examples", *(f"{action}: score (random)" for action in actions), pad_edge=False)
    for each in subsets:
        cells = []
        for action in actions:
            score, random = (finite(e.value) for e in (each.effects[action].score, each.effects[action].expected))
            cells.append("–" if score is None or random is None else f"{decimal(score)} ({decimal(random)})")
        table.add_row(Text(visible(each.name)), str(each.size), *cells)
    return table
