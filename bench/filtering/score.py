"""From a filter to what it flags: run it, check what it returns, keep the scores, make the cut at every budget."""

import copy
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.config.schema import SuiteFile
from bench.data.embedding import Embedder
from bench.data.experiment import Setup
from bench.errors import BenchError, unknown
from bench.filtering.context import Context
from bench.filtering.plugins import FilterPlugin, error_line
from bench.records import Example, Trait
from bench.run_folder.store import Store

FILTER_SEED = 0


@dataclass(frozen=True)
class Selection:
    """Examples of a pool that one filter flags.

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
        BenchError: From the filter's contract (see `score_examples`).
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
    facts = json.loads((store.folder("filters", key) / "scores.json").read_text(encoding="utf-8"))
    scores = np.array(facts["scores"])
    ids = [example.id for example in examples]
    flagged = {budget: frozenset(ids[i] for i in flag(scores, budget, ids)) for budget in budgets}
    patches = {}
    if plugin.patch is not None:
        most = flagged[max(budgets)]
        chosen = [example for example in examples if example.id in most]
        patches = {e.id: patch_example(plugin, e, setup.trait.public).response for e in chosen}
    return Selection(plugin, settled, facts["seconds"], flagged, patches)


def score_examples(
    plugin: FilterPlugin,
    examples: Sequence[Example],
    trait: Trait,
    context: Context,
    options: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Run a filter and hold it to its contract.

    Args:
        plugin: The filter.
        examples: n examples, in training order.
        trait: The behaviour to remove.
        context: Shared resources; its planted truth reaches the filter only if the plugin needs it.
        options: Values for some of the filter's options.

    Returns:
        Shape (n,), float64, finite; higher = flagged first.

    Raises:
        BenchError: For an unknown option, an error in the filter, changed inputs, or scores of the wrong kind.
    """
    options = dict(options or {})
    for key in options:
        if key not in plugin.options:
            raise unknown(f"option of filter {plugin.name}", key, sorted(plugin.options))
    if plugin.needs_truth and context.truth is None:
        raise BenchError(
            f"filter {plugin.name!r}",
            seen="a pool without planted truth",
            expected="a planted world, where the truth is known",
            remedy="leave this filter out for this pool",
        )
    return _checked(_run(plugin, list(examples), trait, context, options), plugin, examples)


def _run(
    plugin: FilterPlugin, examples: list[Example], trait: Trait, context: Context, options: dict[str, Any]
) -> object:
    """Call the filter and make sure that it left its inputs alone."""
    snapshot = copy.deepcopy((examples, trait))
    try:
        scores: object = plugin.score(examples, trait, context.for_scoring(with_truth=plugin.needs_truth), **options)
    except BenchError:
        raise
    except Exception as error:  # the plugin's own mistake, whatever it is
        raise BenchError(
            f"filter {plugin.name!r}, {error_line(error, plugin.path)}",
            seen=f"{type(error).__name__}: {error}",
            expected="scores",
            remedy="fix the filter or its options",
        ) from error
    if (examples, trait) != snapshot:
        raise BenchError(
            f"filter {plugin.name!r}",
            seen="it changed the examples or the trait that it was given",
            expected="inputs left as they were",
            remedy="work on copies",
        )
    return scores


def _checked(scores: object, plugin: FilterPlugin, examples: Sequence[Example]) -> np.ndarray:
    expected = f"np.ndarray of shape ({len(examples)},), numbers"
    if not isinstance(scores, np.ndarray):
        seen = f"it returned {type(scores).__name__}"
    elif scores.shape != (len(examples),):
        seen = f"it returned an array of shape {scores.shape}"
    elif scores.dtype.kind not in "fiub":
        seen = f"it returned an array of type {scores.dtype}"
    elif not np.isfinite(scores).all():
        bad = np.flatnonzero(~np.isfinite(scores))
        seen = f"{len(bad)} scores are not finite; the first is {scores[bad[0]]}, of example {examples[bad[0]].id!r}"
    else:
        return scores.astype(np.float64)
    raise BenchError(
        f"filter {plugin.name!r}, {plugin.path}",
        seen=seen,
        expected=expected,
        remedy="return one finite number per example",
    )


def patch_example(plugin: FilterPlugin, example: Example, trait: Trait) -> Example:
    """Patch one flagged example: the filter's own patch, or else the clean teacher's completion.

    Args:
        plugin: The filter.
        example: A flagged example; it is not changed.
        trait: The behaviour to remove.

    Returns:
        An example with the same id whose `response` is the one to train on.

    Raises:
        BenchError: If the filter's patch fails, changes its input or returns something else.
    """
    if plugin.patch is None:
        return replace(example, completions={**example.completions, example.original: example.clean_response})
    snapshot = copy.deepcopy(example)
    try:
        patched = plugin.patch(example, trait)
        sound = isinstance(patched, Example) and patched.id == example.id and bool(patched.response.strip())
    except Exception as error:  # the plugin's own mistake, whatever it is
        raise BenchError(
            f"patch of filter {plugin.name!r}, {error_line(error, plugin.path)}",
            seen=f"{type(error).__name__}: {error}, for example {example.id!r}",
            expected="an Example",
            remedy="fix the patch",
        ) from error
    if not sound or example != snapshot:
        raise BenchError(
            f"patch of filter {plugin.name!r}, {plugin.path}",
            seen="it changed its input" if sound else f"it returned {patched!r:.80}",
            expected=f"a new Example with id {example.id!r} and a response",
            remedy="return dataclasses.replace(example, completions=...)",
        )
    return patched


def flag(scores: np.ndarray, budget: float, ids: Sequence[str]) -> np.ndarray:
    """Choose the examples scored highest, as many as the budget allows.

    Equal scores are ordered by a hash of the example's id, so the order of examples does not decide who is flagged.

    >>> flag(np.array([0.1, 0.9, 0.5, 0.7]), 0.5, ["a", "b", "c", "d"])
    array([1, 3])

    Args:
        scores: Shape (n,).
        budget: Share of examples to flag, as in 0.05.
        ids: The ids of the n examples.

    Returns:
        Shape (round(budget * n),), int64: positions in `scores`, ascending.

    Raises:
        BenchError: If the budget selects nothing or everything.
    """
    count = round(budget * len(scores)) if 0 < budget < 1 else 0
    if not 0 < count < len(scores):
        raise BenchError(
            f"budget {budget:g}",
            seen=f"it flags {count} of {len(scores)} examples",
            expected=f"a share between 0 and 1 that flags from 1 to {max(len(scores) - 1, 1)} examples",
            remedy="change the budget, or use a larger pool",
        )
    hashes = [hashlib.sha256(identity.encode()).digest() for identity in ids]
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], hashes[i]))
    return np.sort(np.array(order[:count], dtype=np.int64))
