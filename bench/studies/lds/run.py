"""`bench lds`, in order: scores and queries -> students of random halves -> margins -> single steps -> record."""

from collections.abc import Iterator, Sequence

import numpy as np

from bench.execution.job import Job
from bench.execution.progress import Progress, log
from bench.execution.row_lengths import Remedy
from bench.execution.session import Options, Session, open_session
from bench.files import write_json
from bench.filtering.select import select_all, suite_filters
from bench.leaderboard.attribution import FilterAttribution, LdsReport, LdsResult, SubsetOutcome
from bench.leaderboard.pages import LDS
from bench.leaderboard.row import BOUNDS
from bench.outcomes import Estimate, Selection
from bench.records import TrainingRow
from bench.run_folder.provenance import package_versions, source_commit
from bench.stats.attribution import DatamodelingScores, Floats, datamodeling_scores, subset_sums, top_over_all
from bench.studies.lds.margins import mean_margin
from bench.studies.lds.plan import Plan, make_plan, queries_sha256
from bench.studies.lds.tail_patch import one_step_changes


def run_lds(options: Options, progress: Progress) -> LdsReport:
    """Judge the filters of a suite as attributions, using whatever its run folder already holds.

    Writes `lds.json` into the run folder.

    Raises:
        BenchError: For anything that the user can fix; finished trainings stay in the folder.
    """
    plugins = suite_filters(options.suite, options.filters)
    with open_session(options, progress) as session:
        plans = [make_plan(experiment, options.suite) for experiment in session.experiments()]
        for plan in plans:
            where, shorter = f"queries of trait {plan.experiment.name!r}", Remedy(otherwise="shorten the queries")
            session.check_lengths(options.suite.recipe, where, _query_texts(plan), shorter)
        for plan in plans:
            select_all(plugins, plan.experiment, options.suite, session.resources(plan.experiment), session.store)
        session.do([(plan.experiment, job) for plan in plans for job in plan.jobs])
        report = _report(session, [_result(plan, session) for plan in plans])
        write_json(options.out / LDS.data, report)
    return report


def _query_texts(plan: Plan) -> Iterator[tuple[str, TrainingRow]]:
    for number, query in enumerate(plan.experiment.queries, start=1):
        yield f"query {number} (trait)", query.trait_row
        yield f"query {number} (clean)", query.clean_row


def _result(plan: Plan, session: Session) -> LdsResult:
    experiment, pool = plan.experiment, plan.experiment.pool
    outcomes, again = (_margins(plan, jobs, session) for jobs in (plan.first, plan.second))
    sums = {s.filter.name: subset_sums(s.scores, plan.subsets) for s in experiment.selections}
    competing = [name for name in sums if name not in BOUNDS] or list(sums)
    scores = datamodeling_scores(sums, outcomes, again, competing)
    changes = one_step_changes(session.main, plan.original, plan.experiment.queries) if plan.original else {}
    return LdsResult(
        trait=experiment.name,
        description=experiment.trait.description,
        pool=pool.card.name,
        pool_sha256=pool.sha256,
        pool_rows=len(pool.rows),
        queries=len(plan.experiment.queries),
        queries_sha256=queries_sha256(plan.experiment.queries),
        subsets=[
            SubsetOutcome(margin=margin, again=float(again[i]) if i < len(again) else None)
            for i, margin in enumerate(outcomes.tolist())
        ],
        ceiling=scores.ceiling,
        best=scores.best,
        filters=[_attribution(s, scores, sums[s.filter.name], changes) for s in experiment.selections],
        changes=changes,
        notes=[*pool.notes, *experiment.notes],
    )


def _margins(plan: Plan, jobs: Sequence[Job], session: Session) -> Floats:
    name, queries = plan.experiment.name, plan.experiment.queries
    log.info("%s: reading the margins of %d students on %d queries", name, len(jobs), len(queries))
    return np.array([mean_margin(session.main, job, queries) for job in jobs])


def _attribution(
    selection: Selection, scores: DatamodelingScores, sums: Floats, changes: dict[str, float]
) -> FilterAttribution:
    name = selection.filter.name
    return FilterAttribution(
        filter=selection.filter,
        lds=scores.lds[name],
        of_ceiling=scores.of_ceiling[name],
        behind_best=scores.behind_best[name],
        tail_patch=_tail_patch(selection, changes) if changes else {},
        sums=sums.tolist(),
    )


def _tail_patch(selection: Selection, changes: dict[str, float]) -> dict[str, Estimate]:
    moved = np.array(list(changes.values()))
    return {
        f"{budget:g}": top_over_all(moved, np.array([identity in flagged for identity in changes]))
        for budget, flagged in selection.flagged.items()
    }


def _report(session: Session, results: Sequence[LdsResult]) -> LdsReport:
    suite = session.suite
    seed = suite.file.lds.seed
    return LdsReport(
        suite=suite.file.name,
        suite_version=suite.file.version,
        seeds=(seed, seed + 1),
        tail_patch_seed=suite.file.seeds[0],
        recipe=suite.recipe,
        traits=list(results),
        device=session.device,
        command=session.options.command,
        versions=package_versions(),
        commit=source_commit(),
    )
