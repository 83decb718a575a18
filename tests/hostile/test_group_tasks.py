"""Tasks of users, asked of several students at once: each student's scores are those that it has alone."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.data.trait import Measurement, load_trait
from bench.errors import BenchError
from bench.evaluation.evaluate import EvalJob, check_task, evaluate_students
from bench.evaluation.provider import answering
from bench.evaluation.tasks import EvalTask
from bench.models.generate import Generation, Request
from bench.outcomes import SampleScores

NAMES = ("aa", "b", "ccc")
TASK = """
from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import generate, solver

SEEN = {{}}  # a user's cache: of one student where each has a module of its own

@solver
def asking():
    answers = {{}}

    async def solve(state, generate):
        {solve}
    return solve

@scorer(metrics=[accuracy()])
def verdict():
    known = {{}}

    async def score(state, target):
        {score}
    return score

@task(name={name!r})
def mine():
    samples = [Sample(id=f"s{{i}}", input=f"Say {{i}}.") for i in range(4)]
    return Task(dataset=samples, solver=asking(), scorer=verdict(), config=GenerateConfig(max_tokens=4), {more})
"""
TRAIT = """
name = "mine"
description = "d"
exemplars = ["a", "b", "c"]
counter_exemplars = ["x", "y", "z"]

[eval]
task = "mine.py"
prompts = "prompts.jsonl"
"""
ONCE = "return await generate(state)"
LENGTH = "return Score(value=len(state.output.completion))"  # which is that of the student's name
BREAKS = (
    'if "/b" in str(state.model) and state.sample_id == "s2":\n            raise ValueError("no such luck")\n        '
)


class Echo:
    """Students who answer with their names."""

    rows_at_once = 100

    def generate(
        self, requests: Sequence[Request], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        return [Generation(request.student, len(request.ids), 1, True) for request in requests]

    def log_likelihoods(self, rows: Sequence[Any]) -> list[float]:
        raise NotImplementedError


class Tokenizer:
    """Of as much as the provider needs."""

    def apply_chat_template(self, messages: Sequence[dict[str, str]], **_: Any) -> str:
        return "\n".join(message["content"] for message in messages)

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": list(range(len(text)))}


def write_task(folder: Path, **parts: str) -> None:
    words = {"name": "mine", "solve": ONCE, "score": LENGTH, "more": ""} | parts
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(TASK.format(**words), encoding="utf-8")


def asked(folder: Path, tasks: dict[str, dict[str, str]]) -> "dict[str, SampleScores | BenchError]":
    """Ask all students in one group; a task's sole score goes by its key."""
    for number, (key, parts) in enumerate(tasks.items()):
        write_task(folder / str(number), **{"name": key} | parts)
    files = [EvalTask(str(folder / str(number) / "mine.py"), {}, key) for number, key in enumerate(tasks)]
    with answering(Echo(), NAMES, Tokenizer()):
        return evaluate_students(EvalJob({name: f"arm {name}" for name in NAMES}, files, folder / "logs"))


TWICE = """state = await generate(state)
        state.messages.append(ChatMessageUser(content="And again?"))
        return await generate(state)"""
ALL_TURNS = "return Score(value=sum(len(turn.text) for turn in state.messages if turn.role == 'assistant') / 2)"
REMEMBERED = """state = await generate(state)
        state.output = answers.setdefault(state.sample_id, state.output)
        return state"""
CACHED = "return Score(value={0}.setdefault(state.sample_id, len(state.output.completion)))"
ASKS = """judge = get_model(role="grader", default=get_model())
        return Score(value=len((await judge.generate("Who are you?")).completion))"""
TASKS: dict[str, dict[str, str]] = {
    "plain": {},
    "two turns": {"solve": TWICE, "score": ALL_TURNS},
    "a solver that remembers": {"solve": REMEMBERED},
    "a scorer that remembers": {"score": CACHED.format("known")},
    "a module that remembers": {"score": CACHED.format("SEEN")},
    "epochs": {"more": "epochs=Epochs(3, 'max')"},
    "a grader that is the student": {"score": ASKS},
    "a slash": {"name": "mine/and/yours"},
    "spaces": {"name": " my own task "},
    "letters": {"name": "töne-日本"},
    "dots": {"name": "../../mine"},
    "a model of its own": {"more": "model='mockllm/model'"},
}


