"""Rows held against the folder of their run: forged logs, scores and students, and honest ones."""

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from bench.cli.main import main
from bench.config.suite import load_suite
from bench.errors import BenchError
from bench.execution.progress import Progress
from bench.execution.stored import FACTS
from bench.leaderboard.evidence import read_evidence
from bench.leaderboard.retrain import Sample, _other_weights, retrain_arms
from bench.leaderboard.row import read_rows, row_files, write_rows
from bench.leaderboard.verify_run import Claim, claims, verify_logs
from bench.models.student import STUDENT_FILE

TRAIT = "date_confusion"


@pytest.fixture
def run(smoke_run: tuple[Path, dict[str, int]], tmp_path: Path) -> Path:
    """A finished run of `smoke` that a test may change."""
    return Path(shutil.copytree(smoke_run[0], tmp_path / "smoke"))


def student(run: Path, arm: str) -> str:
    entries = json.loads((run / "arms.json").read_text(encoding="utf-8"))["arms"]
    return next(str(entry["student"]) for entry in entries if entry["arm"] == arm)


def evaluation(run: Path, arm: str) -> Path:
    """The folder of an arm's evaluation."""
    keys = (run / "store/evals").glob("*/key.json")
    return next(k.parent for k in keys if json.loads(k.read_text(encoding="utf-8"))["student"] == student(run, arm))


def log_of(folder: Path, task: str = "date-confusion") -> Path:
    return next(folder.glob(f"*_{task}_*.eval"))


def edit(log: Path, change: Callable[[Any], None]) -> None:
    """Change the first sample of an Inspect log, and leave its other parts as they are."""
    import inspect_ai.log  # noqa: F401  (zipfile can read its compression from here on)

    with zipfile.ZipFile(log) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = min(part for part in parts if part.startswith("samples/"))
    sample = json.loads(parts[name])
    change(sample)
    parts[name] = json.dumps(sample).encode()
    with zipfile.ZipFile(log, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)


def claim_of(run: Path, *arms: str) -> Claim:
    """What the rows claim of some arms, or of all."""
    (claim,) = claims(row_files(run), None)
    evidence = claim.evidence[TRAIT]
    kept = {arm: evidence.arms[arm] for arm in arms or evidence.arms}
    return Claim(claim.suite, {TRAIT: evidence.model_copy(update={"arms": kept})})


def held(run: Path, *arms: str) -> list[str]:
    return verify_logs(claim_of(run, *arms), run).problems


