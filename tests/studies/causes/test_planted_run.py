"""Planted causes from the command to the page, on a diff that was made up; and mistakes of the user."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fixtures_diff import invented

from bench.cli.main import main
from bench.execution.progress import Progress
from bench.execution.session import Options
from bench.studies.causes import run, worlds
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
    assert diffs == ["5-3", "4a-teacher-alike-3", "5-4", "4a-teacher-alike-4"]
    record = read_causes(out)
    assert [(row.planted, row.hypothesis, row.worlds) for row in record.matrix] == [
        ("5", "5", 2),
        ("4a, teacher alike", "4a", 2),
    ]
    assert [(world.planted, world.seed) for world in record.worlds[:2]] == [("5", 3), ("4a, teacher alike", 3)]
    assert record.settings["world_seeds"] == [3, 4] and record.settings["steps"] == 200
    verdicts = invented().traits[0].verdicts
    assert record.worlds[0].supported == [v.hypothesis for v in verdicts if v.verdict == "supported"]
    assert (out / record.worlds[1].folder / "world" / "suite.toml").is_file()
    assert result.output.count(", seed 4: supported") == 2 and "causes.html" in result.output
    assert "4a, teacher alike" in (out / "causes.html").read_text(encoding="utf-8")

    spent = out / "worlds" / "5-3" / "seconds.json"
    spent.write_text("12.5", encoding="utf-8")
    causes(*chosen)
    assert read_causes(out).worlds[0].seconds == 12.5  # of the run that did the work
    assert json.loads(spent.read_text(encoding="utf-8")) == 12.5


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
