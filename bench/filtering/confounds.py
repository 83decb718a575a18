"""What else explains a flagged set: overlap with filters that know nothing of the trait, and with a placebo trait."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.config.suite import Suite
from bench.data.experiment import Experiment
from bench.data.prompts import normalised
from bench.data.queries import load_queries
from bench.data.trait import load_trait
from bench.filtering.plugin import FilterPlugin
from bench.filtering.plugins import load_filters
from bench.filtering.select import Resources, cut, leave_out, note_isolation, resolved, score_pool
from bench.outcomes import FlagOverlap, Selection
from bench.records import MissingInput, TrainingRow
from bench.run_folder.store import Store

Flags = dict[float, frozenset[str]]  # budget -> ids


def check_names(suite: Suite) -> None:
    """Refuse a confound or placebo that is not there, before anything is scored.

    Raises:
        BenchError: If one cannot be loaded.
    """
    load_filters(resolved(suite, suite.file.confounds))
    if suite.file.placebo:
        load_trait(suite.file.placebo, suite.folder)


def add_overlaps(
    plugins: Sequence[FilterPlugin], experiment: Experiment, suite: Suite, resources: Resources, store: Store
) -> None:
    """Enter into each selection how much of it the suite's confounds, and the filter for a placebo trait, flag as well.

    Scores are kept in the store like those of filters; what they take is not part of any filter's cost. Filters that
    read planted truth have no placebo, nor have those that ask the grader, which costs money.

    Args:
        plugins: The filters that made the selections.
        experiment: Has the selections.
        suite: Names confounds and placebo.
        resources: What filters are given.
        store: Keeps the scores.

    Raises:
        BenchError: For an unknown confound or placebo, or from a filter's contract.
    """
    confounds: dict[str, Flags] = {}
    ran = {plugin.name for plugin in plugins}
    for plugin in load_filters(resolved(suite, suite.file.confounds)):
        if plugin.name not in ran:
            note_isolation(plugin, experiment)
        try:
            confounds[plugin.name] = _flags(plugin, experiment, suite, resources, store)
        except MissingInput as missing:
            leave_out(experiment, f"confound {plugin.name}: left out: {missing.seen}; {missing.remedy}")
    placebo, by_name = _placebo(experiment, suite), {plugin.name: plugin for plugin in plugins}
    for number, selection in enumerate(experiment.selections):
        others = {name: flags for name, flags in confounds.items() if name != selection.filter.name}
        if placebo and not selection.needs_truth:
            plugin = by_name[selection.filter.name]
            try:
                flags = _flags(plugin, placebo, suite, replace(resources, grade=_not_again), store)
                others[f"placebo: {placebo.name}"] = flags
            except MissingInput as missing:
                leave_out(experiment, f"filter {plugin.name}: no placebo: {missing.seen}")
        experiment.selections[number] = replace(selection, overlaps=_overlaps(selection, others, experiment))


def _not_again(rows: Sequence[TrainingRow]) -> np.ndarray:
    raise MissingInput(
        "context.grade",
        seen=f"a grader that would be asked for {len(rows)} rows again",
        expected="a filter whose placebo costs no money",
        remedy="leave this filter without one",
    )


def _placebo(experiment: Experiment, suite: Suite) -> Experiment | None:
    """Return the experiment with the placebo trait in place of its own; None where there is no other trait."""
    if not suite.file.placebo:
        return None
    trait = load_trait(suite.file.placebo, suite.folder)
    if trait.name == experiment.name:
        leave_out(experiment, f"no placebo: {trait.name!r} is the trait itself")
        return None
    queries = load_queries(trait, {normalised(text) for text in experiment.eval_texts})
    return replace(experiment, trait=trait, queries=queries)


def _flags(plugin: FilterPlugin, experiment: Experiment, suite: Suite, resources: Resources, store: Store) -> Flags:
    scored = score_pool(plugin, experiment, suite, resources, store)
    scores, rows = np.array(scored.scores), len(experiment.pool.rows)
    return {
        budget: frozenset(scored.ids[i] for i in cut(scores, budget, scored.ids, rows)[0])
        for budget in suite.file.budgets
    }


def _overlaps(
    selection: Selection, others: dict[str, Flags], experiment: Experiment
) -> dict[float, tuple[FlagOverlap, ...]]:
    rows = len(experiment.pool.rows)
    return {
        budget: tuple(
            FlagOverlap(other=name, jaccard=jaccard(own, flags[budget]), by_chance=chance_jaccard(len(own) / rows))
            for name, flags in others.items()
        )
        for budget, own in selection.flagged.items()
    }


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the size of the intersection over that of the union, for sets that are not both empty.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    return len(one & other) / len(one | other)


def chance_jaccard(share: float) -> float:
    """Return the Jaccard index of two random sets that each hold a share of the rows, by their expected intersection.

    >>> chance_jaccard(0.5)
    0.3333333333333333
    """
    return share / (2 - share)
