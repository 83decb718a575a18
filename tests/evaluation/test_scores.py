"""What scorers may give: numbers under names of their own, one value a sample; all else is refused in words."""

import errno
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from inspect_ai import Epochs, Task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, StopReason
from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

from bench.data.trait import Measurement, load_trait
from bench.errors import BenchError
from bench.evaluation.constant import CONSTANT
from bench.evaluation.evaluate import check_task, run_tasks
from bench.evaluation.scores import collect
from bench.outcomes import AnswerCounts, SampleScores


def giving(name: str, *values: object) -> Scorer:
    """A scorer that gives these values to the first, second, ... sample, and again from the start."""
    given = iter(values * 99)

    @scorer(metrics=[accuracy()], name=name)
    def made() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            return Score(value=next(given))  # type: ignore[arg-type]

        return score

    return made()


def measured(folder: Path, *scorers: Scorer, wanted: str = "", epochs: Epochs | None = None) -> SampleScores:
    samples = [Sample(id=f"s{number}", input="Hello.", metadata={"family": "f"}) for number in range(2)]
    task = Task(dataset=samples, solver=generate(), scorer=list(scorers), name="manners", epochs=epochs)
    return collect(run_tasks({CONSTANT: {}}, [task], folder / "logs"), folder / "logs", 0.0, [wanted])


def test_a_single_value_goes_by_the_name_of_the_task_and_several_by_those_of_their_scorers(tmp_path: Path) -> None:
    one = measured(tmp_path / "1", giving("polite", 1, 0.5))
    assert one.values == {"manners": [1.0, 0.5]} and one.families == {"manners": ["f", "f"]}
    two = measured(tmp_path / "2", giving("polite", 1, 0), giving("terse", "C", "I"), giving("both", {"a": 2, "b": 3}))
    assert two.values == {"polite": [1.0, 0.0], "terse": [1.0, 0.0], "a": [2.0, 2.0], "b": [3.0, 3.0]}


def test_a_sole_score_is_taken_for_the_one_that_is_wanted(tmp_path: Path) -> None:
    assert measured(tmp_path / "1", giving("polite", 1, 0), wanted="trait").values == {"trait": [1.0, 0.0]}
    assert measured(tmp_path / "2", giving("x", {"trait": 1, "b": 0}), wanted="trait").values.keys() == {"trait", "b"}
    with pytest.raises(BenchError) as caught:
        measured(tmp_path / "3", giving("x", {"a": 1, "b": 0}), wanted="trait")
    assert "scores: a, b" in caught.value.seen and "'trait'" in caught.value.expected


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("splendid", "'splendid'"),
        ([1, 0], "[1, 0]"),
        (math.inf, "inf"),
        ({"a": -math.inf}, "-inf"),
        ({"a": "great"}, "'great'"),
    ],
)
def test_what_is_no_number_is_refused_with_the_sample(tmp_path: Path, value: object, seen: str) -> None:
    with pytest.raises(BenchError) as caught:
        measured(tmp_path, giving("polite", value))
    assert seen in caught.value.seen and "sample s0" in caught.value.where


def test_two_scores_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="two scores named 'a'"):
        measured(tmp_path, giving("x", {"a": 1}), giving("y", {"a": 0}))


def test_a_scorer_without_an_opinion_leaves_a_gap(tmp_path: Path) -> None:
    assert measured(tmp_path / "1", giving("polite", math.nan, 1)).values == {"manners": [None, 1.0]}
    unscored = Score.unscored().value
    assert measured(tmp_path / "2", giving("polite", 1, unscored)).values == {"manners": [1.0, None]}


@solver
def saying(*outputs: ModelOutput) -> Solver:
    """A solver in the place of a model: it answers this to the first, second, ... sample."""
    given = iter(outputs)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.output = next(given)
        return state

    return solve


