"""Pages of a report: which there are, how they link to each other, and that text from outside stays text."""

import re
from pathlib import Path

import pytest
from fixtures_diff import invented
from fixtures_rows import row

from bench.files import write_text
from bench.leaderboard.board import board_view
from bench.leaderboard.pages import (
    BOARD,
    CAUSES,
    CHECKPOINTS,
    DIFF,
    PAGES,
    environment,
    markdown_text,
    pages_of,
    visible,
)
from bench.leaderboard.render import html
from bench.leaderboard.row import write_rows
from bench.studies.pages import write_pages

NAV = re.compile(r'<nav class="pages".*?</nav>', re.DOTALL)


def board(*pages) -> str:
    return html(board_view([row("keyword")]), pages)


def nav(page: str) -> str:
    found = NAV.findall(page)
    assert len(found) == 1
    return found[0]


def test_a_folder_has_the_pages_that_it_holds_the_data_for(tmp_path: Path) -> None:
    assert pages_of(tmp_path) == []
    assert pages_of(tmp_path / "nowhere") == []
    (tmp_path / "rows").mkdir()
    assert pages_of(tmp_path) == [BOARD]
    (tmp_path / "stages.json").touch()
    (tmp_path / "diff.json").touch()
    assert pages_of(tmp_path) == [BOARD, DIFF, CHECKPOINTS]
    (tmp_path / "causes.json").touch()
    assert pages_of(tmp_path) == [BOARD, DIFF, CAUSES, CHECKPOINTS]


def test_files_of_timings_have_a_page_each(tmp_path: Path) -> None:
    for name in ("cuda1-mine.json", "cpu-quick.json", "throughput-cuda-quick.json", "cpu-a b.json", "gpus.json"):
        (tmp_path / name).touch()
    assert [page.file for page in pages_of(tmp_path)] == ["cpu-quick.html", "cuda1-mine.html"]


def test_a_rendered_page_without_its_data_is_no_page(tmp_path: Path) -> None:
    (tmp_path / "diff.html").touch()
    assert pages_of(tmp_path) == []


@pytest.mark.parametrize("attribute", ["file", "title", "data"])
def test_no_two_pages_share_a_name(attribute: str) -> None:
    assert len({getattr(page, attribute) for page in PAGES}) == len(PAGES) == 6


def test_pages_link_to_each_other_and_mark_the_present_one() -> None:
    links = nav(board(*PAGES))
    assert re.findall(r'href="([^"]*)"', links) == [
        *("diff.html", "lds.html", "causes.html", "stages.html", "calibration.html")
    ]
    assert re.findall(r'<strong aria-current="page">([^<]*)</strong>', links) == ["Board"]
    assert links.index("Board") < links.index("Diff and verdicts") < links.index("Checkpoints")
    assert 'aria-label="Pages of this report"' in links


def test_a_page_alone_links_to_none() -> None:
    assert NAV.findall(board(BOARD)) == []
    assert NAV.findall(html(board_view([row("keyword")]))) == []


def test_a_report_is_rendered_again_when_a_page_joins(tmp_path: Path) -> None:
    write_rows([row("keyword")], {}, tmp_path)
    assert write_pages(tmp_path) == [tmp_path / "report.html"]
    assert NAV.findall((tmp_path / "report.html").read_text(encoding="utf-8")) == []
    (tmp_path / "diff.json").write_text(invented().model_dump_json(), encoding="utf-8")
    pages = write_pages(tmp_path)
    assert pages == [tmp_path / "report.html", tmp_path / "diff.html"]
    for page, other in zip(pages, reversed(pages), strict=True):
        assert f'href="{other.name}"' in nav(page.read_text(encoding="utf-8"))


def test_a_folder_without_data_has_nothing_to_render(tmp_path: Path) -> None:
    assert write_pages(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_written_whole_over_an_older_one(tmp_path: Path) -> None:
    for text in ("first", "second — ✓"):
        write_text(tmp_path / "new" / "page.html", text)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["page.html"]
    assert (tmp_path / "new/page.html").read_text(encoding="utf-8") == "second — ✓"


@pytest.mark.parametrize("hidden", ["\x1b", "\r", "\x00", "\x9b", "\u202e", "\u2066", "\ud800"])
def test_what_could_move_a_cursor_or_turn_a_line_is_replaced(hidden: str) -> None:
    assert visible(f"a{hidden}b") == "a\ufffdb"


def test_lines_and_letters_of_any_script_stay() -> None:
    assert visible("a\tb\r\nc é 漢 🙂") == "a\tb\nc é 漢 🙂"


def test_markup_from_outside_is_escaped_in_html_and_left_alone_in_text() -> None:
    for html_, expected in ((True, "&lt;b&gt; {{ 7 }}\ufffd"), (False, "<b> {{ 7 }}\ufffd")):
        made = environment(html=html_).from_string("{{ words }}").render(words="<b> {{ 7 }}\x1b")
        assert made == expected


def test_markdown_of_hostile_text_is_one_line_of_text() -> None:
    assert markdown_text("a|b\n`c` <i> [x](y) *z* \x1b") == "a\\|b \\`c\\` &lt;i> [x]\\(y) \\*z\\* \ufffd"
