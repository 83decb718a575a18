"""The page of a diff and its terminal summary, laid out from invented reports."""

import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from fixtures_diff import invented
from markupsafe import escape
from rich.console import Console

from bench.errors import BenchError
from bench.leaderboard.pages import BOARD, DIFF
from bench.outcomes import Estimate
from bench.studies.diff.page import curve_words, html, read_report, terminal, write
from bench.studies.diff.records import DiffReport, TeacherPoint
from bench.studies.diff.rules import QUESTIONS, RULES
from bench.studies.diff.verdicts import judge

HOSTILE = '</td><script>alert("x")</script>\x1b[31m\u202e & | <b> {{ 7*7 }} [/bold]'
MISSING = Estimate(value=None, note="not estimable: 3 prompts")
BROKEN = Estimate(value=float("nan"), low=float("nan"), high=float("inf"))
VOID = {"meta", "link", "br", "line", "circle", "rect", "polyline", "input"}


def shown(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style)>.*?</\1>", " ", page, flags=re.DOTALL))


def in_terminal(report: DiffReport) -> str:
    console = Console(width=200, record=True, file=StringIO())
    console.print(terminal(report))
    return console.export_text()


def closed() -> DiffReport:
    whole = invented().traits[0]
    return invented(
        prerequisites=whole.prerequisites.model_copy(update={"met": False, "reasons": ["gap 0.04 is too small"]}),
        verdicts=[],
        curves=[],
        subsets=[],
        overlap=None,
        teachers=[],
        cells=whole.cells[:2],
    )


def test_same_report_gives_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "diff.json").write_text(invented().model_dump_json(), encoding="utf-8")
        write(tmp_path / name, (DIFF,))
    assert (tmp_path / "a/diff.html").read_bytes() == (tmp_path / "b/diff.html").read_bytes()
    assert html(read_report(tmp_path / "a")) == html(invented())


def test_everything_in_the_report_is_on_the_page() -> None:
    report, page = invented(), shown(html(invented()))
    (result,) = report.traits
    for verdict in result.verdicts:
        assert f"{verdict.name} {verdict.hypothesis}" in " ".join(page.split())
    for words in (
        "dates",
        "/[0-9]{4}/ in prompt",
        "overt (verdicts)",
        "pool cut to the first 40 rows",
        "gap clears it",
    ):
        assert words in page
    assert "Half of the gap is reached" in page
    assert "tiny-llama" in page and "bench diff invented" in page and "not recorded" in page


def test_cells_of_pipelines_and_verdicts_are_listed_and_those_of_curves_and_subsets_are_not() -> None:
    cells = [cell.cell for cell in invented().traits[0].cells]
    elsewhere = {"mix@0.5", "drop:dates", "random1_drop@0.1"}
    assert elsewhere < set(cells)
    listed = [cell for cell in cells if cell not in elsewhere]
    assert "drop:(overt)" in listed
    page = html(invented())
    assert re.findall(r'<th scope="row" data-sort="([^"]*)">', page) == listed
    text = in_terminal(invented())
    rows = text[text.index("Completions") : text.index("Hypothesis")]
    assert [cell for cell in cells if re.search(rf"(?m)^[^\w]*{re.escape(cell)} ", rows)] == listed


def test_a_cell_of_the_verdicts_is_listed_beside_a_set_of_the_same_name() -> None:
    overt = invented().traits[0].subsets[0].model_copy(update={"name": "overt"})
    assert 'data-sort="drop:(overt)"' in html(invented(subsets=[overt]))


@pytest.mark.parametrize("complete", [False, True])
def test_every_comparison_that_was_made_is_shown_once(complete: bool) -> None:
    same = invented().traits[0].verdicts[-1].evidence["base"]
    report = invented(verdicts=judge(dict.fromkeys(QUESTIONS, same), 3)) if complete else invented()
    page = html(report)
    section = page[page.index("Every comparison behind the verdicts") : page.index("Model, prompts, teacher")]
    made = {key for verdict in report.traits[0].verdicts for key in verdict.evidence}
    few = {"base", "stays", "stays on clean", "teacher", "prompts", "prompts add", "left"}
    assert made == (set(QUESTIONS) if complete else few)
    for key, question in QUESTIONS.items():
        assert section.count(f'<th scope="row" class="text">{escape(question.asks)}</th>') == (key in made), key


