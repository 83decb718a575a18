"""From the diff's trials to its report: scores, teachers, curves, subsets, overlaps, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.arms import control_arm
from bench.config.recipe import Recipe
from bench.config.schema import SuiteFile
from bench.evaluation.evaluate import judge_label
from bench.leaderboard.assemble import TEACHER
from bench.leaderboard.results import Measured
from bench.records import Action, SampleScores, Trial
from bench.stats import effects
from bench.stats.equivalence import compare
from bench.studies.diff import verdicts
from bench.studies.diff.cells import ALTERNATIVE, CLEAN, ORIGINAL, on_alternative, subset, taught_by
from bench.studies.diff.curves import curve
from bench.studies.diff.plan import CellJob, Pipelines, teacher_cell, teachers_of
from bench.studies.diff.records import (
    CellScore,
    DiffResult,
    InterpolationCurve,
    Prerequisites,
    SubsetEffect,
    SubsetResult,
    TeacherPoint,
)
from bench.studies.diff.sets import ExampleSet, overlap


@dataclass(frozen=True)
class Measurements:
    """One experiment's finished trials: jobs by cell and seed, and the teachers' own scores."""

    pipelines: Pipelines
    suite: SuiteFile
    jobs: Sequence[CellJob]
    trials: Mapping[tuple[str, int], Trial]
    teachers: Mapping[str, Sequence[SampleScores]]

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest possible score."""
        return self.pipelines.setup.trait.eval.scale

    @property
    def margin(self) -> float:
        """Differences below it count as none, in units of the score."""
        experiment = self.pipelines.setup.experiment
        return (experiment.alternative and experiment.alternative.margin) or experiment.minimum_gap

    @property
    def trainings(self) -> dict[str, list[str]]:
        """Cell -> the students trained for it."""
        students: dict[str, list[str]] = {}
        for (cell, _), trial in self.trials.items():
            students.setdefault(cell, []).append(trial.student)
        return students

    def measured(self) -> Measured:
        """All scores by cell, in the form that `bench.leaderboard.results` reads."""
        scores: dict[str, list[SampleScores]] = {}
        for (cell, _), trial in self.trials.items():
            scores.setdefault(cell, []).append(trial.scores)
        setup, file = self.pipelines.setup, self.suite
        who = judge_label(setup.trait, file.judge, file.grader)
        planted = bool(setup.experiment.world)
        minimum = setup.experiment.minimum_gap
        return Measured(setup.trait, setup.pool, who, planted, {**scores, **self.teachers}, minimum)


def prerequisites(data: Measurements) -> Prerequisites:
    """Whether the original pipeline's model shows the trait and the alternative's does not.

    The gap between them must clear the experiment's minimum like that of a leaderboard row, and the alternative's score
    must lie no further above the lowest possible one than the margin.
    """
    means = data.measured().means(data.pipelines.setup.trait.score)
    gap = effects.estimate(means, [ORIGINAL, ALTERNATIVE], lambda m: np.asarray(m[ORIGINAL] - m[ALTERNATIVE]))
    opened, reason = effects.gate(gap, data.pipelines.setup.experiment.minimum_gap)
    clean = effects.mean(means, ALTERNATIVE).value
    ceiling = data.scale[0] + data.margin
    absent = clean is not None and clean <= ceiling
    shows = "does not show the trait" if absent else "shows the trait, or has no score"
    score = "none" if clean is None else f"{clean:.3g}"
    reasons = [
        f"original minus alternative pipeline: {reason}",
        f"the alternative pipeline's model {shows}: score {score}, at most {ceiling:.3g} counts as none",
    ]
    return Prerequisites(met=opened and absent, reasons=reasons, gap=gap)


