"""From evidence to the numbers of rows: the only place that computes them, for a run and for `bench verify` alike."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np

from bench.arms import control_arm, filter_arm
from bench.data.controls import LENGTH, random_name
from bench.leaderboard.evidence import Evidence
from bench.leaderboard.learning import nothing_learnt
from bench.leaderboard.row import BOUNDS, ArmScore, Effect, LeakageEffect, Winner
from bench.outcomes import AnswerCounts, Estimate
from bench.records import Action
from bench.stats import effects, inference
from bench.stats.agreement import Agreement, margin_agreement
from bench.stats.winner import winner

CLOSED = Estimate(value=None, note="not estimable: the gate is closed")
TESTED: tuple[Action, ...] = ("patch", "drop_refill", "drop")  # the first that a pool allows is the primary one
MARGIN = "margin"  # the score of evals/margin.py
NO_PAIRS = Estimate(value=None, note="not measured: no held-out prompt of the trait has a pair of completions")
_ACTION = f"(?P<action>{'|'.join(get_args(Action))})"
_BUDGET = r"(?P<budget>\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
FILTER_ARM = re.compile(rf"{_ACTION}:(?P<filter>.+)@{_BUDGET}", re.DOTALL)
CONTROL_ARM = re.compile(rf"(?:random\d+|{LENGTH})_{_ACTION}@{_BUDGET}")


class Hypothesis(NamedTuple):
    """A primary contrast: a filter at a budget (as in arms' names), on one trait."""

    filter: str
    budget: str
    trait: str


@dataclass(frozen=True)
class Reading:
    """The means that every filter's result on a trait is read from, made once per experiment."""

    evidence: Evidence
    trait: effects.Means
    exact: effects.Means
    margin: effects.Means | None
    agreement: Agreement | None
    arms: dict[str, ArmScore]
    gap: Estimate
    opened: bool
    reason: str
    left_out: int

    def actions(self, filter_name: str, budget: float) -> tuple[Action, ...]:
        """Return the actions on a filter's flagged set that were run, in order."""
        names = {filter_arm(action, filter_name, budget).name: action for action in get_args(Action)}
        return tuple(names[arm] for arm in self.arms if arm in names)

    def contrasts(self) -> dict[tuple[str, str], "Contrasts"]:
        """Return the filters and budgets (as in arms' names) that have an action which is tested, in order."""
        found = (FILTER_ARM.fullmatch(arm) for arm in self.arms)
        keys = dict.fromkeys((f["filter"], f["budget"]) for f in found if f and f["action"] in TESTED)
        return {key: Contrasts(self, key[0], float(key[1])) for key in keys}


def read(evidence: Evidence) -> Reading:
    """Estimate all means once, describe every arm, and try the gate.

    Raises:
        BenchError: If a score is infinite or outside of its scale.
    """
    means = {name: evidence.means(name) for name in sorted(evidence.ids)}
    main = means[evidence.score]
    gap = effects.gap(main)
    opened, reason = effects.gate(gap, evidence.minimum_gap)
    if not opened:
        reason = "; ".join(filter(None, (nothing_learnt(evidence), reason)))
    side = [name for name in means if name not in (evidence.score, "exact", "loss", MARGIN)]
    arms = {
        arm: ArmScore(
            trait=effects.mean(main, arm),
            capability=_mean(means.get("exact"), arm),
            loss=_mean(means.get("loss"), arm),
            margin=_margin(means.get(MARGIN), arm),
            extra={name: _mean(means[name], arm) for name in side if arm in means[name].point},
            unscored=evidence.unscored(arm),
            answers=AnswerCounts.total(evidence.answers[arm]) if arm in evidence.answers else None,
        )
        for arm in evidence.arms
    }
    behaviour = evidence.tables(evidence.score)[0]
    return Reading(
        evidence=evidence,
        trait=main,
        exact=means["exact"],
        margin=means.get(MARGIN),
        agreement=margin_agreement(behaviour, evidence.tables(MARGIN)[0]) if MARGIN in means else None,
        arms=arms,
        gap=gap,
        opened=opened,
        reason=reason,
        left_out=evidence.common().left_out,
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


def find_winner(reading: Reading, budget: float) -> Winner | None:
    """Find the contender with the largest lift of its primary action; None where the trait is not scored."""
    candidates = {}
    for (name, of), contrasts in reading.contrasts().items():
        controls = contrasts.controls(contrasts.primary)
        if of == f"{budget:g}" and name not in BOUNDS and controls[0] in reading.trait.point:
            candidates[name] = (contrasts.arm(contrasts.primary), controls)
    found = winner(reading.trait, candidates) if reading.opened and candidates else None
    return Winner(filter=found[0], lift=found[1], among=sorted(candidates)) if found else None


def corrected(readings: Mapping[str, Reading]) -> dict[Hypothesis, float | None]:
    """Return Holm's p of every primary contrast of a run: filters x budgets x traits, bounds left out."""
    return inference.holm(
        {
            Hypothesis(name, budget, trait): contrasts.p_value()
            for trait, reading in readings.items()
            for (name, budget), contrasts in (reading.contrasts() if reading.opened else {}).items()
            if name not in BOUNDS
        }
    )


def numbers(
    reading: Reading, filter_name: str, budget: float, best: Winner | None, p_holm: float | None
) -> dict[str, Any]:
    """Return the fields of a filter's `TraitResult` that follow from the evidence.

    Args:
        reading: Of the trait.
        filter_name: Of the filter.
        budget: Share of the pool that it flags.
        best: From `find_winner`, at that budget.
        p_holm: From `corrected`.

    Raises:
        BenchError: If an arm was not measured.
    """
    contrasts = Contrasts(reading, filter_name, budget)
    actions, primary = contrasts.actions, contrasts.primary
    own = {contrasts.arm(action) for action in actions}
    opened = reading.opened
    return {
        "prompts": len(reading.evidence.ids[reading.evidence.score]),
        "left_out": reading.left_out,
        "controls": reading.evidence.controls,
        "minimum_gap": reading.evidence.minimum_gap,
        "scored": opened,
        "reason": reading.reason,
        "gap": reading.gap,
        "effects": {a: contrasts.effect(a, p_holm) for a in actions} if opened else {},
        "primary": primary,
        "winner": best,
        "leakage": contrasts.leakage() if opened else None,
        "margin": reading.agreement,
        "sufficiency": contrasts.sufficiency() if "patch_in" in actions else None,
        "capability_retention": {a: effects.retention(reading.exact, contrasts.arm(a)) for a in actions},
        "arms": {name: score for name, score in reading.arms.items() if name in own or _is_shared(name, budget)},
    }


def _is_shared(arm: str, budget: float) -> bool:
    """Say whether an arm belongs to no filter, and to no other budget."""
    control = CONTROL_ARM.fullmatch(arm)
    return control["budget"] == f"{budget:g}" if control else not FILTER_ARM.fullmatch(arm)


def primary_action(actions: Collection[Action]) -> Action:
    """Return the action whose lift over random sets is tested: patch, where a pool allows it."""
    return next(action for action in TESTED if action in actions)


@dataclass(frozen=True)
class Contrasts:
    """The contrasts of one filter at one budget with its controls."""

    reading: Reading
    filter: str
    budget: float

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions on the filter's flagged set."""
        return self.reading.actions(self.filter, self.budget)

    @property
    def primary(self) -> Action:
        """The action whose lift is tested."""
        return primary_action(self.actions)

    def arm(self, action: Action) -> str:
        """Return the name of the filter's arm."""
        return filter_arm(action, self.filter, self.budget).name

    def controls(self, action: Action) -> list[str]:
        """Return the names of the random sets' arms."""
        numbers = range(1, self.reading.evidence.controls + 1)
        return [control_arm(action, self.budget, random_name(number)).name for number in numbers]

    def control_groups(self) -> list[list[str]]:
        """Return the arms of this budget's random sets, a group for each action that `bench calibrate` has as well."""
        groups = [self.controls(action) for action in TESTED]
        return [group for group in groups if group[0] in self.reading.trait.point]

    def effect(self, action: Action, p_holm: float | None) -> Effect:
        """Estimate one action's effect, and test it where it is the primary one."""
        means, margin, arm, controls = self.reading.trait, self.reading.margin, self.arm(action), self.controls(action)
        length, controlled = control_arm(action, self.budget, LENGTH).name, controls[0] in means.point
        primary = action == self.primary
        return Effect(
            difference=effects.difference(means, arm),
            removal=effects.removal(means, arm),
            lift=effects.lift(means, arm, controls) if controlled else None,
            lift_difference=effects.lift_difference(means, arm, controls) if controlled else None,
            length_lift=effects.lift(means, arm, [length]) if length in means.point else None,
            margin_removal=effects.removal(margin, arm) if margin else None,
            p=self.p_value() if primary else None,
            p_holm=p_holm if primary else None,
        )

    def p_value(self) -> float | None:
        """Test the primary action against the random sets; None where they did not get it."""
        controls = self.controls(self.primary)
        if controls[0] not in self.reading.trait.point:
            return None
        means, arm = self.reading.trait, self.arm(self.primary)
        return inference.beats_random(means, arm, controls, pool=self.control_groups())

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

    def sufficiency(self) -> Estimate:
        """Return the share of the gap that the flagged set alone brings back."""
        reading = self.reading
        return effects.sufficiency(reading.trait, self.arm("patch_in")) if reading.opened else CLOSED
