"""Scores that are missing: arms are compared where all of them have one, and an arm that lacks too many is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.stats.means import Floats

LIMIT = 0.2  # of an arm's answers without a score: what is missing can move its mean by this share of the scale
LEAST = 0.5  # of the answers on which all arms are compared


@dataclass(frozen=True)
class Common:
    """Score tables on the answers that every arm has a score for.

    Attributes:
        tables: Scores per arm, each (seeds, prompts), NaN in all arms where one has no score; all NaN if refused.
        refused: Arm -> why it is not compared.
        left_out: Answers of each arm, of seeds x prompts, that no arm is compared on.
    """

    tables: dict[str, Floats]
    refused: dict[str, str]
    left_out: int


def on_common_prompts(tables: Mapping[str, Floats]) -> Common:
    """Keep the answers (a seed and a prompt) that every arm has a score for, so that means are over the same prompts.

    An arm with more than `LIMIT` of its answers unscored is refused, and does not narrow down the others; all arms are
    where less than `LEAST` of the answers is common to them.
    """
    lacking = {arm: np.isnan(table) for arm, table in tables.items()}
    refused = {
        arm: f"{100 * cells.mean():.0f} % of its answers have no score, more than {100 * LIMIT:.0f} %"
        for arm, cells in lacking.items()
        if cells.mean() > LIMIT
    }
    kept = [cells for arm, cells in lacking.items() if arm not in refused]
    missing = np.any(kept, axis=0) if kept else np.zeros_like(next(iter(lacking.values())))
    if missing.mean() > 1 - LEAST:
        why = f"all arms have a score for {100 * (1 - missing.mean()):.0f} % of the answers, less than half"
        refused = dict.fromkeys(tables, why) | refused
    found = {arm: np.where(missing | (arm in refused), np.nan, table) for arm, table in tables.items()}
    return Common(found, refused, int(missing.sum()))
