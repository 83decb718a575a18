"""Flagged sets: a filter scores a pool once, kept in the run store, and is cut at every budget."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.config.schema import SuiteFile
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment
from bench.files import read_json
from bench.filtering.context import Context
from bench.filtering.plugins import FilterPlugin
from bench.filtering.score import flag, patch_example, score_examples
from bench.records import FilterCard, Selection
from bench.run_folder.store import Store

FILTER_SEED = 0


def select(
    plugin: FilterPlugin,
    suite: SuiteFile,
    experiment: Experiment,
    embedder: Embedder,
    load_model: Callable[[], tuple[Any, Any]],
    store: Store,
) -> Selection:
    """Score a pool with one filter, unless the store has it, and make the cuts.

    Raises:
        BenchError: From the filter's contract (see `bench.filtering.score`).
    """
    given, budgets = suite.options.get(plugin.name, {}), suite.budgets
    options = plugin.options | given
    pool, trait = experiment.pool, experiment.trait
    key = {
        "pool": pool.sha256,
        "trait": trait.sha256,
        "teachers": [pool.card.original, pool.card.clean],
        "filter": [plugin.name, plugin.version, plugin.sha256],
        "options": options,
        "seed": FILTER_SEED,
    }
    examples = pool.examples()

    def fill(folder: Path) -> None:
        context = Context(embedder.embed, load_model, FILTER_SEED, experiment.truth)
        start = time.perf_counter()
        scores = score_examples(plugin, examples, trait.public, context, given)
        facts = {"seconds": time.perf_counter() - start, "ids": [e.id for e in examples], "scores": scores.tolist()}
        (folder / "scores.json").write_text(json.dumps(facts), encoding="utf-8")

    if not store.has("filters", key):
        store.write("filters", key, fill)
    file = store.folder("filters", key) / "scores.json"
    facts = read_json(file, "a filter's scores", f"delete {file.parent}, run again")
    scores, ids = np.array(facts["scores"]), [example.id for example in examples]
    flagged = {budget: frozenset(ids[i] for i in flag(scores, budget, ids)) for budget in budgets}
    patches = {}
    if plugin.patch is not None:
        most = flagged[max(budgets)]
        patches = {e.id: patch_example(plugin, e, trait.public).response for e in examples if e.id in most}
    card = FilterCard(
        name=plugin.name,
        version=plugin.version,
        summary=plugin.summary,
        origin=plugin.origin,
        sha256=plugin.sha256,
        options=options,
    )
    return Selection(card, facts["seconds"], flagged, patches, plugin.needs_truth)
