"""Arms: training mixtures made from a pool and a flagged set (DESIGN: drop, patch, patch_in, only, mix, controls)."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from bench.encoding import TrainingRow
from bench.records import Pool
from bench.rows import Action

CONTROL_SEED = "control"


@dataclass(frozen=True)
class Arm:
    """One training mixture.

    Attributes:
        name: `original`, `clean`, `mix@0.5`, `random_drop@0.1`, `drop:keyword@0.1`.
        action: What happens to the flagged set; None where there is none.
        filter: The filter that flagged, "" for reference arms and controls.
        budget: Share of the pool flagged, 0 where nothing is.
    """

    name: str
    action: Action | Literal["original", "clean", "mix"]
    filter: str = ""
    budget: float = 0.0
    share: float = 0.0

    @property
    def is_control(self) -> bool:
        """Whether the flagged set is drawn at random."""
        return self.name.startswith("random_")


def reference_arms(mixes: Collection[float]) -> list[Arm]:
    """The arms that no filter has a part in."""
    return [
        Arm("original", "original"),
        Arm("clean", "clean"),
        *(Arm(f"mix@{share:g}", "mix", share=share) for share in mixes),
    ]


def control_arm(action: Action, budget: float) -> Arm:
    """The random control of an action at a budget; each training seed draws its own set."""
    return Arm(f"random_{action}@{budget:g}", action, budget=budget)


def filter_arm(action: Action, filter_name: str, budget: float) -> Arm:
    """An action on a filter's flagged set."""
    return Arm(f"{action}:{filter_name}@{budget:g}", action, filter=filter_name, budget=budget)


def random_ids(pool: Pool, budget: float, seed: int) -> frozenset[str]:
    """A random flagged set of the size that the budget gives a filter."""
    ids = sorted(row.id for row in pool.rows)
    return frozenset(Random(f"{CONTROL_SEED}/{seed}").sample(ids, round(budget * len(ids))))


def mixed_ids(pool: Pool, share: float, seed: int) -> frozenset[str]:
    """Ids that keep the original completion in `mix(share)`: each with that probability, nested across shares."""

    def draw(identity: str) -> float:
        return int.from_bytes(hashlib.sha256(f"mix/{seed}/{identity}".encode()).digest()[:8]) / 2**64

    return frozenset(row.id for row in pool.rows if draw(row.id) < share)


def build_arm(
    arm: Arm, pool: Pool, flagged: Collection[str], patches: Mapping[str, str] | None = None
) -> list[TrainingRow]:
    """Make an arm's training rows, in pool order.

    Args:
        arm: Which mixture.
        pool: The examples.
        flagged: Ids that the action applies to (for `mix`, those that keep the original completion).
        patches: Id -> completion that `patch` puts in, where a filter brings its own; the clean teacher's otherwise.
    """
    original, clean = pool.card.original, pool.card.clean
    rows = []
    for row in pool.rows:
        hit = row.id in flagged
        match arm.action:
            case "original":
                text: str | None = row.completions[original]
            case "clean":
                text = row.completions[clean]
            case "drop":
                text = None if hit else row.completions[original]
            case "only":
                text = row.completions[original] if hit else None
            case "patch":
                text = (patches or {}).get(row.id, row.completions[clean]) if hit else row.completions[original]
            case "patch_in" | "mix":
                text = row.completions[original] if hit else row.completions[clean]
        if text is not None:
            rows.append(TrainingRow(row.id, row.prompt, text))
    return rows