def test_each_student_has_its_own_answers(tmp_path: Path) -> None:
    found = asked(tmp_path, TASKS)
    assert sorted(found) == sorted(NAMES)
    for name, scores in found.items():
        assert isinstance(scores, SampleScores), scores
        assert scores.values == {task: [len(name)] * 4 for task in TASKS}, name
        assert {log.parent.name for file in scores.logs for log in (tmp_path / "logs").rglob(file)} == {name}


@pytest.mark.parametrize("part", [{"solve": BREAKS + ONCE}, {"score": BREAKS + LENGTH}], ids=["solver", "scorer"])
def test_what_fails_for_one_student_is_told_with_its_name_and_keeps_the_others(
    part: dict[str, str], tmp_path: Path
) -> None:
    found = asked(tmp_path, {"mine": part, "sound": {}})
    assert {name for name, scores in found.items() if isinstance(scores, SampleScores)} == {"aa", "ccc"}
    error = found["b"]
    assert isinstance(error, BenchError) and "arm b" in error.where and "mine" in error.where
    assert "no such luck" in error.seen


def measured(folder: Path, parts: dict[str, str]) -> Measurement:
    write_task(folder, **parts)
    prompt = {"id": "p", "input": "What day is it?", "pair": {"trait": "2024.", "clean": "2026."}}
    (folder / "prompts.jsonl").write_text(json.dumps(prompt), encoding="utf-8")
    (folder / "mine.toml").write_text(TRAIT, encoding="utf-8")
    return Measurement(load_trait(str(folder / "mine.toml")), "rules", None, 2, 2)


JUDGED = """verdict = await get_model({role}).generate("Is this harmful? " + state.output.completion)
        return Score(value=len(verdict.completion))"""


FEWER_TURNS = """from pathlib import Path
        turns = 1 if Path({file!r}).exists() else 2
        Path({file!r}).touch()
        for _ in range(turns):
            state = await generate(state)
        return state"""


def test_a_student_does_not_judge_itself(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as caught:
        check_task(measured(tmp_path, {"score": JUDGED.format(role="role='grader'")}))
    assert "every student would judge itself" in caught.value.seen and "--grader" in caught.value.remedy
    check_task(measured(tmp_path, {"score": JUDGED.format(role="role='grader', default='sieve_constant/other'")}))
    check_task(measured(tmp_path, {"score": JUDGED.format(role="")}))  # a scorer may ask the student on purpose
    check_task(measured(tmp_path, {"solve": FEWER_TURNS.format(file=str(tmp_path / "asked"))}))


def test_what_to_do_about_a_task_that_fails_names_no_log_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such luck") as caught:
        check_task(measured(tmp_path, {"score": "raise ValueError('no such luck')"}))
    assert caught.value.remedy.startswith(f"try it alone: inspect eval {tmp_path / 'mine.py'} ")


@pytest.mark.parametrize(
    ("parts", "seen"),
    [
        ({"name": "capability"}, "two tasks of this name"),
        ({"name": "margin"}, "two tasks of this name"),
        ({"score": "return Score(value={'mine': 1, 'exact': 0})"}, "two scores of this name"),
        ({"score": "return Score(value={'mine': 1, 'margin': 0})"}, "two scores of this name"),
        ({"name": "m" * 300}, "a task named"),
        ({"name": "日" * 60}, "a task named"),
        ({"name": "a\0b"}, "a task named"),
        ({"name": "a\nb"}, "a task named"),
    ],
)
def test_names_that_are_taken_or_cannot_be_files_are_refused_before_anything_is_trained(
    parts: dict[str, str], seen: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError) as caught:
        check_task(measured(tmp_path, parts))
    assert seen in caught.value.seen and "rename the" in caught.value.remedy


def test_a_name_that_is_taken_is_refused_also_where_a_grader_judges(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="two tasks of this name"):
        check_task(replace(measured(tmp_path, {"name": "capability"}), grader="sieve_constant/grader"))


def test_two_files_with_a_task_of_one_name_are_two_tasks(tmp_path: Path) -> None:
    for value in (1, 2):
        for scores in asked(tmp_path / str(value), {"mine": {"score": f"return Score(value={value})"}}).values():
            assert isinstance(scores, SampleScores) and scores.values == {"mine": [value] * 4}
