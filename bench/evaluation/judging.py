"""Judges of a trait: which one judges it, and scores of answers that are already there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.data.judge import Judge, classified, classifier_label, described_judge
from bench.data.trait import TraitSpec, evals_folder
from bench.errors import BenchError
from bench.evaluation.tasks import load_module


def judge_of(spec: TraitSpec) -> Judge | None:
    """Return the judge of a trait, with the record of its file; None where its eval file has no JUDGE.

    Raises:
        BenchError: If the JUDGE of the eval file has another scale, threshold or version than the trait file states.
    """
    if spec.eval.scorer:
        return described_judge(spec)
    file = Path(spec.task_file.split("@")[0])
    judge: Judge | None = getattr(load_module(file), "JUDGE", None)
    if judge is None:
        return None
    own = file.parent != evals_folder()  # the record of a built-in eval is a trait file, which another may override
    stated = ("scale", "threshold", "version") if own else ("scale",)
    for key in stated if judge.eval.score == spec.score else ():
        here, there = getattr(spec.eval, key), getattr(judge.eval, key)
        if here != there:
            value = list(there) if isinstance(there, tuple) else there
            raise BenchError(
                f"trait {spec.path}",
                seen=f"{key} = {list(here) if isinstance(here, tuple) else here}, but the judge in {file} has {value}",
                expected="one value, which the trait file states",
                remedy=f"write {key} = {value} under [eval]" + (", and its threshold" if key == "scale" else ""),
            )
    return replace(judge, eval=spec.eval)


def judge_label(spec: TraitSpec, kind: str, grader: str | None) -> str:
    """Say who judges a trait: `rules v1`, `classifier v1`, or `model v1, grader openai/...`.

    The version is that of the trait's record, and for a classifier that of its weights.
    """
    version = f" v{spec.eval.version}" if judge_of(spec) else ""
    if spec.eval.scorer == "model" or kind == "model":
        return f"model{version}, grader {grader}"
    return classifier_label(spec.eval) if kind == "classifier" else f"rules{version}"


def score_answers(spec: TraitSpec, answers: Sequence[tuple[str, str]], kind: str = "rules") -> list[float] | None:
    """Judge (prompt, output) pairs offline, without any model that answers.

    Args:
        spec: The trait.
        answers: The pairs.
        kind: The judge of the students. Where that is `model`, the trait's classifier stands in for it, or its rules
            if it has no classifier.

    Returns:
        A score for each pair; None for a trait that only a model can judge.
    """
    judge = judge_of(spec)
    if judge is None or spec.eval.scorer == "model":
        return None
    if kind == "model":
        kind = "classifier" if spec.eval.task in classified() else "rules"
    return judge.scores(kind, answers)
