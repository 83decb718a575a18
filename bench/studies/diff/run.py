"""`bench diff`, in order: pipelines -> prerequisites -> teachers, mixtures, subsets -> verdicts -> report.

The only file of this package that knows the order of the stages.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.config.schema import DataSource
from bench.config.suite import Suite, load_suite
from bench.data.experiment import Experiment, near_copies, read_source
from bench.errors import BenchError, unknown, unwritable
from bench.evaluation.evaluate import evaluate
from bench.evaluation.tasks import trait_task
from bench.execution.job import Job
from bench.execution.progress import Progress, log, progress_for
from bench.execution.row_lengths import Remedy, pool_texts
from bench.execution.session import Options, Session, as_specs, open_session
from bench.filtering.plugin import FilterPlugin
from bench.filtering.select import select_all, suite_filters
from bench.leaderboard.pages import DIFF
from bench.leaderboard.results import TEACHER, teacher_scores
from bench.outcomes import Estimate, SampleScores
from bench.records import NoCleanTeacher, Pool
from bench.run_folder.provenance import package_versions, source_commit
from bench.studies.diff import plan, results
from bench.studies.diff.audit import remarks
from bench.studies.diff.cells import ALTERNATIVE, MAIN, MILD, OVERT, UNRELATED
from bench.studies.diff.records import DiffReport, DiffResult, Prerequisites
from bench.studies.diff.sets import ExampleSet, VerdictSets, check_prompts_differ, interpolated_sets, verdict_sets

NOT_MEASURED = Prerequisites(met=False, reasons=["not measured yet"], gap=Estimate(value=None, note="not measured yet"))


@dataclass
class _Part:
    """One experiment on its way.

    Attributes:
        pipelines: The two pipelines.
        sets: What every action is applied to.
        named: What verdicts read.
        notes: What a reader must know.
        jobs: What is trained.
        teachers: Their own scores, once the first students have answered.
        met: Whether anything may be inferred; not before then.
    """

    pipelines: plan.Pipelines
    sets: list[ExampleSet]
    named: VerdictSets
    notes: list[str]
    jobs: list[Job]
    teachers: Mapping[str, Sequence[SampleScores]] = field(default_factory=dict)
    met: Prerequisites = NOT_MEASURED

    def measured(self, suite: Suite) -> results.Measured:
        """Return what the report is made of."""
        return results.Measured(self.pipelines, suite, self.jobs, self.teachers)


def run_diff(
    suite: str | Path | Suite,
    *,
    filters: str | Path | Sequence[str | Path] = (),
    out: str | Path | None = None,
    device: str = "auto",
    progress: bool = False,
) -> DiffReport:
    """Diff the two pipelines of every experiment of a suite, using whatever its run folder already holds.

    Args:
        suite: Name of a built-in suite, path of a suite file, or a loaded suite.
        filters: Further filters, by name or path of a `.py` file.
        out: Run folder, shared with `bench.run_suite`; `out/SUITE` unless given.
        device: `auto`, `cpu` or `cuda`.
        progress: As for `bench.run_suite`.

    Raises:
        BenchError: For anything that the user can fix; finished trainings stay in the folder.
    """
    loaded = suite if isinstance(suite, Suite) else load_suite(str(suite))
    folder = Path(out) if out is not None else Path("out") / loaded.file.name
    options = Options(loaded, folder, device, as_specs(filters), command=f"bench diff {loaded.file.name}")
    with progress_for(progress) as shown:
        return diff(options, shown)


def diff(options: Options, progress: Progress) -> DiffReport:
    """Diff two pipelines as the command line does; see `run_diff`."""
    suite = options.suite
    _check_alternatives(suite)
    plugins = suite_filters(suite, options.filters) if suite.file.diff.flagged else []
    with open_session(options, progress) as session:
        parts = [_part(experiment, plugins, session) for experiment in session.experiments()]
        session.do(_work(parts))
        for part in parts:
            _check_prerequisites(part, session)
            if part.met.met:
                further = plan.further_cells(part.pipelines, part.sets, part.named.ids, suite.file.diff)
                known = {job.key for job in part.jobs}
                part.jobs += [job for job in further if job.key not in known]
        session.do(_work(parts))
        done = [results.result(p.measured(suite), p.met, p.sets, p.named, p.notes) for p in parts]
        report = _report(session, parts, done)
        _write(report, options.out)
        return report


def _work(parts: Sequence[_Part]) -> list[tuple[Experiment, Job]]:
    return [(part.pipelines.experiment, job) for part in parts for job in part.jobs]


def _check_alternatives(suite: Suite) -> None:
    without = [settings.trait for settings in suite.file.experiments if settings.alternative is None]
    if without:
        raise BenchError(
            f"suite {suite.file.name!r}",
            seen=f"no alternative pipeline for {', '.join(without)}",
            expected="[experiments.alternative] with a synthetic or own pool, whose model does not show the trait",
            remedy="add it to the suite file; docs/diff.md shows one",
        )


def _part(experiment: Experiment, plugins: Sequence[FilterPlugin], session: Session) -> _Part:
    """Read an experiment's alternative pool, and choose the sets that will be interpolated."""
    suite = session.suite
    p = _pipelines(experiment, session)
    shared = check_prompts_differ(p.pool, p.alternative)
    select_all(plugins, experiment, suite, session.resources(experiment), session.store)
    settings = suite.file.diff
    named = verdict_sets(experiment, settings, session.embedder.embed)
    sets = interpolated_sets(experiment, settings)
    left_out = [each.name for each in settings.sets if each.name not in {found.name for found in sets}]
    notes = _notes(p, near_copies(experiment, session.embedder), named.ids)
    notes += [note for note in (shared, *remarks(named.audit)) if note]
    notes += [f"set {name} holds no example or all of them, and is left out" for name in left_out]
    return _Part(p, sets, named, notes, plan.prerequisite_cells(p))


