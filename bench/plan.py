"""The trials that a suite needs: every arm of every experiment and seed, as rows to train on."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.arms import Arm, build_arm, control_arm, filter_arm, mixed_ids, random_ids, reference_arms
from bench.config.schema import SuiteFile
from bench.data.experiment import Setup
from bench.filtering.score import Selection
from bench.records import Action, Pool, TrainingRow

BASE = "base"


@dataclass(frozen=True)
class Job:
    """One trial to do: an arm under a seed, or the untrained base (no rows)."""

    experiment: int
    arm: str
    seed: int
    rows: Sequence[TrainingRow] | None

    @property
    def label(self) -> str:
        """How the terminal and Inspect's logs call it."""
        return self.arm if self.rows is None else f"{self.arm}, seed {self.seed}"


def actions_of(selection: Selection, suite: SuiteFile) -> tuple[Action, ...]:
    """Actions on one filter's flagged set: the suite's, and more for the oracle."""
    extra = suite.oracle_actions if selection.plugin.needs_truth else ()
    return tuple(dict.fromkeys([*suite.actions, *extra]))


def make_jobs(number: int, setup: Setup, selections: Sequence[Selection], suite: SuiteFile) -> list[Job]:
    """All trials of one experiment, reference arms first so that a closed gate shows early."""
    jobs = [Job(number, BASE, suite.seeds[0], None)]
    for arm in reference_arms(suite.mixes):
        jobs += _jobs(number, arm, setup.pool, suite, None)
    actions = {action for selection in selections for action in actions_of(selection, suite)}
    for budget in suite.budgets:
        for action in sorted(actions):
            jobs += _jobs(number, control_arm(action, budget), setup.pool, suite, None)
        for selection in selections:
            for action in actions_of(selection, suite):
                arm = filter_arm(action, selection.plugin.name, budget)
                jobs += _jobs(number, arm, setup.pool, suite, selection)
    return jobs


def _jobs(number: int, arm: Arm, pool: Pool, suite: SuiteFile, selection: Selection | None) -> list[Job]:
    jobs = []
    for seed in suite.seeds:
        if selection is not None:
            flagged = selection.flagged[arm.budget]
        elif arm.is_control:
            flagged = random_ids(pool, arm.budget, seed)
        else:
            flagged = mixed_ids(pool, arm.share, seed)
        rows = build_arm(arm, pool, flagged, selection.patches if selection else None)
        jobs.append(Job(number, arm.name, seed, rows))
    return jobs
