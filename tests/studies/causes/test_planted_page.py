from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files import write_json
from bench.leaderboard.pages import CAUSES
from bench.records import Estimate
from bench.stats.equivalence import Comparison, Outcome
from bench.studies.causes import page
from bench.studies.causes.records import CausesRecord, WorldRecord, matrix_row, read_causes
from bench.studies.diff.verdicts import judge


def compared(value: float, outcome: Outcome) -> Comparison:
    return Comparison(
        contrast="a - b", difference=Estimate(value=value, low=value, high=value), margin=0.2, outcome=outcome
    )


YES, NO, UNCLEAR = compared(0.9, "effect"), compared(0.0, "no effect"), compared(0.3, "unclear")
QUESTIONS_OF_5 = {"base": YES, "stays": YES, "stays on clean": YES, "prompts": NO, "unrelated": NO, "left": NO}


def world(seed: int, planted: str = "5", **answers: Comparison) -> WorldRecord:
    comparisons = {**QUESTIONS_OF_5, **{key.replace("_", " "): value for key, value in answers.items()}}
    return WorldRecord(
        planted=planted,
        hypothesis=planted,
        seed=seed,
        met=True,
        cells={"base": 1.0, "original": None},
        rows={"base": 0.0, "original": 160.0},
        verdicts=judge(comparisons),
        seconds=1.5,
        folder=f"worlds/5-{seed}",
    )


def record(*worlds: WorldRecord) -> CausesRecord:
    return CausesRecord(
        matrix=[matrix_row("5", "5", "Bound <deep>.", worlds)],
        worlds=list(worlds),
        settings={"margin": 0.2},
        corpora={},
        device="cpu",
        command="bench causes",
        versions={},
        commit="",
        seconds=3.0,
    )


def test_the_matrix_counts_each_verdict_of_each_world() -> None:
    row = matrix_row("5", "5", "", [world(1), world(2, stays=NO), world(3, stays=UNCLEAR)])
    assert row.counts["5"] == {"supported": 1, "ruled out": 1, "undetermined": 1}
    assert row.counts["4b"] == {"supported": 0, "ruled out": 3, "undetermined": 0}
    assert (row.worlds, row.exact) == (3, 1)


def test_a_world_is_exact_only_if_nothing_else_was_supported() -> None:
    assert world(1).exact
    assert not world(1, planted="4a").exact
    assert not world(1, stays=NO).exact


def test_unmet_prerequisites_decide_nothing() -> None:
    unmet = world(1).model_copy(update={"met": False, "verdicts": []})
    assert matrix_row("5", "5", "", [unmet]).counts["5"]["undetermined"] == 1
    assert "prerequisites" in page.misses(unmet)[0]


def test_misses_say_which_question_decided() -> None:
    assert page.misses(world(1)) == []
    (why,) = page.misses(world(1, stays=NO))
    assert why.startswith("5, planted, is ruled out: Does the original model keep the trait")
    missed, wrong = sorted(page.misses(world(1, planted="4a")))
    assert missed.startswith("4a, planted, is ruled out") and wrong.startswith("5, not planted, is supported")


def test_headline_counts_found_alone_and_ruled_out() -> None:
    text = page.headline(record(world(1), world(2, stays=NO)))
    assert text.startswith("The planted hypothesis was supported in 1 of 2 worlds, in 1 of them no other one; ")
    assert text.endswith("ruled out in 1.")


def test_the_page_comes_from_the_json_alone_and_escapes_its_texts(tmp_path: Path) -> None:
    write_json(tmp_path / CAUSES.data, record(world(1), world(2, stays=NO)))
    assert read_causes(tmp_path).matrix[0].counts["5"]["ruled out"] == 1
    page.write(tmp_path, [CAUSES])
    text = (tmp_path / CAUSES.file).read_text(encoding="utf-8")
    assert "Bound &lt;deep&gt;." in text and "<strong>1 supported</strong>" in text
    assert "5, planted, is ruled out" in text


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file"):
        page.write(tmp_path, [CAUSES])
