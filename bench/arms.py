"""Arms: training mixtures made from a pool and a flagged set, and the trials that a suite needs."""

import hashlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from bench.config.suite import Suite
from bench.data.controls import LENGTH, ControlSet, length_matched_set, random_sets
from bench.data.edit import NO_EDIT, Edit, edit_of
from bench.data.experiment import Experiment
from bench.data.reserve import REFILLED
from bench.execution.job import Job
from bench.outcomes import Arm, Selection
from bench.records import Action, Pool, TrainingRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

WITH_CLEAN: tuple[Action, ...] = ("patch", "clean_elsewhere", "patch_in")  # actions that need a second teacher
DROP_SOURCE: Action = "drop_source"  # the action on whole sources instead of flagged rows
BASE = Arm("base", "base", prompts="none", completions="none")  # the untrained model
ORIGINAL = Arm("original", "original")
CLEAN = Arm("clean", "clean")


def mix_arm(share: float) -> Arm:
    """Return the arm in which each prompt keeps its original completion with some probability."""
    return Arm(f"mix@{share:g}", "mix", share=share, completions=f"mix@{share:g}")


def reference_arms(mixes: Collection[float]) -> list[Arm]:
    """Return the arms that no filter has a part in."""
    return [ORIGINAL, CLEAN, *map(mix_arm, mixes)]


def control_arm(action: Action, budget: float, control: str) -> Arm:
    """Return an action on a control set."""
    name = f"{control}_{action}@{budget:g}"
    return Arm(name, action, budget=budget, control=control, prompts="control examples", completions=action)


def filter_arm(action: Action, filter_name: str, budget: float) -> Arm:
    """Return an action on a filter's flagged set."""
    return Arm(f"{action}:{filter_name}@{budget:g}", action, filter=filter_name, budget=budget)


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
        pool: The examples and their reserve.
        places: Index among the pool's rows, or behind them the reserve's, of each row; int32.
        sources: Where its completion comes from: an index into `teachers`, or `PATCH`; uint8.
        teachers: Names of teachers.
        patches: Id -> completion, for `PATCH`.
        edit: Changes the rows that the arm keeps.
    """

    PATCH = 255

    def __init__(
        self,
        pool: Pool,
        places: "NDArray[np.int32]",
        sources: "NDArray[np.uint8]",
        teachers: tuple[str, ...],
        patches: Mapping[str, str],
        edit: Edit = NO_EDIT,
    ) -> None:
        self._pool, self._places, self._sources = pool, places, sources
        self._teachers, self._patches, self._edit = teachers, patches, edit

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> TrainingRow: ...
    @overload
    def __getitem__(self, index: slice) -> "ArmRows": ...
    def __getitem__(self, index: int | slice) -> "TrainingRow | ArmRows":
        if isinstance(index, slice):
            places, sources = self._places[index], self._sources[index]
            return ArmRows(self._pool, places, sources, self._teachers, self._patches, self._edit)
        place, source, rows = self._places[index], self._sources[index], self._pool.rows
        row = rows[place] if place < len(rows) else self._pool.reserve[place - len(rows)]
        text = self._patches[row.id] if source == self.PATCH else row.completions[self._teachers[source]]
        return self._edit(TrainingRow(row.id, row.prompt, text))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)  # another process gets the rows, not the pool


def build_arm(
    arm: Arm,
    pool: Pool,
    flagged: Collection[str],
    patches: Mapping[str, str] | None = None,
    refill: Sequence[str] = (),
    edit: Edit = NO_EDIT,
) -> ArmRows:
    """Make an arm's training rows: in pool order, a row of the reserve in the place of the one that it replaces.

    Args:
        arm: Which mixture.
        pool: The examples and their reserve.
        flagged: Ids that the action applies to (for `mix`, those that keep the original completion).
        patches: Id -> completion that `patch` puts in, where a filter brings its own, the clean teacher's otherwise; or
            the one that `regenerate` puts in.
        refill: Ids of the reserve, as many as are flagged, for the actions that replace rows.
        edit: Changes rows that are kept, see `bench.data.edit.edit_of`.
    """
    original, clean = 0, 1
    own = patches if patches and arm.action in ("patch", "regenerate") else {}
    of_hit, of_other = {
        "clean": (clean, clean),
        "drop": (None, original),
        "drop_source": (None, original),
        "clean_elsewhere": (clean, original),
        "only": (original, None),
        "patch": (clean, original),
        "patch_in": (original, clean),
        "mix": (original, clean),
    }.get(arm.action, (original, original))  # the others edit rows and swap no completion
    replacing = iter(_places(pool, refill)) if arm.action in REFILLED else None
    places, sources = array("i"), array("B")
    for place, row in enumerate(pool.rows):
        hit = row.id in flagged
        source = of_hit if hit else of_other
        if source is not None:
            places.append(next(replacing) if hit and replacing else place)
            sources.append(ArmRows.PATCH if hit and row.id in own else source)
    return _rows(pool, places, sources, pool.card.teachers, own, edit)


def _places(pool: Pool, ids: Sequence[str]) -> list[int]:
    """Return where rows of the reserve stand behind the pool's."""
    places = {row.id: len(pool.rows) + number for number, row in enumerate(pool.reserve)}
    return [places[identity] for identity in ids]


