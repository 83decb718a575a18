"""`bench speed --throughput`: every part in its time, and what was found before a part was stopped."""

import json
import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.config.suite import load_suite
from bench.run import run
from bench.studies.speed import throughput
from bench.studies.speed.parts import Report
from bench.studies.speed.throughput import STOPPED, Part, ThroughputRecord, run_throughput, shown, table

SUITE = """
name = "little"
summary = "for tests"
recipe = "smoke"
seeds = [1]
budgets = [0.1]
filters = ["oracle"]
actions = ["drop"]
oracle_actions = []

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = 24
minimum_gap = 0.2
eval_prompts = 4
capability_prompts = 2
"""


@pytest.mark.slow
def test_all_parts_are_measured_on_a_cpu(tmp_path: Path) -> None:
    (tmp_path / "little.toml").write_text(SUITE, encoding="utf-8")
    suite = str(tmp_path / "little.toml")
    arguments = ["speed", suite, "--throughput", "--timed", suite, "--device", "cpu", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, arguments, terminal_width=200)
    assert done.exit_code == 0, done.output
    record = ThroughputRecord.model_validate_json((tmp_path / "throughput-cpu-little.json").read_text())
    assert [part.ended for part in record.parts] == ["done"] * 3
    training, answering, phases = (part.figures for part in record.parts)
    groups = [figure for figure in training if figure["what"] == "training"]
    assert [figure["students"] for figure in groups] == [2, 1]
    for figure in groups:
        assert figure["tokens per s"] > 0 and 0 < figure["share of peak"] < 1
        assert figure["ms a step"] > 0 and 0 < figure["loss"] < 10
    assert {figure["engine"] for figure in answering} == {"recorded steps", "plain steps"}
    assert all(figure["answers equal to the first engine"] == 1.0 for figure in answering)
    assert all(figure["ms a token step"] > 0 for figure in answering)
    names = " ".join(str(figure["phase"]) for figure in phases)
    assert "training" in names and "evaluating" in names and names.endswith("all, with the report: 1 rows")


def sleeper(suite: Any, device: str, report: Report) -> None:
    """Find one figure, start a process, and never end."""
    import subprocess
    import sys

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    report.figure(child=child.pid)
    report.doing("sleep")
    time.sleep(600)


def failing(suite: Any, device: str, report: Report) -> None:
    raise ValueError("no such thing")


def dying(run: Any, suite: Any, device: str, report: Report) -> None:
    report.figure(n=1)
    os._exit(3)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_a_part_is_stopped_with_all_that_it_started() -> None:
    part = Part(name="training", suite="smoke", limit_seconds=300)
    for _ in throughput._run(part, sleeper, load_suite("smoke"), "cpu"):
        if part.doing:
            part.limit_seconds = 0.0  # over, once the process sleeps
    assert part.ended == STOPPED and part.doing == "sleep" and part.seconds > 0
    child = int(str(part.figures[0]["child"]))
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_part_that_fails_is_recorded_and_the_next_ones_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, work in (("measure_training", sleeper), ("measure_answering", failing), ("measure_suite", dying)):
        monkeypatch.setattr(throughput, name, work)
    monkeypatch.setattr(throughput, "LIMITS", {"training": 0.0, "answering": 300.0, "suite": 300.0})
    file, suite = tmp_path / "r.json", load_suite("smoke")
    for part in run_throughput("cpu", suite, suite, run, file):
        assert json.loads(file.read_text())["parts"][-1]["name"] == part.name
    ended = {part.name: part.ended for part in ThroughputRecord.model_validate_json(file.read_text()).parts}
    assert ended["training"] == STOPPED
    assert ended["answering"] == "failed: ValueError: no such thing"
    assert ended["suite"] == "failed: the process died" and part.figures == [{"n": 1}]


def test_a_stopped_part_says_what_it_was_doing() -> None:
    part = Part(name="training", suite="s", limit_seconds=9, seconds=9, ended=STOPPED, doing="64 students")
    part.figures = [{"a": 1234567, "b": None}, {"b": 0.01234, "c": 12345.6}]
    found = table(part)
    assert found.title == "training (s): stopped at its time limit after 9 s, at: 64 students"
    assert [column.header for column in found.columns] == ["a", "b", "c"]
    assert [shown(value) for value in (1234567, None, 0.01234, 12345.6, "x")] == [
        "1,234,567",
        "–",
        "0.0123",
        "12,346",
        "x",
    ]


def test_the_limits_keep_to_four_minutes() -> None:
    assert sum(throughput.LIMITS.values()) <= 240
