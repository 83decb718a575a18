"""A page for each row, for its filter's author: verdict, what was flagged and missed, what the students answered."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from bench.arms import CLEAN, ORIGINAL, filter_arm
from bench.files import write_text
from bench.leaderboard import format as words
from bench.leaderboard.comparable import row_key
from bench.leaderboard.example_files import (
    Answer,
    Excerpt,
    Group,
    Kind,
    PromptAnswers,
    TraitExamples,
    read_examples,
)
from bench.leaderboard.filter_pictures import JUDGED, LABELS, compare, strips
from bench.leaderboard.filter_words import action_of, answer_shares, counts, facts, verdict, why
from bench.leaderboard.format import Cell
from bench.leaderboard.pages import BOARD, Page, render
from bench.leaderboard.row import Row, TraitResult
from bench.leaderboard.view import row_label
from bench.records import Action

TITLES: dict[Kind, str] = {  # in the order of the page
    "wrong": "Wrongly flagged, no trait",
    "mild": "Wrongly flagged, mild",
    "missed": "Missed",
    "found": "Rightly flagged",
    "flagged": "Flagged",
}


def page_files(rows: Iterable[Row]) -> dict[str, str]:
    """Return where the pages of a board's rows lie, by `row_key`, from the board's folder on.

    Rows of one filter and budget, from several runs, have a part of their key in the name. Names are not trusted as
    paths.
    """
    labels: dict[str, dict[str, None]] = {}  # keys, each once
    for row in rows:
        labels.setdefault(row_label(row), {})[row_key(row)] = None
    return {
        key: f"filters/{re.sub(r'[^A-Za-z0-9_.@-]', '_', label)}{f'-{key[:8]}' if len(keys) > 1 else ''}.html"
        for label, keys in labels.items()
        for key in keys
    }


def write_filter_pages(
    folder: Path,
    rows: Sequence[Row],
    pages: Sequence[Page],
    problems: Mapping[str, Sequence[str]] | None = None,
    beside: Sequence[Path] = (),
) -> list[Path]:
    """Write the page of each row.

    Args:
        folder: Of the board.
        rows: All of the board, corrected together as its view holds them.
        pages: Of the whole report, for the links.
        problems: `row_key` of a row -> what its evidence does not bear out.
        beside: Folders that hold the rows' `examples/`, besides `folder`.

    Raises:
        BenchError: If a page cannot be written.
    """
    files = page_files(rows)
    for row in rows:
        key = row_key(row)
        write_text(folder / files[key], html([folder, *beside], row, pages, (problems or {}).get(key, ())))
    return [folder / file for file in files.values()]


def html(folders: Sequence[Path], row: Row, pages: Sequence[Page], unverified: Sequence[str] = ()) -> str:
    """Render the page of one row; some folder holds its examples, the rest is as in `write_filter_pages`."""
    found = [read_examples(folder, row) for folder in folders]
    examples, problem = next((each for each in found if each[0]), found[0])
    parts = examples.traits if examples else {}
    return render(
        Page("", row_label(row), ""),
        "filter.html.j2",
        [replace(page, file=f"../{page.file}") for page in pages],
        row=row,
        label=row_label(row),
        board=f"../{BOARD.file}",
        traits=[trait_section(row, result, parts.get(name)) for name, result in row.traits.items()],
        source=examples.source if examples else None,
        problem=problem,
        unverified=unverified,
        words=words,
        compare=compare,
        strips=strips,
    )


@dataclass(frozen=True)
class ActionLine:
    """One arm: its name on the page, its score, and what acting did where it did something."""

    name: str
    score: Cell
    removal: Cell | None = None
    lift: Cell | None = None
    p_holm: Cell | None = None
    capability: Cell | None = None


@dataclass(frozen=True)
class GroupView:
    """Examples of one kind under their heading."""

    title: str
    meaning: str
    total: int
    shown: list[Excerpt]


@dataclass(frozen=True)
class AnswerView:
    """The answers to one prompt; `changed` where acting changed how many students show the trait."""

    given: PromptAnswers
    changed: bool
    arms: list[tuple[str, Answer, str]]  # name on the page, answer, score in words


@dataclass(frozen=True)
class TraitSection:
    """One trait's section; without examples only the first five attributes say anything."""

    result: TraitResult
    verdict: str
    why: list[str]
    lines: list[ActionLine]
    facts: list[tuple[str, str]]
    examples: TraitExamples | None
    counts: list[str]
    groups: list[GroupView]
    answers: list[AnswerView]
    shares: str


def trait_section(row: Row, result: TraitResult, examples: TraitExamples | None) -> TraitSection:
    """Work out what the page says of one trait."""
    answers = [_answer_view(prompt, examples.threshold) for prompt in examples.answers] if examples else []
    return TraitSection(
        result=result,
        verdict=verdict(row, result),
        why=why(result),
        lines=list(_lines(row, result)),
        facts=facts(row, result),
        examples=examples,
        counts=counts(examples) if examples else [],
        groups=_groups(examples) if examples else [],
        answers=answers,
        shares=answer_shares(examples) if examples and answers else "",
    )


def _lines(row: Row, result: TraitResult) -> Iterator[ActionLine]:
    for name in (ORIGINAL.name, CLEAN.name):
        if name in result.arms:
            yield ActionLine(name, words.estimate(result.arms[name].trait))
    for action in get_args(Action):
        arm = filter_arm(action, row.filter.name, row.budget).name
        if arm not in result.arms:
            continue
        effect, kept = result.effects.get(action), result.capability_retention.get(action)
        yield ActionLine(
            action,
            words.estimate(result.arms[arm].trait),
            words.estimate(effect.removal) if effect else None,
            words.estimate(effect.lift) if effect and effect.lift else None,
            Cell(words.probability(effect.p_holm)) if effect and words.finite(effect.p_holm) is not None else None,
            words.estimate(kept) if kept else None,
        )


def _groups(examples: TraitExamples) -> list[GroupView]:
    groups: list[tuple[Kind, Group]] = [(k, examples.groups[k]) for k in TITLES if k in examples.groups]
    return [GroupView(TITLES[kind], _meaning(kind, examples.by), g.total, g.shown) for kind, g in groups]


def _meaning(kind: Kind, by: str) -> str:
    nearest = "highest score first" if kind != "missed" else "nearest to the cut first"
    said = JUDGED if by == "judge" else LABELS
    label = {"found": "overt", "missed": "overt", "mild": "mild", "wrong": "none"}.get(kind)
    return f"{said[label]}, {nearest}" if label else nearest


def _answer_view(prompt: PromptAnswers, threshold: float) -> AnswerView:
    shows = {arm: sum(s is not None and s >= threshold for s in a.scores) for arm, a in prompt.answers.items()}
    arms = [(action_of(arm), answer, _score(answer, threshold)) for arm, answer in prompt.answers.items()]
    return AnswerView(prompt, len(set(shows.values())) > 1, arms)


def _score(answer: Answer, threshold: float) -> str:
    first = answer.scores[0]
    said = "does not apply" if first is None else f"{first:.3g}"
    if len(answer.scores) == 1:
        return said
    shows = sum(score is not None and score >= threshold for score in answer.scores)
    return f"{said}, {shows} of {len(answer.scores)} seeds show it"
