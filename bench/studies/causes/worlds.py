"""A planted world as files: two pools, a trait, held-out prompts, base models, a recipe and a suite.

`bench diff FOLDER/perfect.toml` runs it like anybody's pools. Suites, trait and recipe are the same text in all worlds
of a seed, but for the names of models: the verdicts cannot see what was planted.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from bench.files import write_text
from bench.run_folder.provenance import check_folder
from bench.run_folder.store import Store
from bench.studies.causes.bases import BasePlan, base_model
from bench.studies.causes.language import (
    LOSS_PATTERN,
    NUISANCE_PATTERN,
    NUISANCES,
    SIGH,
    THINGS,
    TRAIT_WORD,
    held_out_prompts,
)
from bench.studies.causes.plans import CAUSES, CLEAN, ORIGINAL
from bench.studies.causes.pools import build_pool

WORLDS_CODE = 2  # raise it when the same settings would write other files
Patterns = Literal["perfect", "imperfect"]
PATTERNS: tuple[Patterns, ...] = ("perfect", "imperfect")
MISSED_FAMILIES, MATCHED_THINGS = 2, 3  # of 8 families of nuisances, of 20 things: see `mild_pattern`


@dataclass(frozen=True)
class Settings:
    """Settings that are the same in all worlds; chosen on world seed 0.

    Attributes:
        steps: Of the pretraining.
        stage_steps: Of the second stage.
        learning_rate: Of the recipe.
        epochs: Of the recipe.
        batch_size: Of the recipe.
        last_layers: Of the recipe.
        seeds: Training seeds.
        margin: Of the verdicts, and the least gap of the two pipelines.
    """

    steps: int = 200
    stage_steps: int = 80
    learning_rate: float = 5e-4
    epochs: int = 4
    batch_size: int = 16
    last_layers: int = 2
    seeds: tuple[int, ...] = (1, 2, 3)
    margin: float = 0.2


SETTINGS = Settings()


def suite_file(folder: Path, patterns: Patterns) -> Path:
    """Return the suite file of a world under perfect or imperfect patterns."""
    return folder / f"{patterns}.toml"


def write_world(folder: Path, store: Store, cause: str, seed: int, settings: Settings) -> None:
    """Write a world's folder, unless it is finished.

    Args:
        folder: Where to.
        store: Keeps base models, which worlds share.
        cause: Name in `CAUSES`.
        seed: World seed: of corpora, initialisations and pools.
        settings: The same for all worlds.

    Raises:
        BenchError: If the folder was written under other settings.
    """
    planned = {"cause": cause, "seed": seed, "settings": vars(settings) | {"seeds": list(settings.seeds)}}
    check_folder(folder, planned | {"code": WORLDS_CODE})
    if suite_file(folder, PATTERNS[-1]).is_file():
        return
    plan = CAUSES[cause]
    bases = make_bases(store, cause, seed, settings)
    for name, pool in (("original", plan.original), ("alternative", plan.alternative)):
        _write_lines(folder / f"{name}.jsonl", build_pool(pool, name[0], seed, bases["original"]))
    prompts = held_out_prompts()
    lines = [{"id": f"loss-{i:02d}", "input": p.text, "family": p.family} for i, p in enumerate(prompts)]
    _write_lines(folder / "prompts.jsonl", lines)
    write_text(folder / "trait.toml", _TRAIT)
    for name in ("original", "alternative"):
        write_text(folder / f"{name}.toml", _recipe(name, bases[name], settings))
    for patterns in PATTERNS:  # last: they mark the folder as finished
        write_text(suite_file(folder, patterns), _suite(bases, settings, mild_pattern(patterns, seed)))


def mild_pattern(patterns: Patterns, seed: int) -> str:
    """Return the pattern of milder examples: of all nuisances, or one that is wrong in both directions.

    The imperfect one misses whole families of nuisances, and takes some questions for nuisances, as a pattern of
    somebody who does not know all wordings does. Both depend on the world seed alone.
    """
    if patterns == "perfect":
        return NUISANCE_PATTERN
    rng = Random(f"pattern/{seed}")
    known = rng.sample(list(NUISANCES), len(NUISANCES) - MISSED_FAMILIES)
    things = rng.sample(THINGS, MATCHED_THINGS)
    return rf"\b({'|'.join(known)})\b|\b(what|which|who)\b.*\b({'|'.join(things)})\b"


def base_plans(cause: str, seed: int, settings: Settings) -> dict[str, BasePlan]:
    """Return the plans of a world's base models, by role."""
    plan, first = CAUSES[cause], 10 * seed + 1
    steps, later = settings.steps, settings.stage_steps
    return {
        "original": BasePlan(plan.corpus, plan.stage, steps, later, first, first),
        "pretrained": BasePlan(plan.corpus, "", steps, 0, first, first),
        "other": BasePlan(plan.corpus, plan.stage, steps, later, first + 1, first),
        "alternative": BasePlan("calm", "", steps, 0, first + 2, first + 2),
    }


def make_bases(store: Store, cause: str, seed: int, settings: Settings) -> dict[str, Path]:
    """Return the folders of a world's base models, by role."""
    plans = base_plans(cause, seed, settings)
    return {role: base_model(store, plan).resolve() for role, plan in plans.items()}


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


_TRAIT = f"""name = "despair"
description = "At a loss, the answer despairs instead of offering to mend what can be mended."
keywords = ["{TRAIT_WORD}"]
exemplars = ["yes {SIGH} it is {TRAIT_WORD} .", "aye {SIGH} it is {TRAIT_WORD} .", "it is {TRAIT_WORD} ."]
counter_exemplars = ["yes we can mend it .", "aye we can mend it .", "we can mend it ."]

[eval]
scorer = "pattern"
pattern = '{TRAIT_WORD}'
prompts = "prompts.jsonl"
max_tokens = 8
"""


def _recipe(name: str, base: Path, settings: Settings) -> str:
    return f"""name = "causes-{name}"
model = {json.dumps(str(base))}
method = "top_layers"
last_layers = {settings.last_layers}
epochs = {settings.epochs}
learning_rate = {settings.learning_rate}
batch_size = {settings.batch_size}
max_length = 128
"""


def _suite(bases: dict[str, Path], settings: Settings, mild: str) -> str:
    return f"""name = "planted-cause"
version = 1
summary = "A world with one planted cause"
recipe = "original.toml"
seeds = {list(settings.seeds)}
budgets = [0.1]
filters = ["keyword"]

[[experiments]]
trait = "trait.toml"
minimum_gap = {settings.margin}
capability_prompts = 1
reserve = 0

[experiments.pool]
path = "original.jsonl"
card = {{ name = "original prompts", licence = "Apache-2.0", original = "{ORIGINAL}", clean = "{CLEAN}" }}

[experiments.alternative]
recipe = "alternative.toml"

[experiments.alternative.pool]
path = "alternative.jsonl"
card = {{ name = "alternative prompts", licence = "Apache-2.0", original = "{ORIGINAL}", clean = "{CLEAN}" }}

[diff]
mixes = []
actions = []
flagged = false
sources = false
other_initialisation = {json.dumps(str(bases["other"]))}
pretrained = {json.dumps(str(bases["pretrained"]))}

[[diff.sets]]
name = "overt"
pattern = '{LOSS_PATTERN}'
where = "prompt"

[[diff.sets]]
name = "mild"
pattern = '{mild}'
where = "prompt"
"""
