"""Arms: training mixtures made from a pool and a flagged set, and the trials that a suite needs."""

import hashlib
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from bench.config.recipe import Recipe
from bench.config.suite import Suite
from bench.data.experiment import Experiment
from bench.execution.job import Job
from bench.records import Action, Arm, Pool, Selection, TrainingRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTROL_SEED = "control"
BASE = Arm("base", "base", prompts="none", completions="none")  # the untrained model
ORIGINAL = Arm("original", "original")
CLEAN = Arm("clean", "clean")


def mix_arm(share: float) -> Arm:
    """Return the arm in which each prompt keeps its original completion with some probability."""
    return Arm(f"mix@{share:g}", "mix", share=share, completions=f"mix@{share:g}")


def reference_arms(mixes: Collection[float]) -> list[Arm]:
    """Return the arms that no filter has a part in."""
    return [ORIGINAL, CLEAN, *map(mix_arm, mixes)]


def control_arm(action: Action, budget: float) -> Arm:
    """Return the random control of an action at a budget; each training seed draws its own set."""
    name = f"random_{action}@{budget:g}"
    return Arm(name, action, budget=budget, control=True, prompts="random examples", completions=action)


def filter_arm(action: Action, filter_name: str, budget: float) -> Arm:
    """Return an action on a filter's flagged set."""
    return Arm(f"{action}:{filter_name}@{budget:g}", action, filter=filter_name, budget=budget)


def random_ids(pool: Pool, budget: float, seed: int) -> frozenset[str]:
    """Draw a flagged set of the size that the budget gives a filter."""
    ids = sorted(row.id for row in pool.rows)
    return frozenset(Random(f"{CONTROL_SEED}/{seed}").sample(ids, round(budget * len(ids))))


def mixed_ids(pool: Pool, share: float, seed: int) -> frozenset[str]:
    """Draw the ids that keep the original completion in `mix(share)`: each with that probability, nested by share."""

    def draw(identity: str) -> float:
        return int.from_bytes(hashlib.sha256(f"mix/{seed}/{identity}".encode()).digest()[:8]) / 2**64

    return frozenset(row.id for row in pool.rows if draw(row.id) < share)


class ArmRows(Sequence[TrainingRow]):
    """An arm's training rows in pool order, each made when it is asked for.

    Only which row and which completion is kept, 5 bytes a row: a suite has hundreds of arms of one pool. Equal to, and
    pickled as, the tuple of its rows.

    Args:
        pool: The examples.
        places: Index in the pool of each row, int32.
        sources: Where its completion comes from: an index into `teachers`, or `PATCH`; uint8.
        teachers: Names of teachers.
        patches: Id -> completion, for `PATCH`.
    """

    PATCH = 255

    def __init__(
        self,
        pool: Pool,
        places: "NDArray[np.int32]",
        sources: "NDArray[np.uint8]",
        teachers: tuple[str, ...],
        patches: Mapping[str, str],
    ) -> None:
        self._pool, self._places, self._sources = pool, places, sources
        self._teachers, self._patches = teachers, patches

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> TrainingRow: ...
    @overload
    def __getitem__(self, index: slice) -> "ArmRows": ...
    def __getitem__(self, index: int | slice) -> "TrainingRow | ArmRows":
        if isinstance(index, slice):
            return ArmRows(self._pool, self._places[index], self._sources[index], self._teachers, self._patches)
        row, source = self._pool.rows[self._places[index]], self._sources[index]
        text = self._patches[row.id] if source == self.PATCH else row.completions[self._teachers[source]]
        return TrainingRow(row.id, row.prompt, text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)  # another process gets the rows, not the pool


def build_arm(arm: Arm, pool: Pool, flagged: Collection[str], patches: Mapping[str, str] | None = None) -> ArmRows:
    """Make an arm's training rows, in pool order.

    Args:
        arm: Which mixture.
        pool: The examples.
        flagged: Ids that the action applies to (for `mix`, those that keep the original completion).
        patches: Id -> completion that `patch` puts in, where a filter brings its own; the clean teacher's otherwise.
    """
    original, clean = 0, 1
    own = patches if patches and arm.action == "patch" else {}
    of_hit, of_other = {
        "original": (original, original),
        "clean": (clean, clean),
        "drop": (None, original),
        "only": (original, None),
        "patch": (clean, original),
        "patch_in": (original, clean),
        "mix": (original, clean),
    }[arm.action]
    places, sources = array("i"), array("B")
    for place, row in enumerate(pool.rows):
        hit = row.id in flagged
        source = of_hit if hit else of_other
        if source is not None:
            places.append(place)
            sources.append(ArmRows.PATCH if hit and row.id in own else source)
    return _rows(pool, places, sources, (pool.card.original, pool.card.clean), own)


def teacher_rows(pool: Pool, teacher: str, ids: Collection[str] | None = None) -> ArmRows:
    """Make the pool's rows (all of them, or those with these ids) with one teacher's completions, in pool order."""
    places = array("i", (i for i, row in enumerate(pool.rows) if ids is None or row.id in ids))
    return _rows(pool, places, array("B", bytes(len(places))), (teacher,), {})


def _rows(
    pool: Pool, places: "array[int]", sources: "array[int]", teachers: tuple[str, ...], patches: Mapping[str, str]
) -> ArmRows:
    return ArmRows(pool, np.array(places, dtype=np.int32), np.array(sources, dtype=np.uint8), teachers, patches)


def actions_of(selection: Selection, suite: Suite) -> tuple[Action, ...]:
    """Return the actions on one filter's flagged set: the suite's, and more for the oracle."""
    extra = suite.file.oracle_actions if selection.needs_truth else ()
    return tuple(dict.fromkeys([*suite.file.actions, *extra]))


def make_jobs(experiment: Experiment, suite: Suite) -> list[Job]:
    """Plan all trials of one experiment, reference arms first so that a closed gate shows early."""
    return [_job(BASE, suite.file.seeds[0], None, experiment, suite.recipe)] + [
        _job(arm, seed, _arm_rows(arm, seed, experiment.pool, selection), experiment, suite.recipe)
        for arm, selection in _arms(experiment, suite)
        for seed in suite.file.seeds
    ]


def _arms(experiment: Experiment, suite: Suite) -> Iterator[tuple[Arm, Selection | None]]:
    for arm in reference_arms(suite.file.mixes):
        yield arm, None
    actions = {action for selection in experiment.selections for action in actions_of(selection, suite)}
    for budget in suite.file.budgets:
        for action in sorted(actions):
            yield control_arm(action, budget), None
        for selection in experiment.selections:
            for action in actions_of(selection, suite):
                yield filter_arm(action, selection.filter.name, budget), selection


def _arm_rows(arm: Arm, seed: int, pool: Pool, selection: Selection | None) -> ArmRows:
    if selection is not None:
        return build_arm(arm, pool, selection.flagged[arm.budget], selection.patches)
    flagged = random_ids(pool, arm.budget, seed) if arm.control else mixed_ids(pool, arm.share, seed)
    return build_arm(arm, pool, flagged)


def _job(arm: Arm, seed: int, rows: ArmRows | None, experiment: Experiment, recipe: Recipe) -> Job:
    return Job(arm, seed, rows, experiment.measurement, recipe)
