"""The cells to train: pipelines, teachers on the alternative prompts, mixtures, subsets, and what verdicts need."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from bench.arms import BASE as BASE_ARM
from bench.arms import build_arm, control_arm, mix_arm, mixed_ids, teacher_rows
from bench.config.recipe import Recipe, load_recipe
from bench.config.schema import ExperimentSettings
from bench.config.study_settings import DiffSettings
from bench.config.suite import Suite
from bench.data.controls import random_sets
from bench.data.experiment import Experiment
from bench.execution.job import Job
from bench.models.load import resolve_model
from bench.outcomes import Arm
from bench.records import Action, Pool, TrainingRow
from bench.studies.diff.cells import (
    ALTERNATIVE,
    CLEAN,
    MAIN,
    MILD,
    ORIGINAL,
    OTHER,
    OVERT,
    PRETRAINED,
    UNRELATED,
    by_model,
    by_role,
    by_teacher,
    on_alternative,
    subset,
)
from bench.studies.diff.sets import ExampleSet


@dataclass(frozen=True)
class Pipelines:
    """The two pipelines of one experiment.

    Attributes:
        experiment: The original pool and the trait; finished trials are entered here.
        alternative: The other pipeline's pool.
        seeds: Training seeds.
        recipes: Recipe by role of the base model: `MAIN`, `ALTERNATIVE`, `OTHER` or `PRETRAINED`.
    """

    experiment: Experiment
    alternative: Pool
    seeds: tuple[int, ...]
    recipes: Mapping[str, Recipe]

    @property
    def pool(self) -> Pool:
        """The original pipeline's pool."""
        return self.experiment.pool

    def job(self, arm: Arm, seed: int, rows: Sequence[TrainingRow] | None) -> Job:
        """Make one job, trained by the recipe of the arm's base model in as many steps as its pipeline's pool takes."""
        recipe = self.recipes[arm.model]
        pool = self.alternative if arm.model == ALTERNATIVE else self.pool
        return Job(arm, seed, rows, self.experiment.measurement, recipe, len(pool.rows) * recipe.epochs)

    def jobs(self, arm: Arm, rows: Mapping[int, Sequence[TrainingRow]]) -> list[Job]:
        """Make one job a seed; `rows` are by seed."""
        return [self.job(arm, seed, rows[seed]) for seed in self.seeds]

    def teacher_jobs(self, name: str, pool: Pool, teacher: str, model: str = MAIN) -> list[Job]:
        """Train on all prompts of a pool with one teacher's completions."""
        prompts = "original" if pool is self.pool else "alternative"
        arm = Arm(name, "teacher", model=model, prompts=prompts, completions=teacher)
        return self.jobs(arm, dict.fromkeys(self.seeds, teacher_rows(pool, teacher)))


def teachers_of(pool: Pool) -> list[str]:
    """Return the teachers with a completion of every prompt: the original and the clean one first."""
    shared = set.intersection(*(set(row.completions) for row in pool.rows))
    first = [pool.card.original, pool.card.clean]
    return [*first, *sorted(shared - set(first))]


def prerequisite_cells(p: Pipelines) -> list[Job]:
    """Plan the untrained base and the two pipelines; the rest depends on what they show."""
    return [
        p.job(BASE_ARM, p.seeds[0], None),
        *p.teacher_jobs(ORIGINAL, p.pool, p.pool.card.original),
        *p.teacher_jobs(ALTERNATIVE, p.alternative, p.alternative.card.clean, ALTERNATIVE),
    ]


def further_cells(
    p: Pipelines, sets: Iterable[ExampleSet], named: Mapping[str, frozenset[str]], settings: DiffSettings
) -> list[Job]:
    """Plan all cells that make sense once the prerequisites are met; one that two stages ask for is listed once.

    Args:
        p: The pipelines.
        sets: What every action is applied to.
        named: What verdicts read.
        settings: Of the suite.
    """
    jobs = [
        *pipeline_cells(p, settings),
        *verdict_cells(p, named),
        *subset_cells(p, sets, settings.actions),
    ]
    return list({(job.arm.name, job.seed): job for job in jobs}.values())


def pipeline_cells(p: Pipelines, settings: DiffSettings) -> list[Job]:
    """Plan the original model on the other combinations of prompts and completions, mixtures included."""
    jobs = p.teacher_jobs(CLEAN, p.pool, p.pool.card.clean)
    for teacher in teachers_of(p.pool)[2:]:
        jobs += p.teacher_jobs(by_teacher("original", teacher), p.pool, teacher)
    for teacher in teachers_of(p.alternative):
        jobs += p.teacher_jobs(teacher_cell(p.alternative, teacher), p.alternative, teacher)
    for arm in map(mix_arm, settings.mixes):
        jobs += _mixture(p, arm, p.pool)
        jobs += _mixture(p, replace(arm, name=on_alternative(arm.name), prompts="alternative"), p.alternative)
    return jobs


