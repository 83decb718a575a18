"""`bench diff`, in order: pipelines -> prerequisites -> teachers, mixtures, subsets -> verdicts -> report.

The only file of this package that knows the order of the stages.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.config.schema import SuiteFile
from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Setup, near_copies, read_source
from bench.data.trait import Measurement
from bench.errors import BenchError, unknown, unwritable
from bench.evaluation.evaluate import evaluate, trait_task
from bench.execution.choice import opened
from bench.execution.cost import announcement
from bench.execution.executor import LOCAL, Execution, Executor, Task
from bench.execution.prepare import Say, load_plugins, measurement_of, set_ups, settings_of, usable
from bench.execution.progress import Meter
from bench.filtering.plugins import FilterPlugin
from bench.filtering.score import select
from bench.leaderboard.assemble import TEACHER, teacher_scores
from bench.leaderboard.pages import DIFF
from bench.models.load import cache_folder, pick_device
from bench.records import Estimate, SampleScores, Trial
from bench.run_folder.provenance import check_folder, package_versions, source_commit
from bench.run_folder.store import Store
from bench.studies.diff import plan, results
from bench.studies.diff.cells import MILD, OTHER, OVERT, PRETRAINED, UNRELATED
from bench.studies.diff.models import Benches
from bench.studies.diff.records import DiffReport, DiffResult, Prerequisites
from bench.studies.diff.results import Measurements
from bench.studies.diff.sets import ExampleSet, interpolated_sets, verdict_sets

Trials = dict[tuple[int, str, int], Trial]
NOT_MEASURED = Prerequisites(met=False, reasons=["not measured yet"], gap=Estimate(value=None, note="not measured yet"))


@dataclass(frozen=True)
class DiffOptions:
    """What the command line decides.

    Attributes:
        suite: What to diff.
        out: Run folder.
        device: `auto`, `cpu` or `cuda`.
        filters: Further filters, by name or path.
        command: As typed, for the report.
        execution: Where trainings and evaluations run.
    """

    suite: Suite
    out: Path
    device: str = "auto"
    filters: tuple[str, ...] = ()
    command: str = ""
    execution: Execution = LOCAL


@dataclass(frozen=True)
class _Part:
    """One experiment on its way.

    Attributes:
        pipelines: The two pipelines.
        sets: What every action is applied to.
        named: What verdicts read.
        notes: What a reader must know.
        teachers: Their own scores, once the first students have answered.
        met: Whether anything may be inferred; not before then.
    """

    pipelines: plan.Pipelines
    sets: list[ExampleSet]
    named: dict[str, frozenset[str]]
    notes: list[str]
    teachers: Mapping[str, Sequence[SampleScores]] = field(default_factory=dict)
    met: Prerequisites = NOT_MEASURED


def run_diff(options: DiffOptions, meter: Meter, say: Say) -> DiffReport:
    """Diff the two pipelines of every experiment of a suite, using whatever its run folder already holds.

    Raises:
        BenchError: For anything that the user can mend; finished trainings stay in the folder.
    """
    suite, file = options.suite, options.suite.file
    _check_alternatives(suite)
    device = pick_device(options.device)
    plugins = load_plugins(suite, options.filters) if file.diff.flagged else []
    check_folder(options.out, settings_of(suite, device))
    store = Store(options.out / "store")
    with store.claimed(), opened(options.execution, device, store.root, say) as executor:
        benches = Benches(suite, device, store, meter, options.execution.stacked)
        embedder = Embedder(cache_folder() / "embeddings")
        setups = set_ups(suite, benches.main)
        parts = [_part(i, setup, suite, plugins, benches, embedder, store, say) for i, setup in enumerate(setups)]
        work = _Work(suite, benches, setups, executor, meter, say)

        jobs = [job for part in parts for job in plan.prerequisite_cells(part.pipelines)]
        trials = work.do(jobs)
        parts = [_with_prerequisites(part, suite, jobs, trials, store, say) for part in parts]

        jobs += [job for part in parts if part.met.met for job in _further(part, suite, benches)]
        trials |= work.do(jobs)

        done = [_result(part, suite, jobs, trials, benches) for part in parts]
        report = _report(options, device, done, benches)
        _write(report, options.out)
        return report


def _check_alternatives(suite: Suite) -> None:
    without = [experiment.trait for experiment in suite.file.experiments if experiment.alternative is None]
    if without:
        raise BenchError(
            f"suite {suite.file.name!r}",
            seen=f"no alternative pipeline for {', '.join(without)}",
            expected="[experiments.alternative] with a world or a pool, whose model does not show the trait",
            remedy="add it to the suite file; docs/diff.md shows one",
        )


def _part(
    number: int,
    setup: Setup,
    suite: Suite,
    plugins: Sequence[FilterPlugin],
    benches: Benches,
    embedder: Embedder,
    store: Store,
    say: Say,
) -> _Part:
    """Read an experiment's alternative pool, and choose the sets that will be interpolated."""
    p = _pipelines(number, setup, suite, benches)
    chosen = [
        select(plugin, suite.file, setup, embedder, benches.main.base_for_filters, store)
        for plugin in usable(plugins, setup, say)
    ]
    settings = suite.file.diff
    named = verdict_sets(setup, settings)
    sets = interpolated_sets(setup, chosen, settings)
    left_out = [each.name for each in settings.sets if each.name not in {found.name for found in sets}]
    notes = [f"set {name} holds no example or all of them, and is left out" for name in left_out]
    return _Part(p, sets, named, [*_notes(p, embedder, named), *notes])


