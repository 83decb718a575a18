"""The committed leaderboards: their rows are readable, and their reports are made of them alone."""

from pathlib import Path

import pytest

from bench.board import board_view
from bench.board_render import html, markdown
from bench.rows import read_rows
from bench.suites import load_suite

FOLDERS = [f for f in sorted((Path(__file__).parents[1] / "leaderboards").iterdir()) if f.is_dir()]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_report_is_what_its_rows_give(folder: Path) -> None:
    view = board_view(read_rows(folder))
    assert (folder / "report.html").read_text(encoding="utf-8") == html(view)
    assert (folder / "report.md").read_text(encoding="utf-8") == markdown(view)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_rows_belong_to_the_suite_of_their_folder(folder: Path) -> None:
    suite = load_suite(folder.name)
    for row in read_rows(folder):
        assert (row.suite, row.suite_version) == (suite.file.name, suite.file.version)
        assert row.recipe == suite.recipe
        assert row.commit and not row.commit.endswith("+changes")
