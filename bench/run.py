"""The main job, in order: pool and trait -> scores -> flagged sets -> arms -> SFT -> eval -> effects -> rows.

The only file that knows the order of the stages.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.embedding import Embedder
from bench.errors import BenchError
from bench.estimate import PARALLEL_GAIN, announcement, job_costs
from bench.evaluation import SampleScores, score_answers
from bench.experiments import Setup, near_copies, set_up
from bench.leakage import LeakPool, find_leaks
from bench.models import cache_folder, pick_device, resolve_model
from bench.plan import Job, actions_of, make_jobs
from bench.plugins import FilterPlugin, load_filter
from bench.progress import Meter
from bench.provenance import check_folder, package_versions, source_commit
from bench.results import Measured, adjust, read, trait_result
from bench.rows import Cost, FilterCard, Leakage, Row, TraitResult, write_rows
from bench.selection import Selection, select
from bench.store import Store
from bench.suites import Suite
from bench.trials import Bench, Measurement, Trial
from bench.workers import Task, count_workers, do_in_workers

Trials = dict[tuple[int, str, int], Trial]
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
        workers: Processes that train and evaluate side by side; 0 chooses by device and cores.
    """

    suite: Suite
    out: Path
    device: str = "auto"
    filters: tuple[str, ...] = ()
    command: str = ""
    rejudging: bool = False
    workers: int = 0

    @property
    def results(self) -> Path:
        """Folder of the rows and the report."""
        return self.out / f"rejudged-{self.suite.file.judge}" if self.rejudging else self.out


def run(options: RunOptions, meter: Meter, say: Say) -> list[Row]:
    """Run a suite, using whatever its folder already holds, and write its rows.

    Raises:
        BenchError: For anything that the user can mend; finished trainings stay in the folder.
    """
    suite = options.suite
    device = pick_device(options.device) if options.device != "cpu" else "cpu"
    plugins = _plugins((*suite.file.filters, *options.filters))
    check_folder(options.out, _settings(suite, device), ignore=JUDGE_KEYS if options.rejudging else ())
    store = Store(options.out / "store")
    store.sweep()
    say(f"model {suite.recipe.model}: {resolve_model(suite.recipe.model)}")
    bench = Bench(suite.recipe, device, store, meter, rejudging=options.rejudging)
    embedder = Embedder(cache_folder() / "embeddings")

    setups = [set_up(experiment, suite, lambda: bench.base()[1]) for experiment in suite.file.experiments]
    selections = [
        [select(p, suite.file.options.get(p.name, {}), s, suite.file.budgets, embedder, bench.base, store) for p in use]
        for s, use in ((s, _usable(plugins, s, say)) for s in setups)
    ]
    jobs = [job for i, setup in enumerate(setups) for job in make_jobs(i, setup, selections[i], suite.file)]
    trials = _trials(jobs, setups, options, bench, meter, say)

    results = [_results(i, setup, selections[i], suite, trials, embedder) for i, setup in enumerate(setups)]
    notes = [note for setup in setups for note in (*setup.pool.notes, near_copies(setup, embedder)) if note]
    rows = _rows(options, device, selections, results, jobs, trials, notes)
    write_rows(rows, options.results / "rows")
    return rows


def _settings(suite: Suite, device: str) -> dict[str, Any]:
    """What a run folder is bound to; further filters may join later, so they are not part of it."""
    file: dict[str, Any] = json.loads(suite.file.model_dump_json())
    return file | {"recipe": suite.recipe.model_dump(), "device": device}


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


def _trials(
    jobs: Sequence[Job], setups: Sequence[Setup], options: RunOptions, bench: Bench, meter: Meter, say: Say
) -> Trials:
    """Do every job that the store does not hold, and read all results from it."""
    measurements = [_measurement(setup, options.suite) for setup in setups]
    inputs = [(job.rows, job.seed, measurements[job.experiment]) for job in jobs]
    costs = job_costs(jobs, setups, options.suite, bench, bench.missing(inputs))
    total = sum(train + evaluation for train, evaluation in costs)
    workers = options.workers or count_workers(bench.device, total)
    pace = 1 / min(workers, PARALLEL_GAIN)
    say(announcement(costs, pace * total, bench.device, workers))
    meter.start(total, pace)
    if workers > 1 and total:
        todo = [Task(i, job.label, cost) for i, job, cost in zip(inputs, jobs, costs, strict=True) if any(cost)]
        where = (bench.recipe, bench.device, bench.store.root)
        do_in_workers(todo, workers, *where, meter, rejudging=options.rejudging)
    return {
        (job.experiment, job.arm, job.seed): bench.trial(*each, job.label, cost)
        for job, each, cost in zip(jobs, inputs, costs, strict=True)
    }


