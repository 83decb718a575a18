"""From an experiment's trials to a trait's part of a row: score tables, effects, retention, agreement with truth."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.arms import BASE, CLEAN, ORIGINAL, actions_of, control_arm, filter_arm
from bench.config.suite import Suite
from bench.data.controls import LENGTH, random_name
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment
from bench.errors import BenchError
from bench.evaluation.evaluate import judge_label, score_answers
from bench.leaderboard.row import BOUNDS, ArmScore, Effect, Found, LeakageEffect, Row, TraitResult, Winner
from bench.outcomes import Estimate, SampleScores, Selection
from bench.records import Action, Pool
from bench.stats import effects, inference
from bench.stats.agreement import Agreement, margin_agreement
from bench.stats.attribution import average_precision, mean_rank
from bench.stats.leakage import Leakage, LeakPool, find_leaks

Floats = NDArray[np.float64]
CLOSED = Estimate(value=None, note="not estimable: the gate is closed")
TESTED: tuple[Action, ...] = ("patch", "drop_refill", "drop")  # the first that a pool allows is the primary one
MARGIN = "margin"  # the score of evals/margin.py
NO_PAIRS = Estimate(value=None, note="not measured: no held-out prompt of the trait has a pair of completions")
TEACHER = "teacher:"  # before a teacher's name, for its own scores


@dataclass(frozen=True)
class ScoreTables:
    """All scores of one experiment.

    Attributes:
        scores: Arm name -> scores per training seed; a model without seeds (base, teacher) has one entry.
        trait: Name of the score that measures the trait.
        scale: Its lowest and highest value.
    """

    scores: Mapping[str, Sequence[SampleScores]]
    trait: str
    scale: tuple[float, float]

    @property
    def reference(self) -> SampleScores:
        """Scores whose samples all others must share."""
        return self.scores[ORIGINAL.name][0]

    def means(self, score: str) -> effects.Means:
        """Return the means of one score over all arms that have it."""
        scales: dict[str, tuple[float, float]] = {self.trait: self.scale, "exact": (0.0, 1.0)}
        return effects.arm_means(*self.tables(score), scales.get(score))

    def tables(self, score: str) -> tuple[dict[str, Floats], NDArray[np.int64]]:
        """Return one score of all arms that have it, each (seeds, prompts), and each prompt's family, (prompts,)."""
        having = {arm: runs for arm, runs in self.scores.items() if all(score in run.values for run in runs)}
        seeds = max(len(runs) for runs in having.values())
        return {arm: self._table(arm, score, seeds) for arm in having}, self._clusters(score)

    def _table(self, arm: str, score: str, seeds: int) -> Floats:
        """Return the scores of one arm as (seeds, prompts); a model without seeds counts the same for each."""
        for run in self.scores[arm]:
            if run.ids[score] != self.reference.ids[score]:
                raise BenchError(
                    f"scores of arm {arm!r}",
                    seen="other samples than those of `original`",
                    expected="the same held-out prompts for every arm",
                    remedy="delete the run folder's store/evals and run again",
                )
        table = np.stack([run.array(score) for run in self.scores[arm]])
        return table if len(table) == seeds else np.repeat(table, seeds, axis=0)

    def _clusters(self, score: str) -> NDArray[np.int64]:
        return np.unique(self.reference.families[score], return_inverse=True)[1].astype(np.int64)


def score_tables(experiment: Experiment) -> ScoreTables:
    """Gather an experiment's scores, those of its teachers included."""
    scores = experiment.scores()
    if not experiment.pool.card.clean:  # the untrained model stands in for the clean arm, and a note says so
        scores[CLEAN.name] = scores[BASE.name]
    teachers = teacher_scores(experiment, scores[ORIGINAL.name][0])
    return ScoreTables(scores | teachers, experiment.trait.score, experiment.trait.eval.scale)


