"""What a board's numbers say, in sentences that claim no more than they show."""

from collections.abc import Sequence

import numpy as np

from bench.leaderboard import format as words
from bench.leaderboard.row import BOUNDS, Row, TraitResult
from bench.outcomes import Estimate
from bench.records import Action
from bench.stats.attribution import rank_correlation
from bench.stats.effects import MIN_SEEDS

SIGNIFICANT = 0.05
FEWEST_FILTERS = 4  # for a correlation over filters
CEILING = BOUNDS[0]
VERBS = {"patch": "patching", "drop_refill": "dropping and refilling", "drop": "dropping"}


def headline(rows: Sequence[Row], trait: str) -> list[str]:
    """Say at each budget what acting on the filters did; one training of each arm allows no claim.

    Args:
        rows: Comparable rows in table order.
        trait: Name of the trait.
    """
    budgets: dict[float, list[Row]] = {}
    for row in rows:
        if row.traits[trait].scored:
            budgets.setdefault(row.budget, []).append(row)
    if not budgets:
        return []
    seeds = min(len(row.seeds) for row in rows)
    if seeds < MIN_SEEDS:
        return [
            f"A first look: {seeds} training{'s' if seeds > 1 else ''} of each arm. Students of one arm differ from "
            f"training to training by as much as most filters do, so nothing is ranked or tested below {MIN_SEEDS} "
            "seeds, and brackets cover the choice of prompts alone."
        ]
    return [
        f"At {words.percent(budget)}: {sentence}"
        for budget, scored in budgets.items()
        for sentence in _sentences(scored, trait)
    ]


def _sentences(rows: Sequence[Row], trait: str) -> list[str]:
    contenders = {row.filter.name: row.traits[trait] for row in rows if row.filter.name not in BOUNDS}
    ceiling = next((row.traits[trait] for row in rows if row.filter.name == CEILING), None)
    found = []
    if contenders:
        found += [_beats_random(contenders), _best(contenders)]
    if ceiling:
        found.append(f"The oracle, which flags by planted truth: {_removals(ceiling)}.")
    found += _truth_and_removal(contenders)
    leakage = {name: result for name, result in [*contenders.items(), (CEILING, ceiling)] if result and result.leakage}
    if leakage:
        found.append(_leakage(leakage))
    return [sentence for sentence in found if sentence]


def _beats_random(results: dict[str, TraitResult]) -> str:
    """Name the filters whose primary action beats the same action on random sets."""
    p = {name: effect.p_holm for name, r in results.items() if (effect := r.effects.get(r.primary))}
    tested = {name: value for name, value in p.items() if words.finite(value) is not None}
    action = VERBS[next(iter(results.values())).primary]
    if not tested:
        return f"Whether {action} beats the same on random sets could not be tested."
    better = [name for name, value in tested.items() if (value or 0.0) < SIGNIFICANT]
    if not better:
        return f"No filter is shown to beat {action} random sets ({len(tested)} tested, Holm)."
    names = ", ".join(better)
    return f"{len(better)} of {len(tested)} filters beat {action} random sets (Holm p < {SIGNIFICANT}): {names}."


def _truth_and_removal(results: dict[str, TraitResult]) -> list[str]:
    """Say whether filters that rank overt rows higher also remove more of the trait."""
    pairs = [
        (result.found.auprc, words.finite(result.effects["patch"].removal.value))
        for result in results.values()
        if result.found and "patch" in result.effects
    ]
    known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
    if len(known) < FEWEST_FILTERS:
        return []
    correlation = words.finite(float(rank_correlation(*known.T)))
    if correlation is None:
        return []
    return [
        f"Over {len(known)} filters, AUPRC on overt rows and removal by patching have a rank correlation of "
        f"{words.decimal(correlation)}; so few filters give it no interval."
    ]


def _best(results: dict[str, TraitResult]) -> str:
    """Name the filter with the largest lift, with an interval that accounts for the choice."""
    winners = {result.winner.model_dump_json(): result.winner for result in results.values() if result.winner}
    if len(winners) != 1:
        return ""  # no run compared all these filters with one another
    (best,) = winners.values()
    if set(best.among) != set(results):
        return ""
    among = f", interval adjusted for the choice among {len(results)}" if len(results) > 1 else ""
    lift = f"{_share(best.lift)} of the gap{among}"
    return f"Largest lift over random sets: {best.filter}, {lift}; {_removals(results[best.filter])}."


def _removals(result: TraitResult) -> str:
    actions: tuple[Action, ...] = ("drop", "drop_refill", "patch")
    there = [(VERBS[a], result.effects[a].removal) for a in actions if a in result.effects]
    return ", ".join(f"{verb} removed {_share(removal)}" for verb, removal in there) + " of the gap"


def _leakage(results: dict[str, TraitResult]) -> str:
    """Say whether the reports' finding, that dropping leaks and patching does not, is reproduced after controls.

    The oracle's interval decides, which is one contrast at each budget; those of the filters stand beside it. Without
    planted truth they stand alone.
    """
    gaps = {name: result.leakage.gap for name, result in results.items() if result.leakage}
    each = "Patch minus refill after controls: " + "; ".join(f"{name} {_share(gap)}" for name, gap in gaps.items())
    if CEILING not in gaps:
        return f"{each}."
    low = gaps[CEILING].low
    if low is None:
        return f"Whether dropping leaks where patching does not is not estimable. {each}."
    if low > 0:
        return f"Dropping what the oracle flags leaves behind what patching removes, after controls. {each}."
    return (
        "The reports' finding that dropping leaks where patching does not is not reproduced here: the oracle's patch "
        f"minus refill, after controls, is not shown to exceed 0. {each}."
    )


def _share(given: Estimate) -> str:
    value, low, high = words.finite(given.value), words.finite(given.low), words.finite(given.high)
    if value is None:
        return f"an amount that is {words.NOT_ESTIMABLE}"
    text = f"{words.decimal(100 * value, 0)} %"
    return (
        text
        if low is None or high is None
        else f"{text} [{words.decimal(100 * low, 0)}, {words.decimal(100 * high, 0)}]"
    )
