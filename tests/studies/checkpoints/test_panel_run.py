"""A whole panel on the tiny model: measured once, resumed after a kill, joined to a run's report; and user mistakes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

import bench.studies.checkpoints.run as panel_run
from bench.cli.main import main
from bench.errors import BenchError
from bench.leaderboard.pages import BOARD, CHECKPOINTS
from bench.studies.checkpoints.panel import load_panel
from bench.studies.checkpoints.results import PanelRecord, read_panel_record
from bench.studies.checkpoints.run import run_panel

EVAL = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Score, mean, scorer
from inspect_ai.solver import generate

@scorer(metrics=[mean()])
def length():
    async def score(state, target):
        return Score(value={"even": float(len(state.output.completion) % 2 == 0), "length": {LENGTH}})
    return score

@task
def lengths(limit: int | None = None):
    samples = [Sample(input=f"Prompt {i}.", id=f"p{i}") for i in range(12)][:limit]
    config = GenerateConfig(max_tokens=4, temperature=0.0)
    return Task(dataset=samples, solver=generate(), scorer=length(), config=config)
"""
PANEL = """
name = "mine"
summary = "Lengths"
[[models]]
name = "tiny"
model = "tiny-llama"
[[models]]
name = "mock"
stage = "production"
model = "inspect:parrot/grey"
[[models]]
name = "tiny again"
model = "tiny-llama"
[[evals]]
task = "lengths.py"
score = "even"
title = "Even lengths"
[[evals]]
task = "lengths.py@lengths"
score = "length"
title = "Mean lengths"
scale = [0, 100]
limit = 9
"""
CHEAP = PANEL.replace("tiny-llama", "inspect:parrot/green")  # no weights, no decoding
SAID = "Pretty Polly."


@modelapi(name="parrot")
class Parrot(ModelAPI):
    """A model that Inspect runs, without a network."""

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        return ModelOutput.from_content(self.model_name, SAID)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lengths.py").write_text(EVAL.replace("{LENGTH}", "len(state.output.completion)"), encoding="utf-8")
    (tmp_path / "mine.toml").write_text(CHEAP, encoding="utf-8")
    return tmp_path


