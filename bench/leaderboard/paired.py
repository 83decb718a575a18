"""Contrasts of actions on the same flagged sets, from the per-sample scores that lie beside rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.arms import control_arm, filter_arm
from bench.data.controls import random_name
from bench.errors import BenchError
from bench.leaderboard.evidence import Evidence, read_evidence
from bench.leaderboard.format import finite
from bench.leaderboard.row import Row
from bench.outcomes import Estimate
from bench.records import Action
from bench.stats.effects import GAP, Floats, Means, arm_means, ratio
from bench.stats.intervals import less

Scores = Mapping[str, dict[str, Evidence]]  # SHA-256 of a row's evidence -> its scores, by trait
NO_INTERVAL = "no interval"  # the scores of some row are missing, or the gap is not surely above 0
ROUNDING = 1e-6


def read_scores(rows: Sequence[Row], folders: Sequence[Path]) -> Scores:
    """Read the per-sample scores of rows, wherever a file has the hash that the row states.

    Args:
        rows: Rows, of one folder or of several.
        folders: Folders that hold `evidence/`; a file that is missing, changed or damaged is left out.
    """
    found: dict[str, dict[str, Evidence]] = {}
    for named in {tuple(row.evidence.items()): row.evidence for row in rows}.values():
        for folder in folders:
            try:
                found[next(iter(named.values()), "")] = read_evidence(folder, named)
            except BenchError:
                continue
    return found


@dataclass(frozen=True)
class Comparison:
    """Rows of one trait and budget that may be averaged, with the means of their arms.

    Attributes:
        rows: Comparable rows at one budget.
        trait: Name of the trait.
        means: Of all arms; None without the scores of every row.
        same: Arm -> the first arm of the same action with the same scores: filters that flagged the same rows share a
            student, and its training must count once.
    """

    rows: Sequence[Row]
    trait: str
    means: Means | None
    same: Mapping[str, str]

    def has(self, row: Row, *actions: Action) -> bool:
        """Whether a row's removal by each of these actions is estimable."""
        return all(self._removal(row, action) is not None for action in actions)

    def removal(self, action: Action, rows: Sequence[Row]) -> Estimate:
        """Mean removal by an action over rows, of the filters at hand: no draw from a population of filters."""
        value = np.mean([self._removal(row, action) or 0.0 for row in rows])
        return self._share(float(value), less({"original": 1.0}, self._mean(action, rows), 1.0))

    def minus(self, action: Action, other: Action, rows: Sequence[Row]) -> Estimate:
        """Mean over rows of removal by one action minus removal by another on the same flagged sets."""
        pairs = [(self._removal(row, action) or 0.0, self._removal(row, other) or 0.0) for row in rows]
        value = float(np.mean([one - two for one, two in pairs]))
        return self._share(value, less(self._mean(other, rows), self._mean(action, rows), 1.0))

    def apart(self, action: Action, one: Row, other: Row) -> Estimate:
        """Removal by an action on what one row's filter flagged, minus the same of another row's."""
        value = (self._removal(one, action) or 0.0) - (self._removal(other, action) or 0.0)
        return self._share(value, less(self._mean(action, [other]), self._mean(action, [one]), 1.0))

    def leakage(self, rows: Sequence[Row]) -> Estimate:
        """Mean over rows of removal by patch minus by refill, less the same of the random sets."""
        gaps = [row.traits[self.trait].leakage for row in rows]
        value = float(np.mean([gap.gap.value or 0.0 for gap in gaps if gap]))
        names = [random_name(number) for number in range(1, rows[0].traits[self.trait].controls + 1)]
        arms = [[control_arm(a, rows[0].budget, name).name for a in ("drop_refill", "patch")] for name in names]
        sets = [{refill: 1.0, patch: -1.0} for refill, patch in arms]
        weights = less(self._mean("drop_refill", rows), self._mean("patch", rows), 1.0)
        for each in sets:
            weights = less(weights, each, 1 / len(sets))
        return self._share(value, weights, sets)

    def _removal(self, row: Row, action: Action) -> float | None:
        effect = row.traits[self.trait].effects.get(action)
        return finite(effect.removal.value) if effect else None

    def _mean(self, action: Action, rows: Sequence[Row]) -> dict[str, float]:
        weights: dict[str, float] = {}
        for row in rows:
            arm = filter_arm(action, row.filter.name, row.budget).name
            arm = self.same.get(arm, arm)
            weights[arm] = weights.get(arm, 0.0) + 1 / len(rows)
        return weights

    def _share(self, value: float, part: Mapping[str, float], sets: Sequence[Mapping[str, float]] = ()) -> Estimate:
        """Return a share of the gap, with its interval where the scores at hand give the rows' own value."""
        if self.means is None or not {*part, *GAP} <= self.means.index.keys():
            return Estimate(value=value, note=NO_INTERVAL)
        found = ratio(self.means, part, GAP, sets)
        same = found.value is not None and abs(found.value - value) < ROUNDING
        return found if same else Estimate(value=value, note=NO_INTERVAL)


def compare(rows: Sequence[Row], trait: str, scores: Scores) -> Comparison:
    """Gather the arms of comparable rows at one budget."""
    found = [next((scores[file] for file in row.evidence.values() if file in scores), {}).get(trait) for row in rows]
    parts = [part for part in found if part]
    if (
        not parts
        or len(parts) < len(rows)
        or any(part.ids[part.score] != parts[0].ids[parts[0].score] for part in parts)
    ):
        return Comparison(rows, trait, None, {})
    first, tables = parts[0], dict[str, Floats]()
    for part in {id(part): part for part in parts}.values():
        tables |= part.tables(part.score)[0]
    return Comparison(rows, trait, arm_means(tables, first.tables(first.score)[1], first.scale), _same(tables))


def _same(tables: Mapping[str, Floats]) -> dict[str, str]:
    first: dict[tuple[str, bytes], str] = {}
    return {arm: first.setdefault((arm.partition(":")[0], table.tobytes()), arm) for arm, table in tables.items()}
