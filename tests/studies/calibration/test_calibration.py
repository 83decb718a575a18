"""The suite's intervals and tests on simulated boards, with limits that allow for Monte-Carlo error."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.studies.calibration import run
from bench.studies.calibration.boards import CONTROLS, FILTERS, LEVELS, Cell, expected, intercept, simulate
from bench.studies.calibration.measure import CellResult, Rate, measure, truths
from bench.studies.calibration.run import Calibration, all_cells, fast_cells
from bench.studies.calibration.table import markdown

REPLICATES = 200
CELLS = fast_cells()


@cache
def measured(cell: Cell) -> CellResult:
    return measure(cell, REPLICATES, seed=7)


def above(nominal: float, rate: Rate) -> float:
    """Monte-Carlo standard errors by which a rate exceeds its nominal value."""
    return (rate.value - nominal) / math.sqrt(nominal * (1 - nominal) / rate.trials)


def named(cell: Cell) -> str:
    return f"{cell.level}-{cell.kind}-{cell.seeds}-{cell.between}"


@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_intervals_cover_the_truth(cell: Cell) -> None:
    found = measured(cell)
    for name, rate in {**found.coverage, **found.winner}.items():
        if rate.trials >= REPLICATES / 2:
            assert above(0.93, rate) > -3.5, f"{name}: {rate}"


@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_claims_are_seldom_false(cell: Cell) -> None:
    found = measured(cell)
    for rate in (found.false_holm, found.false_effect, found.false_no_effect):
        assert rate.trials == REPLICATES and above(0.05, rate) < 3
    assert found.false_raw.trials == REPLICATES * FILTERS
    assert found.false_raw.value < 0.07  # the filters of a board share their controls: not so many independent trials


def test_intervals_are_not_wide_for_their_own_sake() -> None:
    found = measured(CELLS[0])
    assert np.median([rate.value for rate in found.coverage.values()]) <= 0.985
    assert found.power_holm.value > 0.6


def test_one_training_claims_nothing_and_covers_too_seldom() -> None:
    found = measure(Cell("middle", "binary", 1, 48, 0.5), 100, seed=7)
    assert found.false_raw.trials == found.false_holm.trials == found.power_holm.trials == 0
    assert found.false_effect.hits == found.false_no_effect.hits == 0
    assert not any(rate.trials for rate in found.winner.values())
    assert found.coverage["lift, difference"].value < 0.93  # trainings differ, and one cannot show it


def test_true_values_are_means_over_trainings_and_prompts() -> None:
    cell = Cell("middle", "0-10", 3, 100, 0.5)
    rng = np.random.default_rng(3)
    boards = [simulate(cell, False, rng) for _ in range(400)]
    for arm in ("original", "clean", "filter0_patch", "random2_patch"):
        scores = [board.tables[arm].mean() for board in boards]
        error = np.std(scores) / math.sqrt(len(boards))
        assert abs(np.mean(scores) - boards[0].truth[arm]) < 4 * error
    assert expected(intercept(0.985, 1.6), 1.6) == pytest.approx(0.985)


def test_truths_by_hand() -> None:
    score = {"original": 0.9, "clean": 0.1, "patch_in": 0.5, "filter0_drop": 0.7, "filter0_drop_refill": 0.72}
    score |= {"filter0_patch": 0.3, "random1_patch": 0.8, "random1_drop_refill": 0.88}
    found = truths(score)
    assert found["gap"] == pytest.approx(0.8) and found["lift"] == pytest.approx(0.5 / 0.8)
    assert found["leakage, difference"] == pytest.approx(0.42 - 0.08)
    assert found["retention"] == pytest.approx(0.7 / 0.9)


def test_the_full_run_covers_what_the_decision_promises() -> None:
    cells = all_cells()
    assert len(set(cells)) == len(cells)
    assert {(c.seeds, c.between, c.prompts, c.kind) for c in cells} >= {
        (s, b, p, k) for s in (1, 3, 5) for b in (0.0, 0.25, 0.5) for p in (24, 48, 100) for k in ("binary", "0-10")
    }
    assert {c.level for c in cells} == set(LEVELS) and CONTROLS >= 4


def test_the_committed_page_is_made_of_the_committed_record() -> None:
    folder = Path(__file__).parents[3] / "leaderboards/calibration"
    record = Calibration.model_validate_json((folder / "calibration.json").read_text(encoding="utf-8"))
    page = (folder / "calibration.md").read_text(encoding="utf-8")
    assert page == markdown(record.cells, record.replicates, record.command)
    assert len(record.cells) == len(all_cells())


def test_the_command_writes_a_record_and_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FAST_REPLICATES", 12)
    outcome = CliRunner().invoke(main, ["calibrate", "--fast", "--out", str(tmp_path)])
    assert outcome.exit_code == 0, outcome.output
    record = Calibration.model_validate_json((tmp_path / "calibration.json").read_text())
    assert len(record.cells) == len(CELLS) and record.replicates == 12
    page = (tmp_path / "calibration.md").read_text()
    assert page == markdown(record.cells, 12, record.command)
    assert "12 simulated boards" in page and page.count("| at the gate |") == 2