def teacher_rows(pool: Pool, teacher: str, ids: Collection[str] | None = None) -> ArmRows:
    """Make the pool's rows (all of them, or those with these ids) with one teacher's completions, in pool order."""
    places = array("i", (i for i, row in enumerate(pool.rows) if ids is None or row.id in ids))
    return _rows(pool, places, array("B", bytes(len(places))), (teacher,), {})


def _rows(
    pool: Pool,
    places: "array[int]",
    sources: "array[int]",
    teachers: tuple[str, ...],
    patches: Mapping[str, str],
    edit: Edit = NO_EDIT,
) -> ArmRows:
    return ArmRows(pool, np.array(places, dtype=np.int32), np.array(sources, dtype=np.uint8), teachers, patches, edit)


def actions_of(selection: Selection, suite: Suite, pool: Pool, budget: float) -> tuple[Action, ...]:
    """Return the actions on one filter's flagged set that the pool allows: the suite's, and more for the oracle."""
    extra = suite.file.oracle_actions if selection.needs_truth else ()
    refill, sourced = selection.refill.get(budget), selection.sourced.get(budget)
    return _possible([*suite.file.actions, *extra], pool, bool(refill), bool(sourced))


def _possible(actions: Iterable[Action], pool: Pool, refill: bool, sourced: bool) -> tuple[Action, ...]:
    """Leave out what needs a second teacher, a reserve or sources where there are none, and repeats."""
    return tuple(
        action
        for action in dict.fromkeys(actions)
        if (pool.card.clean or action not in WITH_CLEAN)
        and (refill or action not in REFILLED)
        and (sourced or action != DROP_SOURCE)
    )


def control_sets(experiment: Experiment, suite: Suite, budget: float) -> list[ControlSet]:
    """Return the random sets of a budget and, where the suite asks for it, the length-matched one."""
    sets = random_sets(experiment.pool, budget, suite.file.controls)
    if suite.file.length_control and experiment.selections:
        sets.append(length_matched_set(experiment.pool, budget, experiment.selections))
    return sets


def make_jobs(experiment: Experiment, suite: Suite) -> list[Job]:
    """Plan all trials of one experiment, reference arms first so that a closed gate shows early."""
    pool, seeds = experiment.pool, suite.file.seeds
    planned: list[tuple[Arm, dict[int, ArmRows]]] = []
    for arm in reference_arms(suite.file.mixes if pool.card.clean else ()):
        if arm != CLEAN or pool.card.clean:
            planned.append((arm, {seed: build_arm(arm, pool, mixed_ids(pool, arm.share, seed)) for seed in seeds}))
    for budget in suite.file.budgets:
        arms = [*_control_arms(experiment, suite, budget), *_filter_arms(experiment, suite, budget)]
        planned += [(arm, dict.fromkeys(seeds, rows)) for arm, rows in arms]
    visits = len(pool.rows) * suite.recipe.epochs  # of every arm: they take equally many steps
    return [Job(BASE, seeds[0], None, experiment.measurement, suite.recipe)] + [
        Job(arm, seed, rows, experiment.measurement, suite.recipe, visits)
        for arm, by_seed in planned
        for seed, rows in by_seed.items()
    ]


def _control_arms(experiment: Experiment, suite: Suite, budget: float) -> Iterator[tuple[Arm, ArmRows]]:
    pool = experiment.pool
    every = {a: None for s in experiment.selections for a in actions_of(s, suite, pool, budget)}
    for control in control_sets(experiment, suite, budget):
        wanted = suite.file.actions if control.name == LENGTH else suite.file.control_actions or every
        for action in _possible(wanted, pool, bool(control.refill), bool(control.sourced)):
            arm = control_arm(action, budget, control.name)
            ids = control.sourced if action == DROP_SOURCE else control.ids
            yield arm, _rows_of(arm, experiment, suite, ids, refill=control.refill)


def _filter_arms(experiment: Experiment, suite: Suite, budget: float) -> Iterator[tuple[Arm, ArmRows]]:
    for selection in experiment.selections:
        for action in actions_of(selection, suite, experiment.pool, budget):
            arm = filter_arm(action, selection.filter.name, budget)
            ids = (selection.sourced if action == DROP_SOURCE else selection.flagged)[budget]
            refill = selection.refill.get(budget, ())
            yield arm, _rows_of(arm, experiment, suite, ids, selection.patches, refill)


def _rows_of(
    arm: Arm,
    experiment: Experiment,
    suite: Suite,
    ids: Collection[str],
    patches: Mapping[str, str] | None = None,
    refill: Sequence[str] = (),
) -> ArmRows:
    """Make the rows of an action on a set, as the suite's options and the trait have it."""
    pool, options = experiment.pool, suite.file.action_options
    if arm.action == "regenerate":
        patches = {row.id: row.completions[options.regenerate] for row in pool.rows if row.id in ids}
    return build_arm(arm, pool, ids, patches, refill, edit_of(arm.action, ids, experiment.trait, options))
