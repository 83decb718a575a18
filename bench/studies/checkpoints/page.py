"""Lay a finished panel out: a terminal table, and the page `stages.html`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup
from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bench.errors import unwritable
from bench.leaderboard.bars import Bar, Group, bars, legend, series
from bench.leaderboard.format import Cell, decimal, estimate, probability
from bench.leaderboard.pages import STAGES, Page, render, visible, write_page
from bench.leaderboard.render import SUPERSCRIPTS
from bench.stats.equivalence import Comparison
from bench.studies.checkpoints.records import EvalRecord, ModelRecord, ModelScores, StagesRecord, read_record

VERDICTS = {"effect": "different", "no effect": "equivalent"}  # what an outcome says of two models


@dataclass(frozen=True)
class Difference:
    """One line of the table of differences."""

    title: str
    pair: str
    cell: Cell
    ninety: Cell
    margin: str
    p: Cell
    verdict: str


@dataclass(frozen=True)
class ScoreLine:
    """One score of one eval: a cell for each model."""

    title: str
    score: str
    main: bool
    cells: list[Cell]


@dataclass(frozen=True)
class StagesView:
    """What page and terminal show.

    Attributes:
        title: Of the page.
        headline: A sentence for each pair.
        differences: A line for each eval and pair.
        scores: A line for each eval and score.
        footnotes: The notes of all numbers, each once; a note's number is its place, from 1.
    """

    title: str
    headline: list[str]
    differences: list[Difference]
    scores: list[ScoreLine]
    footnotes: list[str]


def view_of(record: StagesRecord) -> StagesView:
    """Put a record into words."""
    differences = [
        Difference(
            title=one.title,
            pair=f"{model} − {other}",
            cell=estimate(found.difference),
            ninety=_ninety(found),
            margin=f"±{found.margin:g}",
            p=Cell(probability(found.p_equivalence), value=found.p_equivalence),
            verdict=VERDICTS.get(found.outcome, found.outcome),
        )
        for one in record.evals
        for (model, other), found in zip(record.pairs, one.comparisons, strict=True)
    ]
    scores = [
        ScoreLine(one.title, name, name == one.score, [_score_cell(scores, name) for scores in one.models])
        for one in record.evals
        for name in _main_first(one)
    ]
    shown = [line.cell for line in differences] + [cell for line in scores for cell in line.cells]
    notes = list(dict.fromkeys(cell.note for cell in shown if cell.note and cell.value is not None))
    title = f"Stages: {record.panel} v{record.panel_version}"
    return StagesView(title, _headline(record), differences, scores, notes)


def _ninety(found: Comparison) -> Cell:
    if found.low90 is None or found.high90 is None:
        return Cell("–")
    return Cell(f"[{decimal(found.low90)}, {decimal(found.high90)}]", value=found.low90)


def _main_first(one: EvalRecord) -> list[str]:
    names = list(dict.fromkeys(name for scores in one.models for name in scores.scores))
    return sorted(names, key=lambda name: name != one.score)


def _score_cell(scores: ModelScores, name: str) -> Cell:
    return replace(estimate(scores.scores[name]), aside=f"{scores.prompts[name]} prompts")


def _headline(record: StagesRecord) -> list[str]:
    stages = {model.name: f"{model.name} ({model.stage})" if model.stage else model.name for model in record.models}
    sentences = []
    for number, (model, other) in enumerate(record.pairs):
        verdicts: dict[str, list[str]] = {}
        for one in record.evals:
            outcome = one.comparisons[number].outcome
            verdicts.setdefault(VERDICTS.get(outcome, outcome), []).append(one.title)
        parts = [f"{verdict} on {len(titles)} ({', '.join(titles)})" for verdict, titles in verdicts.items()]
        sentences.append(f"{stages[model]} against {stages[other]}, {len(record.evals)} evals: {'; '.join(parts)}.")
    return sentences


def chart(record: StagesRecord) -> Markup:
    """Bars of the compared scores: a group for each eval; evals of another scale get an axis of their own."""
    scales: dict[tuple[float, float], list[Group]] = {}
    for one in record.evals:
        shown = [
            Bar(scores.model, series(i), estimate(scores.scores[one.score])) for i, scores in enumerate(one.models)
        ]
        scales.setdefault(one.scale, []).append(Group(one.title, shown))
    keys = [(series(i), _key(model)) for i, model in enumerate(record.models)]
    return Markup(legend(keys) + "".join(bars(groups) for groups in scales.values()))


def _key(model: ModelRecord) -> str:
    return f"{model.name}, {model.stage}" if model.stage else model.name


def html(record: StagesRecord, pages: Sequence[Page] = (STAGES,)) -> str:
    """The panel as one HTML page with its style, script and chart inside; `pages` are those of the whole report."""
    return render(STAGES, "stages.html.j2", pages, record=record, view=view_of(record), chart=chart(record))


def write(folder: Path, pages: Sequence[Page]) -> None:
    """Write `stages.html` from the `stages.json` of a folder.

    Args:
        folder: Of a finished panel.
        pages: All pages of the report, for the links.

    Raises:
        BenchError: If there is no finished panel, or the page cannot be written.
    """
    text = html(read_record(folder), pages)
    try:
        write_page(folder, STAGES.file, text)
    except OSError as error:
        raise unwritable(folder / STAGES.file, error) from error


def terminal_table(record: StagesRecord) -> Stack:
    """The panel for a terminal: scores of all models, then differences with verdicts."""
    view = view_of(record)
    parts: list[RenderableType] = [Text(visible(view.title), style="bold")]
    parts += [Text(visible(sentence)) for sentence in view.headline]
    scores = Table("Eval", "Score", pad_edge=False)
    for model in record.models:
        scores.add_column(Text(visible(_key(model))))
    for line in view.scores:
        cells = [Text(visible(f"{_marked(cell, view)}\n{cell.aside}")) for cell in line.cells]
        scores.add_row(Text(visible(line.title if line.main else "")), Text(visible(line.score)), *cells)
    table = Table("Eval", "Pair", "Difference", "Margin", "Verdict", pad_edge=False)
    for one in view.differences:
        words = (one.title, one.pair, _marked(one.cell, view), one.margin, one.verdict)
        table.add_row(*(Text(visible(text)) for text in words))
    notes = [f"{_mark(number)} {note}" for number, note in enumerate(view.footnotes, 1)] + record.notes
    return Stack(*parts, scores, table, *(Text(visible(note), style="dim") for note in notes))


def _marked(cell: Cell, view: StagesView) -> str:
    """A number with the mark of its footnote, or why there is none."""
    if cell.value is None:
        return f"{cell.text}\n{cell.note}" if cell.note else cell.text
    return cell.text + (_mark(view.footnotes.index(cell.note) + 1) if cell.note else "")


def _mark(number: int) -> str:
    return str(number).translate(SUPERSCRIPTS)
