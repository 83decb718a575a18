"""What a board shows of `bench calibrate`: the cells of its own design, and nothing where there are none."""

from pathlib import Path

import pytest
from fixtures_scores import scored
from fixtures_studies import calibration_record

from bench.errors import BenchError
from bench.files import write_json
from bench.leaderboard.board import board_view
from bench.leaderboard.calibration import calibration_near
from bench.leaderboard.render import html, markdown, render_board

ROWS, SCORES = scored({"keyword": {"drop": 0.5, "drop_refill": 0.5, "patch": 0.2}})


def test_cells_of_the_rows_own_design_are_shown() -> None:
    view = board_view(ROWS, scores=SCORES, calibration=calibration_record())
    shown = view.traits[0].calibration
    assert shown is not None
    assert "3 trainings of each arm, 40 prompts in 10 families, binary scores, 4 random sets" in shown.design
    assert "in each of 1 cells" in shown.design  # not the cell of five trainings
    assert ("Lift of patch: interval holds the true value", ["96.0"] * 3) in [
        (name, [cell.text for cell in cells]) for name, cells in shown.table.lines
    ]
    for page in (html(view), markdown(view)):
        assert "What the intervals and tests are worth" in page and "Lift of patch: interval holds" in page


@pytest.mark.parametrize("design", [{"seeds": 4}, {"prompts": 48}, {"families": 8}, {"kind": "0-10"}])
def test_another_design_shows_nothing(design: dict[str, object]) -> None:
    view = board_view(ROWS, scores=SCORES, calibration=calibration_record(**design))
    assert view.traits[0].calibration is None and "intervals and tests are worth" not in html(view)


def test_other_controls_or_no_scores_show_nothing() -> None:
    other = calibration_record().model_copy(update={"controls": 3})
    assert board_view(ROWS, scores=SCORES, calibration=other).traits[0].calibration is None
    assert board_view(ROWS, calibration=calibration_record()).traits[0].calibration is None


def test_the_record_in_the_folder_beside_a_board_is_read(tmp_path: Path) -> None:
    assert calibration_near(tmp_path / "board") is None
    write_json(tmp_path / "calibration/calibration.json", calibration_record())
    assert calibration_near(tmp_path / "board") == calibration_record()
    (tmp_path / "calibration/calibration.json").write_text('{"cells": []}', encoding="utf-8")
    with pytest.raises(BenchError, match=r"calibration\.json"):
        render_board(ROWS, tmp_path / "board")
