"""The index over boards and studies, made of the data in the folders below one folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from bench.errors import BenchError
from bench.files import write_text
from bench.leaderboard.attribution import read_report as read_lds
from bench.leaderboard.calibration import read_calibration
from bench.leaderboard.index import Entry, board_entries, html
from bench.leaderboard.pages import (
    BOARD,
    CALIBRATION,
    CAUSES,
    CHECKPOINTS,
    DIFF,
    INDEX,
    LDS,
    Page,
    pages_of,
    speed_pages,
)
from bench.leaderboard.paired import read_scores
from bench.leaderboard.row import read_rows
from bench.leaderboard.verify import wrong_rows
from bench.studies.calibration import page as calibration
from bench.studies.causes import page as causes
from bench.studies.causes.records import read_causes
from bench.studies.checkpoints import page as checkpoints
from bench.studies.checkpoints.results import read_panel_record
from bench.studies.diff import page as diff
from bench.studies.lds import page as lds
from bench.studies.speed import page as speed
from bench.studies.speed.records import read_record as read_speed

SPEED = "benchmarks"  # where `bench speed` writes unless told otherwise


def write_index(folder: Path) -> Path:
    """Write `index.html` over the boards and studies in the folders below a folder, and over the timings beside it.

    Args:
        folder: Holds a folder for each board or study; timings may lie in the folder `benchmarks` beside it.

    Raises:
        BenchError: If there is neither, data cannot be read or the page cannot be written.
    """
    boards: list[Entry] = []
    studies: list[Entry] = []
    for inner in folders_of(folder):
        if BOARD in pages_of(inner):
            rows = read_rows(inner)
            boards += board_entries(rows, inner.name, wrong_rows([inner]), read_scores(rows, [inner]))
        studies += _studies(inner, inner.relative_to(folder).as_posix())
    if not boards and not studies:
        expected = "folders with rows/ of a run, or with the data of a study"
        raise BenchError(str(folder), seen="neither board nor study", expected=expected, remedy="name their parent")
    write_text(folder / INDEX.file, html(boards, studies))
    return folder / INDEX.file


def folders_of(folder: Path) -> list[Path]:
    """Return the folders below a folder, sorted by name, hidden ones left out; and `benchmarks` beside it, if any."""
    below = sorted(inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith("."))
    beside = folder / ".." / SPEED
    return [*below, beside] if speed_pages(beside) else below


def _studies(folder: Path, address: str) -> Iterator[Entry]:
    """Yield the entries of a folder's studies; `address` is the folder's from the index."""
    readers: dict[Page, Callable[[Path], tuple[str, list[str]]]] = {
        DIFF: _diff,
        LDS: _lds,
        CAUSES: lambda at: ("Verdicts on planted causes", [causes.conclusion(read_causes(at))]),
        CHECKPOINTS: _checkpoints,
        CALIBRATION: _calibration,
    }
    for page, read in readers.items():
        if page in pages_of(folder):
            title, sentences = read(folder)
            yield Entry(title, sentences, f"{quote(address)}/{page.file}", "study")
    for page in speed_pages(folder):
        timed = read_speed(folder / page.data)
        title = f"Speed of {timed.suite} v{timed.suite_version} on {timed.machine.device}, beside plain loops"
        found = [speed.conclusion(timed), speed.same_result(timed), speed.measured(timed)]
        yield Entry(title, found, f"{quote(address)}/{page.file}", "study")


def _diff(folder: Path) -> tuple[str, list[str]]:
    report = diff.read_report(folder)
    return f"Where a trait comes from: diff of {report.suite} v{report.suite_version}", diff.conclusions(report)


def _lds(folder: Path) -> tuple[str, list[str]]:
    report = read_lds(folder)
    return f"Attributions against retraining: {report.suite} v{report.suite_version}", lds.conclusions(report)


def _calibration(folder: Path) -> tuple[str, list[str]]:
    record = read_calibration(folder)
    return "Calibration of intervals and tests, on simulated boards", calibration.conclusions(record)


def _checkpoints(folder: Path) -> tuple[str, list[str]]:
    record = read_panel_record(folder)
    return f"{checkpoints.title(record)}: {record.summary}", checkpoints.conclusions(record)