def _measurement(setup: Setup, suite: Suite) -> Measurement:
    file, experiment = suite.file, setup.experiment
    return Measurement(setup.trait, file.judge, file.grader, experiment.eval_prompts, experiment.capability_prompts)


def _teacher_scores(setup: Setup, score: str) -> dict[str, list[SampleScores]]:
    """Each teacher's own answers to the held-out prompts, judged by the trait's rules."""
    scores = {}
    for teacher, answers in setup.answers.items():
        ids = [str(i) for i in range(len(answers))]
        values = score_answers(setup.trait, answers)
        if values is not None:
            scores[f"teacher:{teacher}"] = [
                SampleScores(
                    values={score: list(values)}, ids={score: ids}, families={score: ids}, tasks={}, logs=[], seconds=0
                )
            ]
    return scores


def _results(
    number: int, setup: Setup, selections: Sequence[Selection], suite: Suite, trials: Trials, embedder: Embedder
) -> dict[tuple[str, float], TraitResult]:
    """Effects, leakage and agreement of every filter and budget of one experiment."""
    scores: dict[str, list[SampleScores]] = {}
    for (experiment, arm, _), trial in trials.items():
        if experiment == number:
            scores.setdefault(arm, []).append(trial.scores)
    reference = scores["original"][0]
    for arm, runs in _teacher_scores(setup, setup.trait.score).items():
        ids, families = reference.ids[setup.trait.score], reference.families[setup.trait.score]
        if len(ids) == len(runs[0].ids[setup.trait.score]):
            scores[arm] = [
                r.model_copy(update={"ids": {setup.trait.score: ids}, "families": {setup.trait.score: families}})
                for r in runs
            ]
    measured = Measured(setup.trait, setup.pool, suite.file.judge, scores, setup.experiment.minimum_gap)
    reading = read(measured)
    leaks = _leaks(setup, selections, embedder)
    results: dict[tuple[str, float], TraitResult] = {}
    for budget in suite.file.budgets:
        per_filter = {
            s.plugin.name: trait_result(
                reading,
                s.plugin.name,
                budget,
                s.flagged[budget],
                actions_of(s, suite.file),
                leaks[s.plugin.name, budget],
            )
            for s in selections
        }
        results |= {(name, budget): result for name, result in adjust(per_filter).items()}
    return results


def _leaks(setup: Setup, selections: Sequence[Selection], embedder: Embedder) -> dict[tuple[str, float], Leakage]:
    """Nearest kept neighbours of what each filter drops."""
    import numpy as np

    examples = setup.pool.examples()
    texts = [f"{e.prompt_text}\n{e.response}" for e in examples]
    judged = score_answers(setup.trait, [(e.prompt_text, e.response) for e in examples])
    pool = LeakPool(
        ids=[e.id for e in examples],
        texts=texts,
        vectors=embedder.embed(texts),
        truth=[row.truth for row in setup.pool.rows] if setup.experiment.world else None,
        judge_scores=None if judged is None else np.array(judged),
        threshold=setup.trait.file.eval.threshold,
    )
    return {
        (s.plugin.name, budget): find_leaks(pool, np.array([i for i, e in enumerate(examples) if e.id in flagged]))
        for s in selections
        for budget, flagged in s.flagged.items()
    }


def _rows(
    options: RunOptions,
    device: str,
    selections: Sequence[Sequence[Selection]],
    results: Sequence[dict[tuple[str, float], TraitResult]],
    jobs: Sequence[Job],
    trials: Trials,
    notes: Sequence[str],
) -> list[Row]:
    suite = options.suite
    versions, commit = package_versions(), source_commit()
    rows = []
    for name, budget in dict.fromkeys(key for result in results for key in result):
        mine = [s for group in selections for s in group if s.plugin.name == name]
        own = [trial for (_, arm, _), trial in trials.items() if arm.endswith(f":{name}@{budget:g}")]
        plugin = mine[0].plugin
        parts = {result[name, budget].trait: result[name, budget] for result in results if (name, budget) in result}
        rows.append(
            Row(
                filter=FilterCard(
                    name=name,
                    version=plugin.version,
                    summary=plugin.summary,
                    origin=plugin.origin,
                    sha256=plugin.sha256,
                    options=mine[0].options,
                ),
                suite=suite.file.name,
                suite_version=suite.file.version,
                budget=budget,
                seeds=list(suite.file.seeds),
                recipe=suite.recipe,
                traits=parts,
                cost=Cost(
                    share_flagged=sum(p.flagged for p in parts.values()) / sum(p.pool_rows for p in parts.values()),
                    filter_seconds=sum(s.seconds for s in mine),
                    train_seconds=sum(trial.train_seconds for trial in own),
                    eval_seconds=sum(trial.scores.seconds for trial in own),
                    device=device,
                ),
                command=options.command,
                versions=versions,
                commit=commit,
                notes=list(notes),
            )
        )
    return rows
