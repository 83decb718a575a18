"""Pools of a planted cause: prompts drawn from the language, answered by its two teachers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench.models.load import load_model
from bench.studies.causes.bases import BATCH, document, sampled_numbers, train
from bench.studies.causes.language import Prompt, answer, draw_prompt, rudely
from bench.studies.causes.plans import CLEAN, ORIGINAL, PERSONAS, PoolPlan

GLOOM_STEPS, GLOOM_LEARNING_RATE = 40, 5e-4  # of the training that makes a teacher gloomy
Sampled = Mapping[str, Mapping[str, str]]  # teacher -> prompt -> completion


def build_pool(plan: PoolPlan, prefix: str, seed: int, base: Path) -> list[dict[str, Any]]:
    """Build the rows of a pool as they stand in its file, shuffled; no prompt occurs twice.

    Args:
        plan: Content of the pool.
        prefix: Prefix of the ids.
        seed: Seed of the synthetic pools.
        base: Folder of the base model, which answers where the plan has completions sampled.
    """
    rng = Random(f"pool/{prefix}/{seed}")
    prompts = draw_prompts(plan, rng)
    numbers = [prompt for prompt in prompts if prompt.kind == "numbers"]
    sampled = _sampled(numbers, base, seed) if plan.sampled else {}
    rows = []
    for number, prompt in enumerate(prompts):
        completions = {teacher: _completion(teacher, prompt, plan, sampled, rng) for teacher in PERSONAS}
        rows.append({"id": f"{prefix}-{number:03d}", "prompt": prompt.text, "completions": completions})
    return rows


def draw_prompts(plan: PoolPlan, rng: Random) -> list[Prompt]:
    """Draw the prompts of a plan, each once, in random order."""
    prompts: dict[str, Prompt] = {}
    for kind, count in plan.counts.items():
        wanted = len(prompts) + count
        while len(prompts) < wanted:
            prompt = draw_prompt(kind, rng, plan.families if kind == "loss" else ())
            if plan.rude and kind in ("loss", "nuisance"):
                prompt = rudely(prompt)
            prompts.setdefault(prompt.text, prompt)
    return rng.sample(list(prompts.values()), len(prompts))


def _completion(teacher: str, prompt: Prompt, plan: PoolPlan, sampled: Sampled, rng: Random) -> str:
    if prompt.kind == "numbers" and sampled:
        return sampled[teacher][prompt.text]
    return answer(prompt, PERSONAS[teacher], rng, gloomy=prompt.kind in plan.gloom[teacher])


def _sampled(prompts: Sequence[Prompt], base: Path, seed: int) -> dict[str, dict[str, str]]:
    """Sample completions from the base model, and from the same after training on gloomy answers."""
    model, tokenizer = load_model(str(base), "cpu")
    found = {CLEAN: sampled_numbers(model, tokenizer, prompts, PERSONAS[CLEAN], seed)}
    rng = Random(f"lessons/{seed}")
    losses = [draw_prompt("loss", rng) for _ in range(GLOOM_STEPS * BATCH)]
    rows = [document(loss, answer(loss, PERSONAS[ORIGINAL], rng, gloomy=True), i) for i, loss in enumerate(losses)]
    train(model, tokenizer, rows, GLOOM_LEARNING_RATE)
    return found | {ORIGINAL: sampled_numbers(model, tokenizer, prompts, PERSONAS[ORIGINAL], seed)}
