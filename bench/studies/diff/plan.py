"""The cells to train: pipelines, teachers on the alternative prompts, mixtures, subsets, and what verdicts need."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from bench.arms import Arm, build_arm, control_arm, mixed_ids, random_ids, taught_rows
from bench.config.schema import DiffSettings
from bench.data.experiment import Setup
from bench.records import Action, Pool, TrainingRow
from bench.studies.diff.cells import (
    ALTERNATIVE,
    BASE,
    CLEAN,
    MILD,
    ORIGINAL,
    OTHER,
    OVERT,
    PRETRAINED,
    UNRELATED,
    by_model,
    by_role,
    on_alternative,
    subset,
    taught_by,
)
from bench.studies.diff.sets import ExampleSet

MAIN = "original"  # the suite's own base model, beside ALTERNATIVE, OTHER and PRETRAINED


@dataclass(frozen=True)
class CellJob:
    """One training and its evaluation.

    Attributes:
        experiment: Number in the suite.
        cell: Name of the cell.
        model: Which base model: `MAIN`, `ALTERNATIVE`, `OTHER` or `PRETRAINED`.
        seed: Training seed.
        rows: What to train on; None for the untrained base.
        prompts: For the table: whose prompts, or which subset.
        completions: For the table: whose completions.
        share: Share of original completions, of a mixture.
    """

    experiment: int
    cell: str
    model: str
    seed: int
    rows: Sequence[TrainingRow] | None
    prompts: str
    completions: str
    share: float | None = None

    @property
    def label(self) -> str:
        """How the terminal and Inspect's logs call it."""
        return self.cell if self.rows is None else f"{self.cell}, seed {self.seed}"


@dataclass(frozen=True)
class Pipelines:
    """The two pipelines of one experiment: number, original pool and trait, alternative pool."""

    number: int
    setup: Setup
    alternative: Pool
    seeds: tuple[int, ...]

    def jobs(
        self,
        cell: str,
        rows: Mapping[int, Sequence[TrainingRow]],
        prompts: str,
        completions: str,
        model: str = MAIN,
        shares: Mapping[int, float] | None = None,
    ) -> list[CellJob]:
        """One job a seed; `rows` and `shares` are by seed."""
        return [
            CellJob(
                self.number,
                cell,
                model,
                seed,
                rows[seed],
                prompts,
                completions,
                shares[seed] if shares else None,
            )
            for seed in self.seeds
        ]

    def whole(self, pool: Pool, teacher: str) -> dict[int, Sequence[TrainingRow]]:
        """All prompts of a pool with one teacher's completions."""
        return dict.fromkeys(self.seeds, taught_rows(pool, teacher))


def teachers_of(pool: Pool) -> list[str]:
    """Teachers with a completion of every prompt: the original and the clean one first."""
    shared = set.intersection(*(set(row.completions) for row in pool.rows))
    first = [pool.card.original, pool.card.clean]
    return [*first, *sorted(shared - set(first))]


def prerequisite_cells(p: Pipelines) -> list[CellJob]:
    """The untrained base and the two pipelines; the rest depends on what they show."""
    pool, other = p.setup.pool, p.alternative
    return [
        CellJob(p.number, BASE, MAIN, p.seeds[0], None, "none", "none"),
        *p.jobs(ORIGINAL, p.whole(pool, pool.card.original), "original", pool.card.original),
        *p.jobs(ALTERNATIVE, p.whole(other, other.card.clean), "alternative", other.card.clean, ALTERNATIVE),
    ]


def further_cells(
    p: Pipelines,
    sets: Iterable[ExampleSet],
    named: Mapping[str, frozenset[str]],
    settings: DiffSettings,
    models: Collection[str],
) -> list[CellJob]:
    """All cells that make sense once the prerequisites are met; one that two stages ask for is listed once.

    Args:
        p: The pipelines.
        sets: What every action is applied to.
        named: What verdicts read.
        settings: Of the suite.
        models: Which of `OTHER` and `PRETRAINED` the suite names.
    """
    jobs = [
        *pipeline_cells(p, settings),
        *verdict_cells(p, named, models),
        *subset_cells(p, sets, settings.actions),
    ]
    return list({(job.cell, job.seed): job for job in jobs}.values())