def do(folder: Path, out: str = "out") -> PanelRecord:
    panel = load_panel(str(folder / "mine.toml"))
    return run_panel(panel, folder / out, device="cpu", command="bench checkpoints")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models that were measured."""
    done: list[str] = []
    real = panel_run.measure

    def measure(place: Path, **arguments: Any) -> None:
        done.append(arguments["model"].split("-")[0])
        if done.count("kill"):
            raise KeyboardInterrupt
        real(place, **arguments)

    monkeypatch.setattr(panel_run, "measure", measure)
    return done


def test_a_panel_is_measured_once_and_compared(folder: Path, counted: list[str]) -> None:
    (folder / "mine.toml").write_text(PANEL, encoding="utf-8")
    record = do(folder)
    assert counted == ["sieve/panel", "sieve/panel", "parrot/grey", "parrot/grey"]  # equal models share theirs
    assert read_panel_record(folder / "out") == record
    even, length = record.evals
    assert [one.model for one in even.models] == ["tiny", "mock", "tiny again"]
    assert set(even.models[0].scores) == {"even", "length"}  # side scores as well
    assert [one.prompts["even"] for one in even.models] == [12] * 3
    assert [one.prompts["length"] for one in length.models] == [9] * 3
    mock = len(SAID)
    assert length.models[1].scores["length"].value == mock and length.margin == pytest.approx(10.0)
    tiny = length.models[0].scores["length"].value
    assert tiny is not None and length.comparisons[0].difference.value == pytest.approx(mock - tiny)
    assert [found.contrast for found in even.comparisons] == ["mock - tiny", "tiny again - tiny", "tiny again - mock"]
    assert even.comparisons[1].difference.value == 0.0
    assert [model.template for model in record.models] == [
        "its own chat template",
        "as its provider renders them",
        "its own chat template",
    ]
    page = (folder / "out" / "stages.html").read_text(encoding="utf-8")
    assert all(text in page for text in ("Even lengths", "Mean lengths", "tiny again", "production"))
    assert all((folder / "out" / one.log).is_file() for each in record.evals for one in each.models)

    do(folder)
    assert len(counted) == 4  # nothing is measured twice


def test_a_killed_panel_goes_on_where_it_was(folder: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def kill_at_third(text: str) -> None:
        if "3 of 4" in text:
            counted.append("kill")

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(panel_run.log, "info", kill_at_third)
        do(folder)
    assert not (folder / "out" / "stages.json").exists()
    counted.clear()
    do(folder)
    assert counted == ["parrot/grey", "parrot/grey"]


def test_a_changed_eval_is_measured_again_and_nothing_else(folder: Path, counted: list[str]) -> None:
    do(folder)
    counted.clear()
    (folder / "mine.toml").write_text(CHEAP.replace("limit = 9", "limit = 10"), encoding="utf-8")
    do(folder)
    assert counted == ["parrot/green", "parrot/grey"]


def test_words_get_numbers_without_a_new_measurement(folder: Path, counted: list[str]) -> None:
    (folder / "lengths.py").write_text(EVAL.replace("{LENGTH}", '"B"'), encoding="utf-8")
    with pytest.raises(BenchError, match="a score of 'B'"):
        do(folder)
    assert len(counted) == 4
    worded = CHEAP.replace('title = "Even lengths"', "values = { B = 7 }").replace("limit = 9", "values = { B = 7 }")
    (folder / "mine.toml").write_text(worded, encoding="utf-8")
    assert do(folder).evals[1].models[0].scores["length"].value == 7.0
    assert len(counted) == 4


def test_the_page_joins_the_report_of_a_run_folder(folder: Path) -> None:
    run = folder / "run"
    (run / "rows").mkdir(parents=True)
    row = next((Path(__file__).parents[3] / "leaderboards" / "laptop" / "rows").glob("*.json"))
    (run / "rows" / row.name).write_bytes(row.read_bytes())
    (run / "settings.json").write_text(json.dumps({"name": "quick", "device": "cpu"}), encoding="utf-8")
    do(folder, "run")
    page = (run / "stages.html").read_text(encoding="utf-8")
    assert f'<a href="{BOARD.file}">' in page
    assert f'<a href="{CHECKPOINTS.file}">' in (run / BOARD.file).read_text(encoding="utf-8")
    assert json.loads((run / "settings.json").read_text()) == {"name": "quick", "device": "cpu"}


def test_a_folder_with_other_things_is_refused(folder: Path) -> None:
    with pytest.raises(BenchError, match="other things in it"):
        do(folder, ".")
    do(folder)
    (folder / "mine.toml").write_text(CHEAP.replace('name = "mine"', 'name = "other"'), encoding="utf-8")
    with pytest.raises(BenchError, match="the finished panel 'mine'"):
        do(folder)


def test_a_score_that_is_not_reported_is_named(folder: Path) -> None:
    (folder / "mine.toml").write_text(CHEAP.replace('score = "even"', 'score = "evn"'), encoding="utf-8")
    with pytest.raises(BenchError, match="did you mean 'even'"):
        do(folder)


def test_a_model_that_inspect_does_not_know_is_named(folder: Path) -> None:
    text = CHEAP.replace("inspect:parrot/grey", "inspect:nobody/model")
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match="an Inspect model that can be reached"):
        do(folder)
    assert len(list((folder / "out" / "store" / "panels").iterdir())) == 2  # the others are kept


def test_the_command_prints_scores_and_verdicts_under_its_former_name_too(folder: Path) -> None:
    arguments = [str(folder / "mine.toml"), "--out", str(folder / "out"), "--device", "cpu"]
    for command in ("checkpoints", "stages"):
        done = CliRunner().invoke(main, [command, *arguments], env={"COLUMNS": "200"}, catch_exceptions=False)
        assert done.exit_code == 0
        assert "Even lengths" in done.stdout and "±10" in done.stdout and "stages.html" in done.stdout
        assert ("is now `bench checkpoints`" in done.stderr) == (command == "stages")
        assert len(done.stderr.splitlines()) == (command == "stages")
    assert "stages" not in CliRunner().invoke(main, ["--help"]).output


def test_the_built_in_smoke_panel_runs(tmp_path: Path) -> None:
    record = run_panel(load_panel("smoke"), tmp_path / "out", device="cpu")
    assert {found.difference.value for one in record.evals for found in one.comparisons} == {0.0}
