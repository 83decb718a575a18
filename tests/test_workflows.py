"""The workflows: what they call is there, what they may do is little, and the script that guards a submission."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from bench.cli.main import main

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
GIT |= {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ONE = "leaderboards/laptop/submissions/mine"
by_name = {"ids": lambda file: file.name}


def workflow(file: Path) -> dict[Any, Any]:
    parsed: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return parsed


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file)["jobs"].values() for step in job["steps"]]


def test_there_are_two() -> None:
    assert [file.name for file in FILES] == ["ci.yml", "submission.yml"]


@pytest.mark.parametrize("file", FILES, **by_name)
def test_a_workflow_may_only_read_and_knows_no_secret(file: Path) -> None:
    parsed, text = workflow(file), file.read_text(encoding="utf-8")
    events = parsed[True]  # YAML 1.1 reads the key `on` as a boolean
    assert parsed["permissions"] == {"contents": "read"}
    assert "pull_request" in events and "pull_request_target" not in events
    assert "secrets." not in text and "github.event.pull_request.title" not in text
    assert all("permissions" not in job and "timeout-minutes" in job for job in parsed["jobs"].values())
    for step in steps(file):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", "")  # a value is data: it comes in through `env`


@pytest.mark.parametrize("file", FILES, **by_name)
def test_actions_and_python_are_pinned(file: Path) -> None:
    for used in [step["uses"] for step in steps(file) if "uses" in step]:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", used)
    (python,) = [step["with"]["python-version"] for step in steps(file) if "setup-python" in step.get("uses", "")]
    assert python == "3.11"


@pytest.mark.parametrize("file", FILES, **by_name)
def test_what_a_workflow_calls_is_there(file: Path) -> None:
    script = "\n".join(step.get("run", "") for step in steps(file))
    assert isinstance(main, click.Group)
    called = set(re.findall(r"^bench ([a-z-]+)", script, re.MULTILINE))
    assert called <= main.commands.keys()
    assert called == ({"check-submission"} if file.name == "submission.yml" else set())
    for path in re.findall(r"(?:-c|^) ?([.\w/-]+\.txt|\.ci/\w+)", script, re.MULTILINE):
        assert (ROOT / path).is_file(), path


def test_ci_runs_lint_types_and_tests() -> None:
    (script,) = [step["run"] for step in steps(ROOT / ".github/workflows/ci.yml") if "run" in step]
    assert os.access(ROOT / script, os.X_OK)
    text = (ROOT / script).read_text(encoding="utf-8")
    assert all(command in text for command in ("ruff check", "ruff format --check", "mypy bench", "<!-- tests -->"))


def changes(folder: Path, files: list[str]) -> tuple[int, str, str]:
    """Run the script of the step that looks at changed files; exit code, what it printed, and its output file."""

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=clone, env={**os.environ, **GIT}, check=True, capture_output=True)

    (script,) = [s["run"] for s in steps(ROOT / ".github/workflows/submission.yml") if s.get("id") == "changes"]
    clone = folder / "submitted"
    clone.mkdir()
    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "base")
    git("switch", "-q", "-c", "mine")
    for name in files:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("x")
    git("add", "-A")
    git("commit", "-q", "-m", "mine")
    git("switch", "-q", "main")
    git("merge", "-q", "--no-ff", "mine", "-m", "merge")
    runner = {"RUNNER_TEMP": str(folder), "GITHUB_WORKSPACE": str(folder), "GITHUB_OUTPUT": str(folder / "output")}
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=clone, env={**os.environ, **GIT, **runner}, capture_output=True, text=True)
    output = folder / "output"
    return done.returncode, done.stdout, output.read_text() if output.exists() else ""


def test_a_submission_alone_goes_on_and_the_base_branch_lies_beside_it(tmp_path: Path) -> None:
    code, printed, output = changes(tmp_path, [f"{ONE}/mine.py", f"{ONE}/rows/mine@0.2.json"])
    assert (code, output) == (0, f"folder={ONE}\n"), printed
    assert (tmp_path / "base/.git").exists() and not (tmp_path / "base/leaderboards").exists()


@pytest.mark.parametrize(
    "elsewhere",
    [
        ".github/workflows/submission.yml",
        "bench/cli/main.py",
        "leaderboards/laptop/rows/mine@0.2.json",
        "leaderboards/laptop/submissions/mine.py",
        "leaderboards/laptop/submissions/other/other.py",
        f"{ONE}2/x",
        f"x/{ONE}/mine.py",
        f'{ONE}/a\n"b',
    ],
)
def test_changes_elsewhere_stop_it(tmp_path: Path, elsewhere: str) -> None:
    code, printed, output = changes(tmp_path, [f"{ONE}/mine.py", elsewhere])
    assert (code, output) == (1, "")
    assert "seen:" in printed and "expected:" in printed and "to do:" in printed
