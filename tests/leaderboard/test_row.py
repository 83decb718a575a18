"""Rows on disk: complete, with the per-sample scores behind them and the hash of these."""

import hashlib
import json
from pathlib import Path

import pytest
from fixtures_rows import row, trait_result

from bench.errors import BenchError
from bench.leaderboard.evidence import Evidence, read_evidence
from bench.leaderboard.render import render_board
from bench.leaderboard.row import SCHEMA, read_rows, write_rows
from bench.run import Results

SCORES = {"date_confusion": [[1.0, None], [0.0, 1.0]], "exact": [[1.0, 0.0], [1.0, 1.0]]}
EVIDENCE = {
    "date_confusion": Evidence(
        score="date_confusion",
        scale=(0, 1),
        ids={score: ["a", "b"] for score in SCORES},
        families={score: ["a", "a"] for score in SCORES},
        arms={"original": SCORES, "clean": SCORES},
        seeds=[0, 1],
        controls=4,
        minimum_gap=0.2,
    )
}


def test_rows_of_a_run_name_its_evidence_by_hash(tmp_path: Path) -> None:
    written = write_rows([row("keyword"), row("oracle")], EVIDENCE, tmp_path)
    assert read_rows(tmp_path) == written and written[0].evidence == written[1].evidence
    ((file, digest),) = written[0].evidence.items()
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == [Path(file).name]
    assert hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() == digest
    assert read_evidence(tmp_path, written[0].evidence) == EVIDENCE


def test_the_same_row_and_scores_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (written,) = write_rows([row("keyword")], EVIDENCE, tmp_path / folder)
    for file in ("rows/keyword@0.1.json", *written.evidence):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    changed = {"date_confusion": EVIDENCE["date_confusion"].model_copy(update={"seeds": [0, 2]})}
    (other,) = write_rows([row("keyword")], changed, tmp_path / "two")
    assert other.evidence != read_rows(tmp_path / "one")[0].evidence


def test_a_key_that_no_schema_has_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text(json.dumps(row("keyword").model_dump(mode="json") | {"extra": 1}))
    with pytest.raises(BenchError, match="extra"):
        read_rows(tmp_path)


@pytest.mark.parametrize("step", [-1, 1])
def test_a_row_of_another_schema_is_refused_as_its_numbers_mean_other_things(tmp_path: Path, step: int) -> None:
    later = row("keyword").model_dump(mode="json") | {"schema_version": SCHEMA + step}
    (tmp_path / "later.json").write_text(json.dumps(later), encoding="utf-8")
    with pytest.raises(BenchError, match="schema_version"):
        read_rows(tmp_path)


def test_a_board_is_rendered_from_a_folder_as_from_its_rows(tmp_path: Path) -> None:
    rows = write_rows([row("keyword")], EVIDENCE, tmp_path / "run")
    pages = [render_board(given, tmp_path / name) for given, name in ((rows, "one"), (tmp_path / "run", "two"))]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_table_of_results_has_numbers_or_nan(tmp_path: Path) -> None:
    closed = trait_result("date_confusion", "oracle", 0.1, scored=False)
    for rows in ([row("keyword")], [row("oracle", date_confusion=closed)], []):
        frame = Results(rows, tmp_path).frame()
        assert list(frame.columns[:4]) == ["filter", "budget", "trait", "action"]
        assert all(frame[name].dtype == float for name in ("removal", "lift", "p_holm", "prompts"))
    assert Results([row("keyword")], tmp_path).frame().set_index("action").loc["patch", "removal"] == 0.66
    assert Results([row("oracle", date_confusion=closed)], tmp_path).frame()["removal"].isna().all()
    assert len(repr(Results([row("keyword")], tmp_path))) < 200


def test_scores_that_no_row_names_any_more_are_removed(tmp_path: Path) -> None:
    write_rows([row("keyword")], {}, tmp_path)
    write_rows([row("oracle")], EVIDENCE, tmp_path)
    assert len(list((tmp_path / "evidence").iterdir())) == 2
    (written,) = write_rows([row("keyword")], EVIDENCE, tmp_path)
    assert {f"evidence/{path.name}" for path in (tmp_path / "evidence").iterdir()} == written.evidence.keys()
