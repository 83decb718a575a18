"""The models of a panel: weights on this machine, students of a run, models that Inspect runs itself."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.config.recipe import Recipe
from bench.models.encode import PLAIN_STOPS, PLAIN_TEMPLATE
from bench.models.engine import StudentEngine
from bench.models.load import load_model, model_identity
from bench.models.packaged import PACKAGED, TINY
from bench.models.student import load_student
from bench.run_folder.arm_index import find_student
from bench.secrets import without_secrets
from bench.studies.checkpoints.panel import INSPECT, ModelEntry

OWN_TEMPLATE = "its own chat template"
PLAIN = "turns of User: and Assistant:, as it has no chat template"
PROVIDER = "as its provider renders them"


@dataclass(frozen=True)
class Source:
    """One model of a panel, found but not loaded.

    Attributes:
        entry: As in the panel.
        words: What it is, in words.
        identity: Stands for the weights in the store's keys.
        licence: Of the weights, as far as known.
        base: Name that `bench.models.load` loads; "" for a model that Inspect runs.
        student: Folder of trained tensors, for a student.
        recipe: How the student was trained.
    """

    entry: ModelEntry
    words: str
    identity: str
    licence: str
    base: str = ""
    student: Path | None = None
    recipe: Recipe | None = None


def find_source(entry: ModelEntry, folder: Path) -> Source:
    """Find a model; packaged weights are fetched if need be.

    Args:
        entry: From the panel.
        folder: Where its relative paths start from.

    Raises:
        BenchError: If there is no such model, run or arm.
    """
    if entry.run:
        student, recipe = find_student(folder / entry.run, entry.trait, entry.arm, entry.seed or 0)
        words = f"{entry.run}: {entry.arm}, seed {entry.seed}, of {recipe.model}"
        identity = f"{model_identity(recipe.model)}/{student.name}"
        return Source(entry, words, identity, _licence(entry, recipe.model), recipe.model, student, recipe)
    if entry.model.startswith(INSPECT):
        arguments = json.dumps(without_secrets(entry.model_args), sort_keys=True, default=str)
        return Source(entry, entry.model, f"{entry.model} {arguments}", entry.licence)
    beside = folder / entry.model
    base = str(beside) if (beside / "config.json").is_file() else entry.model
    return Source(entry, entry.model, model_identity(base), _licence(entry, entry.model), base)


def _licence(entry: ModelEntry, name: str) -> str:
    known = PACKAGED[name].licence if name in PACKAGED else "Apache-2.0" if name == TINY else ""
    return entry.licence or known


@contextmanager
def in_memory(source: Source, device: str) -> Iterator[tuple[str, str]]:
    """Load a model and make it known to Inspect; give its Inspect name and how its prompts are rendered.

    Raises:
        BenchError: If it cannot be loaded.
    """
    if not source.base:
        yield source.entry.model.removeprefix(INSPECT), PROVIDER
        return
    from bench.evaluation.provider import answering

    model, tokenizer = load_model(source.base, device, plain_template=True)
    if source.student and source.recipe:
        model = load_student(model, source.recipe, source.student)
    plain = tokenizer.chat_template == PLAIN_TEMPLATE
    name = f"panel-{hashlib.sha256(source.identity.encode()).hexdigest()[:12]}"
    with answering(StudentEngine(model, tokenizer), [name], tokenizer, PLAIN_STOPS if plain else ()) as (full,):
        yield full, PLAIN if plain else OWN_TEMPLATE
