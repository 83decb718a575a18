"""Every page of a run folder, rendered from the data that lies in it."""

from importlib import import_module
from pathlib import Path

from bench.errors import unwritable
from bench.leaderboard.pages import CAUSES, CHECKPOINTS, DIFF, pages_of
from bench.leaderboard.render import write_report
from bench.leaderboard.row import read_rows

WRITERS = {
    DIFF: "bench.studies.diff.page",
    CAUSES: "bench.studies.causes.page",
    CHECKPOINTS: "bench.studies.checkpoints.page",
}


def write_pages(folder: Path) -> list[Path]:
    """Render all pages of a folder again, so that each links to the others.

    Returns:
        The HTML files.

    Raises:
        BenchError: If data cannot be read or a page cannot be written.
    """
    pages = pages_of(folder)
    try:
        for page in pages:
            if page in WRITERS:
                import_module(WRITERS[page]).write(folder, pages)
            else:
                write_report(read_rows(folder), folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return [folder / page.file for page in pages]