def pipeline_cells(p: Pipelines, settings: DiffSettings) -> list[CellJob]:
    """The original model on the other combinations of prompts and completions, mixtures included."""
    pool, other = p.setup.pool, p.alternative
    jobs = p.jobs(CLEAN, p.whole(pool, pool.card.clean), "original", pool.card.clean)
    for teacher in teachers_of(pool)[2:]:
        jobs += p.jobs(taught_by("original", teacher), p.whole(pool, teacher), "original", teacher)
    for teacher in teachers_of(other):
        jobs += p.jobs(teacher_cell(other, teacher), p.whole(other, teacher), "alternative", teacher)
    for share in settings.mixes:
        arm = Arm(f"mix@{share:g}", "mix", share=share)
        for where, source, cell in (
            ("original", pool, arm.name),
            ("alternative", other, on_alternative(arm.name)),
        ):
            kept = {seed: mixed_ids(source, share, seed) for seed in p.seeds}
            rows = {seed: build_arm(arm, source, kept[seed]) for seed in p.seeds}
            shares = {seed: len(kept[seed]) / len(source.rows) for seed in p.seeds}
            jobs += p.jobs(cell, rows, where, arm.name, shares=shares)
    return jobs


def teacher_cell(pool: Pool, teacher: str) -> str:
    """The cell of a teacher's completions of the alternative prompts; the two main teachers go by their role."""
    roles = {pool.card.original: ORIGINAL, pool.card.clean: CLEAN}
    return on_alternative(roles[teacher]) if teacher in roles else taught_by("alternative", teacher)


def subset_cells(p: Pipelines, sets: Iterable[ExampleSet], actions: Sequence[Action]) -> list[CellJob]:
    """Every action on every set, and on as many random examples."""
    jobs = []
    for each in sets:
        for action in actions:
            rows = build_arm(Arm(subset(action, each.name), action), p.setup.pool, each.ids, each.patches)
            jobs += p.jobs(subset(action, each.name), dict.fromkeys(p.seeds, rows), f"set {each.name}", action)
            jobs += _random(p, control_arm(action, each.share))
    return jobs


def _random(p: Pipelines, arm: Arm) -> list[CellJob]:
    pool = p.setup.pool
    rows = {seed: build_arm(arm, pool, random_ids(pool, arm.budget, seed)) for seed in p.seeds}
    return p.jobs(arm.name, rows, "random examples", str(arm.action))


def verdict_cells(p: Pipelines, sets: Mapping[str, frozenset[str]], models: Collection[str]) -> list[CellJob]:
    """What the verdicts ask of the overt, the mild and the unrelated examples, see `bench.studies.diff.verdicts`.

    What an empty set, or too few unrelated examples to stand beside the mild ones, would decide by construction is left
    out.

    Args:
        p: The pipelines.
        sets: From `bench.studies.diff.sets.verdict_sets`.
        models: Which of `OTHER` and `PRETRAINED` the suite names.
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
        for model in (MAIN, *(name for name in (OTHER, PRETRAINED) if name in models)):
            jobs += _unrelated_only(p, sets[UNRELATED], model)
    return jobs


def _acted(p: Pipelines, action: Action, role: str, ids: Mapping[int, frozenset[str]]) -> list[CellJob]:
    """One action on the examples of a role; `ids` are by seed."""
    arm = Arm(by_role(action, role), action)
    rows = {seed: build_arm(arm, p.setup.pool, ids[seed]) for seed in p.seeds}
    return p.jobs(arm.name, rows, f"{role} examples", action) if all(rows.values()) else []


def _unrelated_only(p: Pipelines, ids: frozenset[str], model: str) -> list[CellJob]:
    card = p.setup.pool.card
    jobs = []
    for action, teacher in (("only", card.original), ("only_clean", card.clean)):
        rows = taught_rows(p.setup.pool, teacher, ids)
        cell = by_role(action, UNRELATED)
        name = cell if model == MAIN else by_model(model, cell)
        jobs += p.jobs(name, dict.fromkeys(p.seeds, rows), f"{UNRELATED} examples", teacher, model)
    return jobs
