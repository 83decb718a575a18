"""What a board's numbers say, in sentences that claim no more than they show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from bench.leaderboard import format as words
from bench.leaderboard.paired import Comparison
from bench.leaderboard.row import BOUNDS, Row, TraitResult
from bench.outcomes import Estimate
from bench.records import Action
from bench.stats.attribution import rank_correlation
from bench.stats.effects import MIN_SEEDS

SIGNIFICANT = 0.05
FEWEST_FILTERS = 4  # for a correlation over filters
HALF = 0.5  # removal that a recommendation counts, by the lower end of its interval
VERBS: dict[Action, str] = {"patch": "patching", "drop_refill": "dropping and refilling", "drop": "dropping"}


@dataclass(frozen=True)
class Conclusion:
    """The answer of a board for one trait at one budget.

    Attributes:
        sentences: What was found, the most important first.
        advice: What follows for the owner of the data; empty where the rows do not support any.
    """

    sentences: list[str]
    advice: str = ""


def contenders(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of filters, bounds left out."""
    return [row for row in rows if row.filter.name not in BOUNDS]


def conclude(compared: Comparison) -> Conclusion:
    """Say what acting on the filters did; bounds have no part in it, and too few trainings allow no claim.

    Args:
        compared: The scored rows at one budget.
    """
    trait, rows = compared.trait, contenders(compared.rows)
    if not rows:
        return Conclusion(["No filter was tried: these rows are bounds, which flag by planted truth or by chance."])
    seeds = min(len(row.seeds) for row in rows)
    primary = rows[0].traits[trait].primary
    acted = [row for row in rows if compared.has(row, primary)]
    if not acted:
        return Conclusion([f"What {VERBS[primary]} the flagged examples removes is not estimable."])
    clauses = [_versus_drop(compared, rows, claim=seeds >= MIN_SEEDS)]
    if seeds < MIN_SEEDS:
        return Conclusion([_removed(compared, acted, primary, claim=False) + ".", f"{clauses[0]}; {_no_claim(seeds)}."])
    clauses += [_leakage(compared, rows), _winner({row.filter.name: row.traits[trait] for row in rows})]
    first = f"{_removed(compared, acted, primary, claim=True)}; {_beats_random(rows, trait)}."
    others = _other_actions(compared, rows)
    return Conclusion([first, "; ".join(filter(None, clauses)) + ".", *others], _advice(acted, trait, primary))


def few_trainings(seeds: int) -> str:
    """Say once for a whole board what too few trainings leave out; empty where there are enough."""
    if seeds >= MIN_SEEDS:
        return ""
    return (
        f"{_trainings(seeds)} of each arm: intervals cover the choice of prompts, not the variation from training to "
        f"training. Nothing is ranked, tested or claimed below {MIN_SEEDS} seeds; decide nothing about data by it."
    )


def _trainings(seeds: int) -> str:
    return f"{seeds} training{'s' if seeds > 1 else ''}"


def _no_claim(seeds: int) -> str:
    return f"{_trainings(seeds)} of each arm, so no claim"


def _removed(compared: Comparison, rows: Sequence[Row], action: Action, *, claim: bool) -> str:
    """Say how much of the trait an action removed, and how much the same action on random sets."""
    values = [_value(row.traits[compared.trait].effects[action].removal) for row in rows]
    subject = f"{VERBS[action].capitalize()} the flagged examples removed"
    mean = compared.removal(action, rows)
    if claim and mean.low is not None:
        of = f"mean of {len(rows)} filters" if len(rows) > 1 else rows[0].filter.name
        amount = f"{words.estimate(mean).text} of the trait ({of}"
    else:
        amount = f"{words.spread(values)} of the trait ({_filters(len(rows))}"
    random = random_removal(rows, compared.trait, action)
    return f"{subject} {amount}{f'; random sets {words.decimal(random)}' if random is not None else ''})"


def random_removal(rows: Sequence[Row], trait: str, action: Action) -> float | None:
    """Return what an action on random sets removes, the mean over the sets; None where they did not get it."""
    found = [
        removal - lift
        for row in rows
        if (effect := row.traits[trait].effects.get(action)) and effect.lift
        if (removal := words.finite(effect.removal.value)) is not None
        and (lift := words.finite(effect.lift.value)) is not None
    ]
    return float(np.mean(found)) if found else None


def _beats_random(rows: Sequence[Row], trait: str) -> str:
    """Count the filters whose primary action beats the same action on random sets."""
    effects = [row.traits[trait].effects.get(row.traits[trait].primary) for row in rows]
    tested = [p for effect in effects if effect and (p := words.finite(effect.p_holm)) is not None]
    if not tested:
        return "no filter was tested against random sets"
    better = sum(p < SIGNIFICANT for p in tested)
    if len(tested) == 1:
        return f"it {'beats' if better else 'is not shown to beat'} random sets (Holm p {words.probability(tested[0])})"
    if not better:
        return f"no filter is shown to beat random sets ({len(tested)} tested)"
    return f"{better} of {_filters(len(tested))} beat random sets (Holm p < {SIGNIFICANT})"


