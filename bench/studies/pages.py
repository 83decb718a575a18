"""Every page of a run folder, rendered from the data that lies in it."""

from pathlib import Path

from bench.leaderboard.board import board_view
from bench.leaderboard.filter_pages import write_filter_pages
from bench.leaderboard.pages import BOARD, CAUSES, CHECKPOINTS, DIFF, LDS, pages_of
from bench.leaderboard.render import render_board
from bench.leaderboard.row import read_rows, row_file
from bench.leaderboard.verify import verify_rows
from bench.studies.causes import page as causes
from bench.studies.checkpoints import page as checkpoints
from bench.studies.diff import page as diff
from bench.studies.lds import page as lds

STUDIES = {DIFF: diff.write, LDS: lds.write, CAUSES: causes.write, CHECKPOINTS: checkpoints.write}


def write_pages(folder: Path) -> list[Path]:
    """Render all pages of a folder again, so that each links to the others; those of its rows go to `filters/`.

    Returns:
        The HTML files in the folder itself.

    Raises:
        BenchError: If data cannot be read or a page cannot be written.
    """
    pages = pages_of(folder)
    if BOARD in pages:
        rows, problems = read_rows(folder), verify_rows(folder)
        unverified = [row for row in rows if problems.get(row_file(row))]
        write_filter_pages(folder, [*board_view(rows, problems=problems).rows, *unverified], pages, problems)
        render_board(rows, folder, problems)
    for page, write in STUDIES.items():
        if page in pages:
            write(folder, pages)
    return [folder / page.file for page in pages]
