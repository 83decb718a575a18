"""From an experiment's trials to a trait's part of a row: score tables, effects, retention, agreement with truth."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.arms import ORIGINAL, actions_of, control_arm, filter_arm
from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment
from bench.errors import BenchError
from bench.evaluation.evaluate import judge_label, score_answers
from bench.leaderboard.row import ArmScore, Effect, TraitResult
from bench.records import Action, Estimate, Pool, SampleScores, Selection
from bench.stats import effects, permutation
from bench.stats.leakage import Leakage, LeakPool, find_leaks

Floats = NDArray[np.float64]
CLOSED = Estimate(value=None, note="not estimable: the gate is closed")
TEACHER = "teacher:"  # before a teacher's name, for its own scores


@dataclass(frozen=True)
class ScoreTables:
    """All scores of one experiment.

    Attributes:
        scores: Arm name -> scores per training seed; a model without seeds (base, teacher) has one entry.
        trait: Name of the score that measures the trait.
    """

    scores: Mapping[str, Sequence[SampleScores]]
    trait: str

    @property
    def reference(self) -> SampleScores:
        """Scores whose samples all others must share."""
        return self.scores[ORIGINAL.name][0]

    def means(self, score: str) -> effects.Means:
        """Resample the means of one score over all arms that have it."""
        return effects.resample_means(*self.tables(score))

    def tables(self, score: str) -> tuple[dict[str, Floats], NDArray[np.int64]]:
        """Return one score of all arms that have it, each (seeds, prompts), and each prompt's family, (prompts,)."""
        having = {arm: runs for arm, runs in self.scores.items() if all(score in run.values for run in runs)}
        seeds = max(len(runs) for runs in having.values())
        return {arm: self._table(arm, score, seeds) for arm in having}, self._clusters(score)

    def paired_p(self, arm: str, control: str) -> float | None:
        """Return the one-sided p-value that an arm shows less of the trait than its control."""
        tables = [self._table(name, self.trait, len(self.scores[name])) for name in (arm, control)]
        return permutation.paired_p(tables[0], tables[1], self._clusters(self.trait))

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
    return ScoreTables(scores | teacher_scores(experiment, scores[ORIGINAL.name][0]), experiment.trait.score)


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
    """The resampled means that every filter's result is read from, made once per experiment."""

    experiment: Experiment
    tables: ScoreTables
    trait: effects.Means
    exact: effects.Means
    arms: dict[str, ArmScore]
    gap: Estimate
    opened: bool
    reason: str


def read(experiment: Experiment) -> Reading:
    """Resample once, describe every arm, and try the gate."""
    tables = score_tables(experiment)
    means = {name: tables.means(name) for name in sorted(tables.reference.values)}
    main = means[tables.trait]
    gap = effects.gap(main)
    opened, reason = effects.gate(gap, experiment.settings.minimum_gap)
    side = [name for name in means if name not in (tables.trait, "exact", "loss")]
    arms = {
        arm: ArmScore(
            trait=effects.mean(main, arm),
            capability=_mean(means.get("exact"), arm),
            loss=_mean(means.get("loss"), arm),
            extra={name: _mean(means[name], arm) for name in side if arm in means[name].point},
        )
        for arm in tables.scores
    }
    return Reading(experiment, tables, main, means["exact"], arms, gap, opened, reason)


def _mean(means: effects.Means | None, arm: str) -> Estimate:
    if means is None or arm not in means.point:
        return Estimate(value=None, note="not measured for this model")
    return effects.mean(means, arm)


def trait_results(reading: Reading, suite: Suite, embedder: Embedder) -> dict[tuple[str, float], TraitResult]:
    """Return one experiment's part of every row, by filter and budget."""
    leaks = find_neighbours(reading.experiment, embedder)
    results: dict[tuple[str, float], TraitResult] = {}
    for budget in suite.file.budgets:
        per_filter = {
            s.filter.name: trait_result(reading, s, budget, actions_of(s, suite), leaks[s.filter.name, budget])
            for s in reading.experiment.selections
        }
        results |= {(name, budget): result for name, result in adjust(per_filter).items()}
    return results


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
        truth=experiment.truth,
        judge_scores=None if judged is None else np.array(judged),
        threshold=experiment.trait.eval.threshold,
    )
    return {
        (s.filter.name, budget): find_leaks(pool, np.array([i for i, e in enumerate(examples) if e.id in flagged]))
        for s in experiment.selections
        for budget, flagged in s.flagged.items()
    }


