"""Lay a finished panel out: a terminal table, and the page `stages.html`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup
from rich.console import Group as Parts
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bench.files import write_text
from bench.leaderboard.bars import Bar, Group, bars, legend, series
from bench.leaderboard.format import Cell, decimal, estimate, probability, rate, superscript
from bench.leaderboard.pages import CHECKPOINTS, Page, render, visible
from bench.leaderboard.unanswered import silent
from bench.stats.equivalence import Comparison
from bench.studies.checkpoints.results import EvalRecord, ModelRecord, ModelScores, PanelRecord, read_panel_record

VERDICTS = {"effect": "different", "no effect": "equivalent"}  # what an outcome says of two models


def title(record: PanelRecord) -> str:
    """Return the title of the page."""
    return f"Checkpoints: {record.panel} v{record.panel_version}"


def conclusions(record: PanelRecord) -> list[str]:
    """Return a sentence for each pair: on how many evals the two models differ, and by how much."""
    sentences = []
    for number, (model, other) in enumerate(record.pairs):
        found = [(one.title, one.comparisons[number]) for one in record.evals]
        pair = f"{_called(record, model)} and {_called(record, other)}"
        shown = [f"{title} {estimate(each.difference).text}" for title, each in found if each.outcome == "effect"]
        many = f"{len(found)} eval{'' if len(found) == 1 else 's'}"
        if shown:
            sentences.append(f"{pair} differ on {len(shown)} of {many}: {'; '.join(shown)}.")
        else:
            equal = sum(each.outcome == "no effect" for _, each in found)
            sentences.append(
                f"{pair}: no difference is shown on {many}, and {equal} of them are shown to be equivalent."
            )
    return sentences


def headline(record: PanelRecord) -> list[str]:
    """Return a sentence for each pair: the verdict on every eval."""
    sentences = []
    for number, (model, other) in enumerate(record.pairs):
        verdicts: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS.values()}
        for one in record.evals:
            verdicts.setdefault(_verdict(one.comparisons[number]), []).append(one.title)
        parts = [f"{verdict} on {len(titles)} ({', '.join(titles)})" for verdict, titles in verdicts.items() if titles]
        pair = f"{_called(record, model)} minus {_called(record, other)}"
        sentences.append(f"{pair}, {len(record.evals)} evals: {'; '.join(parts)}.")
    return sentences


def _called(record: PanelRecord, name: str) -> str:
    """Return a model's name, with its stage where it has one."""
    stage = next((model.stage for model in record.models if model.name == name), "")
    return f"{name} ({stage})" if stage else name


def differences(record: PanelRecord) -> list[tuple[str, str, Cell, Cell, Comparison, str]]:
    """Return a line for each eval and pair: title, pair, difference, 90 % interval, comparison, verdict."""
    return [
        (one.title, f"{model} − {other}", estimate(found.difference), _ninety(found), found, _verdict(found))
        for one in record.evals
        for (model, other), found in zip(record.pairs, one.comparisons, strict=True)
    ]


def score_lines(record: PanelRecord) -> list[tuple[EvalRecord, str, list[Cell]]]:
    """Return a line for each eval and score, the compared one first: eval, score, a cell for each model."""
    lines = []
    for one in record.evals:
        names = dict.fromkeys(name for scores in one.models for name in scores.scores)
        for name in sorted(names, key=lambda name: name != one.score):
            lines.append((one, name, [_score_cell(one, scores, name) for scores in one.models]))
    return lines


def footnotes(record: PanelRecord) -> list[str]:
    """Return the notes of all numbers, each once; a note's number is its place, from 1."""
    cells = [line[2] for line in differences(record)] + [cell for line in score_lines(record) for cell in line[2]]
    return list(dict.fromkeys(cell.note for cell in cells if cell.note and cell.value is not None))


def _verdict(found: Comparison) -> str:
    return VERDICTS.get(found.outcome, found.outcome)


