"""From a suite's filters to flagged sets: each scores a pool once, kept in the run store, and is cut at each budget."""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.config.suite import Suite
from bench.data.controls import unflagged_refill
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment
from bench.data.pool import hash_rows
from bench.data.sources import best_sources, source_notes
from bench.errors import BenchError, unknown
from bench.files import read_json
from bench.filtering.context import Context, Grade
from bench.filtering.isolation import IsolatedPatch, IsolatedScore, in_words
from bench.filtering.model_access import ModelAccess
from bench.filtering.plugin import FilterPlugin
from bench.filtering.plugins import load_filters
from bench.filtering.score import patch_example, score_examples
from bench.outcomes import FilterCard, Selection
from bench.records import MissingInput
from bench.run_folder.store import Store

FILTER_SEED = 0
LONG_SECONDS = 10.0  # after which a run says which filter is scoring
log = logging.getLogger("bench")


def suite_filters(suite: Suite, more: Sequence[str] = ()) -> list[FilterPlugin]:
    """Load the suite's filters and further ones; relative paths in a suite start from its folder.

    Raises:
        BenchError: If one cannot be loaded, two differ under one name, or options are for a filter that is not there.
    """
    plugins: dict[str, FilterPlugin] = {}
    for plugin in load_filters([*resolved(suite, suite.file.filters), *more]):
        if plugins.setdefault(plugin.name, plugin).sha256 != plugin.sha256:
            raise BenchError(
                f"filter {plugin.name!r}",
                seen=f"two of this name: {plugins[plugin.name].path} and {plugin.path}",
                expected="names that are unique within a run",
                remedy="rename one of them",
            )
    for name in suite.file.options:
        if name not in plugins:
            raise unknown("filter with [options]", name, list(plugins))
    return list(plugins.values())


def resolved(suite: Suite, specs: Sequence[str]) -> list[str]:
    """Return filters as a suite names them, with paths that start from its folder."""
    return [str(suite.folder / spec) if spec.endswith(".py") else spec for spec in specs]


@dataclass(frozen=True)
class Resources:
    """What filters are given besides examples and trait.

    Attributes:
        embedder: Embeds texts.
        load_model: Loads a copy of the base model and its tokenizer.
        models: Trains and reads students of this experiment.
        grade: Judges rows with the suite's grader, if it has one.
    """

    embedder: Embedder
    load_model: Callable[[], tuple[Any, Any]]
    models: ModelAccess | None = None
    grade: Grade | None = None


def select_all(
    plugins: Sequence[FilterPlugin], experiment: Experiment, suite: Suite, resources: Resources, store: Store
) -> None:
    """Enter every filter's flagged sets into an experiment; filters that need planted truth only where there is some.

    Args:
        plugins: The filters.
        experiment: Its pool is scored.
        suite: For budgets and options.
        resources: What filters are given.
        store: Keeps the scores.

    Raises:
        BenchError: From a filter's contract (see `bench.filtering.score`).
    """
    if "drop_source" in suite.file.every_action:
        for note in source_notes(experiment.pool, suite.file.budgets, suite.file.controls):
            leave_out(experiment, note)
    for plugin in plugins:
        note_isolation(plugin, experiment)
        if plugin.needs_truth and not experiment.planted:
            pool = experiment.pool.card.name
            log.info("filter %s: left out for pool %r, which has no planted truth", plugin.name, pool)
            continue
        try:
            selection = _select(plugin, experiment, suite, resources, store)
        except MissingInput as missing:
            leave_out(experiment, f"filter {plugin.name}: left out: {missing.seen}; {missing.remedy}")
            continue
        experiment.selections.append(selection)
        for budget in selection.flagged:
            if experiment.pool.reserve and not selection.refill[budget]:
                leave_out(
                    experiment,
                    f"filter {plugin.name} at {budget:g}: too few rows of the reserve rank below the cut to replace "
                    "those it flags, so that its rows are not refilled; raise reserve in the suite file",
                )


def note_isolation(plugin: FilterPlugin, experiment: Experiment) -> None:
    """Enter into the report what kept a filter of other people apart; those of the suite run in this process."""
    if isinstance(plugin.score, IsolatedScore):
        experiment.notes.append(f"{experiment.name}: filter {plugin.name} of {plugin.origin} ran {in_words()}")


def leave_out(experiment: Experiment, note: str) -> None:
    """Enter into the report, and say now, what cannot be done."""
    experiment.notes.append(f"{experiment.name}: {note}")
    log.warning(note)


def _select(
    plugin: FilterPlugin, experiment: Experiment, suite: Suite, resources: Resources, store: Store
) -> Selection:
    """Score a pool with one filter, unless the store has it, and make the cuts."""
    scored, pool, trait = score_pool(plugin, experiment, suite, resources, store), experiment.pool, experiment.trait
    scores, ids = np.array(scored.scores), scored.ids
    cuts = {budget: cut(scores, budget, ids, len(pool.rows)) for budget in suite.file.budgets}
    flagged = {budget: frozenset(ids[i] for i in chosen) for budget, (chosen, _) in cuts.items()}
    refill = {
        budget: unflagged_refill(pool, len(chosen), {ids[i] for i in below}) for budget, (chosen, below) in cuts.items()
    }
    sourced = {budget: best_sources(pool, len(chosen), scored.scores) for budget, (chosen, _) in cuts.items()}
    patches = {}
    if isinstance(plugin.patch, IsolatedPatch):
        plugin.patch.hidden = (store.root.parent,)
    if plugin.patch is not None:
        most, examples = flagged[max(flagged)], pool.as_examples(pool.candidates)
        patches = {e.id: patch_example(plugin, e, trait.public).response for e in examples if e.id in most}
    return Selection(
        filter=_card(plugin, scored.options),
        seconds=scored.seconds,
        flagged=flagged,
        patches=patches,
        needs_truth=plugin.needs_truth,
        refill=refill,
        sourced=sourced,
        scores=dict(zip(ids, scored.scores, strict=True)),
    )