def trait_result(
    reading: Reading, selection: Selection, budget: float, actions: Sequence[Action], leakage: Leakage | None
) -> TraitResult:
    """Return one filter's result at one budget; p-values are adjusted later, over all filters of the trait."""
    experiment, flagged = reading.experiment, selection.flagged[budget]
    spec, pool = experiment.trait, experiment.pool
    names = {action: filter_arm(action, selection.filter.name, budget).name for action in actions}
    controls = {action: control_arm(action, budget).name for action in actions}
    others = {arm.name for arm, _ in experiment.trials if arm.filter or arm.control}
    others -= {*names.values(), *controls.values()}
    precision, recall = agreement(pool, flagged) if experiment.planted else (None, None)
    effect = {action: _effect(reading, action, names[action], controls[action]) for action in actions}
    return TraitResult(
        trait=spec.name,
        description=spec.description,
        eval_version=spec.eval.version,
        judge=judge_label(spec, experiment.measurement.judge, experiment.measurement.grader),
        pool=pool.card.name,
        pool_sha256=pool.sha256,
        pool_rows=len(pool.rows),
        prompts=len(reading.tables.reference.ids[reading.tables.trait]),
        flagged=len(flagged),
        scored=reading.opened,
        reason=reading.reason,
        gap=reading.gap,
        minimum_gap=experiment.settings.minimum_gap,
        effects=effect if reading.opened else {},
        leakage_gap=_leakage_gap(reading, names),
        sufficiency=_sufficiency(reading, names),
        capability_retention={action: effects.retention(reading.exact, names[action]) for action in actions},
        arms={arm: score for arm, score in reading.arms.items() if arm not in others},
        precision=precision,
        recall=recall,
        leakage=leakage,
    )


def _leakage_gap(reading: Reading, names: Mapping[Action, str]) -> Estimate | None:
    if not reading.opened:
        return CLOSED
    if "drop" not in names or "patch" not in names:
        return None
    return effects.leakage_gap(reading.trait, names["patch"], names["drop"])


def _sufficiency(reading: Reading, names: Mapping[Action, str]) -> Estimate | None:
    if not reading.opened:
        return CLOSED
    return effects.sufficiency(reading.trait, names["patch_in"]) if "patch_in" in names else None


def _effect(reading: Reading, action: Action, arm: str, control: str) -> Effect:
    """Estimate one action's effect; its p-value asks whether it removes more than its control, or brings back more."""
    brings_back = action in ("patch_in", "only")
    tables = reading.tables
    return Effect(
        removal=effects.removal(reading.trait, arm),
        lift=effects.lift(reading.trait, arm, control),
        p=tables.paired_p(control, arm) if brings_back else tables.paired_p(arm, control),
    )


def adjust(results: Mapping[str, TraitResult]) -> dict[str, TraitResult]:
    """Apply Holm's correction over the filters of one trait and budget, action by action."""
    actions = {action for result in results.values() for action in result.effects}
    adjusted = dict(results)
    for action in sorted(actions):
        p = {name: result.effects[action].p for name, result in results.items() if action in result.effects}
        for name, value in permutation.holm(p).items():
            changed = adjusted[name].effects[action].model_copy(update={"p_holm": value})
            adjusted[name] = adjusted[name].model_copy(update={"effects": {**adjusted[name].effects, action: changed}})
    return adjusted


def agreement(pool: Pool, flagged: Collection[str]) -> tuple[float | None, float | None]:
    """Return precision and recall of a flagged set against planted overt rows; None where nothing was planted."""
    overt = {row.id for row in pool.rows if row.truth == "overt"}
    if not overt:
        return None, None
    hits = len(overt & set(flagged))
    return hits / len(flagged), hits / len(overt)
