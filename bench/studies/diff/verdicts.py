"""Verdicts on the hypotheses of `bench.studies.diff.rules`, from comparisons of cells.

Every condition is a comparison of two cells (`bench.stats.equivalence`): an effect must exceed the margin and its 95 %
interval exclude 0; "no effect" must pass an equivalence test. What is neither decides nothing. Each verdict is wrong
at most in 5 % of cases at the boundary of its null hypothesis, by itself:

- *Supported* needs all of its conditions, each at 5 %: an intersection-union test, which needs no correction (Berger
  1982, Technometrics 24).
- *Ruled out* needs one of several alternatives, so their p-values are corrected by Holm's method; that of an
  alternative with several conditions is the largest of them, again an intersection-union test.
- Below `MIN_SEEDS` trainings a cell nothing is decided: one training is not a treatment effect.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from bench.outcomes import Estimate
from bench.records import Strict
from bench.stats import effects
from bench.stats.effects import MIN_SEEDS
from bench.stats.equivalence import Comparison, contrast
from bench.stats.inference import holm
from bench.stats.intervals import contrast_limits, value, variance
from bench.studies.diff.rules import QUESTIONS, RULES, Condition, Conditions, Rule

ALPHA = 0.05
FURTHEST = 100.0  # quantiles of Student's t tried for a p-value


class CellComparison(Comparison):
    """A comparison with the p-value of a difference, which Holm's correction needs.

    Attributes:
        p: Two-sided, that the difference is 0, of the test that belongs to its interval; None with fewer than
            `MIN_SEEDS` trainings.
    """

    p: float | None = None


class Verdict(Strict):
    """A verdict on one hypothesis, with everything that it rests on.

    Attributes:
        hypothesis: Number.
        name: Name.
        claim: What the hypothesis says.
        verdict: What the rule gives.
        because: The conditions that decided, or those that are open, in words.
        p: The largest p-value of the conditions of a support; the smallest Holm-adjusted one of the alternatives that
            rule out; None where nothing was decided.
        jointly: Other hypotheses that are supported by the same experiments; then neither is singled out.
        evidence: Key of each contrast that the rule reads -> the comparison; missing where a cell was not trained.
        source: Where the rule comes from.
    """

    hypothesis: str
    name: str
    claim: str
    verdict: Literal["supported", "ruled out", "undetermined"]
    because: str
    p: float | None = None
    jointly: list[str] = []
    evidence: dict[str, CellComparison]
    source: str


def compare_cells(
    means: effects.Means, margin: float, trainings: Mapping[str, object] | None = None
) -> dict[str, CellComparison]:
    """Compare all contrasts whose two cells were measured.

    Args:
        means: Means of the cells.
        margin: As in `bench.stats.equivalence.contrast`.
        trainings: Cell -> what was trained for it. Two cells of one training cannot differ, whatever the truth: their
            contrast is not estimable.
    """
    found, trainings = {}, trainings or {}
    for key, q in QUESTIONS.items():
        if q.more not in means.point or q.less not in means.point:
            continue
        words = f"{q.more} - {q.less}"
        if q.more in trainings and trainings[q.more] == trainings.get(q.less):
            same = Estimate(value=None, note="not estimable: both cells are one training")
            found[key] = CellComparison(contrast=words, difference=same, margin=margin, outcome="not estimable")
        else:
            weights = {q.more: 1.0, q.less: -1.0}
            compared = contrast(means, words, weights, margin)
            p = None if compared.outcome == "not estimable" else _p_effect(means, weights)
            found[key] = CellComparison(**dict(compared), p=p)
    return found


def _p_effect(means: effects.Means, weights: Mapping[str, float]) -> float | None:
    """Return the p-value at which the interval of a contrast just reaches 0: the test that belongs to the interval."""
    from scipy.optimize import brentq
    from scipy.special import stdtr

    if means.seeds < MIN_SEEDS:
        return None
    side = 0 if value(means, weights) > 0 else 1

    def limit(q: float) -> float:
        return contrast_limits(means, weights, q)[side]

    if limit(0.0) * limit(FURTHEST) > 0:  # 0 is outside of every interval
        return 0.0
    return float(2 * stdtr(max(variance(means, weights)[1], 1.0), -brentq(limit, 0.0, FURTHEST)))


def judge(comparisons: Mapping[str, CellComparison], seeds: int) -> list[Verdict]:
    """Apply every rule to the contrasts, and say which hypotheses are supported together.

    Args:
        comparisons: From `compare_cells`.
        seeds: Training seeds of every cell.
    """
    verdicts = [_apply(rule, comparisons, seeds) for rule in RULES]
    supported = [v.hypothesis for v in verdicts if v.verdict == "supported"]
    return [v.model_copy(update={"jointly": _others(v.hypothesis, supported)}) for v in verdicts]


def _others(hypothesis: str, supported: Sequence[str]) -> list[str]:
    return [other for other in supported if other != hypothesis] if hypothesis in supported else []


def _apply(rule: Rule, comparisons: Mapping[str, CellComparison], seeds: int) -> Verdict:
    verdict: Literal["supported", "ruled out", "undetermined"] = "undetermined"
    p: float | None = None
    against = _against(rule, comparisons)
    open_ = [condition for condition in rule.supported if not _holds(condition, comparisons)]
    if seeds < MIN_SEEDS:
        because = (
            f"{seeds} training seed{'' if seeds == 1 else 's'}: a verdict needs at least {MIN_SEEDS}, as an effect "
            "cannot be told from chance between trainings"
        )
    elif against:
        verdict, p = "ruled out", min(against.values())
        because = "; ".join(" ".join(map(_words, conditions)) for conditions in against)
    elif not open_:
        verdict, p = "supported", _joint_p(rule.supported, comparisons)
        because = "; ".join(map(_words, rule.supported))
    else:
        because = "; ".join([*(_open(condition, comparisons) for condition in open_), *_lost(rule, comparisons)])
    return Verdict(
        hypothesis=rule.hypothesis,
        name=rule.name,
        claim=rule.claim,
        verdict=verdict,
        because=because,
        p=p,
        evidence={key: comparisons[key] for key in rule.questions if key in comparisons},
        source=rule.source,
    )


def _against(rule: Rule, comparisons: Mapping[str, CellComparison]) -> dict[Conditions, float]:
    """Return the alternatives that rule a hypothesis out at 5 % after Holm over all of them, with their p-values.

    An alternative that was not measured counts as one with p = 1: the correction does not depend on what was left out.
    """
    alone = _alone(rule, comparisons)
    if not alone:
        return {}
    alternatives = {str(i): conditions for i, conditions in enumerate(rule.ruled_out)}
    adjusted = holm({name: _joint_p(conditions, comparisons) for name, conditions in alternatives.items()})
    return {
        conditions: p
        for name, conditions in alternatives.items()
        if conditions in alone and (p := adjusted[name]) is not None and p <= ALPHA
    }


def _alone(rule: Rule, comparisons: Mapping[str, CellComparison]) -> list[Conditions]:
    """Return the alternatives that hold at 5 %, each by itself."""
    return [each for each in rule.ruled_out if all(_holds(condition, comparisons) for condition in each)]


def _lost(rule: Rule, comparisons: Mapping[str, CellComparison]) -> list[str]:
    """Say where an alternative would rule the hypothesis out by itself, but not after the correction."""
    words = f"what speaks against it does not hold after Holm's correction over {len(rule.ruled_out)} alternatives"
    return [words] if _alone(rule, comparisons) else []


def _joint_p(conditions: Conditions, comparisons: Mapping[str, CellComparison]) -> float:
    return max(_p(condition, comparisons) for condition in conditions)


def _p(condition: Condition, comparisons: Mapping[str, CellComparison]) -> float:
    """Return the p-value of one condition; 1 where it was not measured or points the other way."""
    key, answer = condition
    if key not in comparisons:
        return 1.0
    found = comparisons[key]
    p = found.p_equivalence if answer == "no effect" else found.p if (found.difference.value or 0.0) > 0 else 1.0
    return 1.0 if p is None else p


def _holds(condition: Condition, comparisons: Mapping[str, CellComparison]) -> bool:
    """Say whether a condition holds at 5 % by itself."""
    key, answer = condition
    if key not in comparisons:
        return False
    return comparisons[key].positive if answer == "effect" else comparisons[key].absent


def _words(condition: Condition) -> str:
    key, answer = condition
    return f"{QUESTIONS[key].asks} {'Yes' if answer == 'effect' else 'No, within the margin'}"


def _open(condition: Condition, comparisons: Mapping[str, CellComparison]) -> str:
    key, answer = condition
    if key not in comparisons:
        seen = "not measured"
    elif comparisons[key].outcome == "effect" and not comparisons[key].positive:
        seen = "an effect the other way"
    else:
        seen = comparisons[key].outcome
    return f"{QUESTIONS[key].asks} {seen.capitalize()} ({answer!r} would be needed)"
