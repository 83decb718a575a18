"""Evals of a panel: our own, the user's files, installed packages; and what their keys depend on."""

import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.studies.checkpoints.panel import EvalEntry, Panel
from bench.studies.checkpoints.tasks import PanelTask, _numbers, find_task

PANEL = Panel.model_validate(
    {
        "name": "p",
        "summary": "s",
        "models": [{"name": name, "model": "tiny-llama"} for name in "ab"],
        "evals": [{"task": "date_confusion"}],
    }
)
EVAL = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def greeting(word: str = "hello"):
    samples = [Sample(input=f"Say {word} {i}.", target=word) for i in range(20)]
    return Task(dataset=samples, solver=generate(), scorer=includes(), version=3)
"""


def find(folder: Path = Path(), **entry: Any) -> PanelTask:
    return find_task(EvalEntry.model_validate(entry), PANEL, folder)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(EVAL, encoding="utf-8")
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that announces its tasks to Inspect, as inspect_evals does."""
    package = tmp_path / "site" / "made_up_evals"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "_registry.py").write_text(EVAL, encoding="utf-8")
    facts = tmp_path / "site" / "made_up_evals-2.5.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up-evals\nVersion: 2.5\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text("[inspect_ai]\nmade_up_evals = made_up_evals._registry\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    for name in [name for name in sys.modules if name.startswith("made_up_evals")]:
        del sys.modules[name]


def test_an_eval_is_found_by_name_and_by_path(own: Path) -> None:
    assert find(task="date_confusion", limit=5).prompts == 5
    task = find(own, task="mine.py@greeting", limit=7)
    assert (task.name, task.version, task.prompts) == ("greeting", 3, 7)
    assert len(task.build().dataset) == 7


def test_an_eval_that_is_not_there_is_named(own: Path) -> None:
    with pytest.raises(BenchError, match="did you mean 'date_confusion'"):
        find(task="date_confusin")
    with pytest.raises(BenchError, match="no such file"):
        find(own, task="yours.py")


def test_an_unknown_argument_is_named(own: Path) -> None:
    with pytest.raises(BenchError, match="args with wrod, which the task function does not take"):
        find(own, task="mine.py", args={"wrod": "hi"})


def test_a_task_that_does_not_build_is_named(own: Path) -> None:
    (own / "mine.py").write_text(EVAL.replace("samples = [", "raise OSError('no network'); samples = ["))
    with pytest.raises(BenchError) as caught:
        find(own, task="mine.py")
    assert caught.value.seen == "OSError: no network"


def test_the_key_changes_with_code_prompts_and_arguments(own: Path) -> None:
    first = find(own, task="mine.py").key()
    assert find(own, task="mine.py").key() == first
    others = [find(own, task="mine.py", limit=7), find(own, task="mine.py", args={"word": "hi"})]
    (own / "mine.py").write_text(EVAL + "# another\n", encoding="utf-8")
    others.append(find(own, task="mine.py"))
    assert len({str(task.key()) for task in others} | {str(first)}) == 4


def test_a_task_of_an_installed_package_is_found(installed: None) -> None:
    task = find(inspect_evals="made_up_evals/greeting", limit=4, args={"word": "hi"})
    assert (task.prompts, task.code) == (4, "made-up-evals 2.5")
    assert task.build().dataset[0].input == "Say hi 0."
    with pytest.raises(BenchError, match="did you mean 'greeting'"):
        find(inspect_evals="made_up_evals/greting")
    with pytest.raises(BenchError, match="did you mean 'word'"):
        find(inspect_evals="made_up_evals/greeting", args={"words": "hi"})


def test_a_package_that_is_not_installed_is_named_with_its_remedy() -> None:
    with pytest.raises(BenchError) as caught:
        find(inspect_evals="surely_not_installed/task")
    assert caught.value.remedy == "pip install surely-not-installed"


def test_words_of_a_scorer_are_read_or_refused() -> None:
    assert _numbers({"a": "B", "b": 0.5, "c": "C"}, {"B": 0.25}, "t") == {"a": 0.25, "b": 0.5, "c": "C"}
    assert _numbers("C", {"C": 0.0}, "t") == 0.0  # the panel's number goes before Inspect's
    with pytest.raises(BenchError, match="a score of 'D'"):
        _numbers("D", {"B": 0.25}, "t")
