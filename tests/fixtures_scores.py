"""Invented per-sample scores, and rows that follow from them."""

import hashlib

import numpy as np
from fixtures_rows import FILTERS, around, row, trait_result
from numpy.typing import NDArray

from bench.leaderboard.evidence import Evidence
from bench.leaderboard.paired import Scores
from bench.leaderboard.row import LeakageEffect, Row
from bench.outcomes import Estimate
from bench.records import Action

BUDGET, SEEDS, PROMPTS, CONTROLS = 0.1, 3, 40, 4
ACTIONS: tuple[Action, ...] = ("drop", "drop_refill", "patch")
FILE, DIGEST = "evidence/scores.json.gz", "ab" * 32
RATES = {"original": 0.8, "clean": 0.05}


def drawn(rate: float, name: str) -> NDArray[np.float64]:
    """Scores of 0 and 1 with about this mean, (seeds, prompts)."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    return (np.random.default_rng(seed).random((SEEDS, PROMPTS)) < rate).astype(np.float64)


def scored(filters: dict[str, dict[Action, float]]) -> tuple[list[Row], Scores]:
    """Make rows whose removals are those of drawn scores.

    Args:
        filters: Name -> action -> rate of the trait after it.
    """
    shared = {name: drawn(rate, name) for name, rate in RATES.items()}
    for number in range(1, CONTROLS + 1):
        shared |= {f"random{number}_{a}@{BUDGET:g}": drawn(0.75, f"random{number} {a}") for a in ACTIONS}
    gap = float(shared["original"].mean() - shared["clean"].mean())
    rows: list[Row] = []
    arms = dict(shared)
    for name, rates in filters.items():
        own = {f"{a}:{name}@{BUDGET:g}": drawn(rate, f"{a} {rate}") for a, rate in rates.items()}
        removed = {a: float(shared["original"].mean() - own[f"{a}:{name}@{BUDGET:g}"].mean()) / gap for a in rates}
        given = trait_result("date_confusion", name if name in ("oracle", "keyword") else "keyword", BUDGET)
        patch = given.effects["patch"]
        effects = {
            a: patch.model_copy(update={"removal": around(value, 0.1), "lift": around(value - 0.1, 0.1)})
            for a, value in removed.items()
        }
        random = [
            float(shared[f"random{n}_drop_refill@{BUDGET:g}"].mean() - shared[f"random{n}_patch@{BUDGET:g}"].mean())
            / gap
            for n in range(1, CONTROLS + 1)
        ]
        leak = Estimate(value=removed["patch"] - removed["drop_refill"] - float(np.mean(random)))
        leakage = LeakageEffect(gap=leak, difference=leak, uncontrolled=leak)
        changes = {"effects": effects, "winner": None, "leakage": leakage, "controls": CONTROLS}
        result = given.model_copy(update=changes)
        made = row(name if name in FILTERS else "keyword", BUDGET)
        card = made.filter.model_copy(update={"name": name})
        told = {"filter": card, "traits": {"date_confusion": result}, "evidence": {FILE: DIGEST}}
        rows.append(made.model_copy(update=told))
        arms |= own
    evidence = Evidence(
        score="date_confusion",
        scale=(0.0, 1.0),
        ids={"date_confusion": [f"p{i}" for i in range(PROMPTS)], "exact": ["q"]},
        families={"date_confusion": [f"f{i % 10}" for i in range(PROMPTS)], "exact": ["q"]},
        arms={arm: {"date_confusion": table.tolist(), "exact": [[1.0]]} for arm, table in arms.items()},
        seeds=list(range(SEEDS)),
        controls=CONTROLS,
        minimum_gap=0.2,
    )
    return rows, {DIGEST: {"date_confusion": evidence}}
