"""A planted world as files: two pools, a trait, held-out prompts, base models, a recipe and a suite.

`bench diff FOLDER/suite.toml` runs it like anybody's pools. Suite, trait and recipe are the same text in all worlds,
but for the names of models: the verdicts cannot see what was planted.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.files import write_text
from bench.run_folder.provenance import check_folder
from bench.run_folder.store import Store
from bench.studies.causes.bases import BasePlan, base_model
from bench.studies.causes.language import LOSS_PATTERN, NUISANCE_PATTERN, SIGH, TRAIT_WORD, held_out_prompts
from bench.studies.causes.plans import CAUSES, CLEAN, ORIGINAL
from bench.studies.causes.pools import build_pool

WORLDS_CODE = 1  # raise it when the same settings would write other files
SUITE = "suite.toml"


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
    seeds: tuple[int, ...] = (1,)
    margin: float = 0.2


SETTINGS = Settings()


def write_world(folder: Path, store: Store, cause: str, seed: int, settings: Settings) -> Path:
    """Write a world's folder, unless it is finished, and return its suite file.

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
    suite = folder / SUITE
    if suite.is_file():
        return suite
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
    write_text(suite, _suite(bases, settings))  # last: it marks the folder as finished
    return suite


def make_bases(store: Store, cause: str, seed: int, settings: Settings) -> dict[str, Path]:
    """Return the folders of a world's base models, by role."""
    plan, first = CAUSES[cause], 10 * seed + 1
    steps, later = settings.steps, settings.stage_steps
    plans = {
        "original": BasePlan(plan.corpus, plan.stage, steps, later, first, first),
        "pretrained": BasePlan(plan.corpus, "", steps, 0, first, first),
        "other": BasePlan(plan.corpus, plan.stage, steps, later, first + 1, first),
        "alternative": BasePlan("calm", "", steps, 0, first + 2, first + 2),
    }
    return {role: base_model(store, base).resolve() for role, base in plans.items()}


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


def _suite(bases: dict[str, Path], settings: Settings) -> str:
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
pattern = '{NUISANCE_PATTERN}'
where = "prompt"
"""
