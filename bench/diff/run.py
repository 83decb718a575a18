"""`bench diff`, in order: pipelines -> prerequisites -> teachers, mixtures, subsets -> verdicts -> report.

The only file of this package that knows the order of the stages.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.assemble import teacher_scores
from bench.diff import plan, results
from bench.diff.cells import MILD, OTHER, OVERT, PRETRAINED, UNRELATED
from bench.diff.models import Benches
from bench.diff.records import DiffReport, DiffResult
from bench.diff.results import TEACHER, Measurements
from bench.diff.sets import ExampleSet, interpolated_sets, verdict_sets
from bench.embedding import Embedder
from bench.errors import BenchError, unknown, unwritable
from bench.estimate import announcement
from bench.evaluation import SampleScores, evaluate, trait_task
from bench.experiments import Setup, near_copies, read_source
from bench.models import cache_folder, pick_device
from bench.pages import DIFF
from bench.plugins import FilterPlugin
from bench.preparation import Say, load_plugins, measurement_of, set_ups, settings_of, usable
from bench.progress import Meter
from bench.provenance import check_folder, package_versions, source_commit
from bench.selection import select
from bench.store import Store
from bench.suites import Suite
from bench.suites.schema import SuiteFile
from bench.trials import Measurement, Trial

Trials = dict[tuple[int, str, int], Trial]


@dataclass(frozen=True)
class DiffOptions:
    """What the command line decides: the suite, its run folder, the device, further filters, the command as typed."""

    suite: Suite
    out: Path
    device: str = "auto"
    filters: tuple[str, ...] = ()
    command: str = ""


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
    with store.claimed():
        benches = Benches(suite, device, store, meter)
        embedder = Embedder(cache_folder() / "embeddings")
        setups = set_ups(suite, benches.main)
        pipelines = [_pipelines(i, setup, suite, benches) for i, setup in enumerate(setups)]
        work = _Work(suite, benches, setups, meter, say)

        sets = [_sets(p, plugins, suite, embedder, benches, store, say) for p in pipelines]
        named = [verdict_sets(p.setup, file.diff) for p in pipelines]

        jobs = [job for p in pipelines for job in plan.prerequisite_cells(p)]
        trials = work.do(jobs)
        teachers = [_teacher_scores(p, suite, trials, store) for p in pipelines]
        met = [
            results.prerequisites(_measurements(p, file, jobs, trials, taught))
            for p, taught in zip(pipelines, teachers, strict=True)
        ]
        for p, each in zip(pipelines, met, strict=True):
            say(f"{p.setup.trait.file.name}: {'; '.join(each.reasons)}")
        further = [
            job
            for p, each, chosen, roles in zip(pipelines, met, sets, named, strict=True)
            if each.met
            for job in _further(p, suite, chosen, roles, benches)
        ]
        jobs += further
        trials |= work.do(jobs)

        parts = [
            results.result(
                _measurements(p, file, jobs, trials, teachers[i]),
                met[i],
                sets[i],
                named[i],
                benches.recipes(i),
                _notes(p, embedder, named[i]),
            )
            for i, p in enumerate(pipelines)
        ]
        report = _report(options, device, parts, benches)
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


def _sets(
    p: plan.Pipelines,
    plugins: Sequence[FilterPlugin],
    suite: Suite,
    embedder: Embedder,
    benches: Benches,
    store: Store,
    say: Say,
) -> list[ExampleSet]:
    """What the filters flag, the sub-datasets and the described sets of one experiment."""
    chosen = [
        select(plugin, suite.file, p.setup, embedder, benches.main.base_for_filters, store)
        for plugin in usable(plugins, p.setup, say)
    ]
    return interpolated_sets(p.setup, chosen, suite.file.diff)


def _pipelines(number: int, setup: Setup, suite: Suite, benches: Benches) -> plan.Pipelines:
    source = setup.experiment.alternative
    assert source is not None  # checked before anything was loaded
    other = read_source(source, suite, lambda: benches.main.base()[1], setup.trait, setup.eval_texts)
    known = sorted({*plan.teachers_of(setup.pool), *plan.teachers_of(other)})
    for teacher in setup.experiment.teachers:
        if teacher not in known:
            raise unknown("teacher under [experiments.teachers]", teacher, known)
    return plan.Pipelines(number, setup, other, suite.file.seeds)


def _further(
    p: plan.Pipelines,
    suite: Suite,
    sets: Sequence[ExampleSet],
    named: Mapping[str, frozenset[str]],
    benches: Benches,
) -> list[plan.CellJob]:
    """All cells that make sense once the prerequisites are met; one that two stages ask for is listed once."""
    settings = suite.file.diff
    models = [role for role in (OTHER, PRETRAINED) if role in benches.recipes(p.number)]
    jobs = [
        *plan.pipeline_cells(p, settings),
        *plan.verdict_cells(p, named, models),
        *plan.subset_cells(p, sets, settings.actions),
    ]
    return list({(job.cell, job.seed): job for job in jobs}.values())


class _Work:
    """Does jobs that the store does not hold, and reads their results."""

    def __init__(self, suite: Suite, benches: Benches, setups: Sequence[Setup], meter: Meter, say: Say) -> None:
        self._benches, self._setups, self._meter, self._say = benches, setups, meter, say
        self._measurements: list[Measurement] = [measurement_of(setup, suite) for setup in setups]

    def do(self, jobs: Sequence[plan.CellJob]) -> Trials:
        costs = self._benches.costs(jobs, self._setups, self._measurements)
        self._say(announcement(costs, self._benches.device))
        self._meter.start(sum(train + evaluation for train, evaluation in costs))
        return {
            (job.experiment, job.cell, job.seed): self._benches.of(job).trial(
                job.rows, job.seed, self._measurements[job.experiment], job.label, cost
            )
            for job, cost in zip(jobs, costs, strict=True)
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
