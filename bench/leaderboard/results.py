"""From finished trials to a trait's part of a row: tables, effects, retention, agreement with planted truth."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.arms import control_arm, filter_arm
from bench.data.trait import TraitSpec
from bench.errors import BenchError
from bench.leaderboard.row import ArmScore, Effect, TraitResult
from bench.records import Action, Estimate, Pool, SampleScores
from bench.stats import effects
from bench.stats import permutation as significance
from bench.stats.leakage import Leakage

Floats = NDArray[np.float64]
CLOSED = Estimate(value=None, note="not estimable: the gate is closed")


@dataclass(frozen=True)
class Measured:
    """All scores of one experiment.

    Attributes:
        trait: What was measured.
        pool: On which pool.
        judge: Who judged, as `bench.evaluation.evaluate.judge_label` says it.
        planted: Whether the pool's truth labels were planted by a world.
        scores: Arm name -> scores per training seed; a model without seeds (base, teacher) has one entry.
        minimum_gap: Of the gate.
    """

    trait: TraitSpec
    pool: Pool
    judge: str
    planted: bool
    scores: Mapping[str, Sequence[SampleScores]]
    minimum_gap: float

    def means(self, score: str) -> effects.Means:
        """Resampled means of one score over all arms that have it."""
        return effects.resample_means(*self.tables(score))

    def tables(self, score: str) -> tuple[dict[str, Floats], NDArray[np.int64]]:
        """One score of all arms that have it, each (seeds, prompts), and the family of each prompt, (prompts,)."""
        having = {arm: runs for arm, runs in self.scores.items() if all(score in run.values for run in runs)}
        seeds = max(len(runs) for runs in having.values())
        reference = having["original"][0]
        tables = {arm: _table(runs, score, seeds, reference, arm) for arm, runs in having.items()}
        return tables, self._clusters(score)

    def paired_p(self, arm: str, control: str) -> float | None:
        """One-sided p-value that an arm shows less of the trait than its control."""
        score = self.trait.score
        reference = self.scores["original"][0]
        tables = [_table(self.scores[n], score, len(self.scores[n]), reference, n) for n in (arm, control)]
        return significance.paired_p(tables[0], tables[1], self._clusters(score))

    def _clusters(self, score: str) -> NDArray[np.int64]:
        families = self.scores["original"][0].families[score]
        return np.unique(families, return_inverse=True)[1].astype(np.int64)


def _table(runs: Sequence[SampleScores], score: str, seeds: int, reference: SampleScores, arm: str) -> Floats:
    """Scores of one arm as (seeds, prompts); a model without seeds counts the same for each."""
    for run in runs:
        if run.ids[score] != reference.ids[score]:
            raise BenchError(
                f"scores of arm {arm!r}",
                seen="other samples than those of `original`",
                expected="the same held-out prompts for every arm",
                remedy="delete the run folder's store/evals and run again",
            )
    table = np.stack([run.array(score) for run in runs])
    return table if len(runs) == seeds else np.repeat(table, seeds, axis=0)


@dataclass(frozen=True)
class Reading:
    """The resampled means that every filter's result is read from, made once per experiment."""

    measured: Measured
    trait: effects.Means
    exact: effects.Means
    arms: dict[str, ArmScore]
    gap: Estimate
    opened: bool
    reason: str


def read(measured: Measured) -> Reading:
    """Resample once, describe every arm, and try the gate."""
    names = sorted({name for runs in measured.scores.values() for run in runs for name in run.values})
    means = {name: measured.means(name) for name in names if name in measured.scores["original"][0].values}
    main = means[measured.trait.score]
    gap = effects.gap(main)
    opened, reason = effects.gate(gap, measured.minimum_gap)
    side = [name for name in means if name not in (measured.trait.score, "exact", "loss")]
    arms = {
        arm: ArmScore(
            trait=effects.mean(main, arm),
            capability=_mean(means.get("exact"), arm),
            loss=_mean(means.get("loss"), arm),
            extra={name: _mean(means[name], arm) for name in side if arm in means[name].point},
        )
        for arm in measured.scores
    }
    return Reading(measured, main, means["exact"], arms, gap, opened, reason)


def _mean(means: effects.Means | None, arm: str) -> Estimate:
    if means is None or arm not in means.point:
        return Estimate(value=None, note="not measured for this model")
    return effects.mean(means, arm)


def trait_result(
    reading: Reading,
    filter_name: str,
    budget: float,
    flagged: Collection[str],
    actions: Sequence[Action],
    leakage: Leakage | None,
) -> TraitResult:
    """One filter's result at one budget; p-values are adjusted later, over all filters of the trait."""
    measured, spec = reading.measured, reading.measured.trait
    names = {action: filter_arm(action, filter_name, budget).name for action in actions}
    controls = {action: control_arm(action, budget).name for action in actions}
    own = {*names.values(), *controls.values()}
    shown = {arm: score for arm, score in reading.arms.items() if "@" not in arm or arm in own or arm.startswith("mix")}
    precision, recall = agreement(measured.pool, flagged) if measured.planted else (None, None)
    return TraitResult(
        trait=spec.name,
        description=spec.description,
        eval_version=spec.eval.version,
        judge=measured.judge,
        pool=measured.pool.card.name,
        pool_sha256=measured.pool.sha256,
        pool_rows=len(measured.pool.rows),
        flagged=len(flagged),
        scored=reading.opened,
        reason=reading.reason,
        gap=reading.gap,
        minimum_gap=measured.minimum_gap,
        effects={action: _effect(reading, action, names[action], controls[action]) for action in actions}
        if reading.opened
        else {},
        leakage_gap=_leakage_gap(reading, names),
        sufficiency=_sufficiency(reading, names),
        capability_retention={action: effects.retention(reading.exact, names[action]) for action in actions},
        arms=shown,
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
    """One action's effect; its p-value asks whether it removes more than its control, or brings back more."""
    brings_back = action in ("patch_in", "only")
    return Effect(
        removal=effects.removal(reading.trait, arm),
        lift=effects.lift(reading.trait, arm, control),
        p=reading.measured.paired_p(control, arm) if brings_back else reading.measured.paired_p(arm, control),
    )


def adjust(results: Mapping[str, TraitResult]) -> dict[str, TraitResult]:
    """Holm over the filters of one trait and budget, action by action."""
    actions = {action for result in results.values() for action in result.effects}
    adjusted = dict(results)
    for action in sorted(actions):
        p = {name: result.effects[action].p for name, result in results.items() if action in result.effects}
        for name, value in significance.holm(p).items():
            changed = adjusted[name].effects[action].model_copy(update={"p_holm": value})
            adjusted[name] = adjusted[name].model_copy(update={"effects": {**adjusted[name].effects, action: changed}})
    return adjusted


def agreement(pool: Pool, flagged: Collection[str]) -> tuple[float | None, float | None]:
    """Precision and recall of a flagged set against planted overt rows; None where nothing was planted."""
    overt = {row.id for row in pool.rows if row.truth == "overt"}
    if not overt:
        return None, None
    hits = len(overt & set(flagged))
    return hits / len(flagged), hits / len(overt)