def _ninety(found: Comparison) -> Cell:
    if found.low90 is None or found.high90 is None:
        return Cell("–")
    return Cell(f"[{decimal(found.low90)}, {decimal(found.high90)}]", value=found.low90)


def _score_cell(one: EvalRecord, scores: ModelScores, name: str) -> Cell:
    """Write a score; a compared one from 0 to 1 that is the same for every prompt gets its binomial bound."""
    given, prompts = scores.scores[name], scores.prompts[name]
    bounded = name == one.score and tuple(one.scale) == (0.0, 1.0)
    said = [f"{prompts} prompts", *silent(scores.answers)]
    return replace(rate(given, prompts) if bounded else estimate(given), aside=", ".join(said))


def chart(record: PanelRecord) -> Markup:
    """Draw bars of the compared scores: a group for each eval; evals of another scale get an axis of their own."""
    scales: dict[tuple[float, float], list[Group]] = {}
    for one in record.evals:
        shown = [
            Bar(scores.model, series(i), _score_cell(one, scores, one.score)) for i, scores in enumerate(one.models)
        ]
        scales.setdefault(one.scale, []).append(Group(one.title, shown))
    keys = [(series(i), _label(model)) for i, model in enumerate(record.models)]
    return legend(keys) + Markup("").join(bars(groups) for groups in scales.values())


def _label(model: ModelRecord) -> str:
    return f"{model.name}, {model.stage}" if model.stage else model.name


def html(record: PanelRecord, pages: Sequence[Page] = (CHECKPOINTS,)) -> str:
    """Render the panel as one HTML page with its style, script and chart inside.

    Args:
        record: The finished panel.
        pages: All pages of the report, for the links.
    """
    return render(
        CHECKPOINTS,
        "checkpoints.html.j2",
        pages,
        record=record,
        title=title(record),
        conclusions=conclusions(record),
        headline=headline(record),
        differences=differences(record),
        scores=score_lines(record),
        footnotes=footnotes(record),
        chart=chart(record),
        probability=probability,
    )


def write(folder: Path, pages: Sequence[Page]) -> None:
    """Write `stages.html` from the `stages.json` of a folder.

    Args:
        folder: Of a finished panel.
        pages: All pages of the report, for the links.

    Raises:
        BenchError: If there is no finished panel, or the page cannot be written.
    """
    write_text(folder / CHECKPOINTS.file, html(read_panel_record(folder), pages))


def terminal_table(record: PanelRecord) -> Parts:
    """Lay the panel out for a terminal: scores of all models, then differences with verdicts."""
    notes = footnotes(record)
    scores = Table("Eval", "Score", pad_edge=False)
    for model in record.models:
        scores.add_column(Text(visible(_label(model))))
    for one, score, cells in score_lines(record):
        shown = [f"{_marked(cell, notes)}\n{cell.aside}" for cell in cells]
        scores.add_row(*_texts([one.title if score == one.score else "", score, *shown]))
    table = Table("Eval", "Pair", "Difference", "Margin", "Verdict", pad_edge=False)
    for name, pair, difference, _, found, verdict in differences(record):
        table.add_row(*_texts([name, pair, _marked(difference, notes), f"±{found.margin:g}", verdict]))
    numbered = [f"{superscript(number)} {note}" for number, note in enumerate(notes, 1)]
    parts: list[RenderableType] = [*_texts(conclusions(record), style="bold"), *_texts([title(record)], style="dim")]
    return Parts(*parts, *_texts(headline(record)), scores, table, *_texts([*numbered, *record.notes], style="dim"))


def _texts(texts: Iterable[str], style: str = "") -> list[Text]:
    return [Text(visible(text), style=style) for text in texts]


def _marked(cell: Cell, notes: Sequence[str]) -> str:
    """Return a number with the mark of its footnote, or why there is none."""
    if cell.value is None:
        return f"{cell.text}\n{cell.note}" if cell.note else cell.text
    return cell.text + (superscript(notes.index(cell.note) + 1) if cell.note else "")
