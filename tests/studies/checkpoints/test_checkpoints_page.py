"""The page and the terminal table of a finished panel, from its record alone."""

import re
from io import StringIO
from pathlib import Path

import pytest
from fixtures_studies import panel_record
from rich.console import Console

from bench.errors import BenchError
from bench.files import write_json
from bench.leaderboard.pages import BOARD, CHECKPOINTS
from bench.outcomes import AnswerCounts
from bench.studies.checkpoints.page import html, score_lines, terminal_table, write
from bench.studies.checkpoints.results import PanelRecord

HOSTILE = '</pre><script>alert("x")</script>\x1b[31m & <b> {{ 7*7 }}'


@pytest.fixture
def record() -> PanelRecord:
    return panel_record(HOSTILE, summary=HOSTILE, command=HOSTILE)


def shown(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style)>.*?</\1>", " ", page, flags=re.DOTALL))


def printed(record: PanelRecord) -> str:
    console = Console(width=250, record=True, file=StringIO())
    console.print(terminal_table(record))
    return console.export_text()


def test_scores_verdicts_and_margins_are_shown_everywhere(record: PanelRecord) -> None:
    for text in (shown(html(record)), printed(record)):
        for word in (
            "Alpha",
            "Beta",
            "side",
            "pretrained",
            "equivalent",
            "not estimable",
            "±0.1",
            "About checkpoints.",
        ):
            assert word in text, word
        assert "equivalent on 1 (Alpha); not estimable on 1 (Beta)" in text
        assert "a remark" in text and "9 prompts" in text


def test_refused_and_empty_answers_stand_beside_the_scores(record: PanelRecord) -> None:
    counts = AnswerCounts(asked=9, refused=2, empty=1)
    models = [record.evals[0].models[0].model_copy(update={"answers": counts}), *record.evals[0].models[1:]]
    evals = [record.evals[0].model_copy(update={"models": models}), *record.evals[1:]]
    changed = record.model_copy(update={"evals": evals})
    for text, before in ((shown(html(changed)), shown(html(record))), (printed(changed), printed(record))):
        assert "9 prompts, 2 of 9 refused, 1 of 9 empty" in text and "refused" not in before


def test_missing_numbers_are_words(record: PanelRecord) -> None:
    for text in (shown(html(record)), printed(record)):
        assert not re.search(r"\b(nan|None|inf)\b", text)
    assert html(record).count(">not measured<") == 1


def test_the_compared_score_comes_first(record: PanelRecord) -> None:
    assert [(one.title, score) for one, score, _ in score_lines(record)] == [
        ("Alpha", "s"),
        ("Alpha", "side"),
        ("Beta", "s"),
        ("Beta", "side"),
    ]


def test_another_scale_gets_an_axis_of_its_own(record: PanelRecord) -> None:
    assert html(record).count('<div class="bars">') == 2


def test_texts_from_outside_stay_text(record: PanelRecord) -> None:
    page = html(record)
    assert "<script>alert" not in page and "\x1b" not in page + printed(record).replace("\x1b[0m", "")
    assert page.count("<script>") == 1 and "{{ 7*7 }}" in page
    assert not re.search(r"(src|href)=.https?:", page)


def test_the_page_links_to_the_others(record: PanelRecord, tmp_path: Path) -> None:
    write_json(tmp_path / CHECKPOINTS.data, record)
    write(tmp_path, [BOARD, CHECKPOINTS])
    page = (tmp_path / CHECKPOINTS.file).read_text(encoding="utf-8")
    assert '<a href="report.html">Board</a>' in page and '<strong aria-current="page">Checkpoints</strong>' in page


def test_a_folder_without_a_panel_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="run `bench checkpoints` first"):
        write(tmp_path, [CHECKPOINTS])
    (tmp_path / CHECKPOINTS.data).write_text('{"panel": 1}', encoding="utf-8")
    with pytest.raises(BenchError, match=r"stages\.json"):
        write(tmp_path, [CHECKPOINTS])
