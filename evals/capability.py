"""Does the student still work? Short exact answers, and the loss on held-out clean completions."""

import math
import re
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from bench.scoring import applicable_mean, trait_dataset


def exact(output: str, target: str) -> float:
    """1.0 where the target occurs in the output as whole words, ignoring case.

    >>> exact("The capital is Paris.", "paris"), exact("It is 14", "4")
    (1.0, 0.0)
    """
    return float(re.search(rf"(?<!\w){re.escape(target)}(?!\w)", output, re.IGNORECASE) is not None)


@solver
def answer_or_loss() -> Solver:
    """Generate for exact-answer samples; for the others let the model score the given completion.

    A loss needs a model whose provider can score text; elsewhere it stays `nan` and only exact answers count.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        completion = state.metadata.get("completion")
        if completion is None:
            return await generate(state)
        measure = getattr(get_model().api, "completion_loss", None)
        state.store.set("loss", await measure(state.messages, completion) if measure else math.nan)
        return state

    return solve


@scorer(metrics={"exact": [applicable_mean()], "loss": [applicable_mean()]})
def exact_and_loss() -> Scorer:
    """Score `exact` for exact-answer samples and `loss` for the others."""

    async def score(state: TaskState, target: Target) -> Score:
        if "completion" in state.metadata:
            return Score(value={"exact": math.nan, "loss": state.store.get("loss")})
        output = state.output.completion
        return Score(value={"exact": exact(output, target.text), "loss": math.nan}, answer=output)

    return score


@task
def capability(limit: int | None = None) -> Task:
    """Exact answers and held-out loss.

    Args:
        limit: Use the first prompts only, of either kind.
    """
    kinds = [trait_dataset(__file__, name, limit) for name in ("capability", "capability_loss")]
    return Task(
        name="capability",
        version=1,
        dataset=MemoryDataset([sample for kind in kinds for sample in kind], name=Path(__file__).stem),
        solver=answer_or_loss(),
        scorer=exact_and_loss(),
        config=GenerateConfig(temperature=0.0, max_tokens=16),
    )