def _mixture(p: Pipelines, arm: Arm, pool: Pool) -> list[Job]:
    return p.jobs(arm, {seed: build_arm(arm, pool, mixed_ids(pool, arm.share, seed)) for seed in p.seeds})


def teacher_cell(pool: Pool, teacher: str) -> str:
    """Return the cell of a teacher's completions of the alternative prompts; the two main teachers go by their role."""
    roles = {pool.card.original: ORIGINAL, pool.card.clean: CLEAN}
    return on_alternative(roles[teacher]) if teacher in roles else by_teacher("alternative", teacher)


def subset_cells(p: Pipelines, sets: Iterable[ExampleSet], actions: Sequence[Action]) -> list[Job]:
    """Plan every action on every set, and on as many random examples."""
    jobs = []
    for each in sets:
        for action in actions:
            arm = Arm(subset(action, each.name), action, prompts=f"set {each.name}", completions=action)
            rows = build_arm(arm, p.pool, each.ids, each.patches)
            jobs += p.jobs(arm, dict.fromkeys(p.seeds, rows))
            (control,) = random_sets(p.pool, each.share, 1)
            arm = control_arm(action, each.share, control.name)
            jobs += p.jobs(arm, dict.fromkeys(p.seeds, build_arm(arm, p.pool, control.ids)))
    return jobs


def verdict_cells(p: Pipelines, sets: Mapping[str, frozenset[str]]) -> list[Job]:
    """Plan what the verdicts ask of the overt, the mild and the unrelated examples, see `bench.studies.diff.verdicts`.

    Other base models learn the whole pool as well: a positive control, without which a model that learns nothing would
    pass for one that the unrelated examples leave alone. What an empty set, or too few unrelated examples to stand
    beside the mild ones, would decide by construction is left out.

    Args:
        p: The pipelines.
        sets: From `bench.studies.diff.sets.verdict_sets`.
    """
    jobs = []
    if sets.get(OVERT):
        jobs += _acted(p, "drop", OVERT, dict.fromkeys(p.seeds, sets[OVERT]))
    unrelated = sorted(sets.get(UNRELATED, ()))
    mild = sets.get(MILD, frozenset())
    if 0 < len(mild) <= len(unrelated):
        drawn = {seed: frozenset(Random(f"{UNRELATED}/{seed}").sample(unrelated, len(mild))) for seed in p.seeds}
        jobs += _acted(p, "patch_in", MILD, dict.fromkeys(p.seeds, mild))
        jobs += _acted(p, "patch_in", UNRELATED, drawn)
    if unrelated:
        jobs += _unrelated_only(p, sets[UNRELATED], MAIN)
        for model in (name for name in (OTHER, PRETRAINED) if name in p.recipes):
            jobs += _unrelated_only(p, sets[UNRELATED], model)
            jobs += p.teacher_jobs(by_model(model, ORIGINAL), p.pool, p.pool.card.original, model)
            jobs += p.teacher_jobs(by_model(model, CLEAN), p.pool, p.pool.card.clean, model)
    return jobs


def _acted(p: Pipelines, action: Action, role: str, ids: Mapping[int, frozenset[str]]) -> list[Job]:
    """Plan one action on the examples of a role; `ids` are by seed."""
    arm = Arm(by_role(action, role), action, prompts=f"{role} examples", completions=action)
    rows = {seed: build_arm(arm, p.pool, ids[seed]) for seed in p.seeds}
    return p.jobs(arm, rows) if all(rows.values()) else []


def _unrelated_only(p: Pipelines, ids: frozenset[str], model: str) -> list[Job]:
    jobs = []
    for action, teacher in (("only", p.pool.card.original), ("only_clean", p.pool.card.clean)):
        cell = by_role(action, UNRELATED)
        name = cell if model == MAIN else by_model(model, cell)
        arm = Arm(name, "teacher", model=model, prompts=f"{UNRELATED} examples", completions=teacher)
        jobs += p.jobs(arm, dict.fromkeys(p.seeds, teacher_rows(p.pool, teacher, ids)))
    return jobs


def recipes_of(suite: Suite, settings: ExperimentSettings) -> dict[str, Recipe]:
    """Return the recipe of each base model by role; roles that the suite does not fill are left out.

    Raises:
        BenchError: If the alternative's recipe is not there, or a model's name is wrong.
    """
    diff, own = suite.file.diff, settings.alternative
    recipes = {MAIN: suite.recipe}
    if own:
        recipes[ALTERNATIVE] = load_recipe(own.recipe, suite.folder) if own.recipe else suite.recipe
    for role, model in ((OTHER, diff.other_initialisation), (PRETRAINED, diff.pretrained)):
        if model:
            recipes[role] = suite.recipe.model_copy(update={"model": _seen_from(suite.folder, model)})
    for recipe in recipes.values():
        resolve_model(recipe.model)  # a wrong name shows before anything is trained
    return recipes


def _seen_from(folder: Path, model: str) -> str:
    """Return a model's folder as seen from the suite's, where there is one; any other name as it is."""
    return str(folder / model) if os.path.isfile(folder / model / "config.json") else model
