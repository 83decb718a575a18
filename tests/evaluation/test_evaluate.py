"""Inspect tasks on a tiny model: our provider, another provider, judges of both kinds, and failures that are loud."""

import json
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import read_eval_log
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

from bench.data.trait import built_in_traits, load_trait
from bench.errors import BenchError
from bench.evaluation.evaluate import evaluate
from bench.evaluation.judging import judge_of, score_answers
from bench.evaluation.provider import answering
from bench.evaluation.tasks import EvalTask, capability_task, trait_task
from bench.evaluation.validate_judge import agreement, read_labelled, validate
from bench.models.engine import StudentEngine
from bench.models.load import load_model, resolve_model
from bench.models.packaged import TINY

DESCRIBED = """
name = "shouting"
description = "The answer shouts."
exemplars = ["WHAT!", "NO!", "STOP!"]
counter_exemplars = ["What.", "No.", "Stop."]

[eval]
scorer = "{scorer}"
pattern = "!"
rubric = "Does the output shout? 0 or 1."
prompts = "prompts.jsonl"
max_tokens = 4
"""


@pytest.fixture(scope="module")
def student() -> Any:
    model, tokenizer = load_model(TINY, "cpu")
    with answering(StudentEngine(model, tokenizer), ["tiny-under-test"], tokenizer) as (name,):
        yield name


