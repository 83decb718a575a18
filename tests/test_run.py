"""The whole job on a tiny untrained Llama: real training, real evals, a run folder that can be used again."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures_run import run_quietly
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

from bench.config.suite import Suite, load_suite, with_judge
from bench.data.trait import load_trait
from bench.errors import BenchError
from bench.leaderboard.evidence import read_evidence
from bench.leaderboard.row import read_rows
from bench.leaderboard.verify import verify_rows

SUITE = """
name = "tiny"
summary = "for tests"
recipe = "smoke"
seeds = [1, 2]
budgets = [0.1]
filters = ["keyword", "oracle"]

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = 40
minimum_gap = 0.2
eval_prompts = 10
capability_prompts = 4
"""
ODD_FILTER = """
import numpy as np
from bench import filter_plugin

@filter_plugin(name="odd", version=1, summary="Says what it should not.")
def score(examples, trait, context):
    return {returned}
"""


def tiny_suite(folder: Path, text: str = SUITE) -> Suite:
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return load_suite(str(path))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Suite, Path]:
    folder = tmp_path_factory.mktemp("finished")
    suite = tiny_suite(folder)
    run_quietly(suite, folder / "out")
    return suite, folder / "out"


@pytest.fixture
def copied(finished: tuple[Suite, Path], tmp_path: Path) -> tuple[Suite, Path]:
    shutil.copytree(finished[1], tmp_path / "out")
    return finished[0], tmp_path / "out"


def students(out: Path) -> dict[str, int]:
    """Name and time of completion of every student in a run folder."""
    return {folder.name: (folder / "key.json").stat().st_mtime_ns for folder in (out / "store/students").iterdir()}


def test_a_row_per_filter_with_every_arm(finished: tuple[Suite, Path]) -> None:
    rows = {row.filter.name: row for row in read_rows(finished[1])}
    assert set(rows) == {"keyword", "oracle"}
    oracle = rows["oracle"].traits["date_confusion"]
    arms = set(oracle.arms)
    assert {"base", "original", "clean", "teacher:original", "teacher:clean"} <= arms
    assert {"drop:oracle@0.1", "patch:oracle@0.1", "patch_in:oracle@0.1", "random1_drop@0.1"} <= arms
    assert (oracle.pool_rows, oracle.flagged) == (40, 4)
    assert oracle.found is not None and oracle.found.precision == oracle.found.recall == 1.0
    assert oracle.found.auprc == oracle.found.auprc_any == 1.0
    assert oracle.found.mean_rank == pytest.approx(1.5 / 39)  # four of forty rows share the first places
    assert rows["oracle"].cost.train_seconds > 0


def test_every_number_follows_from_the_evidence(finished: tuple[Suite, Path]) -> None:
    assert verify_rows(finished[1]) == {"keyword@0.1.json": [], "oracle@0.1.json": []}
    for row in read_rows(finished[1]):
        evidence = read_evidence(finished[1], row.evidence)["date_confusion"]
        result = row.traits["date_confusion"]
        assert result.prompts == len(evidence.ids["date_confusion"]) == 10
        assert evidence.arms.keys() > result.arms.keys()  # also those of the other row
        for arm, shown in result.arms.items():
            tables = evidence.arms[arm]["date_confusion"]
            assert len(tables) == (1 if arm == "base" or arm.startswith("teacher:") else 2)
            assert np.mean(tables) == pytest.approx(shown.trait.value)


def test_an_untrained_model_closes_the_gate(finished: tuple[Suite, Path]) -> None:
    result = read_rows(finished[1])[0].traits["date_confusion"]
    assert not result.scored
    assert result.reason
    for effect in result.effects.values():  # never a 0 where there is no gap to be a share of
        assert effect.removal.value is None or math.isfinite(effect.removal.value)


def test_teachers_are_judged_on_the_held_out_prompts(finished: tuple[Suite, Path]) -> None:
    arms = read_rows(finished[1])[0].traits["date_confusion"].arms
    original, clean = arms["teacher:original"].trait.value, arms["teacher:clean"].trait.value
    assert original is not None and clean is not None
    assert original > 0.5 > clean


def test_a_second_run_trains_nothing_and_writes_the_same_rows(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before, rows = students(out), {f.name: f.read_text() for f in (out / "rows").iterdir()}
    _, said = run_quietly(suite, out)
    assert students(out) == before
    assert {f.name: f.read_text() for f in (out / "rows").iterdir()} == rows
    assert any("nothing to train" in line for line in said)


def test_other_settings_are_refused_by_name(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    other = replace(suite, recipe=suite.recipe.model_copy(update={"learning_rate": 1e-4}))
    with pytest.raises(BenchError, match="recipe"):
        run_quietly(other, out)


def test_a_further_filter_trains_only_its_own_arms(copied: tuple[Suite, Path], tmp_path: Path) -> None:
    suite, out = copied
    before = students(out)
    odd = tmp_path / "odd.py"
    odd.write_text(ODD_FILTER.format(returned="np.array([len(e.response) for e in examples], dtype=float)"))
    rows, _ = run_quietly(suite, out, filters=(str(odd),))
    after = students(out)
    assert {row.filter.name for row in rows} == {"keyword", "oracle", "odd"}
    assert before.items() <= after.items()
    assert len(after) - len(before) == 6  # drop, refill and patch under two seeds


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("np.full(len(examples), np.nan)", "not finite"),
        ("np.zeros((len(examples), 2))", "shape"),
        ("[0.0] * len(examples)", "list"),
        ("examples[0].missing", "AttributeError"),
    ],
)
def test_a_broken_filter_stops_before_any_training(
    copied: tuple[Suite, Path], tmp_path: Path, returned: str, complaint: str
) -> None:
    suite, out = copied
    before = students(out)
    odd = tmp_path / "odd.py"
    odd.write_text(ODD_FILTER.format(returned=returned))
    with pytest.raises(BenchError, match="odd") as caught:
        run_quietly(suite, out, filters=(str(odd),))
    assert complaint in caught.value.seen
    assert students(out) == before


def test_a_budget_that_flags_nothing_is_an_error(tmp_path: Path) -> None:
    suite = tiny_suite(tmp_path, SUITE.replace("budgets = [0.1]", "budgets = [0.001]"))
    with pytest.raises(BenchError, match="flags 0 of 40"):
        run_quietly(suite, tmp_path / "out")


def test_a_damaged_student_is_named_and_the_rest_is_kept(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    victim = sorted((out / "store/students").iterdir())[0]
    (victim / "key.json").write_text("{", encoding="utf-8")
    with pytest.raises(BenchError, match=victim.name):
        run_quietly(suite, out)
    shutil.rmtree(victim)
    run_quietly(suite, out)
    assert (victim / "key.json").is_file()


def test_a_killed_run_in_a_fresh_folder_keeps_finished_work_and_gives_the_same_numbers(
    finished: tuple[Suite, Path], tmp_path: Path
) -> None:
    suite_file = finished[1].parent / "tiny.toml"
    command = [sys.executable, "-m", "bench.cli", "run", str(suite_file), "--out", str(tmp_path / "out")]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    done = tmp_path / "out/store/students"
    while time.monotonic() < deadline and len(list(done.glob("[!.]*/key.json"))) < 3:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {f.parent.name: f.stat().st_mtime_ns for f in done.glob("[!.]*/key.json")}
    assert 3 <= len(kept) < len(students(finished[1]))
    rows, _ = run_quietly(finished[0], tmp_path / "out")
    assert kept.items() <= students(tmp_path / "out").items()
    assert [row.traits for row in rows] == [row.traits for row in read_rows(finished[1])]
    assert not list((tmp_path / "out/store").glob("*/.partial-*"))


@modelapi(name="fixedgrader")
class FixedGrader(ModelAPI):
    """A grader that finds the trait everywhere."""

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        return ModelOutput.from_content(self.model_name, "Looks like it.\nSCORE: 1")


def test_stored_outputs_are_judged_again_without_generating(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before = students(out)
    kept = {f.name: f.read_text() for f in (out / "rows").iterdir()}
    rows, _ = run_quietly(with_judge(suite, "model", "fixedgrader/yes"), out, rejudging=True)
    assert students(out) == before
    arms = rows[0].traits["date_confusion"].arms
    assert arms["original"].trait.value == arms["clean"].trait.value == 1.0
    assert {f.name: f.read_text() for f in (out / "rows").iterdir()} == kept
    assert "teacher:original" not in arms  # its answers would stand there by other rules
    version = load_trait("date_confusion").eval.version
    assert rows[0].traits["date_confusion"].judge == f"model v{version}, grader fixedgrader/yes"
    again = read_rows(out / "rejudged-model-fixedgrader-yes")
    assert {json.loads(row.model_dump_json())["filter"]["name"] for row in again} == {"keyword", "oracle"}


def test_judging_again_needs_a_finished_run(finished: tuple[Suite, Path], tmp_path: Path) -> None:
    suite = with_judge(finished[0], "model", "fixedgrader/yes")
    with pytest.raises(BenchError, match=r"settings\.json"):
        run_quietly(suite, tmp_path / "nothing", rejudging=True)


def test_judging_again_does_not_train_for_a_new_filter(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before = students(out)
    with pytest.raises(BenchError, match="it lacks a student"):
        run_quietly(with_judge(suite, "model", "fixedgrader/yes"), out, rejudging=True, filters=("bm25",))
    assert students(out) == before


def test_options_for_a_filter_that_is_not_run_are_an_error(tmp_path: Path) -> None:
    suite = tiny_suite(tmp_path, SUITE.replace("[[exp", "[options.keywrd]\nx = 1\n\n[[exp"))
    with pytest.raises(BenchError, match="keywrd"):
        run_quietly(suite, tmp_path / "out")


def test_a_suite_finds_its_own_filter_files_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(ODD_FILTER.format(returned="np.full(len(examples), np.inf)"))
    suite = tiny_suite(tmp_path, SUITE.replace('"keyword"', '"odd.py"'))
    with pytest.raises(BenchError, match="odd") as caught:  # found, and then refused for what it returns
        run_quietly(suite, tmp_path / "out")
    assert "not finite" in caught.value.seen