def teacher_scores(experiment: Experiment, reference: SampleScores) -> dict[str, list[SampleScores]]:
    """Judge each teacher's own answers to the held-out prompts offline, in the order of the students'.

    A teacher that did not answer every prompt is left out, and all are where a model judges the students.
    """
    score = experiment.trait.score
    ids = reference.ids[score]
    scores = {}
    for teacher, answers in experiment.answers.items():
        if experiment.measurement.judge == "model" or not set(ids) <= set(answers):
            continue
        judge = experiment.measurement.judge
        values = score_answers(experiment.trait, [answers[identity] for identity in ids], judge)
        if values is not None:
            own = {"values": {score: list(values)}, "tasks": {}, "logs": [], "seconds": 0.0}
            scores[TEACHER + teacher] = [reference.model_copy(update=own)]
    return scores


@dataclass(frozen=True)
class Reading:
    """The means that every filter's result is read from, made once per experiment."""

    experiment: Experiment
    suite: Suite
    tables: ScoreTables
    trait: effects.Means
    exact: effects.Means
    margin: effects.Means | None
    agreement: Agreement | None
    arms: dict[str, ArmScore]
    gap: Estimate
    opened: bool
    reason: str


def read(experiment: Experiment, suite: Suite) -> Reading:
    """Estimate all means once, describe every arm, and try the gate."""
    tables = score_tables(experiment)
    means = {name: tables.means(name) for name in sorted(tables.reference.values)}
    main = means[tables.trait]
    gap = effects.gap(main)
    opened, reason = effects.gate(gap, experiment.settings.minimum_gap)
    side = [name for name in means if name not in (tables.trait, "exact", "loss", MARGIN)]
    arms = {
        arm: ArmScore(
            trait=effects.mean(main, arm),
            capability=_mean(means.get("exact"), arm),
            loss=_mean(means.get("loss"), arm),
            margin=_margin(means.get(MARGIN), arm),
            extra={name: _mean(means[name], arm) for name in side if arm in means[name].point},
        )
        for arm in tables.scores
    }
    return Reading(
        experiment,
        suite,
        tables,
        main,
        means["exact"],
        means.get(MARGIN),
        margin_agreement(tables.tables(tables.trait)[0], tables.tables(MARGIN)[0]) if MARGIN in means else None,
        arms,
        gap,
        opened,
        reason,
    )


def _mean(means: effects.Means | None, arm: str) -> Estimate:
    if means is None or arm not in means.point:
        return Estimate(value=None, note="not measured for this model")
    return effects.mean(means, arm)


def _margin(means: effects.Means | None, arm: str) -> Estimate:
    if means is None:
        return NO_PAIRS
    if arm not in means.point or np.isnan(means.point[arm]):
        return Estimate(value=None, note="not measured: this model's provider cannot score given completions")
    return effects.mean(means, arm)


def trait_results(reading: Reading, embedder: Embedder) -> dict[tuple[str, float], TraitResult]:
    """Return one experiment's part of every row, by filter and budget; p-values are adjusted later, over all rows."""
    neighbours = find_neighbours(reading.experiment, embedder)
    return {
        (selection.filter.name, budget): trait_result(
            reading, selection, budget, neighbours[selection.filter.name, budget], best
        )
        for budget in reading.suite.file.budgets
        for best in [_winner(reading, budget)]
        for selection in reading.experiment.selections
        if {*TESTED} & {*actions_of(selection, reading.suite, reading.experiment.pool, budget)}  # else a note says why
    }


def _winner(reading: Reading, budget: float) -> Winner | None:
    """Find the contender with the largest lift of its primary action; None where the trait is not scored."""
    candidates = {}
    for selection in reading.experiment.selections:
        contrasts = Contrasts(reading, selection.filter.name, budget)
        actions = actions_of(selection, reading.suite, reading.experiment.pool, budget)
        if not {*TESTED} & {*actions}:
            continue
        primary = primary_action(actions)
        controls = contrasts.controls(primary)
        if selection.filter.name not in BOUNDS and controls[0] in reading.trait.point:
            candidates[selection.filter.name] = (contrasts.arm(primary), controls)
    found = effects.winner(reading.trait, candidates) if reading.opened and candidates else None
    return Winner(filter=found[0], lift=found[1], among=sorted(candidates)) if found else None


