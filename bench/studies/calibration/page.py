"""The page of the calibration, laid out from `calibration.json` alone: what the intervals and tests are worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.files import write_text
from bench.leaderboard import svg
from bench.leaderboard.calibration import QUANTITIES, Calibration, CellResult, Rate, rate_floor, read_calibration
from bench.leaderboard.format import Cell
from bench.leaderboard.pages import CALIBRATION, Page, render
from bench.stats.effects import MIN_SEEDS
from bench.studies.calibration import boards

LIMITS = (85.0, 100.0)  # of the picture of coverages, in per cent
LEAST, MOST = 93.0, 98.0  # coverages between these count as close to 95 %
MAIN = ("gap", "removal, drop", "removal, patch", "lift", "leakage", "sufficiency", "retention")
CLAIMS: dict[str, Callable[[CellResult], Rate]] = {
    "False “beats random”, each test at 5 %": lambda cell: cell.false_raw,
    "False “beats random”, any on a board after Holm": lambda cell: cell.false_holm,
    "False “effect” at a true difference of 0": lambda cell: cell.false_effect,
    "False “no effect” at a true difference of the margin": lambda cell: cell.false_no_effect,
    "True “beats random” of the best filter after Holm": lambda cell: cell.power_holm,
}


@dataclass(frozen=True)
class Column:
    """A column of the tables of cells.

    Attributes:
        title: Its heading.
        of: What it shows of a cell.
        main: Whether it is shown at once.
        low: Whether a cell's value is to be marked.
    """

    title: str
    of: Callable[[CellResult], str]
    main: bool
    low: Callable[[CellResult], bool] = lambda cell: False


@dataclass(frozen=True)
class Group:
    """The cells of one kind of score and one number of trainings."""

    title: str
    cells: Sequence[CellResult]
    columns: Sequence[Column]


def write(folder: Path, pages: Sequence[Page]) -> None:
    """Render a folder's `calibration.json` beside it; `pages` are those of the whole report.

    Raises:
        BenchError: If there is no such record, or the page cannot be written.
    """
    write_text(folder / CALIBRATION.file, html(read_calibration(folder), pages))


def html(record: Calibration, pages: Sequence[Page] = (CALIBRATION,)) -> str:
    """Render the calibration as one HTML page; tables of designs that were not measured are left out."""
    claimed = [cell for cell in record.cells if cell.seeds >= MIN_SEEDS]
    few = [cell for cell in record.cells if cell.seeds < MIN_SEEDS]
    return render(
        CALIBRATION,
        "calibration.html.j2",
        pages,
        record=record,
        conclusions=conclusions(record),
        claimed=claimed,
        coverage=_coverage(claimed),
        claims=_claims(claimed),
        groups=[*_groups(claimed), *_groups(few)],
        levels={name: level for name, level in boards.LEVELS.items() if any(c.level == name for c in record.cells)},
        simulated=boards,
        strip=svg.strip,
        axis=svg.strip_axis,
        limits=LIMITS,
        close=(LEAST, MOST),
        min_seeds=MIN_SEEDS,
        error=100 * (0.95 * 0.05 / record.replicates) ** 0.5,
    )


def conclusions(record: Calibration) -> list[str]:
    """Say how far coverage and false claims are from what they should be; then the same of single trainings."""
    claimed = [cell for cell in record.cells if cell.seeds >= MIN_SEEDS]
    few = [cell for cell in record.cells if cell.seeds < MIN_SEEDS]
    first = f"No design has {MIN_SEEDS} trainings of each arm or more, so that nothing was claimed."
    if claimed:
        first = _conclusion(claimed)
    held = _held(few)
    if not held:
        return [first]
    return [
        first,
        f"With fewer than {MIN_SEEDS} trainings of each arm they hold it in {_range(held)} %: such "
        "intervals leave out how trainings differ, and no board claims anything from them.",
    ]


def _conclusion(claimed: Sequence[CellResult]) -> str:
    held = _held(claimed)
    false = [100 * cell.false_holm.value for cell in claimed if cell.false_holm.trials]
    if not held or not false:
        return f"Too few intervals and tests were counted in the {len(claimed)} designs to say how often they hold."
    return (
        f"95 % intervals hold the true value in {_range(held)} % of simulated boards (median "
        f"{np.median(held):.1f} %, {len(QUANTITIES)} quantities in {len(claimed)} designs); a false “beats random” "
        f"stands on {np.mean(false):.1f} % of boards after Holm (at most {max(false):.1f} % in a design)."
    )


def _range(values: Sequence[float]) -> str:
    return f"{round(min(values), 1):g} to {round(max(values), 1):g}"


def _held(cells: Sequence[CellResult]) -> list[float]:
    """Return every coverage that was counted often enough, in per cent."""
    return _counted([cell.coverage[name] for cell in cells for name in QUANTITIES], cells)


def _counted(rates: Sequence[Rate], cells: Sequence[CellResult]) -> list[float]:
    return [100 * rate.value for rate in rates if rate.trials >= rate_floor(cells)]


def _coverage(cells: Sequence[CellResult]) -> list[tuple[str, Cell, str]]:
    """Return of each quantity its name, the lowest, median and highest coverage, and how many are close to 95 %."""
    if not cells:
        return []
    named: dict[str, list[Rate]] = {name: [cell.coverage[name] for cell in cells] for name in QUANTITIES}
    named |= {f"largest lift, {name}": [cell.winner[name] for cell in cells] for name in cells[0].winner}
    found = []
    for name, rates in named.items():
        if values := _counted(rates, cells):
            median = float(np.median(values))
            close = sum(LEAST <= value <= MOST for value in values)
            spread = Cell(f"{median:.1f}", "", median, min(values), max(values))
            found.append((name, spread, f"{close} of {len(values)}"))
    return found


def _claims(cells: Sequence[CellResult]) -> list[tuple[str, float, float, float]]:
    """Return of each claim its name, and the lowest, mean and highest rate over designs in per cent."""
    found = []
    for name, rate in CLAIMS.items():
        if values := [100 * rate(cell).value for cell in cells if rate(cell).trials]:
            found.append((name, min(values), float(np.mean(values)), max(values)))
    return found


def _groups(cells: Sequence[CellResult]) -> list[Group]:
    """Return the cells by kind of score and trainings, in the order of the record."""
    found: dict[tuple[str, int], list[CellResult]] = {}
    for cell in cells:
        found.setdefault((cell.kind, cell.seeds), []).append(cell)
    return [
        Group(
            f"{kind} scores, {seeds} training{'' if seeds == 1 else 's'} of each arm",
            some,
            _columns(some, claims=seeds >= MIN_SEEDS),
        )
        for (kind, seeds), some in found.items()
    ]


def _columns(cells: Sequence[CellResult], *, claims: bool) -> list[Column]:
    """Return the columns of a group: coverage, and where there are trainings enough the claims."""
    found = [_column(name, _covered(name), name in MAIN, LEAST) for name in QUANTITIES]
    if not claims:
        return found
    found += [_column(f"largest lift, {name}", _won(name), name == "filters differ", LEAST) for name in cells[0].winner]
    titles = ("false, each test", "false, any after Holm", "false “effect”", "false “no effect”", "power after Holm")
    found += [_column(title, of, True) for title, of in zip(titles, CLAIMS.values(), strict=True)]
    return [*found, *TRUTHS]


def _covered(name: str) -> Callable[[CellResult], Rate]:
    return lambda cell: cell.coverage[name]


def _won(name: str) -> Callable[[CellResult], Rate]:
    return lambda cell: cell.winner[name]


def _column(title: str, of: Callable[[CellResult], Rate], main: bool, least: float = 0.0) -> Column:
    return Column(title, lambda cell: _percent(of(cell)), main, lambda cell: 100 * of(cell).value < least)


TRUTHS = (
    Column("gate open", lambda cell: _percent(cell.gate_opened), False),
    Column(
        "removal there",
        lambda cell: "–" if cell.removal_opened is None else f"{cell.removal_opened:.2f}",
        False,
    ),
    Column("true removal", lambda cell: f"{cell.removal_true:.2f}", False),
)


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.1f}" if rate.trials else "–"