def _versus_drop(compared: Comparison, rows: Sequence[Row], *, claim: bool) -> str:
    """Compare patch with drop, or say that it cannot be done."""
    both = [row for row in rows if compared.has(row, "patch", "drop")]
    if not both:
        run = {action for row in rows for action in row.traits[compared.trait].effects}
        absent = next((action for action in ("Patch", "Drop") if action.lower() not in run), "")
        return f"{absent} was not run, so the two are not compared" if absent else "Patch minus drop is not estimable"
    mean = compared.minus("patch", "drop", both)
    if not claim or mean.low is None or mean.high is None:
        each = [_value(compared.minus("patch", "drop", [row])) for row in both]
        more = sum(value > 0 for value in each)
        why = ", without an interval" if claim else ""
        count = f"{more} of {_filters(len(both))}"
        return f"Patch removed more than drop for {count} (difference {words.spread(each)}{why})"
    shown = f"({words.signed(mean).text}, {_filters(len(both))})"
    if mean.low > 0:
        return f"Patch removed more than drop {shown}"
    if mean.high < 0:
        return f"Patch removed less than drop {shown}"
    return f"Patch and drop are not shown to differ {shown}"


def _leakage(compared: Comparison, rows: Sequence[Row]) -> str:
    """Say whether dropping leaves behind what patching removes, beyond what random sets show of it."""
    having = [row for row in rows if (leak := row.traits[compared.trait].leakage) and leak.gap.value is not None]
    if not having:
        return "leakage was not measured (it takes refill, with controls)"
    mean = compared.leakage(having)
    if mean.low is not None:
        return f"leakage {'' if mean.low > 0 else 'not '}shown after controls ({words.signed(mean).text})"
    gaps = [leak.gap for row in having if (leak := row.traits[compared.trait].leakage)]
    above = sum((words.finite(gap.low) or 0.0) > 0 for gap in gaps)
    if not above:
        return "leakage not shown after controls"
    return f"leakage after controls for {above} of {_filters(len(gaps))}, uncorrected for their number"


def _other_actions(compared: Comparison, rows: Sequence[Row]) -> list[str]:
    """Say how each action beside drop, refill and patch compares with patch; nothing where none was run."""
    found: dict[str, list[str]] = {}
    for action in get_args(Action):
        both = [row for row in rows if compared.has(row, action, "patch")] if action not in VERBS else []
        apart = compared.minus(action, "patch", both) if both else None
        if apart and apart.low is not None and apart.high is not None:
            side = "more" if apart.low > 0 else "less" if apart.high < 0 else ""
            title = f"Removed {side} than patch" if side else "Not shown to differ from patch"
            found.setdefault(title, []).append(f"{action} ({words.signed(apart).text})")
    return [f"{title}: {', '.join(actions)}." for title, actions in found.items()]


def _winner(results: dict[str, TraitResult]) -> str:
    """Say whether the filter with the largest lift is ahead of all others, by an interval adjusted for the choice."""
    found = {result.winner.model_dump_json(): result.winner for result in results.values() if result.winner}
    if len(found) != 1 or len(results) < 2:
        return ""  # no run compared all these filters with one another
    (best,) = found.values()
    if set(best.among) != set(results):
        return ""
    others = [result.effects.get(result.primary) for name, result in results.items() if name != best.filter]
    highs = [words.finite(effect.lift.high) if effect and effect.lift else None for effect in others]
    low = words.finite(best.lift.low)
    if low is not None and all(high is not None and high < low for high in highs):
        return f"clear winner: {best.filter} (lift {words.estimate(best.lift).text}, adjusted for the choice)"
    return "no clear winner"


def _enough(rows: Sequence[Row], trait: str, action: Action) -> list[Row]:
    """Return the rows whose action surely removed half of the trait."""
    effects = [(row, row.traits[trait].effects.get(action)) for row in rows]
    return [row for row, effect in effects if effect and (words.finite(effect.removal.low) or 0.0) >= HALF]


def _advice(rows: Sequence[Row], trait: str, action: Action) -> str:
    """Say what follows for data like the pool: which actions surely remove half of the trait, and what that costs."""
    enough = _enough(rows, trait, action)
    if not enough:
        return (
            f"For data like this pool: {VERBS[action]} what a filter flags is not shown to remove half of the trait "
            "for any of these filters."
        )
    many = f"For data like this pool: {len(enough)} of {_filters(len(rows))} remove{'s' if len(enough) == 1 else ''}"
    kept = [r.traits[trait].capability_retention.get(action) for r in enough]
    known = [e for e in kept if e and None not in (e.value, e.low, e.high)]
    half = f"{many} at least half of the trait by {VERBS[action]} (lower end of the interval)"
    if action == "patch" and (dropped := [row for row in rows if "drop" in row.traits[trait].effects]):
        half += f", {len(_enough(dropped, trait, 'drop'))} by dropping, which needs no clean completions"
    if not known:
        return f"{half}."
    values, low = [_value(e) for e in known], min(e.low for e in known if e.low is not None)
    lost = sum(e.high < 1 for e in known if e.high is not None)
    cost = f"capability falls for {lost} of them" if lost else "no loss of capability is shown"
    return (
        f"{half}; by {VERBS[action]}, {cost} "
        f"({words.spread(values)} of the original's exact answers, lowest limit {words.decimal(low)})."
    )


def truth_and_removal(rows: Sequence[Row], trait: str) -> str:
    """Say whether filters that rank overt rows higher also remove more; empty with too few filters or no truth."""
    results = [row.traits[trait] for row in contenders(rows)]
    pairs = [
        (result.found.auprc, words.finite(result.effects["patch"].removal.value))
        for result in results
        if result.found and "patch" in result.effects
    ]
    known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
    correlation = words.finite(float(rank_correlation(*known.T))) if len(known) >= FEWEST_FILTERS else None
    if correlation is None:
        return ""
    return (
        f"Over {len(known)} filters, AUPRC on overt rows and removal by patching have a rank correlation of "
        f"{words.decimal(correlation)}; so few filters give it no interval."
    )


def _filters(number: int) -> str:
    return f"{number} filter{'s' if number != 1 else ''}"


def _value(given: Estimate) -> float:
    return words.finite(given.value) or 0.0
