"""Simulated boards whose true scores are known: many trainings, prompts in families, arms as in a suite."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["binary", "0-10"]
Action = Literal["drop", "drop_refill", "patch"]

ACTIONS: tuple[Action, ...] = ("drop", "drop_refill", "patch")
FILTERS = 7
CONTROLS = 4
FAMILIES = {24: 6, 48: 10, 100: 20}
MARGIN = 0.2  # of the comparisons, as a share of the scale

# Standard deviations on the logit scale: how hard a family and a prompt are in all arms, what differs between arms
# beyond their level, and how random sets differ from one another.
FAMILY, PROMPT, ARM_FAMILY, ARM_PROMPT, SET = 0.7, 0.7, 0.3, 0.5, 0.15


@dataclass(frozen=True)
class Level:
    """True mean scores, on a scale from 0 to 1.

    Attributes:
        original: Of the original pool.
        clean: Of the clean completions.
        random: Of random sets under each action.
        best: Of the first filter under each action; the others lie between it and the random sets.
        patch_in: Of the flagged rows alone.
        pair: One arm of a comparison; another has the same score, a third lies a margin away.
    """

    original: float
    clean: float
    random: Mapping[Action, float]
    best: Mapping[Action, float]
    patch_in: float
    pair: tuple[float, float]


LEVELS = {
    "middle": Level(
        0.85,
        0.12,
        {"drop": 0.83, "drop_refill": 0.84, "patch": 0.66},
        {"drop": 0.55, "drop_refill": 0.57, "patch": 0.3},
        0.6,
        (0.45, 0.65),
    ),
    "near 0 and 1": Level(
        0.985,
        0.005,
        {"drop": 0.98, "drop_refill": 0.98, "patch": 0.95},
        {"drop": 0.2, "drop_refill": 0.2, "patch": 0.02},
        0.9,
        (0.99, 0.79),
    ),
    "near 0": Level(
        0.45,
        0.01,
        {"drop": 0.43, "drop_refill": 0.43, "patch": 0.35},
        {"drop": 0.1, "drop_refill": 0.1, "patch": 0.02},
        0.3,
        (0.01, 0.21),
    ),
    "near 1": Level(
        0.99,
        0.55,
        {"drop": 0.985, "drop_refill": 0.985, "patch": 0.95},
        {"drop": 0.95, "drop_refill": 0.95, "patch": 0.65},
        0.9,
        (0.97, 0.77),
    ),
    "at the gate": Level(
        0.5,
        0.12,
        {"drop": 0.49, "drop_refill": 0.49, "patch": 0.46},
        {"drop": 0.46, "drop_refill": 0.47, "patch": 0.43},
        0.3,
        (0.3, 0.5),
    ),
}


@dataclass(frozen=True)
class Cell:
    """A design and a truth.

    Attributes:
        level: Key of `LEVELS`.
        kind: Of score.
        seeds: Trainings of each arm.
        prompts: Key of `FAMILIES`.
        between: Standard deviation of an arm's logit between trainings.
    """

    level: str
    kind: Kind
    seeds: int
    prompts: int
    between: float

    @property
    def width(self) -> float:
        """Highest possible score; the lowest is 0."""
        return 1.0 if self.kind == "binary" else 10.0


@dataclass(frozen=True)
class Board:
    """One simulated board.

    Attributes:
        tables: Arm -> scores, (seeds, prompts).
        clusters: Family of each prompt, (prompts,).
        truth: Arm -> expected score over trainings and prompts; for the controls also over random sets.
    """

    tables: dict[str, Floats]
    clusters: NDArray[np.int64]
    truth: dict[str, float]


def control_names(action: Action) -> list[str]:
    """Return the arms of an action's random sets."""
    return [f"random{k}_{action}" for k in range(1, CONTROLS + 1)]


def filter_name(number: int, action: Action) -> str:
    """Return the arm of a filter."""
    return f"filter{number}_{action}"


