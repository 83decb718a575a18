"""The command line: what newcomers type, and what they see when it is wrong."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import main
from bench.cli.options import command_line
from bench.config.suite import HIDDEN
from bench.errors import BenchError
from bench.execution.progress import Progress
from bench.execution.session import Options
from bench.filtering.check import new_filter

ROOT = Path(__file__).parents[2]
BROKEN = """
import numpy as np
from bench import filter_plugin

@filter_plugin(name="broken", version=1, summary="Forgets an example.")
def score(examples, trait, context):
    \"\"\"One score too few.\"\"\"
    return np.zeros(len(examples) - 1)
"""


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_suites_are_listed_with_their_cost() -> None:
    shown = bench("suites", "--device", "cpu").output
    assert all(name in shown for name in ("quick", "smoke", "standard"))
    assert " min" in shown or " s " in shown or " h" in shown


def test_filters_are_listed() -> None:
    shown = bench("filters").output
    names = ["keyword", "classifier", "embedding_neighbor", "teacher_swap", "bm25", "random_flag", "oracle"]
    assert [name for name in names if name not in shown] == []


def test_models_are_listed_with_their_licence() -> None:
    shown = bench("models").output
    assert "smollm2-135m" in shown and "Apache-2.0" in shown and "gemma3-270m" in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "quik"], "did you mean 'quick'?"),
        (["run", "missing.toml"], "no such file"),
        (["run", "smoke", "--filter", "keywrd"], "did you mean 'keyword'?"),
        (["run", "smoke", "--device", "tpu"], "--device"),
        (["run", "smoke", "--pool", "mine.jsonl"], "does not read exactly one pool"),
        (["models", "fetch", "gpt-9"], "no packaged model has this name"),
        (["judge", "date_confusio"], "did you mean 'date_confusion'?"),
        (["rejudge", "smoke", "--judge", "model"], "needs grader"),
        (["rejudge", "smoke", "--judge", "vibes"], "judge must be"),
        (["new-filter", "keyword"], "another filter has it"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)] if arguments[0] == "run" else arguments)
    assert result.exit_code == 2
    assert complaint in result.output
    assert "seen:" in result.output and "expected:" in result.output and "to do:" in result.output
    assert "Traceback" not in result.output


def test_debug_shows_where_a_mistake_was_found() -> None:
    result = bench("--debug", "run", "quik")
    assert result.exit_code != 0
    assert result.exception is not None and type(result.exception).__name__ == "BenchError"


def test_a_new_filter_passes_the_check(tmp_path: Path) -> None:
    made = bench("new-filter", "my_words", "--folder", str(tmp_path))
    assert made.exit_code == 0
    checked = bench("check", str(tmp_path / "my_words.py"))
    assert checked.exit_code == 0, checked.output
    assert "FAILED" not in checked.output and "per 1,000 examples" in checked.output


def test_a_new_filter_is_of_the_kind_asked_for(tmp_path: Path) -> None:
    bench("new-filter", "my_gradients", "--kind", "gradient", "--folder", str(tmp_path))
    assert "query_gradient(" in (tmp_path / "my_gradients.py").read_text(encoding="utf-8")
    wrong = bench("new-filter", "mine", "--kind", "colour", "--folder", str(tmp_path))
    assert wrong.exit_code == 2 and "activation" in wrong.output and not (tmp_path / "mine.py").exists()


def test_a_filter_that_breaks_the_contract_fails_the_check(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(BROKEN, encoding="utf-8")
    checked = bench("check", str(path))
    assert checked.exit_code == 1
    assert "FAILED" in checked.output and "(119,)" in checked.output


def test_a_new_filter_overwrites_nothing(tmp_path: Path) -> None:
    new_filter("my_words", tmp_path)
    again = bench("new-filter", "my_words", "--folder", str(tmp_path))
    assert again.exit_code == 2 and "a file is there" in again.output


@pytest.mark.slow  # tests/evaluation/test_judges.py validates them every time
def test_the_judges_are_validated_against_labels() -> None:
    shown = bench("judge", "date_confusion").output
    assert "precision" in shown and "kappa" in shown and "182" in shown


def test_a_board_needs_rows(tmp_path: Path) -> None:
    result = bench("board", str(tmp_path))
    assert result.exit_code == 2 and "no *.json rows" in result.output


def test_the_page_of_a_study_without_rows_is_rendered_again(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "leaderboards" / "safety", tmp_path / "safety")
    (tmp_path / "safety" / "stages.html").unlink()
    result = bench("board", str(tmp_path / "safety"))
    assert result.exit_code == 0 and "stages.html" in result.output
    assert (tmp_path / "safety" / "stages.html").is_file()


@pytest.mark.parametrize(("former", "present"), [("stages", "checkpoints"), ("bench", "speed")])
def test_former_names_of_commands_run_and_say_the_present_one(former: str, present: str, tmp_path: Path) -> None:
    result = bench(former, "no-such-thing", "--out", str(tmp_path))
    assert f"`bench {former}` is now `bench {present}`" in result.stderr
    assert result.exit_code == 2 and "no-such-thing" in result.output
    assert former not in bench("--help").output.split("Commands:")[1].split()


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "bench.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "version" in done.stdout


def test_a_folder_that_cannot_be_made_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here", encoding="utf-8")
    result = bench("new-filter", "my_words", "--folder", str(tmp_path / "file"))
    assert result.exit_code == 2 and "to do:" in result.output and "Traceback" not in result.output


def test_the_recorded_command_names_no_output_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["--out", "/home/me/x", "run", "quick"], ["run", "quick", "--out=/home/me/x"]):
        monkeypatch.setattr("sys.argv", ["bench", *words])
        assert command_line() == "bench run quick"
    monkeypatch.setattr("sys.argv", ["bench", "rollouts", "p.jsonl", "--arg", "api_key=sk-1", "--arg", "max_tokens=5"])
    assert command_line() == "bench rollouts p.jsonl --arg api_key=redacted --arg max_tokens=5"
    for words in (["--pool-seed", "abc", "run", "quick"], ["--pool-seed=abc", "run", "quick"]):
        monkeypatch.setattr("sys.argv", ["bench", *words])
        assert command_line() == "bench --pool-seed=redacted run quick"


def test_a_secret_from_the_environment_is_redacted_in_the_recorded_command(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def stopped(options: Options, progress: Progress) -> None:
        taken.append((options.command, options.suite.file.experiments[0].world_seed))
        raise BenchError("here", seen="enough", expected="no run", remedy="none")

    monkeypatch.setattr("bench.cli.main.run_options", stopped)
    monkeypatch.setattr("sys.argv", ["bench", "run", "smoke"])
    for secret in (None, "a secret of some length"):
        CliRunner().invoke(main, ["run", "smoke"], env={"SIEVEBENCH_POOL_SEED": secret})
    (plain, public), (command, seed) = taken
    assert (plain, command) == ("bench run smoke", "bench run smoke --pool-seed=redacted") and public < HIDDEN <= seed