def test_the_rules_stand_below_the_verdicts() -> None:
    page = shown(html(invented()))
    rules = page[page.index("Rules of the verdicts", page.index("Model, prompts, teacher")) :]
    for rule in RULES:
        assert rule.claim in rules
    assert "Why Do Naive SFT Filters" in rules


@pytest.mark.parametrize("make", [invented, closed], ids=["open", "closed"])
def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(make) -> None:
    page = html(make())

    class Nesting(HTMLParser):
        open: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in VOID:
                self.open.append(tag)

        def handle_endtag(self, tag):
            if tag not in VOID:
                assert self.open.pop() == tag

    parser = Nesting()
    parser.open = []
    parser.feed(page)
    assert parser.open == []
    assert re.findall(r"""(?:src|href)\s*=\s*["']?(?!#)[^"'>\s]+""", page) == []
    assert not re.search(r"https?://|@import|url\(", page)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


def test_every_picture_says_what_it_shows() -> None:
    pictures = re.findall(r"<svg[^>]*>", html(invented()))
    assert pictures
    assert all("aria-label=" in picture or 'aria-hidden="true"' in picture for picture in pictures)


def test_scrolled_tables_can_be_reached_by_keyboard_and_have_names() -> None:
    regions = re.findall(r'<div class="scroll"[^>]*>', html(invented()))
    assert len(regions) >= 6
    assert [r for r in regions if "tabindex" not in r or "aria-label" not in r or "role" not in r] == []


def test_hostile_text_stays_text() -> None:
    whole = invented().traits[0]
    cells = [cell.model_copy(update={"completions": HOSTILE, "model": HOSTILE}) for cell in whole.cells]
    subset = whole.subsets[0].model_copy(update={"name": HOSTILE, "definition": HOSTILE})
    point = whole.teachers[0].model_copy(update={"teacher": HOSTILE})
    assert whole.overlap is not None
    page = html(
        invented(
            description=HOSTILE,
            judge=HOSTILE,
            pool=HOSTILE,
            notes=[HOSTILE],
            cells=cells,
            subsets=[subset],
            teachers=[point],
            overlap=whole.overlap.model_copy(update={"names": [HOSTILE, "b"]}),
            prerequisites=whole.prerequisites.model_copy(update={"reasons": [HOSTILE]}),
        ).model_copy(update={"command": HOSTILE, "commit": HOSTILE, "versions": {HOSTILE: HOSTILE}})
    )
    assert page.count("<script>") == 1 and "<b>" not in page
    assert "\x1b" not in page and "\u202e" not in page
    assert "{{ 7*7 }}" in page and " 49 " not in shown(page)


def test_hostile_text_stays_text_in_the_terminal() -> None:
    whole = invented().traits[0]
    cells = [cell.model_copy(update={"completions": HOSTILE}) for cell in whole.cells]
    text = in_terminal(invented(cells=cells, description=HOSTILE))
    assert text.count("[/bold]") > 1 and "\x1b" not in text


@pytest.mark.parametrize("missing", [MISSING, BROKEN], ids=["missing", "not finite"])
def test_missing_numbers_are_words(missing: Estimate) -> None:
    whole = invented().traits[0]
    curve, subset = whole.curves[0], whole.subsets[0]
    point = curve.points[0].model_copy(update={"departure": missing, "p": None, "p_holm": None, "score": missing})
    changed = {"points": [point], "clean": missing, "half_dose": missing, "area": missing, "p": None}
    effect = subset.effects["drop"].model_copy(update={"score": missing, "expected": missing})
    bare = TeacherPoint(teacher="yes", prompts="original", teacher_score=missing, student_score=missing)
    result = whole.model_copy(
        update={
            "cells": [cell.model_copy(update={"trait": missing, "capability": missing}) for cell in whole.cells],
            "curves": [curve.model_copy(update=changed)],
            "subsets": [subset.model_copy(update={"effects": {"drop": effect}})],
            "teachers": [bare],
        }
    )
    report = invented().model_copy(update={"traits": [result]})
    page = html(report)
    for text in (shown(page), in_terminal(report)):
        assert "not estimable" in text
        assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    assert not {"nan", "None", "inf"} & set(re.findall(r'(?:data-sort|cx|cy|x1|x2|y1|y2|height)="([^"]*)"', page))


def test_what_is_missing_says_why() -> None:
    assert "not estimable no scores" in " ".join(shown(html(invented())).split())


