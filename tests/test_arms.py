"""Arms: which completion each row gets. Plan: which arms, seeds and controls a suite asks for."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fixtures_run import experiment_on

from bench.arms import actions_of, build_arm, control_arm, filter_arm, make_jobs, mixed_ids, random_ids, reference_arms
from bench.config.suite import Suite, load_suite
from bench.data.pool import hash_rows
from bench.data.trait import load_trait
from bench.execution.job import Job
from bench.filtering.select import flag
from bench.records import Action, Arm, FilterCard, Message, Pool, PoolCard, PoolRow, Selection


def pool(count: int = 20) -> Pool:
    prompt = (Message(role="user", content="Hi"),)
    rows = tuple(
        PoolRow(id=f"r{i}", prompt=prompt, completions={"a": f"bad {i}", "b": f"good {i}"}) for i in range(count)
    )
    return Pool(PoolCard(name="toy", original="a", clean="b"), rows, hash_rows(rows))


def texts(arm: Arm, flagged: set[str], patches: Mapping[str, str] | None = None) -> dict[str, str]:
    return {row.id: row.completion for row in build_arm(arm, pool(4), flagged, patches)}


# Arms


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("drop", {"r0": "bad 0", "r2": "bad 2"}),
        ("only", {"r1": "bad 1", "r3": "bad 3"}),
        ("patch", {"r0": "bad 0", "r1": "good 1", "r2": "bad 2", "r3": "good 3"}),
        ("patch_in", {"r0": "good 0", "r1": "bad 1", "r2": "good 2", "r3": "bad 3"}),
    ],
)
def test_an_action_on_two_flagged_rows_of_four(action: Action, expected: dict[str, str]) -> None:
    for arm in (filter_arm(action, "keyword", 0.5), control_arm(action, 0.5)):
        assert texts(arm, {"r1", "r3"}) == expected


def test_reference_arms_are_one_teacher_or_a_mix() -> None:
    original, clean, mix = reference_arms([0.5])
    assert (original.name, clean.name, mix.name) == ("original", "clean", "mix@0.5")
    assert texts(original, {"r1"}) == {f"r{i}": f"bad {i}" for i in range(4)}
    assert texts(clean, {"r1"}) == {f"r{i}": f"good {i}" for i in range(4)}
    assert texts(mix, {"r1"}) == {"r0": "good 0", "r1": "bad 1", "r2": "good 2", "r3": "good 3"}


def test_a_patch_of_the_filter_is_put_in_where_it_has_one_and_the_row_is_flagged() -> None:
    patches = {"r1": "mended", "r2": "not flagged"}
    patched = texts(filter_arm("patch", "keyword", 0.5), {"r1", "r3"}, patches)
    assert patched == {"r0": "bad 0", "r1": "mended", "r2": "bad 2", "r3": "good 3"}


def test_rows_keep_the_order_and_the_prompts_of_the_pool() -> None:
    rows = build_arm(control_arm("drop", 0.5), pool(), {"r3", "r11"})
    kept = [row for row in pool().rows if row.id not in {"r3", "r11"}]
    assert [(row.id, row.prompt) for row in rows] == [(row.id, row.prompt) for row in kept]


def test_arms_are_named_after_what_they_do() -> None:
    assert filter_arm("drop", "keyword", 0.10).name == "drop:keyword@0.1"
    assert control_arm("patch_in", 0.05).name == "random_patch_in@0.05"
    assert control_arm("drop", 0.1).control
    assert not filter_arm("drop", "random_flag", 0.1).control


# Random sets


@pytest.mark.parametrize("count", [7, 20, 45, 1001])
@pytest.mark.parametrize("budget", [0.1, 0.25, 0.5, 0.9])
def test_a_control_flags_as_many_rows_as_a_filter(count: int, budget: float) -> None:
    ids = [row.id for row in pool(count).rows]
    assert len(random_ids(pool(count), budget, seed=1)) == len(flag(np.arange(float(count)), budget, ids))


def test_a_control_is_drawn_anew_by_each_seed_whatever_the_order_of_rows() -> None:
    first, second = (random_ids(pool(), 0.5, seed) for seed in (1, 2))
    assert first != second
    turned = pool()
    turned = Pool(turned.card, turned.rows[::-1], turned.sha256)
    assert random_ids(turned, 0.5, 1) == first


def test_a_mix_holds_every_smaller_mix_of_its_seed() -> None:
    sets = [mixed_ids(pool(1000), share, seed=1) for share in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert all(smaller < larger for smaller, larger in pairwise(sets))
    sizes = [len(chosen) for chosen in sets]
    assert (sizes[0], sizes[4]) == (0, 1000)
    assert sizes == pytest.approx([0, 100, 500, 900, 1000], abs=80)  # 5 standard deviations of the middle one
    assert mixed_ids(pool(1000), 0.5, seed=2) != sets[2]


# The plan


def selection(name: str, budgets: tuple[float, ...], patches: dict[str, str] | None = None) -> Selection:
    """A verdict that flags the first rows of the pool."""
    flagged = {budget: frozenset(f"r{i}" for i in range(round(budget * 20))) for budget in budgets}
    card = FilterCard(name=name, version=1, summary="", origin="built in", sha256="")
    return Selection(card, 0.0, flagged, patches or {}, needs_truth=name == "oracle")


def planned(suite: Suite, patches: dict[str, str] | None = None) -> list[Job]:
    experiment = experiment_on(pool(), load_trait("date_confusion"))
    experiment.selections = [selection(name, suite.file.budgets, patches) for name in suite.file.filters]
    return make_jobs(experiment, suite)


def found(jobs: list[Job], arm: str, seed: int) -> dict[str, str]:
    (job,) = [job for job in jobs if (job.arm.name, job.seed) == (arm, seed)]
    assert job.rows is not None
    return {row.id: row.completion for row in job.rows}


def two_seeds() -> Suite:
    smoke = load_suite("smoke")
    return replace(smoke, file=smoke.file.model_copy(update={"seeds": (1, 2)}))


def test_the_jobs_of_the_smoke_suite_reference_arms_first() -> None:
    jobs = planned(two_seeds())
    assert (jobs[0].arm.name, jobs[0].rows, jobs[0].label) == ("base", None, "base")
    assert jobs[1].label == "original, seed 1"
    assert [(job.arm.name, job.seed) for job in jobs[1:]] == [
        (arm, seed)
        for arm in (
            *("original", "clean", "mix@0.5"),
            *("random_drop@0.1", "random_patch@0.1", "random_patch_in@0.1"),
            *("drop:keyword@0.1", "patch:keyword@0.1"),
            *("drop:random_flag@0.1", "patch:random_flag@0.1"),
            *("drop:oracle@0.1", "patch:oracle@0.1", "patch_in:oracle@0.1"),
        )
        for seed in (1, 2)
    ]


@pytest.mark.parametrize("name", ["smoke", "quick", "standard"])
def test_a_suite_counts_the_trainings_that_are_planned(name: str) -> None:
    suite = load_suite(name)
    trained = [job for job in planned(suite) if job.rows is not None]
    assert suite.trainings == len(trained) * len(suite.file.experiments)
    assert len({(job.arm, job.seed) for job in trained}) == len(trained)


def test_every_budget_has_its_own_arms_and_controls() -> None:
    suite = load_suite("smoke")
    file = suite.file.model_copy(update={"budgets": (0.1, 0.25), "mixes": (), "filters": ("keyword",)})
    jobs = planned(Suite(file, suite.recipe, suite.folder))
    for arm in ("drop:keyword", "random_drop"):
        assert [len(found(jobs, f"{arm}@{budget:g}", 1)) for budget in file.budgets] == [18, 15]
    assert not [job.arm for job in jobs if "patch_in" in job.arm.name]  # the oracle's alone, and it is not here


def test_only_the_oracle_has_further_actions() -> None:
    suite = load_suite("smoke")
    assert actions_of(selection("keyword", (0.1,)), suite) == ("drop", "patch")
    assert actions_of(selection("oracle", (0.1,)), suite) == ("drop", "patch", "patch_in")
    every = replace(suite, file=suite.file.model_copy(update={"actions": ("patch_in", "drop")}))
    assert actions_of(selection("oracle", (0.1,)), every) == ("patch_in", "drop")


def test_controls_of_one_seed_share_their_set_and_seeds_do_not() -> None:
    jobs = planned(two_seeds())
    every = {row.id for row in pool().rows}
    sets = []
    for seed in (1, 2):
        dropped = every - found(jobs, "random_drop@0.1", seed).keys()
        patched = {i for i, text in found(jobs, "random_patch@0.1", seed).items() if text.startswith("good")}
        put_in = {i for i, text in found(jobs, "random_patch_in@0.1", seed).items() if text.startswith("bad")}
        assert dropped == patched == put_in and len(dropped) == 2
        sets.append(dropped)
    assert sets[0] != sets[1]
    # A filter's verdict does not depend on the training seed.
    assert found(jobs, "drop:keyword@0.1", 1) == found(jobs, "drop:keyword@0.1", 2)


def test_a_filters_own_patches_reach_its_patch_arm_only() -> None:
    jobs = planned(load_suite("smoke"), {f"r{i}": "mended" for i in range(20)})
    assert [i for i, text in found(jobs, "patch:keyword@0.1", 1).items() if text == "mended"] == ["r0", "r1"]
    others = [job for job in jobs if job.rows and not job.arm.name.startswith("patch:")]
    assert others and not [row for job in others for row in job.rows or () if row.completion == "mended"]