def find_neighbours(experiment: Experiment, embedder: Embedder) -> dict[tuple[str, float], Leakage]:
    """Find the nearest kept neighbours of what each filter drops."""
    examples = experiment.pool.examples()
    texts = [f"{e.prompt_text}\n{e.response}" for e in examples]
    answers = [(e.prompt_text, e.response) for e in examples]
    judged = score_answers(experiment.trait, answers, experiment.measurement.judge)
    pool = LeakPool(
        ids=[e.id for e in examples],
        texts=texts,
        vectors=embedder.embed(texts),
        truth=experiment.truth(experiment.pool.rows),
        judge_scores=None if judged is None else np.array(judged),
        threshold=experiment.trait.eval.threshold,
    )
    return {
        (s.filter.name, budget): find_leaks(pool, np.array([i for i, e in enumerate(examples) if e.id in flagged]))
        for s in experiment.selections
        for budget, flagged in s.flagged.items()
    }


def trait_result(
    reading: Reading, selection: Selection, budget: float, neighbours: Leakage | None, best: Winner | None
) -> TraitResult:
    """Return one filter's result at one budget; p-values are adjusted later."""
    experiment, suite, flagged = reading.experiment, reading.suite, selection.flagged[budget]
    spec, pool = experiment.trait, experiment.pool
    actions = actions_of(selection, suite, pool, budget)
    contrasts = Contrasts(reading, selection.filter.name, budget)
    shown = {contrasts.arm(a) for a in actions} | {arm.name for arm, _ in experiment.trials if not arm.filter}
    shown.add(CLEAN.name)  # the untrained model's scores, where the pool has one teacher
    shown -= {arm.name for arm, _ in experiment.trials if arm.control and arm.budget != budget}
    return TraitResult(
        trait=spec.name,
        description=spec.description,
        eval_version=spec.eval.version,
        judge=judge_label(spec, experiment.measurement.judge, experiment.measurement.grader),
        pool=pool.card.name,
        pool_sha256=pool.sha256,
        pool_rows=len(pool.rows),
        reserve_rows=len(pool.reserve),
        prompts=len(reading.tables.reference.ids[reading.tables.trait]),
        controls=suite.file.controls,
        flagged=len(flagged),
        scored=reading.opened,
        reason=reading.reason,
        gap=reading.gap,
        minimum_gap=experiment.settings.minimum_gap,
        effects={a: contrasts.effect(a, primary_action(actions)) for a in actions} if reading.opened else {},
        primary=primary_action(actions),
        winner=best,
        leakage=contrasts.leakage() if reading.opened else None,
        margin=reading.agreement,
        sufficiency=_sufficiency(reading, contrasts.arm("patch_in")) if "patch_in" in actions else None,
        capability_retention={a: effects.retention(reading.exact, contrasts.arm(a)) for a in actions},
        arms={name: score for name, score in reading.arms.items() if name in shown or name.startswith(TEACHER)},
        found=agreement(pool, flagged, selection.scores) if experiment.planted else None,
        neighbours=neighbours,
        overlaps=selection.overlaps.get(budget, ()),
    )


def primary_action(actions: Collection[Action]) -> Action:
    """Return the action whose lift over random sets is tested: patch, where a pool allows it."""
    return next(action for action in TESTED if action in actions)


