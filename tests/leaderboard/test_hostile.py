"""Every string and every key that a page reads from a file is data: on the page, in Markdown and in a terminal."""

import base64
import hashlib
import re
from collections.abc import Callable
from html import unescape
from io import StringIO
from typing import Any, NamedTuple

import pytest
from fixtures_diff import invented as diff_report
from fixtures_rows import row
from fixtures_scores import scored
from fixtures_studies import NO, calibration_record, causes_record, lds_report, panel_record, speed_record, world
from hostile import HARMLESS, HOSTILE, assert_inert, choices, with_text
from pydantic import BaseModel
from rich.console import Console, RenderableType

from bench.leaderboard import render
from bench.leaderboard.board import board_view
from bench.leaderboard.pages import HIDDEN, Page
from bench.leaderboard.row import Row
from bench.leaderboard.terminal import terminal_table
from bench.outcomes import FlagOverlap
from bench.studies.calibration import page as calibration
from bench.studies.causes import page as causes
from bench.studies.checkpoints import page as checkpoints
from bench.studies.diff import page as diff
from bench.studies.lds import page as lds
from bench.studies.speed import page as speed


class Reader(NamedTuple):
    """A record, and everything that is rendered from it."""

    record: BaseModel
    html: Callable[[Any], str] | None = None
    markdown: Callable[[Any], str] | None = None
    terminal: Callable[[Any], RenderableType] | None = None


def a_row() -> Row:
    one = row("seed_similarity")
    overlaps = (FlagOverlap(other="length", jaccard=0.1, by_chance=0.1),)
    trait = one.traits["date_confusion"].model_copy(update={"overlaps": overlaps})
    return one.model_copy(update={"traits": {"date_confusion": trait}, "evidence": {"evidence/a.json": "00"}})


def board(judged: Any = None) -> Callable[[Any], Any]:
    return lambda given: board_view([given, row("keyword")], judged)


SCORED = scored({"keyword": {"drop": 0.5, "drop_refill": 0.5, "patch": 0.2}})
READERS = {
    "row": Reader(
        a_row(),
        html=lambda given: render.html(board()(given)),
        markdown=lambda given: render.markdown(board()(given)),
        terminal=lambda given: terminal_table(board()(given)),
    ),
    "board with attributions": Reader(
        lds_report(), html=lambda given: render.html(board_view([row("keyword"), row("oracle")], given))
    ),
    "board with calibration": Reader(
        calibration_record(),
        html=lambda given: render.html(board_view(SCORED[0], scores=SCORED[1], calibration=given)),
        markdown=lambda given: render.markdown(board_view(SCORED[0], scores=SCORED[1], calibration=given)),
    ),
    "calibration.json": Reader(calibration_record(), html=calibration.html),
    "lds.json": Reader(lds_report(), html=lds.html, terminal=lds.terminal_table),
    "causes.json": Reader(
        causes_record(world(1), world(2, stays=NO), world(1, planted="4a"), world(1, patterns="imperfect")),
        html=causes.html,
        terminal=causes.terminal_table,
    ),
    "stages.json": Reader(panel_record(commit="0123abc"), html=checkpoints.html, terminal=checkpoints.terminal_table),
    "diff.json": Reader(diff_report(), html=diff.html, terminal=diff.terminal),
    "speed": Reader(
        speed_record(commit="0123abc"),
        html=lambda given: speed.html(given, Page("cpu-s.html", "Speed", "cpu-s.json")),
        terminal=speed.terminal_table,
    ),
}
CLOSED = {  # fields and keys of a fixed set of words: anything else is refused when the file is read
    "by", "capability_retention", "counts", "coverage", "device", "effects", "hypothesis", "kept_truth", "kind",
    "losses", "memory", "method", "outcome", "patterns", "place", "precision", "primary", "prompts", "scores", "side",
    "totals", "verdict", "winner",
}  # fmt: skip
by_reader = pytest.mark.parametrize("name", READERS)


def pairs(name: str) -> list[tuple[object, Any, Any]]:
    """Return each set of places of a reader's record with the record that is hostile there, and a harmless one."""
    record = READERS[name].record
    return [(some, with_text(record, some, HOSTILE), with_text(record, some, HARMLESS)) for some in choices(record)[0]]


@by_reader
def test_a_page_of_hostile_text_has_the_elements_of_a_harmless_one(name: str) -> None:
    html = READERS[name].html
    if html:
        for some, hostile, harmless in pairs(name):
            assert_inert(html, hostile, harmless, some)


@by_reader
def test_only_words_of_a_fixed_set_are_refused_when_a_file_is_read(name: str) -> None:
    closed = choices(READERS[name].record)[1]
    assert {[part for part in place if part not in ("key", "[]", "{}")][-1] for place in closed} <= CLOSED


@by_reader
def test_hostile_text_stays_one_line_of_text_in_markdown(name: str) -> None:
    markdown = READERS[name].markdown
    for some, hostile, harmless in pairs(name) if markdown else ():
        bad, good = (markdown(given).splitlines() for given in (hostile, harmless))
        assert len(bad) == len(good), some
        for line, other in zip(bad, good, strict=True):
            assert not HIDDEN.search(line) and "<script" not in line and "](javascript" not in line, (some, line)
            for mark in (r"(?<!\\)\|", r"(?<!\\)`", r"(?<!\\)\*"):
                assert len(re.findall(mark, line)) == len(re.findall(mark, other)), (some, line)


@by_reader
def test_hostile_text_moves_no_cursor(name: str) -> None:
    terminal = READERS[name].terminal
    for some, hostile, _ in pairs(name) if terminal else ():
        console = Console(width=200, record=True, file=StringIO(), force_terminal=False)
        console.print(terminal(hostile))
        assert not HIDDEN.search(console.export_text()), some


@by_reader
def test_a_page_allows_its_own_style_and_script_alone(name: str) -> None:
    html = READERS[name].html
    if not html:
        return
    page = html(READERS[name].record)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    hashes = []
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        hashes.append(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
    assert unescape(policy) == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"<[^>]*\s(style|on\w+)=", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL))


def test_the_test_sees_an_element_an_attribute_and_a_class() -> None:
    for bad in ("<p><b>x</b></p>", "<p id=x>x</p>", '<p class="x">x</p>', "<p>x</p><!-- -->"):
        with pytest.raises(AssertionError):
            assert_inert(str, bad, "<p>x</p>", "")
    assert_inert(str, "<p>&lt;b></p>", "<p>x</p>", "")
