"""Which filters a suite runs, and on which experiments."""

from collections.abc import Sequence

from bench.config.suite import Suite
from bench.data.experiment import Experiment
from bench.errors import BenchError, unknown
from bench.filtering.plugins import FilterPlugin, load_filter


def load_filters(suite: Suite, more: Sequence[str] = ()) -> list[FilterPlugin]:
    """Load the suite's filters and further ones; relative paths in a suite start from its folder.

    Raises:
        BenchError: If one cannot be loaded, two differ under one name, or options are for a filter that is not there.
    """
    own = [str(suite.folder / spec) if spec.endswith(".py") else spec for spec in suite.file.filters]
    plugins: dict[str, FilterPlugin] = {}
    for plugin in map(load_filter, (*own, *more)):
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


def usable(plugins: Sequence[FilterPlugin], experiment: Experiment) -> tuple[list[FilterPlugin], list[str]]:
    """Return the filters without those that need planted truth where none was planted, and why they are left out."""
    out = [] if experiment.planted else [plugin for plugin in plugins if plugin.needs_truth]
    pool = experiment.pool.card.name
    reasons = [f"filter {p.name}: left out for pool {pool!r}, which has no planted truth" for p in out]
    return [plugin for plugin in plugins if plugin not in out], reasons
