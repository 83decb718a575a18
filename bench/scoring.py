"""Judges: how a student's output becomes a score, offline by rules or a classifier, or through Inspect's grader role.

With `bench.answers` all of `bench` that eval files import. A judge's scores are a dictionary: the score that the eval's
record names, and any side scores beside it. `nan` means "does not apply to this sample".
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspect_ai.dataset import Dataset, MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    get_model,
)
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, metric, scorer
from inspect_ai.solver import TaskState

from bench.data.judge import JUDGE_KINDS, Judge, described_judge, weights_of
from bench.data.prompts import PAIR, read_prompts
from bench.data.trait import TraitEval, load_trait
from bench.errors import BenchError, unknown

__all__ = [
    "JUDGE_KINDS",
    "Judge",
    "TraitEval",
    "applicable_mean",
    "described_judge",
    "judged",
    "load_trait",
    "paired_dataset",
    "prompt_dataset",
    "prompt_text",
    "trait_dataset",
    "trait_eval",
]

GRADER_ATTEMPTS = 3  # the first at temperature 0; a reply without a score would come again
_ROLES: dict[str, Callable[..., ChatMessage]] = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
}


def trait_eval(name: str | Path) -> TraitEval:
    """Return the record of how a trait is measured, from its file: scale, threshold, version and the rest.

    Args:
        name: A built-in trait, or the path of a trait file.
    """
    return load_trait(str(name)).eval


@metric
def applicable_mean() -> Metric:
    """Average over the samples to which the score applies; `nan` where it applies to none."""

    def compute(scores: list[SampleScore]) -> float:
        values = [s.score.as_float() for s in scores if not math.isnan(s.score.as_float())]
        return sum(values) / len(values) if values else math.nan

    return compute


def trait_dataset(eval_file: str, trait: str, limit: int | None = None) -> Dataset:
    """Read the held-out prompts of a trait, from `prompts/TRAIT.jsonl` beside the eval file."""
    return prompt_dataset(Path(eval_file).parent / "prompts" / f"{trait}.jsonl", limit)


def prompt_dataset(path: Path, limit: int | None = None) -> Dataset:
    """Read eval prompts; every key of a line but id, input and target goes into the sample's metadata.

    Args:
        path: JSONL with `input` (text or messages) and optionally id, target, family and more.
        limit: Keep only the first prompts.

    Raises:
        BenchError: If the file is missing or a line is not as described.
    """
    return MemoryDataset([_sample(row) for row in read_prompts(path, limit)], name=path.stem)


def paired_dataset(path: Path, limit: int | None = None) -> Dataset:
    """Read the eval prompts that have a pair of given completions, with the conversation that the pair follows.

    Args:
        path: As for `prompt_dataset`.
        limit: Look at the first prompts only.

    Raises:
        BenchError: As for `prompt_dataset`, and if no prompt has a pair.
    """
    rows = [row for row in read_prompts(path, limit) if "pair" in row]
    if not rows:
        raise BenchError(
            f"eval prompts {path}",
            seen="no prompt with a pair",
            expected=PAIR,
            remedy="add a pair to the prompts, or leave the margin out",
        )
    samples = [_sample(row | {"input": row["pair"].get("input", row["input"])}) for row in rows]
    return MemoryDataset(samples, name=path.stem)


def _sample(row: dict[str, Any]) -> Sample:
    content, identity, target = row["input"], row["id"], str(row.get("target", ""))
    if not isinstance(content, str):
        content = [_ROLES[turn["role"]](content=turn["content"]) for turn in content]
    more = {key: value for key, value in row.items() if key not in ("input", "id", "target")}
    return Sample(id=identity, input=content, target=target, metadata={"family": identity} | more)


def prompt_text(state: TaskState) -> str:
    """Return the sample's prompt as one text, a turn a line."""
    if isinstance(state.input, str):
        return state.input
    return "\n".join(message.text for message in state.input)


def judged(judge: Judge, kind: str) -> Scorer:
    """Make the Inspect scorer of a judge.

    Args:
        judge: The judge.
        kind: `rules` and `classifier` work offline, `model` asks the model in Inspect's `grader` role.

    Raises:
        BenchError: If `kind` is none of them, or the eval has no classifier.
    """
    if kind not in JUDGE_KINDS:
        raise unknown("judge", kind, JUDGE_KINDS)
    if kind == "classifier":
        weights_of(judge.eval)

    @scorer(metrics={"*": [applicable_mean()]}, name=f"{judge.eval.score}_{kind}")
    def trait_scorer() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            output = state.output.completion
            if kind == "rules":
                return Score(value=dict(judge.rules(prompt_text(state), output)), answer=output)
            if kind == "classifier":
                (value,) = judge.scores(kind, [(prompt_text(state), output)])
                return Score(value={judge.eval.score: value}, answer=output)
            return await _ask_grader(judge, prompt_text(state), output)

        return score

    return trait_scorer()


async def _ask_grader(judge: Judge, prompt: str, output: str) -> Score:
    grader = get_model(role="grader", required=True)
    question = f"{judge.rubric}\n\n[PROMPT]\n{prompt}\n\n[OUTPUT]\n{output}\n\nLast line: SCORE: <number>"
    low, high = judge.eval.scale
    reply = ""
    for attempt in range(GRADER_ATTEMPTS):
        config = GenerateConfig(temperature=0.0 if attempt == 0 else 1.0, seed=attempt)
        reply = (await grader.generate(question, config=config)).completion
        found = re.findall(r"SCORE:\W*(-?\d+(?:\.\d+)?)", reply, re.IGNORECASE)
        if found and low <= float(found[-1]) <= high:
            return Score(value={judge.eval.score: float(found[-1])}, answer=output, explanation=reply)
    raise ValueError(f"the grader must end with SCORE: a number from {low:g} to {high:g}; it said {reply[-200:]!r}")