def result(
    data: Measurements,
    met: Prerequisites,
    sets: Sequence[ExampleSet],
    named: Mapping[str, frozenset[str]],
    recipes: Mapping[str, Recipe],
    notes: Sequence[str],
) -> DiffResult:
    """One trait's part of the report; where the prerequisites are not met, scores without any inference."""
    p, setup = data.pipelines, data.pipelines.setup
    measured = data.measured()
    means = measured.means(setup.trait.score)
    judged = met.met
    compared = verdicts.compare_cells(means, data.margin, data.scale[1] - data.scale[0], data.trainings)
    members = [(each.name, each.ids) for each in sets] + [(f"{role} (verdicts)", ids) for role, ids in named.items()]
    return DiffResult(
        trait=setup.trait.name,
        description=setup.trait.description,
        judge=measured.judge,
        scale=data.scale,
        margin=data.margin,
        pool=setup.pool.card.name,
        pool_sha256=setup.pool.sha256,
        alternative_pool=p.alternative.card.name,
        alternative_pool_sha256=p.alternative.sha256,
        prerequisites=met,
        cells=_cells(data, measured, means, recipes),
        teachers=_teachers(data, means),
        curves=_curves(data, measured, means) if judged else [],
        subsets=[_subset(each, data, means) for each in sets] if judged else [],
        overlap=overlap(members) if members else None,
        verdicts=verdicts.judge(compared) if judged else [],
        notes=list(notes),
    )


def _cells(
    data: Measurements, measured: Measured, means: effects.Means, recipes: Mapping[str, Recipe]
) -> list[CellScore]:
    capability = measured.means("exact")
    cells = []
    for name in dict.fromkeys(job.cell for job in data.jobs):
        same = [job for job in data.jobs if job.cell == name]
        cells.append(
            CellScore(
                cell=name,
                model=recipes[same[0].model].model,
                prompts=same[0].prompts,
                completions=same[0].completions,
                rows=float(np.mean([len(job.rows or ()) for job in same])),
                trait=effects.mean(means, name),
                capability=effects.mean(capability, name),
            )
        )
    return cells


def _teachers(data: Measurements, means: effects.Means) -> list[TeacherPoint]:
    """Every teacher that answered the eval prompts itself, beside its students on either prompt set."""
    pool, other = data.pipelines.setup.pool, data.pipelines.alternative
    students = [
        (
            "original",
            t,
            ORIGINAL if t == pool.card.original else CLEAN if t == pool.card.clean else taught_by("original", t),
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


def _curves(data: Measurements, measured: Measured, means: effects.Means) -> list[InterpolationCurve]:
    tables, clusters = measured.tables(data.pipelines.setup.trait.score)
    curves = []
    ends = {"original": (CLEAN, ORIGINAL), "alternative": (on_alternative(CLEAN), on_alternative(ORIGINAL))}
    for prompts, (clean, original) in ends.items():
        mixtures = {
            job.cell: (float(job.completions.removeprefix("mix@")), _shares(data.jobs, job.cell))
            for job in data.jobs
            if job.share is not None and job.prompts == prompts
        }
        if mixtures:
            curves.append(curve(prompts, (clean, original), mixtures, means, tables, clusters))
    return curves


def _shares(jobs: Sequence[CellJob], cell: str) -> list[float]:
    return [job.share for job in jobs if job.cell == cell and job.share is not None]


def _subset(each: ExampleSet, data: Measurements, means: effects.Means) -> SubsetResult:
    scale = data.scale[1] - data.scale[0]
    found: dict[Action, SubsetEffect] = {}
    for action in data.suite.diff.actions:
        cell, control = subset(action, each.name), control_arm(action, each.share).name
        found[action] = SubsetEffect(
            score=effects.mean(means, cell),
            expected=effects.mean(means, control),
            difference=compare(means, cell, control, data.margin, scale),
        )
    return SubsetResult(
        name=each.name,
        kind=each.kind,
        definition=each.definition,
        size=len(each.ids),
        share=len(each.ids) / len(data.pipelines.setup.pool.rows),
        effects=found,
    )
