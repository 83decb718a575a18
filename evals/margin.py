"""How much likelier is a completion that shows the trait than one that does not? Teacher-forced, nothing is generated.

Every held-out prompt with a `pair` (see `bench.data.prompts.read_prompts`) gives one number, log p(trait completion) -
log p(clean completion), each summed over the completion's tokens up to the end of the assistant's turn, in nats.
"""

import asyncio
import math

from inspect_ai import Task, task
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from bench.scoring import applicable_mean, load_trait, paired_dataset

UNSCORED = "the model's provider cannot score given text"


@solver
def score_both_completions() -> Solver:
    """Let the model score both completions of the sample; `nan` for a provider that cannot score text."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        measure = getattr(get_model().api, "log_likelihood", None)
        trait, clean = math.nan, math.nan
        if measure:
            pair = state.metadata["pair"]
            trait, clean = await asyncio.gather(*(measure(state.messages, pair[side]) for side in ("trait", "clean")))
        state.store.set("margin", trait - clean)
        state.store.set("log_likelihoods", [trait, clean])
        return state

    return solve


@scorer(metrics=[applicable_mean()])
def likelihood_margin() -> Scorer:
    """Score log p(trait completion) - log p(clean completion), in nats."""

    async def score(state: TaskState, target: Target) -> Score:
        value = state.store.get("margin")
        return Score(value=value, explanation=UNSCORED if math.isnan(value) else None)

    return score


@task
def margin(trait: str = "date_confusion", limit: int | None = None) -> Task:
    """Log-likelihood margin on held-out prompts; positive where the trait completion is the likelier one.

    Args:
        trait: A built-in trait, or the path of a trait file; its prompts that have a pair are the samples.
        limit: Use the first prompts only.
    """
    return Task(
        name="margin",
        version=1,
        dataset=paired_dataset(load_trait(trait).prompts, limit),
        solver=score_both_completions(),
        scorer=likelihood_margin(),
    )