def all_files(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def other_answer(sample: Any) -> None:
    sample["output"]["choices"][0]["message"]["content"] = "It cannot be 2026, as it is still 2024."
    sample["output"]["completion"] = "It cannot be 2026, as it is still 2024."


def other_answer_and_score(sample: Any) -> None:
    other_answer(sample)
    for score in sample["scores"].values():
        score["value"] = {TRAIT: 1.0}


def other_score(sample: Any) -> None:
    for score in sample["scores"].values():
        score["value"] = {TRAIT: 1.0 - score["value"][TRAIT]}


def other_prompt(sample: Any) -> None:
    sample["input"] = "What is the capital of France?"


FORGED = {
    "an answer": (other_answer, f"{TRAIT} 0 in the log, 1 judged again"),
    "an answer with its score": (other_answer_and_score, f"{TRAIT} 0 in the evidence, 1 judged again"),
    "a score": (other_score, "in the log, 0 judged again"),
    "an easier prompt": (other_prompt, "another prompt or target than the task's"),
}


def test_the_logs_of_an_honest_run_give_its_scores_and_nothing_is_written(run: Path) -> None:
    before = all_files(run)
    found = CliRunner().invoke(main, ["verify", str(run), "--run", str(run)])
    assert found.exit_code == 0 and f"verified  logs of {run}" in found.output, found.output
    assert all_files(run) == before
    evidence = read_evidence(run, read_rows(run)[0].evidence)[TRAIT]
    evaluations = len(list((run / "store/evals").iterdir()))
    samples = len(evidence.ids[TRAIT]) + len(evidence.ids["margin"]) + len(evidence.ids["exact"])
    assert f"{samples * evaluations} answers in the logs of {evaluations} evaluations judged again" in found.output


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_log_is_caught_by_its_hash_and_without_it(what: str, run: Path) -> None:
    forge, said = FORGED[what]
    folder = evaluation(run, "original")
    edit(log_of(folder), forge)
    problems = held(run, "original", "clean")
    assert any("has changed since it was written" in problem for problem in problems), problems
    (folder / "files.json").unlink()
    problems = held(run, "original", "clean")
    assert any(said in problem for problem in problems), problems
    assert not any("has changed" in problem for problem in problems)
    assert all("original, seed 1" in problem and folder.name in problem for problem in problems)


@pytest.mark.parametrize("damage", ["cut", "empty", "remove", "other", "folder"])
def test_a_log_that_is_damaged_or_missing_is_named(damage: str, run: Path) -> None:
    folder = evaluation(run, "clean")
    log = log_of(folder)
    match damage:
        case "cut":
            log.write_bytes(log.read_bytes()[:-200])
        case "empty":
            log.write_bytes(b"")
        case "remove":
            log.unlink()
        case "other":
            shutil.copy(log_of(evaluation(run, "original"), "margin"), log)
        case _:
            shutil.rmtree(folder)
    problems = held(run, "clean")
    said = {"remove": "no log of task", "other": "no log of task", "folder": "no such evaluation"}
    assert any(said.get(damage, "damaged: ") in problem for problem in problems), problems
    assert all("clean, seed 1" in problem for problem in problems)


def test_forged_evidence_whose_rows_were_computed_from_it_is_caught_by_the_logs(run: Path) -> None:
    """What `bench verify` without a run folder cannot tell."""
    rows, arm = read_rows(run), "patch:keyword@0.1"
    evidence = read_evidence(run, rows[0].evidence)
    values = evidence[TRAIT].arms[arm][TRAIT][0]
    values[0] = 1.0 - (values[0] or 0.0)
    write_rows(rows, evidence, run)
    (problem,) = held(run, arm, "original", "clean")
    assert f"{arm}, seed 1" in problem and "in the evidence" in problem


def test_on_the_command_line_a_difference_ends_with_1(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(log_of(evaluation(run, "original")), other_answer)
    claim = claim_of(run, "original", "clean")
    monkeypatch.setattr("bench.cli.rows.claims", lambda files, suite: [claim])
    forged = CliRunner().invoke(main, ["verify", str(run), "--run", str(run)])
    assert forged.exit_code == 1 and f"DIFFERS   logs of {run}" in forged.output
    alone = CliRunner().invoke(main, ["verify", str(run), "--retrain", "1"])
    assert alone.exit_code == 2 and "--retrain needs --run" in alone.output


def test_students_that_are_not_what_rows_say_are_caught_by_training_again(run: Path) -> None:
    claim, before = claim_of(run), all_files(run)
    honest = retrain_arms(claim, run, Sample(2, seed=3), Progress())
    assert honest.problems == [] and all_files(run) == before
    trained = [
        found for remark in honest.remarks if (found := re.match(f"{TRAIT}, (.+), seed 1: trained again", remark))
    ]
    first, second = (found[1] for found in trained if found)
    forged = run / "store/students" / student(run, first) / STUDENT_FILE
    tensors = load_file(forged)
    tensors[min(tensors)].view(-1)[0] += 1e-3
    save_file(tensors, forged)
    index = json.loads((run / "arms.json").read_text(encoding="utf-8"))
    entry = next(each for each in index["arms"] if each["arm"] == second)
    entry["student"] = clean = student(run, "clean")
    (run / "arms.json").write_text(json.dumps(index), encoding="utf-8")
    problems = retrain_arms(claim, run, Sample(2, seed=3), Progress()).problems
    assert f"{first}, seed 1, trained again: 1 of {len(tensors)} tensors differ, by up to 0.001" in problems[0]
    assert f"{second}, seed 1, trained again: the run's student is {clean}, and these rows" in problems[1]


@pytest.mark.parametrize(("together", "change", "problems"), [(1, 1e-7, 1), (3, 1e-7, 0), (3, 1e-3, 1)])
def test_weights_of_a_group_may_differ_by_rounding_alone(
    together: int, change: float, problems: int, tmp_path: Path
) -> None:
    for name, added in (("mine", 0.0), ("theirs", change)):
        (tmp_path / name).mkdir()
        save_file({"a": torch.zeros(3) + added, "b": torch.ones(2)}, tmp_path / name / STUDENT_FILE)
        (tmp_path / name / FACTS).write_text(json.dumps({"students_at_once": together}), encoding="utf-8")
    assert len(list(_other_weights(tmp_path / "mine", tmp_path / "theirs"))) == problems


def test_weights_of_other_shapes_are_named(tmp_path: Path) -> None:
    for name, width in (("mine", 3), ("theirs", 4)):
        (tmp_path / name).mkdir()
        save_file({"a": torch.zeros(width)}, tmp_path / name / STUDENT_FILE)
        (tmp_path / name / FACTS).write_text("{}", encoding="utf-8")
    (problem,) = _other_weights(tmp_path / "mine", tmp_path / "theirs")
    assert "other names or shapes" in problem


def test_students_of_other_training_code_are_not_called_different(run: Path) -> None:
    for key in (run / "store/students").glob("*/key.json"):
        key.write_text(json.dumps(json.loads(key.read_text()) | {"code": 0}), encoding="utf-8")
    with pytest.raises(BenchError, match="training code 0") as caught:
        retrain_arms(claim_of(run), run, Sample(1), Progress())
    assert "commit stands in the rows" in caught.value.remedy


def test_rows_of_another_suite_are_refused(run: Path) -> None:
    with pytest.raises(BenchError, match="the suite that the rows were run with") as caught:
        claims(row_files(run), load_suite("quick"))
    assert "name its file with --suite" in caught.value.remedy
    with pytest.raises(BenchError, match="the settings it was written under"):
        retrain_arms(Claim(load_suite("quick"), claim_of(run).evidence), run, Sample(1), Progress())
