"""From the diff's trials to its report: scores, teachers, curves, subsets, overlaps, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.arms import control_arm, mixed_ids
from bench.config.suite import Suite
from bench.data.controls import random_name
from bench.data.experiment import Experiment
from bench.evaluation.judging import judge_label
from bench.execution.job import Job
from bench.leaderboard import unanswered
from bench.leaderboard.evidence import ScoreTables, gather
from bench.leaderboard.learning import nothing_learnt
from bench.leaderboard.results import TEACHER
from bench.outcomes import SampleScores
from bench.records import Action
from bench.stats import effects
from bench.stats.equivalence import compare
from bench.studies.diff import verdicts
from bench.studies.diff.cells import ALTERNATIVE, CLEAN, ORIGINAL, by_teacher, on_alternative, subset
from bench.studies.diff.curves import curve
from bench.studies.diff.plan import Pipelines, teacher_cell, teachers_of
from bench.studies.diff.records import (
    CellScore,
    DiffResult,
    InterpolationCurve,
    Prerequisites,
    SubsetEffect,
    SubsetResult,
    TeacherPoint,
)
from bench.studies.diff.sets import ExampleSet, VerdictSets, overlap


@dataclass(frozen=True)
class Measured:
    """One experiment's finished jobs, and the teachers' own scores.

    Attributes:
        pipelines: The two pipelines; their experiment holds the trials.
        suite: For its settings.
        jobs: What was trained.
        teachers: `teacher:NAME` -> its own scores.
    """

    pipelines: Pipelines
    suite: Suite
    jobs: Sequence[Job]
    teachers: Mapping[str, Sequence[SampleScores]]

    @property
    def experiment(self) -> Experiment:
        """Pool, trait and trials of the original pipeline."""
        return self.pipelines.experiment

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest possible score."""
        return self.experiment.trait.eval.scale

    @property
    def margin(self) -> float:
        """Differences below it count as none, in units of the score."""
        settings = self.experiment.settings
        return (settings.alternative and settings.alternative.margin) or settings.minimum_gap

    @property
    def trainings(self) -> dict[str, list[str]]:
        """Cell -> the students trained for it."""
        students: dict[str, list[str]] = {}
        for (arm, _), trial in self.experiment.trials.items():
            students.setdefault(arm.name, []).append(trial.student)
        return students

    def tables(self) -> ScoreTables:
        """Return all scores by cell."""
        return gather({**self.experiment.scores(), **self.teachers}, self.experiment.trait.score, self.scale)


def prerequisites(data: Measured) -> Prerequisites:
    """Say whether the original pipeline's model shows the trait and the alternative's does not.

    The gap between them must clear the experiment's minimum like that of a leaderboard row, and the alternative's score
    must lie no further above the lowest possible one than the margin.
    """
    tables = data.tables()
    means = tables.means(data.experiment.trait.score)
    gap = effects.contrast(means, {ORIGINAL: 1.0, ALTERNATIVE: -1.0})
    opened, reason = effects.gate(gap, data.experiment.settings.minimum_gap)
    clean = effects.mean(means, ALTERNATIVE).value
    ceiling = data.scale[0] + data.margin
    absent = clean is not None and clean <= ceiling
    shows = "does not show the trait" if absent else "shows the trait, or has no score"
    score = "none" if clean is None else f"{clean:.3g}"
    reasons = [
        *filter(None, [nothing_learnt(tables)]),
        f"original minus alternative pipeline: {reason}",
        f"the alternative pipeline's model {shows}: score {score}, at most {ceiling:.3g} counts as none",
    ]
    return Prerequisites(met=opened and absent, reasons=reasons, gap=gap)


