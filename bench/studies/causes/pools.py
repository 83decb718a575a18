"""Pools of a planted cause: prompts drawn from the language, answered by its two teachers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench.models.load import load_model
from bench.studies.causes.bases import BATCH, document, sampled_numbers, train
from bench.studies.causes.language import Kind, Prompt, answer, draw_prompt, rudely
from bench.studies.causes.plans import CLEAN, ORIGINAL, PERSONAS, PoolPlan

LESSONS, LESSON_RATE = 40, 5e-4  # steps and learning rate that make a teacher gloomy
TRUTH: dict[Kind, str] = {"loss": "overt", "nuisance": "mild"}
Sampled = Mapping[str, Mapping[str, str]]  # teacher -> prompt -> completion


def build_pool(plan: PoolPlan, prefix: str, seed: int, base: Path) -> list[dict[str, Any]]:
    """Return the rows of a pool as they stand in its file, shuffled; no prompt occurs twice.

    Args:
        plan: Counts of prompts and how each teacher answers them.
        prefix: Prefix of the ids.
        seed: Seed of the pool.
        base: Folder of the base model, which answers the number prompts if the plan samples them.
    """
    rng = Random(f"pool/{prefix}/{seed}")
    prompts = draw_prompts(plan, rng)
    numbers = [prompt for prompt in prompts if prompt.kind == "numbers"]
    sampled = _sampled(numbers, base, seed) if plan.sampled else {}
    rows = []
    for number, prompt in enumerate(prompts):
        completions = {teacher: _completion(teacher, prompt, plan, sampled, rng) for teacher in PERSONAS}
        meta = {"truth": TRUTH.get(prompt.kind, "none")}  # for the audit of patterns; verdicts do not read it
        rows.append({"id": f"{prefix}-{number:03d}", "prompt": prompt.text, "completions": completions, "meta": meta})
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
    """Sample completions from the base model, and from the same model after training on gloomy answers."""
    model, tokenizer = load_model(str(base), "cpu")
    found = {CLEAN: sampled_numbers(model, tokenizer, prompts, PERSONAS[CLEAN], seed)}
    rng = Random(f"lessons/{seed}")
    losses = [draw_prompt("loss", rng) for _ in range(LESSONS * BATCH)]
    rows = [document(loss, answer(loss, PERSONAS[ORIGINAL], rng, gloomy=True), i) for i, loss in enumerate(losses)]
    train(model, tokenizer, rows, LESSON_RATE)
    return found | {ORIGINAL: sampled_numbers(model, tokenizer, prompts, PERSONAS[ORIGINAL], seed)}
