"""The main job, in order: pool and trait -> scores -> flagged sets -> arms -> SFT -> eval -> effects -> rows.

The only file that knows the order of the stages.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.assemble import Trials, make_rows, notes_of, results_of
from bench.embedding import Embedder
from bench.errors import BenchError, unknown
from bench.estimate import announcement, job_costs
from bench.experiments import Setup, set_up
from bench.models import cache_folder, pick_device, resolve_model
from bench.plan import Job, make_jobs
from bench.plugins import FilterPlugin, load_filter
from bench.progress import Meter
from bench.provenance import check_folder, stored_device
from bench.rows import Row, write_rows
from bench.selection import select
from bench.store import Store
from bench.suites import Suite
from bench.trials import Bench, Measurement

Say = Callable[[str], None]
JUDGE_KEYS = ("judge", "grader")


@dataclass(frozen=True)
class RunOptions:
    """What the command line decides.

    Attributes:
        suite: What to run.
        out: Run folder.
        device: `auto`, `cpu` or `cuda`.
        filters: Further filters, by name or path.
        command: As typed, for the rows.
        rejudging: Score stored outputs with the suite's judge instead of generating new ones; rows and report go to
            `rejudged-JUDGE/` in the run folder.
    """

    suite: Suite
    out: Path
    device: str = "auto"
    filters: tuple[str, ...] = ()
    command: str = ""
    rejudging: bool = False

    @property
    def results(self) -> Path:
        """Folder of the rows and the report."""
        who = re.sub(r"\W+", "-", f"{self.suite.file.judge} {self.suite.file.grader or ''}").strip("-")
        return self.out / f"rejudged-{who}" if self.rejudging else self.out


def run(options: RunOptions, meter: Meter, say: Say) -> list[Row]:
    """Run a suite, using whatever its folder already holds, and write its rows.

    Raises:
        BenchError: For anything that the user can mend; finished trainings stay in the folder.
    """
    suite = options.suite
    device = stored_device(options.out) if options.rejudging else pick_device(options.device)
    plugins = _plugins((*(_from_suite(spec, suite) for spec in suite.file.filters), *options.filters))
    _check_options(suite, plugins)
    check_folder(options.out, _settings(suite, device), ignore=JUDGE_KEYS if options.rejudging else ())
    store = Store(options.out / "store")
    with store.claimed():
        say(f"model {suite.recipe.model}: {resolve_model(suite.recipe.model)}")
        bench = Bench(suite.recipe, device, store, meter, rejudging=options.rejudging)
        embedder = Embedder(cache_folder() / "embeddings")

        setups = [set_up(experiment, suite, lambda: bench.base()[1]) for experiment in suite.file.experiments]
        _check_traits(setups)
        selections = [
            [select(plugin, suite.file, setup, embedder, bench.base_for_filters, store) for plugin in use]
            for setup, use in ((setup, _usable(plugins, setup, say)) for setup in setups)
        ]
        jobs = [job for i, setup in enumerate(setups) for job in make_jobs(i, setup, selections[i], suite.file)]
        trials = _trials(jobs, setups, suite, bench, meter, say)

        results = [results_of(i, setup, selections[i], suite, trials, embedder) for i, setup in enumerate(setups)]
        notes = [note for setup in setups for note in notes_of(setup, embedder)]
        rows = make_rows(suite, device, options.command, selections, results, trials, notes)
        write_rows(rows, options.results / "rows")
        return rows


def _settings(suite: Suite, device: str) -> dict[str, Any]:
    """What a run folder is bound to; further filters and the diff may join later, so they are not part of it."""
    diff: Any = {"diff": True, "experiments": {"__all__": {"alternative", "teachers"}}}
    file: dict[str, Any] = json.loads(suite.file.model_dump_json(exclude=diff))
    return file | {"recipe": suite.recipe.model_dump(), "device": device}


def _from_suite(spec: str, suite: Suite) -> str:
    """A filter's name as it is; its path as seen from the suite file's folder."""
    return str(suite.folder / spec) if spec.endswith(".py") else spec


def _check_traits(setups: Sequence[Setup]) -> None:
    names = [setup.trait.file.name for setup in setups]
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
    for spec in specs:
        plugin = load_filter(spec)
        if plugins.setdefault(plugin.name, plugin).sha256 != plugin.sha256:
            raise BenchError(
                f"filter {plugin.name!r}",
                seen=f"two of this name: {plugins[plugin.name].path} and {plugin.path}",
                expected="names that are unique within a run",
                remedy="rename one of them",
            )
    return list(plugins.values())


def _usable(plugins: Sequence[FilterPlugin], setup: Setup, say: Say) -> list[FilterPlugin]:
    """Leave out filters that need planted truth where none was planted, and say so."""
    if setup.experiment.world:
        return list(plugins)
    for plugin in plugins:
        if plugin.needs_truth:
            say(f"filter {plugin.name}: left out for pool {setup.pool.card.name!r}, which has no planted truth")
    return [plugin for plugin in plugins if not plugin.needs_truth]


def _trials(jobs: Sequence[Job], setups: Sequence[Setup], suite: Suite, bench: Bench, meter: Meter, say: Say) -> Trials:
    """Do every job that the store does not hold, and read all results from it."""
    measurements = [_measurement(setup, suite) for setup in setups]
    inputs = [(job.rows, job.seed, measurements[job.experiment]) for job in jobs]
    costs = job_costs(jobs, setups, suite, bench, bench.missing(inputs))
    say(announcement(costs, bench.device))
    meter.start(sum(train + evaluation for train, evaluation in costs))
    return {
        (job.experiment, job.arm, job.seed): bench.trial(*each, job.label, cost)
        for job, each, cost in zip(jobs, inputs, costs, strict=True)
    }


def _measurement(setup: Setup, suite: Suite) -> Measurement:
    file, experiment = suite.file, setup.experiment
    return Measurement(setup.trait, file.judge, file.grader, experiment.eval_prompts, experiment.capability_prompts)
