"""The main job, in order: pool and trait -> scores -> flagged sets -> arms -> SFT -> eval -> effects -> rows.

The only file that knows the order of the stages.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Setup
from bench.execution.choice import opened
from bench.execution.cost import announcement, job_costs
from bench.execution.executor import LOCAL, Execution, Executor, Task
from bench.execution.prepare import Say, announce_memory, load_plugins, measurement_of, set_ups, settings_of, usable
from bench.execution.progress import Meter
from bench.execution.trials import Bench
from bench.filtering.score import select
from bench.leaderboard.assemble import Trials, make_rows, notes_of, results_of
from bench.leaderboard.row import Row, write_rows
from bench.models.load import cache_folder, pick_device, resolve_model
from bench.plan import Job, make_jobs
from bench.run_folder.arm_index import write_arms
from bench.run_folder.provenance import check_folder, stored_device
from bench.run_folder.store import Store

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
        execution: Where trainings and evaluations run.
    """

    suite: Suite
    out: Path
    device: str = "auto"
    filters: tuple[str, ...] = ()
    command: str = ""
    rejudging: bool = False
    execution: Execution = LOCAL

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
    plugins = load_plugins(suite, options.filters)
    check_folder(options.out, settings_of(suite, device), ignore=JUDGE_KEYS if options.rejudging else ())
    store = Store(options.out / "store")
    with store.claimed(), opened(options.execution, device, store.root, say) as executor:
        say(f"model {suite.recipe.model}: {resolve_model(suite.recipe.model)}")
        stacked = options.execution.stacked
        bench = Bench(suite.recipe, device, store, meter, rejudging=options.rejudging, stacked=stacked)
        embedder = Embedder(cache_folder() / "embeddings")

        setups = set_ups(suite, bench)
        selections = [
            [select(plugin, suite.file, setup, embedder, bench.base_for_filters, store) for plugin in use]
            for setup, use in ((setup, usable(plugins, setup, say)) for setup in setups)
        ]
        jobs = [job for i, setup in enumerate(setups) for job in make_jobs(i, setup, selections[i], suite.file)]
        trials = _trials(jobs, setups, suite, bench, executor, meter, say)
        write_arms(options.out, [setup.trait.name for setup in setups], trials)

        results = [results_of(i, setup, selections[i], suite, trials, embedder) for i, setup in enumerate(setups)]
        notes = [note for setup in setups for note in notes_of(setup, embedder)]
        rows = make_rows(suite, device, options.command, selections, results, trials, notes)
        write_rows(rows, options.results / "rows")
        return rows


def _trials(
    jobs: Sequence[Job],
    setups: Sequence[Setup],
    suite: Suite,
    bench: Bench,
    executor: Executor,
    meter: Meter,
    say: Say,
) -> Trials:
    """Let every job be done that the store does not hold, and read all results from it."""
    measurements = [measurement_of(setup, suite) for setup in setups]
    inputs = [(job.rows, job.seed, measurements[job.experiment]) for job in jobs]
    costs = job_costs(jobs, setups, bench, bench.missing(inputs))
    say(announcement(costs, bench.device))
    if any(train for train, _ in costs):
        announce_memory(setups, bench, say)
    meter.start(sum(train + evaluation for train, evaluation in costs))
    tasks = [Task(*each, job.label, cost) for job, each, cost in zip(jobs, inputs, costs, strict=True)]
    executor.run(bench, tasks)
    return {(job.experiment, job.arm, job.seed): task.result(bench) for job, task in zip(jobs, tasks, strict=True)}
