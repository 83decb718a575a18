"""Hold the shipped functions to simulated boards: coverage, false claims, power."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from bench.leaderboard.calibration import WINNERS, CellResult, Rate
from bench.outcomes import Estimate
from bench.stats import effects
from bench.stats.equivalence import compare
from bench.stats.inference import LEVEL, beats_random, holm
from bench.stats.winner import winner
from bench.studies.calibration.boards import (
    ACTIONS,
    FAMILIES,
    FILTERS,
    MARGIN,
    Board,
    Cell,
    control_names,
    filter_name,
    simulate,
)

MINIMUM_GAP = 0.3
DROP, PATCH, REFILL = filter_name(0, "drop"), filter_name(0, "patch"), filter_name(0, "drop_refill")
CONTROLS, REFILLS = control_names("patch"), control_names("drop_refill")

QUANTITIES: dict[str, Callable[[effects.Means], Estimate]] = {
    "mean, original": lambda m: effects.mean(m, "original"),
    "mean, clean": lambda m: effects.mean(m, "clean"),
    "mean, patch": lambda m: effects.mean(m, PATCH),
    "gap": effects.gap,
    "difference, patch": lambda m: effects.difference(m, PATCH),
    "removal, drop": lambda m: effects.removal(m, DROP),
    "removal, patch": lambda m: effects.removal(m, PATCH),
    "lift": lambda m: effects.lift(m, PATCH, CONTROLS),
    "lift, difference": lambda m: effects.lift_difference(m, PATCH, CONTROLS),
    "leakage": lambda m: effects.leakage(m, PATCH, REFILL, CONTROLS, REFILLS),
    "leakage, difference": lambda m: effects.leakage_difference(m, PATCH, REFILL, CONTROLS, REFILLS),
    "sufficiency": lambda m: effects.sufficiency(m, "patch_in"),
    "retention": lambda m: effects.retention(m, DROP),
}


class _Tally:
    """Counts hits and trials by name."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.trials: Counter[str] = Counter()

    def add(self, name: str, hit: bool) -> None:
        self.hits[name] += hit
        self.trials[name] += 1

    def rate(self, name: str) -> Rate:
        return Rate(hits=self.hits[name], trials=self.trials[name])


def measure(cell: Cell, replicates: int, seed: int) -> CellResult:
    """Simulate boards of one cell and count.

    Args:
        cell: Design and truth.
        replicates: Boards of each of two kinds: with filters that remove the trait, and with random filters.
        seed: Of the simulation.
    """
    rng = np.random.default_rng(seed)
    tally, opened = _Tally(), []
    true = truths(simulate(cell, False, rng).truth)
    for _ in range(replicates):
        removal = _effects_board(cell, simulate(cell, False, rng), true, tally)
        if removal is not None:
            opened.append(removal)
        _null_board(cell, simulate(cell, True, rng), tally)
    return CellResult(
        level=cell.level,
        kind=cell.kind,
        seeds=cell.seeds,
        prompts=cell.prompts,
        families=FAMILIES[cell.prompts],
        between=cell.between,
        replicates=replicates,
        coverage={name: tally.rate(name) for name in QUANTITIES},
        winner={name: tally.rate(f"winner, {name}") for name in WINNERS},
        false_raw=tally.rate("raw"),
        false_holm=tally.rate("holm"),
        power_holm=tally.rate("power"),
        false_effect=tally.rate("effect"),
        false_no_effect=tally.rate("no effect"),
        gate_opened=tally.rate("gate"),
        removal_opened=float(np.mean(opened)) if opened else None,
        removal_true=true["removal, patch"],
    )


def truths(score: dict[str, float]) -> dict[str, float]:
    """Return the true value of every quantity from the true scores of the arms."""
    gap = score["original"] - score["clean"]
    lifted = score[CONTROLS[0]] - score[PATCH]
    leaked = score[REFILL] - score[PATCH] - score[REFILLS[0]] + score[CONTROLS[0]]
    return {
        "mean, original": score["original"],
        "mean, clean": score["clean"],
        "mean, patch": score[PATCH],
        "gap": gap,
        "difference, patch": score["original"] - score[PATCH],
        "removal, drop": (score["original"] - score[DROP]) / gap,
        "removal, patch": (score["original"] - score[PATCH]) / gap,
        "lift": lifted / gap,
        "lift, difference": lifted,
        "leakage": leaked / gap,
        "leakage, difference": leaked,
        "sufficiency": (score["patch_in"] - score["clean"]) / gap,
        "retention": score[DROP] / score["original"],
    }


def _effects_board(cell: Cell, board: Board, true: dict[str, float], tally: _Tally) -> float | None:
    """Count coverage and comparisons; return the removal where the gate opened."""
    means = effects.arm_means(board.tables, board.clusters, (0.0, cell.width))
    for name, estimate in QUANTITIES.items():
        found = estimate(means)
        if found.low is not None and found.high is not None:
            tally.add(name, found.low <= true[name] <= found.high)
    _winner(means, board, "filters differ", tally)
    if cell.seeds >= effects.MIN_SEEDS:
        p = holm(_tests(means))
        tally.add("power", (p[PATCH] or 1.0) < LEVEL)
    margin = MARGIN * cell.width
    tally.add("effect", compare(means, "same", "one", margin).outcome == "effect")
    tally.add("no effect", compare(means, "apart", "one", margin).outcome == "no effect")
    opened, _ = effects.gate(effects.gap(means), MINIMUM_GAP * cell.width)
    tally.add("gate", opened)
    return effects.removal(means, PATCH).value if opened else None


def _null_board(cell: Cell, board: Board, tally: _Tally) -> None:
    """Count random filters that beat random."""
    means = effects.arm_means(board.tables, board.clusters, (0.0, cell.width))
    _winner(means, board, "all random", tally)
    if cell.seeds < effects.MIN_SEEDS:
        return
    p = _tests(means)
    for each in p.values():
        tally.add("raw", each is not None and each < LEVEL)
    tally.add("holm", any(each is not None and each < LEVEL for each in holm(p).values()))


def _tests(means: effects.Means) -> dict[str, float | None]:
    pool = [control_names(action) for action in ACTIONS]
    return {
        filter_name(n, "patch"): beats_random(means, filter_name(n, "patch"), CONTROLS, pool=pool)
        for n in range(FILTERS)
    }


def _winner(means: effects.Means, board: Board, name: str, tally: _Tally) -> None:
    arms = [filter_name(number, "patch") for number in range(FILTERS)]
    found = winner(means, {arm: (arm, CONTROLS) for arm in arms})
    if found is None or found[1].low is None or found[1].high is None:
        return
    gap = board.truth["original"] - board.truth["clean"]
    lifted = (board.truth[CONTROLS[0]] - board.truth[found[0]]) / gap
    tally.add(f"winner, {name}", found[1].low <= lifted <= found[1].high)