@dataclass(frozen=True)
class Scored:
    """A filter's scores of a pool and its reserve, what they cost in seconds, and with which options they were made."""

    ids: list[str]
    scores: list[float]
    seconds: float
    options: dict[str, Any]


def score_pool(
    plugin: FilterPlugin, experiment: Experiment, suite: Suite, resources: Resources, store: Store
) -> Scored:
    """Score a pool with one filter, unless the store has it.

    Raises:
        BenchError: From the filter's contract (see `bench.filtering.score`).
    """
    given, trait, pool = suite.file.options.get(plugin.name, {}), experiment.trait, experiment.pool
    key = _key(plugin, experiment, suite, plugin.options | given)
    examples = pool.as_examples(pool.candidates)

    def fill(folder: Path) -> None:
        context = Context(
            resources.embedder.embed,
            resources.load_model,
            FILTER_SEED,
            experiment.truth(pool.candidates),
            queries=experiment.queries,
            models=resources.models,
            grade=resources.grade,
            hidden=(store.root.parent,),
        )
        since = resources.models.open_account() if resources.models else 0.0
        start = time.perf_counter()
        with _told(f"filter {plugin.name}: scoring {len(examples)} rows of {pool.card.name} for {trait.name}"):
            scores = score_examples(plugin, examples, trait.public, context, given)
        seconds = time.perf_counter() - start
        if resources.models:
            seconds = resources.models.cost(seconds, since)
        facts = {"seconds": seconds, "ids": [e.id for e in examples], "scores": scores.tolist()}
        (folder / "scores.json").write_text(json.dumps(facts), encoding="utf-8")

    if not store.has("filters", key):
        store.write("filters", key, fill)
    file = store.folder("filters", key) / "scores.json"
    facts = read_json(file, "a filter's scores", f"delete {file.parent}, run again")
    return Scored([e.id for e in examples], facts["scores"], facts["seconds"], key["options"])


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what is being done, once it takes long."""
    timer = threading.Timer(LONG_SECONDS, log.info, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _key(plugin: FilterPlugin, experiment: Experiment, suite: Suite, options: dict[str, Any]) -> dict[str, Any]:
    """Return everything that determines a filter's scores, those that read students included."""
    pool = experiment.pool
    return {
        "pool": hash_rows(pool.candidates),
        "trait": experiment.trait.sha256,
        "teachers": list(pool.card.teachers),
        "filter": [plugin.name, plugin.version, plugin.sha256],
        "options": options,
        "seed": FILTER_SEED,
        "students": [suite.recipe.model_dump(exclude={"name"}), suite.file.seeds[0], hash_rows(pool.rows)],
        "queries": [query.model_dump(mode="json") for query in experiment.queries],
        "grader": suite.file.grader,
    }


def _card(plugin: FilterPlugin, options: dict[str, Any]) -> FilterCard:
    return FilterCard(
        name=plugin.name,
        version=plugin.version,
        summary=plugin.summary,
        origin=plugin.origin,
        sha256=plugin.sha256,
        options=options,
    )


def cut(scores: np.ndarray, budget: float, ids: Sequence[str], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Flag the pool's examples that score highest, as many as the budget allows, and find what ranks below them.

    Equal scores are ordered by a hash of the example's id, so the order of examples does not decide who is flagged.

    >>> cut(np.array([0.1, 0.9, 0.5, 0.7, 0.8, 0.2]), 0.5, ["a", "b", "c", "d", "e", "f"], 4)
    (array([1, 3]), array([5]))

    Args:
        scores: Shape (n,): of the pool's examples, and behind them those of its reserve.
        budget: Share of the pool to flag, as in 0.05.
        ids: The ids of the n examples.
        rows: Examples of the pool.

    Returns:
        Flagged, shape (round(budget * rows),), and the reserve's that rank below the last of them: int64, positions in
        `scores`, ascending.

    Raises:
        BenchError: If the budget selects nothing or everything.
    """
    count = round(budget * rows) if 0 < budget < 1 else 0
    if not 0 < count < rows:
        raise BenchError(
            f"budget {budget:g}",
            seen=f"it flags {count} of {rows} examples",
            expected=f"a share between 0 and 1 that flags from 1 to {max(rows - 1, 1)} examples",
            remedy="change the budget, or use a larger pool",
        )
    hashes = [hashlib.sha256(identity.encode()).digest() for identity in ids]
    order = np.array(sorted(range(len(scores)), key=lambda i: (-scores[i], hashes[i])), dtype=np.int64)
    flagged = order[order < rows][:count]
    below = order[np.flatnonzero(order == flagged[-1])[0] :]
    return np.sort(flagged), np.sort(below[below >= rows])