def _pipelines(number: int, setup: Setup, suite: Suite, benches: Benches) -> plan.Pipelines:
    source = setup.experiment.alternative
    assert source is not None  # checked before anything was loaded
    other = read_source(source, suite, lambda: benches.main.trainer.base()[1], setup.trait, setup.eval_texts)
    known = sorted({*plan.teachers_of(setup.pool), *plan.teachers_of(other)})
    for teacher in setup.experiment.teachers:
        if teacher not in known:
            raise unknown("teacher under [experiments.teachers]", teacher, known)
    return plan.Pipelines(number, setup, other, suite.file.seeds)


def _with_prerequisites(
    part: _Part, suite: Suite, jobs: Sequence[plan.CellJob], trials: Trials, store: Store, say: Say
) -> _Part:
    """Add the teachers' own scores, and whether the two pipelines differ as the method needs."""
    teachers = _teacher_scores(part.pipelines, suite, trials, store)
    met = results.prerequisites(_measurements(part.pipelines, suite.file, jobs, trials, teachers))
    say(f"{part.pipelines.setup.trait.name}: {'; '.join(met.reasons)}")
    return replace(part, teachers=teachers, met=met)


def _further(part: _Part, suite: Suite, benches: Benches) -> list[plan.CellJob]:
    models = [role for role in (OTHER, PRETRAINED) if role in benches.recipes(part.pipelines.number)]
    return plan.further_cells(part.pipelines, part.sets, part.named, suite.file.diff, models)


def _result(part: _Part, suite: Suite, jobs: Sequence[plan.CellJob], trials: Trials, benches: Benches) -> DiffResult:
    data = _measurements(part.pipelines, suite.file, jobs, trials, part.teachers)
    recipes = benches.recipes(part.pipelines.number)
    return results.result(data, part.met, part.sets, part.named, recipes, part.notes)


