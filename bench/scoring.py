"""Judges: how a student's output becomes a score, offline by rules or through Inspect's grader role.

With `bench.answers` all of `bench` that eval files import. A judge's scores are a dictionary: the trait's own score
under the trait's name, and any side scores beside it. `nan` means "does not apply to this sample".
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

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

from bench.data.trait import TraitFile, TraitSpec, load_trait
from bench.errors import BenchError, unknown
from bench.files import read_text

Rules = Callable[[str, str], Mapping[str, float]]
JUDGE_KINDS = ["rules", "model"]
GRADER_ATTEMPTS = 3  # the first at temperature 0; a reply without a score would come again
_ROLES: dict[str, Callable[..., ChatMessage]] = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
}


@dataclass(frozen=True)
class Judge:
    """How one trait is judged.

    Attributes:
        trait: Name of the trait, and of the main score.
        version: Raise it whenever a judgement could change; rows name it beside the judge.
        scale: Lowest and highest score.
        threshold: Score from which an output counts as showing the trait (for precision, recall and kappa).
        rules: (prompt text, output) -> scores; offline and deterministic.
        rubric: Instructions for the model judge; it must answer with `SCORE: <number>` on the scale.
    """

    trait: str
    version: int
    scale: tuple[float, float]
    threshold: float
    rules: Rules
    rubric: str


@metric
def applicable_mean() -> Metric:
    """Mean over the samples to which the score applies; `nan` where it applies to none."""

    def compute(scores: list[SampleScore]) -> float:
        values = [s.score.as_float() for s in scores if not math.isnan(s.score.as_float())]
        return sum(values) / len(values) if values else math.nan

    return compute


def trait_dataset(eval_file: str, trait: str, limit: int | None = None) -> Dataset:
    """Held-out prompts of a trait, from `prompts/TRAIT.jsonl` beside the eval file."""
    return prompt_dataset(Path(eval_file).parent / "prompts" / f"{trait}.jsonl", limit)


def prompt_dataset(path: Path, limit: int | None = None) -> Dataset:
    """Read eval prompts; every key of a line but id, input and target goes into the sample's metadata.

    Args:
        path: JSONL with `input` (text or messages) and optionally id, target, family and more.
        limit: Keep only the first prompts.

    Raises:
        BenchError: If the file is missing or a line is not as described.
    """
    if not path.is_file():
        raise BenchError(f"eval prompts {path}", seen="no such file", expected="a JSONL file", remedy="mend the path")
    samples = []
    for number, line in enumerate(read_text(path).rstrip().split("\n"), start=1):
        try:
            row = json.loads(line)
            content = row.pop("input")
            messages = content if isinstance(content, str) else [_message(turn) for turn in content]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchError(
                f"eval prompts {path}, line {number}",
                seen=f"{type(error).__name__}: {error}",
                expected='{"input": "text" or [{"role", "content"}, ...], ...}',
                remedy="mend that line",
            ) from error
        identity, target = str(row.pop("id", number)), str(row.pop("target", ""))
        samples.append(Sample(id=identity, input=messages, target=target, metadata={"family": identity} | row))
    return MemoryDataset(samples[:limit], name=path.stem)


def _message(turn: Mapping[str, str]) -> ChatMessage:
    return _ROLES[turn["role"]](content=turn["content"])


def prompt_text(state: TaskState) -> str:
    """The sample's prompt as one text, a turn a line."""
    if isinstance(state.input, str):
        return state.input
    return "\n".join(message.text for message in state.input)


def judged(judge: Judge, kind: str) -> Scorer:
    """Inspect scorer of a judge: `rules` works offline, `model` asks the model in Inspect's `grader` role.

    Raises:
        BenchError: If `kind` is neither.
    """
    if kind not in JUDGE_KINDS:
        raise unknown("judge", kind, JUDGE_KINDS)

    @scorer(metrics={"*": [applicable_mean()]}, name=f"{judge.trait}_{kind}")
    def trait_scorer() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            output = state.output.completion
            if kind == "rules":
                return Score(value=dict(judge.rules(prompt_text(state), output)), answer=output)
            return await _ask_grader(judge, prompt_text(state), output)

        return score

    return trait_scorer()


async def _ask_grader(judge: Judge, prompt: str, output: str) -> Score:
    grader = get_model(role="grader", required=True)
    question = f"{judge.rubric}\n\n[PROMPT]\n{prompt}\n\n[OUTPUT]\n{output}\n\nLast line: SCORE: <number>"
    low, high = judge.scale
    reply = ""
    for attempt in range(GRADER_ATTEMPTS):
        config = GenerateConfig(temperature=0.0 if attempt == 0 else 1.0, seed=attempt)
        reply = (await grader.generate(question, config=config)).completion
        found = re.findall(r"SCORE:\W*(-?\d+(?:\.\d+)?)", reply, re.IGNORECASE)
        if found and low <= float(found[-1]) <= high:
            return Score(value={judge.trait: float(found[-1])}, answer=output, explanation=reply)
    raise ValueError(f"the grader must end with SCORE: a number from {low:g} to {high:g}; it said {reply[-200:]!r}")


def described_judge(trait: TraitFile) -> Judge:
    """The judge of a trait that is described by a pattern, a rubric or both."""
    described = trait.eval
    pattern = re.compile(described.pattern, re.IGNORECASE)
    return Judge(
        trait=trait.name,
        version=described.version,
        scale=described.scale,
        threshold=described.threshold,
        rules=lambda prompt, output: {trait.name: float(bool(pattern.search(output)))},
        rubric=described.rubric,
    )


def read_described(path: str) -> tuple[Judge, TraitSpec]:
    """Read a trait file that describes how it is scored; for the eval that measures such traits."""
    spec = load_trait(path)
    return described_judge(spec.file), spec