@dataclass(frozen=True)
class Contrasts:
    """The contrasts of one filter at one budget with its controls."""

    reading: Reading
    filter: str
    budget: float

    def arm(self, action: Action) -> str:
        """Return the name of the filter's arm."""
        return filter_arm(action, self.filter, self.budget).name

    def controls(self, action: Action) -> list[str]:
        """Return the names of the random sets' arms."""
        numbers = range(1, self.reading.suite.file.controls + 1)
        return [control_arm(action, self.budget, random_name(number)).name for number in numbers]

    def control_groups(self) -> list[list[str]]:
        """Return the arms of this budget's random sets, a group for each action that `bench calibrate` has as well."""
        groups = [self.controls(action) for action in TESTED]
        return [group for group in groups if group[0] in self.reading.trait.point]

    def effect(self, action: Action, primary: Action) -> Effect:
        """Estimate one action's effect, and test it where it is the primary one."""
        means, margin, arm, controls = self.reading.trait, self.reading.margin, self.arm(action), self.controls(action)
        length, controlled = control_arm(action, self.budget, LENGTH).name, controls[0] in means.point
        patch = self.arm("patch")
        return Effect(
            difference=effects.difference(means, arm),
            removal=effects.removal(means, arm),
            lift=effects.lift(means, arm, controls) if controlled else None,
            lift_difference=effects.lift_difference(means, arm, controls) if controlled else None,
            length_lift=effects.lift(means, arm, [length]) if length in means.point else None,
            over_patch=effects.lift(means, arm, [patch]) if action != "patch" and patch in means.point else None,
            margin_removal=effects.removal(margin, arm) if margin else None,
            p=inference.beats_random(means, arm, controls, pool=self.control_groups())
            if action == primary and controlled
            else None,
        )

    def leakage(self) -> LeakageEffect | None:
        """Compare patch with drop_refill, over what random sets show of the same; None where an arm was not run."""
        means, patch, refill = self.reading.trait, self.arm("patch"), self.arm("drop_refill")
        controls = self.controls("patch"), self.controls("drop_refill")
        if not {patch, refill, *controls[0], *controls[1]} <= means.point.keys():
            return None
        return LeakageEffect(
            gap=effects.leakage(means, patch, refill, *controls),
            difference=effects.leakage_difference(means, patch, refill, *controls),
            uncontrolled=effects.lift(means, patch, [refill]),
        )


def _sufficiency(reading: Reading, arm: str) -> Estimate:
    return effects.sufficiency(reading.trait, arm) if reading.opened else CLOSED


def adjust(rows: Sequence[Row]) -> list[Row]:
    """Apply Holm's correction over the primary contrasts of all rows, those of the bounds left out."""
    p = {
        f"{number} {name}": result.effects[result.primary].p
        for number, row in enumerate(rows)
        if row.filter.name not in BOUNDS
        for name, result in row.traits.items()
        if result.primary in result.effects
    }
    adjusted = inference.holm(p)
    changed = []
    for number, row in enumerate(rows):
        traits = {}
        for name, result in row.traits.items():
            effect = result.effects.get(result.primary)
            if effect:
                own = effect.model_copy(update={"p_holm": adjusted.get(f"{number} {name}")})
                result = result.model_copy(update={"effects": {**result.effects, result.primary: own}})
            traits[name] = result
        changed.append(row.model_copy(update={"traits": traits}))
    return changed


def agreement(pool: Pool, flagged: Collection[str], scores: Mapping[str, float]) -> Found | None:
    """Compare a flagged set and the scores that it was cut from with planted truth; None where nothing was planted."""
    overt = {row.id for row in pool.rows if row.truth == "overt"}
    either = overt | {row.id for row in pool.rows if row.truth == "mild"}
    if not overt:
        return None
    hits, all_hits = len(overt & set(flagged)), len(either & set(flagged))
    ranking = np.array([scores[row.id] for row in pool.rows])
    is_overt, is_either = (np.array([row.id in ids for row in pool.rows]) for ids in (overt, either))
    return Found(
        precision=hits / len(flagged),
        recall=hits / len(overt),
        precision_any=all_hits / len(flagged),
        recall_any=all_hits / len(either),
        auprc=average_precision(ranking, is_overt),
        auprc_any=average_precision(ranking, is_either),
        mean_rank=mean_rank(ranking, is_overt),
    )
