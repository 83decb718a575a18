"""What every run prepares before it trains: plugins, experiments, what its folder is bound to, what is measured."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from bench.config.suite import Suite
from bench.data.experiment import Setup, set_up
from bench.data.trait import Measurement
from bench.errors import BenchError, unknown
from bench.execution.memory import Lengths, fitted, warning
from bench.execution.trials import Bench
from bench.filtering.plugins import FilterPlugin, load_filters

Say = Callable[[str], None]


def load_plugins(suite: Suite, more: Sequence[str] = ()) -> list[FilterPlugin]:
    """The suite's filters and further ones.

    Raises:
        BenchError: If one cannot be loaded, two differ under one name, or options are for a filter that is not there.
    """
    plugins = _plugins((*(_from_suite(spec, suite) for spec in suite.file.filters), *more))
    _check_options(suite, plugins)
    return plugins


def set_ups(suite: Suite, bench: Bench) -> list[Setup]:
    """The suite's experiments, ready to run.

    Raises:
        BenchError: From `bench.data.experiment.set_up`, or if two experiments are about one trait.
    """
    setups = [set_up(experiment, suite, lambda: bench.trainer.base()[1]) for experiment in suite.file.experiments]
    _check_traits(setups)
    return setups


def measurement_of(setup: Setup, suite: Suite) -> Measurement:
    """What is measured of an experiment's students."""
    file, experiment = suite.file, setup.experiment
    return Measurement(setup.trait, file.judge, file.grader, experiment.eval_prompts, experiment.capability_prompts)


def announce_memory(setups: Sequence[Setup], bench: Bench, say: Say) -> None:
    """Say what the run should take at its peak, and let trainings start with as many rows at once as fit.

    Raises:
        BenchError: If one row at a time is far beyond the machine's memory.
    """
    lengths = Lengths.of([setup.pool for setup in setups], [text for setup in setups for text in setup.eval_texts])
    memory = fitted(lengths, bench.recipe, bench.config, bench.device, path=bench.trainer.path)
    bench.expect(memory)
    say(memory.sentence)
    if remark := warning(memory):
        say(remark)


def settings_of(suite: Suite, device: str) -> dict[str, Any]:
    """What a run folder is bound to; further filters and the diff may join later, so they are not part of it."""
    diff: Any = {"diff": True, "experiments": {"__all__": {"alternative", "teachers"}}}
    file: dict[str, Any] = json.loads(suite.file.model_dump_json(exclude=diff))
    return file | {"recipe": suite.recipe.model_dump(), "device": device}


def _from_suite(spec: str, suite: Suite) -> str:
    """A filter's name as it is; its path as seen from the suite file's folder."""
    return str(suite.folder / spec) if spec.endswith(".py") else spec


def _check_traits(setups: Sequence[Setup]) -> None:
    names = [setup.trait.name for setup in setups]
    if len(set(names)) < len(names):
        raise BenchError(
            "suite",
            seen=f"traits named {', '.join(names)}",
            expected="a name for each, as rows hold one result a trait",
            remedy="rename one in its trait file",
        )


def _check_options(suite: Suite, plugins: Sequence[FilterPlugin]) -> None:
    for name in suite.file.options:
        if name not in {plugin.name for plugin in plugins}:
            raise unknown("filter with [options]", name, [plugin.name for plugin in plugins])


def _plugins(specs: Sequence[str]) -> list[FilterPlugin]:
    plugins: dict[str, FilterPlugin] = {}
    for plugin in load_filters(specs):
        if plugins.setdefault(plugin.name, plugin).sha256 != plugin.sha256:
            raise BenchError(
                f"filter {plugin.name!r}",
                seen=f"two of this name: {plugins[plugin.name].path} and {plugin.path}",
                expected="names that are unique within a run",
                remedy="rename one of them",
            )
    return list(plugins.values())


def usable(plugins: Sequence[FilterPlugin], setup: Setup, say: Say) -> list[FilterPlugin]:
    """Leave out filters that need planted truth where none was planted, and say so."""
    if setup.experiment.world:
        return list(plugins)
    for plugin in plugins:
        if plugin.needs_truth:
            say(f"filter {plugin.name}: left out for pool {setup.pool.card.name!r}, which has no planted truth")
    return [plugin for plugin in plugins if not plugin.needs_truth]