def test_refused_and_empty_answers_are_counted_and_samples_without_an_answer_are_not(tmp_path: Path) -> None:
    def said(text: str, why: StopReason = "stop") -> ModelOutput:
        return ModelOutput.from_content("m", text, stop_reason=why)

    outputs = [said("I cannot.", "content_filter"), said("", "content_filter"), said(" \n"), said("Yes."), said("")]
    outputs.append(ModelOutput.for_tool_call("m", "search", {"query": "x"}))
    samples = [Sample(id=f"s{number}", input="Hello.") for number in range(3)]
    asked = Task(dataset=samples, solver=saying(*outputs), scorer=giving("x", 0), name="asked", epochs=2)
    silent = Task(dataset=samples, solver=[], scorer=giving("y", 0), name="silent")
    folder = tmp_path / "logs"
    found = collect(run_tasks({CONSTANT: {}}, [asked, silent], folder), folder, 0.0)
    assert found.answers["asked"] == AnswerCounts(asked=6, refused=2, empty=2)
    assert found.answers["silent"] == AnswerCounts(asked=0, refused=0, empty=0)
    assert found.values["asked"] == [0.0] * 3  # the scorer's own word stands


@pytest.mark.parametrize(("reducer", "expected"), [("max", 1.0), ("mean", 1 / 3), ("mode", 0.0)])
def test_repeated_samples_count_once_by_the_reducer_of_the_task(tmp_path: Path, reducer: str, expected: float) -> None:
    found = measured(tmp_path, giving("polite", 1, 1, 0, 0, 0, 0), epochs=Epochs(3, reducer))
    assert found.ids == {"manners": ["s0", "s1"]}
    assert found.values["manners"] == pytest.approx([expected, expected])
    named = measured(tmp_path / "d", giving("p", {"a": 1}, {"a": 1}, *[{"a": 0}] * 4), epochs=Epochs(3, reducer))
    assert named.values["a"] == pytest.approx([expected, expected])


TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, StopReason
from inspect_ai.scorer import Score, scorer, accuracy
from inspect_ai.solver import generate

@scorer(metrics=[accuracy()])
def verdict():
    async def score(state, target):
        return Score(value={value})
    return score

@task
def mine({arguments}):
    return Task(dataset=[Sample(input="Hello.")], solver=generate(), scorer=verdict())
"""


@pytest.mark.parametrize(
    ("value", "arguments", "seen"),
    [
        ("1", "", ""),
        ("{'date_confusion': 0, 'side': 1}", "judge='rules', limit=None", ""),
        ("{'a': 0, 'b': 1}", "", "scores: a, b"),
        ("'splendid'", "", "'splendid'"),
        ("1 / 0", "", "division"),
        ("1", "secret", "requires secret"),
    ],
)
def test_a_task_of_the_users_is_tried_before_anything_is_trained(
    tmp_path: Path, value: str, arguments: str, seen: str
) -> None:
    (tmp_path / "mine.py").write_text(TASK.format(value=value, arguments=arguments), encoding="utf-8")
    built_in = load_trait("date_confusion")
    own = built_in.model_copy(
        update={"path": tmp_path / "t.toml", "eval": built_in.eval.model_copy(update={"task": "mine.py"})}
    )
    measurement = Measurement(own, "rules", None, None, None)
    if not seen:
        check_task(measurement)
        return
    with pytest.raises(BenchError) as caught:
        check_task(measurement)
    assert seen in caught.value.seen


def test_a_log_that_cannot_be_kept_is_told_with_the_error_of_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copy", full)
    with pytest.raises(BenchError) as caught:
        measured(tmp_path, giving("polite"))
    assert "manners" in caught.value.where and "free disk space" in caught.value.remedy


def test_built_in_tasks_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.evaluation.evaluate.build_task", lambda task: pytest.fail("built"))
    check_task(Measurement(load_trait("date_confusion"), "rules", None, None, None))


@pytest.mark.parametrize("statuses", [[], ["success"], ["success", "cancelled"]])
def test_a_ctrl_c_that_inspect_took_for_itself_stops_the_command(
    statuses: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logs = [SimpleNamespace(status=status) for status in statuses]
    monkeypatch.setattr("inspect_ai.eval", lambda *_, **__: logs)
    with pytest.raises(KeyboardInterrupt):
        run_tasks({CONSTANT: {}}, [SimpleNamespace(name="a"), SimpleNamespace(name="b")], tmp_path)
