"""Planted causes from the command to the page, on a diff that was made up; and mistakes of the user."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fixtures_diff import invented

from bench.cli.main import main
from bench.errors import BenchError
from bench.execution.progress import Progress
from bench.execution.session import Options
from bench.studies.causes import run, worlds
from bench.studies.causes.bases import BasePlan
from bench.studies.causes.records import read_causes
from bench.studies.diff.records import DiffReport


@pytest.fixture
def diffs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Folders of the diffs that were run; no base model is made and nothing is trained."""
    done: list[str] = []

    def diff(options: Options, progress: Progress) -> DiffReport:
        done.append(options.out.parent.name)
        return invented()

    roles = ("original", "pretrained", "other", "alternative")
    monkeypatch.setattr(worlds, "make_bases", lambda *_: {role: tmp_path / role for role in roles})
    monkeypatch.setattr(run, "diff", diff)
    return done


def causes(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["causes", "--device", "cpu", *arguments], env={"COLUMNS": "200"})


def test_every_cause_is_planted_under_every_seed_and_counted(diffs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = ("--out", str(out), "--cause", "5", "--cause", "4a, teacher alike", "--cause", "5", "--seeds", "3,4,3")
    result = causes(*chosen)
    assert result.exit_code == 0, result.output
    order = ["5-3", "4a-teacher-alike-3", "5-4", "4a-teacher-alike-4"]
    assert diffs == [name for name in order for _ in ("perfect", "imperfect")]
    record = read_causes(out)
    rows = [("4a, teacher alike", "4a", 2), ("5", "5", 2)]
    assert [(row.planted, row.hypothesis, row.worlds) for row in record.matrix] == rows * 2
    assert [row.patterns for row in record.matrix] == ["perfect"] * 2 + ["imperfect"] * 2
    assert [(w.planted, w.seed, w.patterns) for w in record.worlds[:3]] == [
        ("4a, teacher alike", 3, "perfect"),
        ("4a, teacher alike", 3, "imperfect"),
        ("5", 3, "perfect"),
    ]
    assert record.settings["world_seeds"] == [3, 4] and record.settings["steps"] == 200
    verdicts = invented().traits[0].verdicts
    assert record.worlds[0].supported == [v.hypothesis for v in verdicts if v.verdict == "supported"]
    assert (out / "worlds/5-3/world/imperfect.toml").is_file()
    assert result.output.count(", seed 4: finished") == 2 and "causes.html" in result.output
    assert "4a, teacher alike" in (out / "causes.html").read_text(encoding="utf-8")


def test_a_further_call_adds_to_what_is_finished_and_does_nothing_twice(diffs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    causes("--out", str(out), "--cause", "5", "--seeds", "3")
    kept = (out / "results/5-3.json").read_bytes()
    diffs.clear()
    causes("--out", str(out), "--cause", "5", "--seeds", "3,4")
    assert diffs == ["5-4"] * 2 and (out / "results/5-3.json").read_bytes() == kept
    assert read_causes(out).matrix[0].worlds == 2


def test_results_of_two_folders_merge_by_being_put_together(diffs: list[str], tmp_path: Path) -> None:
    for seed in ("3", "4"):
        causes("--out", str(tmp_path / seed), "--cause", "5", "--seeds", seed)
    shutil.copy(tmp_path / "3/results/5-3.json", tmp_path / "4/results")
    diffs.clear()
    causes("--out", str(tmp_path / "4"), "--cause", "5", "--seeds", "3,4")
    assert diffs == [] and [w.seed for w in read_causes(tmp_path / "4").worlds] == [3, 3, 4, 4]


def test_results_of_other_settings_are_refused(diffs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    causes("--out", str(out), "--cause", "5", "--seeds", "3")
    file = out / "results/5-3.json"
    changed = json.loads(file.read_text(encoding="utf-8"))
    changed["settings"]["epochs"] = 99
    file.write_text(json.dumps(changed), encoding="utf-8")
    refused = causes("--out", str(out), "--cause", "5", "--seeds", "4")
    assert refused.exit_code == 2 and "'epochs': 99" in refused.output


def test_an_interrupted_run_leaves_a_page_of_what_is_finished(
    diffs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run.diff

    def stop(options: Options, progress: Progress) -> DiffReport:
        if options.out.parent.name == "5-4":
            raise KeyboardInterrupt
        return whole(options, progress)

    monkeypatch.setattr(run, "diff", stop)
    assert causes("--out", str(tmp_path), "--cause", "5", "--seeds", "3,4").exit_code != 0
    assert [world.seed for world in read_causes(tmp_path).worlds] == [3, 3]


def test_more_trainings_are_other_settings(diffs: list[str], tmp_path: Path) -> None:
    chosen = ("--out", str(tmp_path), "--cause", "5", "--trainings", "5")
    assert causes(*chosen, "--seeds", "3").exit_code == 0
    assert read_causes(tmp_path).settings["seeds"] == [1, 2, 3, 4, 5]
    assert "seeds = [1, 2, 3, 4, 5]" in (tmp_path / "worlds/5-3/world/perfect.toml").read_text(encoding="utf-8")
    refused = causes(*chosen[:-2], "--seeds", "4")
    assert refused.exit_code == 2 and "use another --out" in refused.output


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[BasePlan]:
    """Plans of the base models that were made; worlds run in threads in place of processes."""
    plans: list[BasePlan] = []
    monkeypatch.setattr(run, "ProcessPoolExecutor", lambda jobs, context, start: ThreadPoolExecutor(jobs))
    monkeypatch.setattr(run, "base_model", lambda store, plan: plans.append(plan))
    return plans


def test_worlds_at_a_time_share_base_models_that_are_made_before_them(
    diffs: list[str], made: list[BasePlan], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = causes("--out", str(out), "--cause", "1", "--cause", "3b", "--seeds", "3,4", "--jobs", "3")
    assert result.exit_code == 0, result.output
    assert sorted(diffs) == sorted([f"{cause}-{seed}" for cause in ("1", "3b") for seed in (3, 4)] * 2)
    assert len(made) == len(set(made)) == 14  # a seed: pretrained, other, calm alternative; two second stages of each
    stages = [bool(plan.stage) for plan in made]
    assert stages == sorted(stages)
    assert {(w.planted, w.seed) for w in read_causes(out).worlds} == {(c, n) for c in ("1", "3b") for n in (3, 4)}


def test_worlds_run_in_processes_of_their_own(tmp_path: Path) -> None:
    """Bases of two steps know nothing, so that no diff gets beyond its prerequisites."""
    place = run.Place(tmp_path, "cpu", replace(worlds.SETTINGS, steps=2, stage_steps=2, epochs=1, seeds=(1,)))
    assert list(run._at_once(place, [("5", 1)], 2)) == [("5", 1)]
    written = run._write(place, "")
    assert [(w.patterns, w.met) for w in written.worlds] == [("perfect", False), ("imperfect", False)]
    assert written.totals["perfect"].found.count == 0 and (tmp_path / "causes.html").is_file()


def test_a_mistake_in_one_of_several_worlds_is_told_and_finished_ones_stay(
    diffs: list[str], made: list[BasePlan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run.diff

    def fail(options: Options, progress: Progress) -> DiffReport:
        if options.out.parent.name == "5-4":
            raise BenchError("disk", seen="full", expected="room", remedy="make some")
        return whole(options, progress)

    monkeypatch.setattr(run, "diff", fail)
    causes("--out", str(tmp_path), "--cause", "5", "--seeds", "3")
    failed = causes("--out", str(tmp_path), "--cause", "5", "--seeds", "3,4", "--jobs", "2")
    assert failed.exit_code == 2 and "make some" in failed.output
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["5-3.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--cause", "6"), "no planted cause has this name"), (("--seeds", "ten"), "whole numbers with commas between")],
)
def test_mistakes_are_named_before_anything_is_done(
    diffs: list[str], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = causes("--out", str(tmp_path / "out"), *arguments)
    assert result.exit_code == 2 and said in result.output
    assert diffs == [] and not (tmp_path / "out").exists()
