"""Contributor's check: does a filter file keep the contract, and a template that does."""

import keyword
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from bench.config.recipe import load_recipe
from bench.data.embedding import Embedder
from bench.data.pool import hash_rows
from bench.data.queries import load_queries
from bench.data.trait import load_trait
from bench.errors import BenchError, unknown, unwritable
from bench.filtering.context import Context
from bench.filtering.isolation import IsolatedScore
from bench.filtering.model_access import ModelAccess, Train
from bench.filtering.plugin import NAME_PATTERN, FilterPlugin
from bench.filtering.plugins import list_filters, load_filter
from bench.filtering.score import patch_example, score_examples
from bench.models.load import known_config, load_model
from bench.models.packaged import TINY
from bench.records import Example, Pool, PoolCard, Query, TrainingRow, Trait
from bench.training.checkpoints import Checkpoint
from bench.training.methods import training_path
from bench.training.task import TrainingInput
from bench.training.trainer import Trainer
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

TOY_WORLD = "date_confusion"
TOY_ROWS = 120
TOY_RECIPE = "smoke"
KINDS = ("text", "activation", "gradient")  # what a new filter reads
TOLERANCE = 1e-6  # of a score, for rounding
NEAR_TIE = 1e-3  # of the scores' median absolute deviation: what a batch of other rows may move without changing ranks


@dataclass(frozen=True)
class CheckLine:
    """One promise of the contract; `remedy` says what to do when it is not kept."""

    name: str
    passed: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class CheckReport:
    """Findings of `bench check`.

    Attributes:
        plugin: The filter, or None if it could not be loaded.
        lines: One per check, in order; checks that could not be made are left out.
        seconds: Seconds per 1,000 examples, with embeddings at hand; nan if not measured.
        megabytes: Peak memory that Python allocated per 1,000 examples, in MB; nan if not measured.
    """

    plugin: FilterPlugin | None
    lines: tuple[CheckLine, ...]
    seconds: float = float("nan")
    megabytes: float = float("nan")

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(line.passed for line in self.lines)


@dataclass(frozen=True)
class _Toy:
    """A small planted pool on which a filter is tried."""

    examples: list[Example]
    truth: tuple[str, ...]
    trait: Trait
    queries: tuple[Query, ...]
    embedder: Embedder
    models: ModelAccess

    def score(self, plugin: FilterPlugin, order: np.ndarray) -> tuple[np.ndarray, float]:
        """Score the examples in some order; return the scores and what they cost in seconds, students included."""
        examples, truth = [self.examples[i] for i in order], tuple(self.truth[i] for i in order)
        context = Context(
            self.embedder.embed,
            lambda: load_model(TINY, "cpu"),
            seed=0,
            truth=truth,
            queries=self.queries,
            models=self.models,
            grade=toy_grade,
        )
        since, start = self.models.open_account(), time.perf_counter()
        scores = score_examples(plugin, examples, self.trait, context)
        return scores, self.models.cost(time.perf_counter() - start, since)


def toy_grade(rows: Sequence[TrainingRow]) -> np.ndarray:
    """Stand in for a grader, which costs money: the share of words that are numbers."""
    words = [row.completion.split() for row in rows]
    return np.array([sum(word.isdigit() for word in own) / max(len(own), 1) for own in words])


def check_filter(spec: str | Path) -> CheckReport:
    """Try a filter on a toy pool and hold it to every promise that a filter makes.

    Args:
        spec: A name or a path, as in `bench.filtering.plugins.load_filter`.

    Returns:
        The report; a filter that fails is no exception.
    """
    try:
        plugin = load_filter(spec)
    except BenchError as error:
        return CheckReport(None, (failed("loads, with a unique name", error),))
    lines = [CheckLine("loads, with a unique name", True, f"{plugin.name} version {plugin.version}"), _card(plugin)]
    try:
        tried, seconds, megabytes = _try(plugin, _toy())
    except BenchError as error:
        return CheckReport(plugin, (*lines, failed("works on the toy pool", error)))
    return CheckReport(plugin, (*lines, *tried), seconds, megabytes)