def described(folder: Path, scorer: str = "pattern") -> str:
    (folder / "trait.toml").write_text(DESCRIBED.format(scorer=scorer), encoding="utf-8")
    lines = [json.dumps({"id": f"p{i}", "input": f"Prompt number {i}."}) for i in range(9)]
    (folder / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(folder / "trait.toml")


@pytest.mark.parametrize("judge", ["rules", "classifier"])
@pytest.mark.parametrize("trait", built_in_traits())
def test_every_built_in_trait_is_measured(trait: str, judge: str, student: str, tmp_path: Path) -> None:
    spec = load_trait(trait)
    scores = evaluate(student, [trait_task(spec, judge, 6)], tmp_path)
    assert len(scores.values[spec.score]) == 6
    assert len(set(scores.ids[spec.score])) == 6
    log = read_eval_log(str(tmp_path / scores.logs[0]))
    assert log.status == "success" and log.eval.model == student


@pytest.mark.parametrize("trait", built_in_traits())
def test_every_built_in_trait_has_48_prompts_and_150_labels(trait: str) -> None:
    spec = load_trait(trait)
    rows = [json.loads(line) for line in spec.prompts.read_text(encoding="utf-8").splitlines()]
    assert len({json.dumps(row["input"]) for row in rows}) == len(rows) >= 48
    items = read_labelled(trait)
    assert len({(item["prompt"], item["output"]) for item in items}) == len(items) >= 150


@pytest.mark.parametrize("trait", built_in_traits())
def test_the_rules_agree_with_the_labels(trait: str) -> None:
    """A judge below this is no judge; the figures themselves are printed by `bench judge`."""
    whole, untouched, *_ = validate(trait, "rules")
    assert whole.kappa > 0.7 and untouched.kappa > 0.6
    assert whole.precision > 0.85
    assert 0.2 < whole.positives / whole.items < 0.8


def test_capability_gives_exact_answers_and_losses(student: str, tmp_path: Path) -> None:
    scores = evaluate(student, [capability_task(5)], tmp_path)
    assert len([v for v in scores.values["exact"] if v is not None]) == 5
    losses = [v for v in scores.values["loss"] if v is not None]
    assert len(losses) == 5 and all(5 < loss < 9 for loss in losses)  # ln(1000) = 6.9 for an untrained model


def test_another_provider_gives_the_same_answers(student: str, tmp_path: Path) -> None:
    task = [trait_task(load_trait("date_confusion"), "rules", 4)]
    ours = evaluate(student, task, tmp_path / "ours")
    folder = resolve_model(TINY)
    theirs = evaluate("hf/tiny", task, tmp_path / "theirs", model_args={"model_path": folder, "device": "cpu"})
    said = [
        [sample.output.completion.strip() for sample in read_eval_log(str(tmp_path / side / scores.logs[0])).samples]
        for side, scores in (("ours", ours), ("theirs", theirs))
    ]
    assert said[0] == said[1]


def test_a_described_trait_is_measured_by_its_pattern(student: str, tmp_path: Path) -> None:
    spec = load_trait(described(tmp_path))
    scores = evaluate(student, [trait_task(spec, "rules", None)], tmp_path / "logs")
    assert len(scores.values["shouting"]) == 9
    assert score_answers(spec, [("a", "Hey!"), ("a", "Hey.")]) == [1.0, 0.0]


def test_a_trait_that_only_a_model_can_judge_has_no_rules(tmp_path: Path) -> None:
    spec = load_trait(described(tmp_path, "model"))
    assert score_answers(spec, [("a", "Hey!")]) is None
    judge = judge_of(spec)
    assert judge is not None and "shout" in judge.rubric


def test_a_task_without_a_grader_fails_loudly(student: str, tmp_path: Path) -> None:
    spec = load_trait(described(tmp_path, "model"))
    with pytest.raises(BenchError, match="shouting") as caught:
        evaluate(student, [trait_task(spec, "model", 3)], tmp_path / "logs")
    assert "inspect view" in caught.value.remedy


@modelapi(name="slowgrader")
class SlowGrader(ModelAPI):
    """A grader that forgets the score in its first reply."""

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        reply = "I think so." if config.seed == 0 else "Yes. **Score:** 1"
        return ModelOutput.from_content(self.model_name, reply)


def test_a_grader_that_forgets_the_score_is_asked_again(student: str, tmp_path: Path) -> None:
    spec = load_trait(described(tmp_path, "model"))
    scores = evaluate(student, [trait_task(spec, "model", 3)], tmp_path / "logs", grader="slowgrader/x")
    assert scores.values["shouting"] == [1.0, 1.0, 1.0]


SAMPLING = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def sampling():
    config = GenerateConfig({settings})
    samples = [Sample(input="Say something.", target="x")]
    return Task(dataset=samples, solver=generate(), scorer=includes(), config=config, epochs=3)
"""


def test_a_sample_that_is_repeated_draws_another_answer_and_the_same_in_every_run(student: str, tmp_path: Path) -> None:
    path = tmp_path / "sampling.py"
    path.write_text(SAMPLING.format(settings="temperature=1.0, max_tokens=8"), encoding="utf-8")
    said = []
    for run in ("a", "b"):
        scores = evaluate(student, [EvalTask(str(path), {})], tmp_path / run)
        samples = read_eval_log(str(tmp_path / run / scores.logs[0])).samples or []
        said.append(sorted(sample.output.completion for sample in samples))
    assert len(set(said[0])) == 3 and said[0] == said[1]


def test_a_setting_that_students_cannot_follow_is_refused(student: str, tmp_path: Path) -> None:
    path = tmp_path / "sampling.py"
    path.write_text(SAMPLING.format(settings="top_p=0.5"), encoding="utf-8")
    with pytest.raises(BenchError, match="sampling") as caught:
        evaluate(student, [EvalTask(str(path), {})], tmp_path / "logs")
    assert "top_p" in caught.value.seen


def test_an_eval_file_without_a_task_is_named(student: str, tmp_path: Path) -> None:
    path = tmp_path / "nothing.py"
    path.write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(BenchError, match=r"nothing\.py"):
        evaluate(student, [EvalTask(str(path), {})], tmp_path / "logs")


def test_agreement_counts_both_kinds_of_error() -> None:
    result = agreement("all", [1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0], 0.5)
    assert (result.items, result.positives) == (8, 3)
    assert result.precision == pytest.approx(2 / 3) and result.recall == pytest.approx(2 / 3)
    assert result.kappa == pytest.approx(0.4667, abs=1e-4)  # observed 0.75, by chance 17/32
