"""Measure all cells of the calibration, and write `calibration.json` and `calibration.html`."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

from bench.execution.progress import log
from bench.files import write_json
from bench.leaderboard.calibration import Calibration, CellResult
from bench.leaderboard.pages import CALIBRATION, linked_pages
from bench.run_folder.provenance import source_commit
from bench.studies.calibration import page
from bench.studies.calibration.boards import CONTROLS, FAMILIES, FILTERS, LEVELS, Cell, Kind
from bench.studies.calibration.measure import measure

SEED = 20_000  # of the first cell; cells count upwards from it
REPLICATES, FAST_REPLICATES = 1000, 150
KINDS: tuple[Kind, ...] = ("binary", "0-10")
BETWEEN = (0.0, 0.25, 0.5)


def all_cells() -> list[Cell]:
    """Return the cells of the full calibration: every design in the middle, fewer where scores are near a bound."""
    cells = [Cell("middle", kind, s, p, b) for s, p, b, kind in product((1, 3, 5), FAMILIES, BETWEEN, KINDS)]
    for level in [name for name in LEVELS if name != "middle"]:
        cells += [Cell(level, kind, s, 48, b) for s, b, kind in product((3, 5), BETWEEN, KINDS)]
        cells += [Cell(level, kind, 3, p, 0.5) for p, kind in product((24, 100), KINDS)]
        cells += [Cell(level, kind, 1, 48, 0.25) for kind in KINDS]
    return cells


def fast_cells() -> list[Cell]:
    """Return the few cells of a first look."""
    return [
        Cell("middle", "binary", 3, 48, 0.5),
        Cell("near 0 and 1", "binary", 3, 24, 0.0),
        Cell("near 0", "0-10", 5, 48, 0.25),
        Cell("at the gate", "binary", 5, 48, 0.25),
    ]


def run_calibration(out: Path, *, fast: bool = False, workers: int = 1, command: str = "") -> Calibration:
    """Simulate every cell; the files are written again after each, so that a stopped run leaves what it has.

    Args:
        out: Folder of the two files.
        fast: Only a few cells, with fewer boards.
        workers: Processes at a time.
        command: To be noted in the record.
    """
    cells = fast_cells() if fast else all_cells()
    replicates = FAST_REPLICATES if fast else REPLICATES
    found = Calibration(
        replicates=replicates, filters=FILTERS, controls=CONTROLS, cells=[], command=command, commit=source_commit()
    )
    out.mkdir(parents=True, exist_ok=True)
    for number, result in enumerate(_measured(cells, replicates, workers), start=1):
        found.cells.append(result)
        log.info("%d of %d cells: %s, %s, %d seeds", number, len(cells), result.level, result.kind, result.seeds)
        write_json(out / CALIBRATION.data, found)
        page.write(out, linked_pages(out))
    return found


def _measured(cells: list[Cell], replicates: int, workers: int) -> Iterator[CellResult]:
    seeds = range(SEED, SEED + len(cells))
    if workers == 1:
        yield from map(measure, cells, [replicates] * len(cells), seeds)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(measure, cells, [replicates] * len(cells), seeds)
