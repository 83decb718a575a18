"""What each filter flags in an experiment: scored once, kept in the run store, cut at every budget."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.config.schema import SuiteFile
from bench.data.embedding import Embedder
from bench.data.experiment import Setup
from bench.files import read_json
from bench.filtering.context import Context
from bench.filtering.plugins import FilterPlugin
from bench.filtering.score import flag, patch_example, score_examples
from bench.run_folder.store import Store

FILTER_SEED = 0


@dataclass(frozen=True)
class Selection:
    """One filter's verdict on a pool.

    Attributes:
        plugin: The filter.
        options: What it was run with, defaults included.
        seconds: Wall time of scoring, when it was computed.
        flagged: Budget -> ids of the flagged examples.
        patches: Id -> completion that the filter itself puts in; empty where it leaves that to the clean teacher.
    """

    plugin: FilterPlugin
    options: dict[str, Any]
    seconds: float
    flagged: dict[float, frozenset[str]]
    patches: dict[str, str]


def select(
    plugin: FilterPlugin,
    suite: SuiteFile,
    setup: Setup,
    embedder: Embedder,
    load_model: Callable[[], tuple[Any, Any]],
    store: Store,
) -> Selection:
    """Score a pool with one filter, unless the store has it, and make the cuts.

    Raises:
        BenchError: From the filter's contract (see `bench.filtering.score`).
    """
    options, budgets = suite.options.get(plugin.name, {}), suite.budgets
    settled = plugin.options | options
    key = {
        "pool": setup.pool.sha256,
        "trait": setup.trait.sha256,
        "teachers": [setup.pool.card.original, setup.pool.card.clean],
        "filter": [plugin.name, plugin.version, plugin.sha256],
        "options": settled,
        "seed": FILTER_SEED,
    }
    examples = setup.pool.examples()

    def fill(folder: Path) -> None:
        truth = tuple(row.truth or "" for row in setup.pool.rows) if setup.experiment.world else None
        context = Context(embedder.embed, load_model, FILTER_SEED, truth)
        start = time.perf_counter()
        scores = score_examples(plugin, examples, setup.trait.public, context, options)
        facts = {"seconds": time.perf_counter() - start, "ids": [e.id for e in examples], "scores": scores.tolist()}
        (folder / "scores.json").write_text(json.dumps(facts), encoding="utf-8")

    if not store.has("filters", key):
        store.write("filters", key, fill)
    file = store.folder("filters", key) / "scores.json"
    facts = read_json(file, "a filter's scores", f"delete {file.parent}, run again")
    scores = np.array(facts["scores"])
    ids = [example.id for example in examples]
    flagged = {budget: frozenset(ids[i] for i in flag(scores, budget, ids)) for budget in budgets}
    patches = {}
    if plugin.patch is not None:
        most = flagged[max(budgets)]
        chosen = [example for example in examples if example.id in most]
        patches = {e.id: patch_example(plugin, e, setup.trait.public).response for e in chosen}
    return Selection(plugin, settled, facts["seconds"], flagged, patches)