def new_filter(name: str, folder: Path, kind: str = "text") -> Path:
    """Write a working filter file to start from.

    Args:
        name: The filter's name, and the file's.
        folder: Where the file goes; made if need be.
        kind: What the filter reads, one of `KINDS`.

    Returns:
        The new file, `folder/name.py`.

    Raises:
        BenchError: If the name will not do or is taken, the kind is unknown, or the file exists.
    """
    if kind not in KINDS:
        raise unknown("kind of filter", kind, list(KINDS))
    taken = [plugin.name for plugin in list_filters()]
    if not NAME_PATTERN.fullmatch(name) or keyword.iskeyword(name) or name in {*sys.stdlib_module_names, *taken}:
        raise BenchError(
            f"filter name {name!r}",
            seen="another filter has it" if name in taken else "it cannot name a Python file beside others",
            expected="lower-case letters, digits and underscores; no word or module of Python, no known filter",
            remedy="choose another name",
        )
    path = folder / f"{name}.py"
    template = Template((files("bench.filtering") / f"new_filter_{kind}.py.tmpl").read_text(encoding="utf-8"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(template.substitute(name=name))
    except FileExistsError as error:
        raise BenchError(
            str(error.filename or path),
            seen="a file is there",
            expected="no file",
            remedy="choose another name, or move the file away",
        ) from error
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def _toy() -> _Toy:
    rows = tuple(build_rows(WORLDS[TOY_WORLD], TOY_ROWS, seed=0))
    pool = Pool(PoolCard(name="toy", original=ORIGINAL, clean=CLEAN), rows, hash_rows(rows))
    truth, spec = tuple(row.truth or "none" for row in rows), load_trait(TOY_WORLD)
    models = ModelAccess(*toy_training(), pool.examples())
    return _Toy(pool.examples(), truth, spec.public, load_queries(spec), Embedder(None), models)


@cache
def toy_training() -> tuple[Trainer, Train]:
    """Return a trainer of the tiny model, and how it trains for filters: each student once a process."""
    recipe = load_recipe(TOY_RECIPE, Path()).model_copy(update={"epochs": 2})
    trainer = Trainer(recipe, "cpu", training_path(recipe, known_config(recipe.model), multi_lora=False))
    done: dict[tuple[TrainingInput, bool], tuple[Sequence[Checkpoint], float]] = {}

    def train(student: TrainingInput, label: str, checkpoints: bool) -> tuple[Sequence[Checkpoint], float]:
        if (student, checkpoints) not in done:
            (found,) = trainer.train([student], lambda step, steps: None, label, checkpoints=True)
            points = found.checkpoints if checkpoints else found.checkpoints[-1:]
            done[student, checkpoints] = points, found.seconds
        return done[student, checkpoints]

    return trainer, train


def _try(plugin: FilterPlugin, toy: _Toy) -> tuple[list[CheckLine], float, float]:
    """Score three times: to load what is slow, against the clock, and permuted under the memory meter."""
    same = np.arange(len(toy.examples))
    first, _ = toy.score(plugin, same)
    second, seconds = toy.score(plugin, same)
    order = np.random.default_rng(1).permutation(same)
    tracemalloc.start()
    try:
        permuted, _ = toy.score(plugin, order)
        peak = plugin.score.peak if isinstance(plugin.score, IsolatedScore) else tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    lines = [
        CheckLine("one finite number per example", True, f"{first.min():.4g} to {first.max():.4g}"),
        CheckLine("inputs untouched", True, "examples and trait are as they were"),
        _deterministic(first, second),
        _equivariant(first[order], permuted),
        _patches(plugin, toy),
    ]
    scale = 1000 / len(same)
    detail = f"{seconds * scale:.2g} s per 1,000 examples with the tiny model, what it trains and reads included"
    lines.append(CheckLine("cost reported", seconds > 0, detail, "do the work in the scoring function"))
    return lines, seconds * scale, peak / 1e6 * scale


def failed(name: str, error: BenchError) -> CheckLine:
    """Make the line of a check that an error stopped."""
    return CheckLine(name, False, f"{error.where}: {error.seen}", f"{error.remedy} (expected: {error.expected})")


def _card(plugin: FilterPlugin) -> CheckLine:
    """Name, version and summary were checked when it was loaded; what is left is for readers."""
    documented = plugin.score.__doc__ or ""
    missing = [f"the option {key!r} in the docstring" for key in plugin.options if f"{key}:" not in documented]
    if not documented.strip():
        missing = ["a docstring"]
    return CheckLine(
        "card complete",
        not missing,
        f"missing: {', '.join(missing)}" if missing else plugin.summary,
        "say in the docstring of the scoring function what it does, and `name: meaning` of each option",
    )


def _deterministic(first: np.ndarray, second: np.ndarray) -> CheckLine:
    changed = int(np.count_nonzero(first != second))
    return CheckLine(
        "deterministic",
        changed == 0,
        f"{changed} of {len(first)} scores differ between two runs",
        "draw from context.rng only, and sort sets before going through them",
    )


def _equivariant(expected: np.ndarray, seen: np.ndarray) -> CheckLine:
    spread = float(np.median(np.abs(expected - np.median(expected))))
    allowed = TOLERANCE * np.abs(expected) + NEAR_TIE * spread + np.finfo(float).tiny
    moved = int(np.count_nonzero(np.abs(expected - seen) > allowed))
    return CheckLine(
        "permuting examples permutes scores",
        moved == 0,
        f"{moved} of {len(seen)} scores depend on the order of the examples",
        "score each example by itself; where you draw some of them, draw by a hash of example.id",
    )


def _patches(plugin: FilterPlugin, toy: _Toy) -> CheckLine:
    """Try the filter's own patch, or the default one, on every example; a mistake raises."""
    for example in toy.examples:
        patch_example(plugin, example, toy.trait)
    own = "its own patch" if plugin.patch else "the default patch, the clean teacher's completion"
    return CheckLine("patches every example", True, own)