def test_unmet_prerequisites_are_loud_and_nothing_is_inferred() -> None:
    page, text = shown(html(closed())), in_terminal(closed())
    assert "Nothing is inferred, as the prerequisites are not met: gap 0.04 is too small" in page
    assert "Nothing is inferred" in text and "gap 0.04 is too small" in text
    main = page[: page.index("Rules of the verdicts", page.index("Model, prompts, teacher"))]
    for words in ("Hypothesis", "Interpolated completions", "Subsets", "Supported:", "Ruled out:"):
        assert words not in main
    scores = [cell.trait.value for cell in closed().traits[0].cells]
    assert all(f"{value:.2f}" in main for value in scores if value is not None)  # the scores themselves are shown


STEEP, LATE, STRAIGHT = (Estimate(value=v, low=v - 0.1, high=v + 0.1) for v in (0.2, 0.8, 0.5))
ABOVE, BELOW, ALONG = (Estimate(value=v, low=v - 0.1, high=v + 0.1) for v in (0.2, -0.2, 0.0))


@pytest.mark.parametrize(
    ("half", "area", "reading"),
    [
        (STEEP, ABOVE, "saturates early"),
        (LATE, BELOW, "More than a straight line"),
        (STRAIGHT, ABOVE, ""),
        (STRAIGHT, BELOW, ""),
        (STEEP, ALONG, ""),  # half the gap early, and yet the whole curve need not lie above the line
        (LATE, ALONG, ""),
        (STEEP, BELOW, ""),
        (MISSING, ABOVE, ""),
    ],
)
def test_a_curve_is_told_in_words(half: Estimate, area: Estimate, reading: str) -> None:
    curve = invented().traits[0].curves[0]
    words = curve_words(curve.model_copy(update={"half_dose": half, "area": area}))
    assert [w for w in ("saturates early", "More than a straight line") if w in words] == ([reading] if reading else [])
    assert "3 prompts" in words if half is MISSING else f"[{half.low:.2f}, {half.high:.2f}]" in words


def test_the_terminal_shows_every_verdict() -> None:
    text = in_terminal(invented())
    for verdict in invented().traits[0].verdicts:
        assert verdict.name in text and verdict.verdict in text
    assert "alternative_prompts:original" in text and "dates" in text


def test_hypotheses_that_are_supported_together_are_told_on_the_page_and_in_the_terminal() -> None:
    whole = invented().traits[0].verdicts
    chosen = {"1": ["3a"], "3a": ["1"]}
    both = [
        v.model_copy(update={"verdict": "supported", "jointly": chosen[v.hypothesis]}) if v.hypothesis in chosen else v
        for v in whole
    ]
    report = invented(verdicts=both)
    page = shown(html(report))
    assert "jointly with A persona from pretraining is selected (3a)" in " ".join(page.split())
    assert "the experiments do not say which of them carries the trait" in page
    assert "Milder examples that were taken for unrelated ones would give the same result" in page
    assert "jointly with A persona" in in_terminal(report)
    alone = [
        v.model_copy(update={"jointly": []}) if v.hypothesis != "3a" else w for v, w in zip(both, whole, strict=True)
    ]
    assert "the experiments do not say which" not in shown(html(invented(verdicts=alone)))


def test_the_audit_of_the_sets_is_shown() -> None:
    page = html(invented())
    section = shown(page[page.index("Audit of the sets") : page.index("Model, prompts, teacher")])
    assert re.search(r"overt\s+4\s+4\s+–\s+–\s+–\s+5\s+100 %\s+80 %", section)
    assert re.search(r"unrelated\s+30\s+1\s+0\s+2\s+28\s+27\s+–\s+–", section)
    assert "Audit of the sets" not in html(invented(audit=[]))


def test_the_page_links_to_the_others() -> None:
    page = html(invented(), (BOARD, DIFF))
    assert '<a href="report.html">Board</a>' in page
    assert '<strong aria-current="page">Diff and verdicts</strong>' in page


@pytest.mark.parametrize("text", ["{", "[]", '{"suite": 1}', "\xff"])
def test_a_damaged_report_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "diff.json").write_text(text, encoding="latin-1")
    with pytest.raises(BenchError, match=r"diff\.json"):
        read_report(tmp_path)


def test_a_folder_without_a_report_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="run bench diff"):
        read_report(tmp_path)


def test_a_report_of_unknown_fields_is_refused(tmp_path: Path) -> None:
    text = json.dumps(json.loads(invented().model_dump_json()) | {"later": 1})
    (tmp_path / "diff.json").write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match="later"):
        read_report(tmp_path)