def result(
    data: Measured,
    met: Prerequisites,
    sets: Sequence[ExampleSet],
    named: VerdictSets,
    notes: Sequence[str],
) -> DiffResult:
    """Make one trait's part of the report; where the prerequisites are not met, scores without any inference."""
    experiment, alternative = data.experiment, data.pipelines.alternative
    spec, measured = experiment.trait, experiment.measurement
    tables = data.tables()
    means = tables.means(spec.score)
    compared = verdicts.compare_cells(means, data.margin, data.trainings)
    members = [(each.name, each.ids) for each in sets]
    members += [(f"{role} (verdicts)", ids) for role, ids in named.ids.items()]
    return DiffResult(
        trait=spec.name,
        description=spec.description,
        judge=judge_label(spec, measured.judge, measured.grader),
        scale=data.scale,
        margin=data.margin,
        pool=experiment.pool.card.name,
        pool_sha256=experiment.pool.sha256,
        alternative_pool=alternative.card.name,
        alternative_pool_sha256=alternative.sha256,
        prerequisites=met,
        cells=_cells(data, tables, means),
        teachers=_teachers(data, means),
        curves=_curves(data, tables, means) if met.met else [],
        subsets=[_subset(each, data, means) for each in sets] if met.met else [],
        overlap=overlap(members) if members else None,
        audit=named.audit,
        verdicts=verdicts.judge(compared, len(data.pipelines.seeds)) if met.met else [],
        notes=[*notes, *unanswered.of_tables(spec.name, tables)],
    )


def _cells(data: Measured, tables: ScoreTables, means: effects.Means) -> list[CellScore]:
    capability = tables.means("exact")
    cells: dict[str, list[Job]] = {}
    for job in data.jobs:
        cells.setdefault(job.arm.name, []).append(job)
    return [
        CellScore(
            cell=name,
            model=data.pipelines.recipes[same[0].arm.model].model,
            prompts=same[0].arm.prompts,
            completions=same[0].arm.completions,
            rows=float(np.mean([len(job.rows or ()) for job in same])),
            trait=effects.mean(means, name),
            capability=effects.mean(capability, name),
        )
        for name, same in cells.items()
    ]


def _teachers(data: Measured, means: effects.Means) -> list[TeacherPoint]:
    """List every teacher that answered the eval prompts itself, beside its students on either prompt set."""
    pool, other = data.experiment.pool, data.pipelines.alternative
    students = [
        (
            "original",
            t,
            ORIGINAL if t == pool.card.original else CLEAN if t == pool.card.clean else by_teacher("original", t),
        )
        for t in teachers_of(pool)
    ]
    students += [("alternative", t, teacher_cell(other, t)) for t in teachers_of(other)]
    return [
        TeacherPoint.model_validate(
            {
                "teacher": teacher,
                "prompts": prompts,
                "teacher_score": effects.mean(means, TEACHER + teacher),
                "student_score": effects.mean(means, cell),
            }
        )
        for prompts, teacher, cell in students
        if TEACHER + teacher in means.point and cell in means.point
    ]


def _curves(data: Measured, tables: ScoreTables, means: effects.Means) -> list[InterpolationCurve]:
    scores, clusters = tables.tables(data.experiment.trait.score)
    pools = {"original": data.experiment.pool, "alternative": data.pipelines.alternative}
    ends = {"original": (CLEAN, ORIGINAL), "alternative": (on_alternative(CLEAN), on_alternative(ORIGINAL))}
    curves = []
    for prompts, pool in pools.items():
        mixtures: dict[str, tuple[float, list[float]]] = {}
        for job in data.jobs:
            if job.arm.action == "mix" and job.arm.prompts == prompts:
                drawn = len(mixed_ids(pool, job.arm.share, job.seed)) / len(pool.rows)
                mixtures.setdefault(job.arm.name, (job.arm.share, []))[1].append(drawn)
        if mixtures:
            curves.append(curve(prompts, ends[prompts], mixtures, means, scores, clusters))
    return curves


def _subset(each: ExampleSet, data: Measured, means: effects.Means) -> SubsetResult:
    found: dict[Action, SubsetEffect] = {}
    for action in data.suite.file.diff.actions:
        cell, control = subset(action, each.name), control_arm(action, each.share, random_name(1)).name
        found[action] = SubsetEffect(
            score=effects.mean(means, cell),
            expected=effects.mean(means, control),
            difference=compare(means, cell, control, data.margin),
        )
    return SubsetResult(
        name=each.name,
        kind=each.kind,
        definition=each.definition,
        size=len(each.ids),
        share=len(each.ids) / len(data.experiment.pool.rows),
        effects=found,
    )
