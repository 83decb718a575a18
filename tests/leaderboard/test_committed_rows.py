"""The committed leaderboards: their data is readable, and their pages are made of it alone."""

import shutil
from pathlib import Path

import pytest

from bench.config.suite import load_suite
from bench.leaderboard.attribution import report_beside
from bench.leaderboard.board import board_view
from bench.leaderboard.calibration import calibration_near
from bench.leaderboard.pages import BOARD, DIFF, INDEX, pages_of
from bench.leaderboard.paired import read_scores
from bench.leaderboard.render import markdown
from bench.leaderboard.row import read_rows
from bench.studies.index import write_index
from bench.studies.pages import write_pages

ROOT = Path(__file__).parents[2] / "leaderboards"
FOLDERS = [f for f in sorted(ROOT.iterdir()) if f.is_dir() and pages_of(f)]
BOARDS = [f for f in FOLDERS if BOARD in pages_of(f)]
DIFFS = [f for f in FOLDERS if DIFF in pages_of(f)]
by_name = {"ids": lambda folder: folder.name}


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of all boards and studies, with an index made of them."""
    copy = tmp_path_factory.mktemp("made") / "leaderboards"
    pages = shutil.ignore_patterns("*.html", "report.md")
    for folder in (ROOT, ROOT.parent / "benchmarks"):
        shutil.copytree(folder, copy.parent / folder.name, ignore=pages)
    return write_index(copy).parent


def test_the_index_is_what_its_data_give(made_again: Path) -> None:
    assert (made_again / INDEX.file).read_text(encoding="utf-8") == (ROOT / INDEX.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS, **by_name)
def test_pages_are_what_their_data_give(folder: Path, made_again: Path) -> None:
    copy = made_again / folder.name
    pages = write_pages(copy)
    assert pages
    for page in pages:
        assert page.read_text(encoding="utf-8") == (folder / page.name).read_text(encoding="utf-8"), page.name
    of_rows = [{page.name: page.read_bytes() for page in (at / "filters").glob("*.html")} for at in (copy, folder)]
    assert of_rows[0] == of_rows[1]


@pytest.mark.parametrize("folder", BOARDS, **by_name)
def test_a_report_in_markdown_is_what_its_rows_give(folder: Path) -> None:
    rows = read_rows(folder)
    assert (folder / "report.md").read_text(encoding="utf-8") == markdown(
        board_view(rows, report_beside(folder), None, read_scores(rows, [folder]), calibration_near(folder))
    )


@pytest.mark.parametrize("folder", BOARDS, **by_name)
def test_rows_belong_to_the_suite_of_their_folder(folder: Path) -> None:
    suite = load_suite(folder.name)
    for row in read_rows(folder):
        assert (row.suite, row.suite_version) == (suite.file.name, suite.file.version)
        assert row.recipe == suite.recipe
        assert row.commit and not row.commit.endswith("+changes")


@pytest.mark.parametrize("folder", DIFFS, **by_name)
def test_a_diff_belongs_to_the_suite_of_its_folder(folder: Path) -> None:
    from bench.studies.diff.page import read_report

    report, suite = read_report(folder), load_suite(folder.name)
    assert (report.suite, report.suite_version) == (suite.file.name, suite.file.version)
    assert report.recipe == suite.recipe
    assert report.commit and not report.commit.endswith("+changes")