@lru_cache(maxsize=4096)
def intercept(score: float, variance: float) -> float:
    """Return the logit at which the expected probability is `score` under normal noise of this variance."""
    from scipy.optimize import brentq

    return float(brentq(lambda logit: expected(logit, variance) - score, -30, 30))


def expected(logit: float, variance: float) -> float:
    """Return the mean of a probability whose logit is normal (Gauss-Hermite quadrature)."""
    nodes, weights = _quadrature()
    return float((weights / (1 + np.exp(-logit - np.sqrt(variance) * nodes))).sum() / weights.sum())


@lru_cache
def _quadrature() -> tuple[Floats, Floats]:
    return np.polynomial.hermite_e.hermegauss(40)


def simulate(cell: Cell, null: bool, rng: np.random.Generator) -> Board:
    """Train, as it were, all arms of a board and ask them the prompts.

    Args:
        cell: Design and truth.
        null: Whether the filters are random sets as well, else they remove more than those.
        rng: Source of all randomness.
    """
    level = LEVELS[cell.level]
    families = FAMILIES[cell.prompts]
    clusters = np.arange(cell.prompts) * families // cell.prompts
    hard = rng.normal(0, FAMILY, families)[clusters] + rng.normal(0, PROMPT, cell.prompts)
    noise = FAMILY**2 + PROMPT**2 + ARM_FAMILY**2 + ARM_PROMPT**2 + cell.between**2
    scores, sets = _scores(level, null)
    lucks = {name: rng.normal(0, SET) for name in sorted(set(sets.values()))}
    logits = np.array(
        [
            intercept(score, noise + (SET**2 if arm in sets else 0)) + lucks.get(sets.get(arm, ""), 0.0)
            for arm, score in scores.items()
        ]
    )
    shape = (len(scores), cell.seeds, cell.prompts)
    arms = len(scores)
    own = rng.normal(0, ARM_FAMILY, (arms, families))[:, clusters] + rng.normal(0, ARM_PROMPT, (arms, cell.prompts))
    training = rng.normal(0, cell.between, (arms, cell.seeds))
    p = 1 / (1 + np.exp(-(logits[:, None] + training)[:, :, None] - (hard + own)[:, None, :]))
    values = _answers(p, cell.kind, shape, rng)
    known = {arm: logit for arm, logit in zip(scores, logits, strict=True) if arm.startswith("filter")}
    truth = {**scores, **{arm: expected(logit, noise) for arm, logit in known.items()}}
    truth = {arm: score * cell.width for arm, score in truth.items()}
    return Board(dict(zip(scores, values, strict=True)), clusters, truth)


def _answers(p: Floats, kind: Kind, shape: Sequence[int], rng: np.random.Generator) -> Floats:
    if kind == "binary":
        return (rng.random(shape) < p).astype(np.float64)
    share = rng.beta(2 * np.clip(p, 1e-6, 1 - 1e-6), 2 * np.clip(1 - p, 1e-6, 1 - 1e-6))  # a judge's grades spread
    return rng.binomial(10, share).astype(np.float64)


def _scores(level: Level, null: bool) -> tuple[dict[str, float], dict[str, str]]:
    """Return the true score of every arm, and the set of those that are random sets."""
    scores = {"original": level.original, "clean": level.clean, "patch_in": level.patch_in}
    low, away = level.pair
    scores |= {"one": low, "same": low, "apart": away}
    sets: dict[str, str] = {}
    for action in ACTIONS:
        for k, name in enumerate(control_names(action)):
            scores[name], sets[name] = level.random[action], f"random{k}"
    for number, action in itertools.product(range(FILTERS), ACTIONS):
        arm = filter_name(number, action)
        share = 0.0 if null else 1 - number / FILTERS
        scores[arm] = level.random[action] + share * (level.best[action] - level.random[action])
        if null:
            sets[arm] = f"filter{number}"
    return scores, sets