class _Work:
    """Lets jobs be done that the store does not hold, and reads their results."""

    def __init__(
        self,
        suite: Suite,
        benches: Benches,
        setups: Sequence[Setup],
        executor: Executor,
        meter: Meter,
        say: Say,
    ) -> None:
        self._benches, self._setups, self._executor, self._meter, self._say = benches, setups, executor, meter, say
        self._measurements: list[Measurement] = [measurement_of(setup, suite) for setup in setups]

    def do(self, jobs: Sequence[plan.CellJob]) -> Trials:
        costs = self._benches.costs(jobs, self._setups, self._measurements)
        self._say(announcement(costs, self._benches.device))
        self._meter.start(sum(train + evaluation for train, evaluation in costs))
        tasks = [
            Task(job.rows, job.seed, self._measurements[job.experiment], job.label, cost)
            for job, cost in zip(jobs, costs, strict=True)
        ]
        for bench, mine in self._benches.shares(jobs):
            self._executor.run(bench, [tasks[i] for i in mine])
        return {
            (job.experiment, job.cell, job.seed): task.result(self._benches.of(job))
            for job, task in zip(jobs, tasks, strict=True)
        }


def _teacher_scores(p: plan.Pipelines, suite: Suite, trials: Trials, store: Store) -> dict[str, Sequence[SampleScores]]:
    """Teachers' own scores: from the answers that a world brings along, or by asking the models that are named."""
    reference = next(trial.scores for (number, _, _), trial in trials.items() if number == p.number)
    scores: dict[str, Sequence[SampleScores]] = dict(teacher_scores(p.setup, suite.file.judge, reference))
    measurement = measurement_of(p.setup, suite)
    for teacher, model in p.setup.experiment.teachers.items():
        key = {"teacher": model} | measurement.key()

        def fill(folder: Path, model: str = model) -> None:
            task = trait_task(p.setup.trait, suite.file.judge, p.setup.experiment.eval_prompts)
            asked = evaluate(model, [task], folder, grader=suite.file.grader, tags=["teacher"])
            (folder / "scores.json").write_text(asked.model_dump_json(), encoding="utf-8")

        if not store.has("teachers", key):
            store.write("teachers", key, fill)
        text = (store.folder("teachers", key) / "scores.json").read_text(encoding="utf-8")
        scores[TEACHER + teacher] = [SampleScores.model_validate_json(text)]
    return scores


def _measurements(
    p: plan.Pipelines,
    file: SuiteFile,
    jobs: Sequence[plan.CellJob],
    trials: Trials,
    teachers: Mapping[str, Sequence[SampleScores]],
) -> Measurements:
    mine = [job for job in jobs if job.experiment == p.number]
    own = {(job.cell, job.seed): trials[p.number, job.cell, job.seed] for job in mine}
    return Measurements(p, file, mine, own, teachers)


def _notes(p: plan.Pipelines, embedder: Embedder, named: Mapping[str, frozenset[str]]) -> list[str]:
    """What a reader must know: cuts of the pools, near copies, sets that verdicts lack."""
    notes = [*p.setup.pool.notes, *(f"alternative pool: {note}" for note in p.alternative.notes)]
    missing = [role for role in (OVERT, MILD, UNRELATED) if not named.get(role)]
    if missing:
        notes.append(f"no example is {' or '.join(missing)} here, so what verdicts ask of those is not measured")
    elif len(named[UNRELATED]) < len(named[MILD]):
        notes.append("fewer unrelated examples than mild ones, so hypothesis 1 is not measured")
    return [note for note in (*notes, near_copies(p.setup, embedder)) if note]


def _report(options: DiffOptions, device: str, parts: Sequence[DiffResult], benches: Benches) -> DiffReport:
    suite = options.suite
    others = {
        f"{role}, {part.trait}": recipe
        for i, part in enumerate(parts)
        for role, recipe in benches.recipes(i).items()
        if role != plan.MAIN
    }
    return DiffReport(
        suite=suite.file.name,
        suite_version=suite.file.version,
        seeds=list(suite.file.seeds),
        recipe=suite.recipe,
        other_models=others,
        traits=list(parts),
        device=device,
        command=options.command,
        versions=package_versions(),
        commit=source_commit(),
    )


def _write(report: DiffReport, out: Path) -> None:
    target = out / DIFF.data
    partial = target.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(report.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise unwritable(target, error) from error
