"""The page and the terminal table of a finished panel, from its record alone."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import BenchError
from bench.files import write_json
from bench.leaderboard.pages import BOARD, CHECKPOINTS
from bench.outcomes import Estimate
from bench.stats.equivalence import Comparison
from bench.studies.checkpoints.page import html, score_lines, terminal_table, write
from bench.studies.checkpoints.results import EvalRecord, ModelRecord, ModelScores, PanelRecord

HOSTILE = '</pre><script>alert("x")</script>\x1b[31m & <b> {{ 7*7 }}'
HALF = Estimate(value=0.5, low=0.4, high=0.6)
NONE = Estimate(value=None, note="not estimable: no scores of b")


def model(name: str, stage: str = "") -> ModelRecord:
    return ModelRecord(name=name, stage=stage, source=name, identity="0", licence="", template="its own chat template")


def eval_record(title: str, second: Estimate, found: Comparison, scale: tuple[float, float] = (0, 1)) -> EvalRecord:
    models = [
        ModelScores(model=name, scores={"side": HALF, "s": score}, prompts={"s": 9, "side": 8}, seconds=1, log="x.eval")
        for name, score in (("a", HALF), (HOSTILE, second))
    ]
    return EvalRecord(
        title=title,
        task="t",
        version=1,
        code="c",
        prompts_sha256="p",
        judge="rules",
        score="s",
        scale=scale,
        margin=0.1,
        models=models,
        comparisons=[found],
    )


@pytest.fixture
def record() -> PanelRecord:
    equal = Estimate(value=0.0, low=-0.05, high=0.05, note="a remark")
    known = {"contrast": "b - a", "margin": 0.1}
    found = Comparison(difference=equal, low90=-0.04, high90=0.04, p_equivalence=0.0004, outcome="no effect", **known)
    lost = Comparison(difference=NONE, outcome="not estimable", **known)
    return PanelRecord(
        panel="p",
        panel_version=3,
        summary=HOSTILE,
        models=[model("a", "pretrained"), model(HOSTILE)],
        pairs=[(HOSTILE, "a")],
        evals=[eval_record("Alpha", HALF, found), eval_record("Beta", NONE, lost, (0, 10))],
        device="cpu",
        command=HOSTILE,
        versions={"python": "3"},
        commit="",
        notes=["About checkpoints."],
    )


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
