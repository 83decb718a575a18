"""Every page of a run folder, rendered from the data that lies in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.leaderboard.board import board_view
from bench.leaderboard.comparable import distinct_rows, row_key
from bench.leaderboard.filter_pages import write_filter_pages
from bench.leaderboard.pages import (
    BOARD,
    CALIBRATION,
    CAUSES,
    CHECKPOINTS,
    DIFF,
    LDS,
    linked_pages,
    pages_of,
    speed_pages,
)
from bench.leaderboard.render import render_board
from bench.leaderboard.row import Row, read_rows
from bench.leaderboard.verify import wrong_rows
from bench.studies.calibration import page as calibration
from bench.studies.causes import page as causes
from bench.studies.checkpoints import page as checkpoints
from bench.studies.diff import page as diff
from bench.studies.lds import page as lds
from bench.studies.speed import page as speed

STUDIES = {
    DIFF: diff.write,
    LDS: lds.write,
    CAUSES: causes.write,
    CHECKPOINTS: checkpoints.write,
    CALIBRATION: calibration.write,
}


def write_pages(folder: Path) -> list[Path]:
    """Render all pages of a folder again, so that each links to the others; those of its rows go to `filters/`.

    Returns:
        The HTML files in the folder itself.

    Raises:
        BenchError: If data cannot be read or a page cannot be written.
    """
    pages = pages_of(folder)
    if BOARD in pages:
        write_board(read_rows(folder), folder, wrong_rows([folder]))
    for page, write in STUDIES.items():
        if page in pages:
            write(folder, linked_pages(folder))
    for page in speed_pages(folder):
        speed.write(folder / page.data, linked_pages(folder))
    return [folder / page.file for page in pages]


def write_board(
    rows: Sequence[Row], folder: Path, problems: Mapping[str, Sequence[str]], beside: Sequence[Path] = ()
) -> None:
    """Write a board and the pages of its rows.

    Args:
        rows: Of one run or of several.
        folder: Where the pages go.
        problems: `row_key` of a row -> what its evidence does not bear out.
        beside: Folders that hold the rows' scores and examples, besides `folder`.

    Raises:
        BenchError: If there are no rows, or a page cannot be written.
    """
    unverified = [row for row in distinct_rows(rows) if row_key(row) in problems]
    shown = [*board_view(rows, problems=problems).rows, *unverified]
    write_filter_pages(folder, shown, linked_pages(folder), problems, beside)
    render_board(rows, folder, problems, beside)