def _pipelines(experiment: Experiment, session: Session) -> plan.Pipelines:
    suite, source = session.suite, experiment.settings.alternative
    assert source is not None  # checked before anything was loaded
    recipes = plan.recipes_of(suite, experiment.settings)
    other = read_source(source, suite, session.tokenizer, experiment.trait, experiment.eval_texts)
    for pool in (experiment.pool, other):
        if not pool.card.clean:
            raise NoCleanTeacher(f"pool {pool.card.name!r}")
    known = sorted({*plan.teachers_of(experiment.pool), *plan.teachers_of(other)})
    for teacher in experiment.settings.teachers:
        if teacher not in known:
            raise unknown("teacher under [experiments.teachers]", teacher, known)
    found = plan.Pipelines(experiment, other, suite.file.seeds, recipes)
    _check_lengths(found, session)
    return found


def _check_lengths(p: plan.Pipelines, session: Session) -> None:
    """Refuse rows of either pool that are too long for a recipe that trains on them; the rest as for one pipeline."""
    source = p.experiment.settings.alternative
    sides: list[tuple[Pool, DataSource, str]] = [(p.pool, p.experiment.settings, "[experiments.pool]")]
    sides += [(p.alternative, source, "[experiments.alternative.pool]")] if source else []
    for pool, settings, table in sides:
        remedy = Remedy(() if settings.world else pool.candidates, table)
        for role, recipe in p.recipes.items():
            if role == MAIN or (role == ALTERNATIVE) == (pool is p.alternative):
                teachers = (pool.card.clean,) if role == ALTERNATIVE else plan.teachers_of(pool)
                where = f"pool {pool.card.name!r}, {role} model"
                session.check_lengths(recipe, where, pool_texts(pool, teachers), remedy)


def _check_prerequisites(part: _Part, session: Session) -> None:
    """Add the teachers' own scores, and whether the two pipelines differ as the method needs."""
    experiment = part.pipelines.experiment
    part.teachers = _teacher_scores(experiment, session)
    part.met = results.prerequisites(part.measured(session.suite))
    log.info("%s: %s", experiment.name, "; ".join(part.met.reasons))


def _teacher_scores(experiment: Experiment, session: Session) -> dict[str, Sequence[SampleScores]]:
    """Score teachers: from the answers that a synthetic pool brings along, or by asking the models that are named."""
    reference, measured = next(iter(experiment.trials.values())).scores, experiment.measurement
    scores: dict[str, Sequence[SampleScores]] = dict(teacher_scores(experiment, reference))
    for teacher, model in experiment.settings.teachers.items():
        key = {"teacher": model} | measured.key()

        def fill(folder: Path, model: str = model) -> None:
            task = trait_task(experiment.trait, measured.judge, measured.eval_prompts)
            asked = evaluate(model, [task], folder, grader=measured.grader, tags=["teacher"])
            (folder / "scores.json").write_text(asked.model_dump_json(), encoding="utf-8")

        if not session.store.has("teachers", key):
            session.store.write("teachers", key, fill)
        text = (session.store.folder("teachers", key) / "scores.json").read_text(encoding="utf-8")
        scores[TEACHER + teacher] = [SampleScores.model_validate_json(text)]
    return scores


def _notes(p: plan.Pipelines, copies: str, named: Mapping[str, frozenset[str]]) -> list[str]:
    """Say what a reader must know: cuts of the pools, near copies, sets that verdicts lack."""
    notes = [*p.pool.notes, *(f"alternative pool: {note}" for note in p.alternative.notes)]
    missing = [role for role in (OVERT, MILD, UNRELATED) if not named.get(role)]
    if missing:
        notes.append(f"no example is {' or '.join(missing)} here, so what verdicts ask of those is not measured")
    elif len(named[UNRELATED]) < len(named[MILD]):
        notes.append("fewer unrelated examples than mild ones, so hypothesis 1 is not measured")
    return [note for note in (*notes, copies) if note]


def _report(session: Session, parts: Sequence[_Part], done: Sequence[DiffResult]) -> DiffReport:
    suite = session.suite
    others = {
        f"{role}, {part.pipelines.experiment.name}": recipe
        for part in parts
        for role, recipe in part.pipelines.recipes.items()
        if role != MAIN
    }
    return DiffReport(
        suite=suite.file.name,
        suite_version=suite.file.version,
        seeds=list(suite.file.seeds),
        recipe=suite.recipe,
        other_models=others,
        traits=list(done),
        device=session.device,
        command=session.options.command,
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
