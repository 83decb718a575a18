"""Arms: which completion each row gets. Plan: which arms, seeds and controls a suite asks for."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fixtures_run import experiment_on

from bench.arms import actions_of, build_arm, control_arm, filter_arm, make_jobs, mixed_ids, reference_arms
from bench.config.suite import Suite, load_suite
from bench.data.controls import length_matched_set, random_ids, random_sets, unflagged_refill
from bench.data.pool import hash_rows
from bench.data.trait import load_trait
from bench.errors import BenchError
from bench.execution.job import Job
from bench.filtering.select import cut
from bench.outcomes import Arm, FilterCard, Selection
from bench.records import Action, Message, Pool, PoolCard, PoolRow


def pool_rows(count: int, prefix: str) -> tuple[PoolRow, ...]:
    prompt = (Message(role="user", content="Hi"),)
    return tuple(
        PoolRow(id=f"{prefix}{i}", prompt=prompt, completions={"a": f"bad {i}", "b": f"good {i}"}) for i in range(count)
    )


def pool(count: int = 20, reserve: int = 10) -> Pool:
    rows = pool_rows(count, "r")
    return Pool(PoolCard(name="toy", original="a", clean="b"), rows, hash_rows(rows), reserve=pool_rows(reserve, "s"))


ACTIONS: tuple[Action, ...] = ("drop", "drop_refill", "patch")


def texts(arm: Arm, flagged: set[str], patches: Mapping[str, str] | None = None) -> dict[str, str]:
    return {row.id: row.completion for row in build_arm(arm, pool(4), flagged, patches, ("s5", "s2"))}


# Arms


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("drop", {"r0": "bad 0", "r2": "bad 2"}),
        ("drop_refill", {"r0": "bad 0", "s5": "bad 5", "r2": "bad 2", "s2": "bad 2"}),
        ("clean_elsewhere", {"r0": "bad 0", "s5": "good 5", "r2": "bad 2", "s2": "good 2"}),
        ("only", {"r1": "bad 1", "r3": "bad 3"}),
        ("patch", {"r0": "bad 0", "r1": "good 1", "r2": "bad 2", "r3": "good 3"}),
        ("patch_in", {"r0": "good 0", "r1": "bad 1", "r2": "good 2", "r3": "bad 3"}),
    ],
)
def test_an_action_on_two_flagged_rows_of_four(action: Action, expected: dict[str, str]) -> None:
    for arm in (filter_arm(action, "keyword", 0.5), control_arm(action, 0.5, "random1")):
        assert list(texts(arm, {"r1", "r3"}).items()) == list(expected.items())  # in the place of what they replace


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
    rows = build_arm(control_arm("drop", 0.5, "random1"), pool(), {"r3", "r11"})
    kept = [row for row in pool().rows if row.id not in {"r3", "r11"}]
    assert [(row.id, row.prompt) for row in rows] == [(row.id, row.prompt) for row in kept]


def test_arms_are_named_after_what_they_do() -> None:
    assert filter_arm("drop", "keyword", 0.10).name == "drop:keyword@0.1"
    assert control_arm("patch_in", 0.05, "random3").name == "random3_patch_in@0.05"
    assert control_arm("drop", 0.1, "length").control
    assert not filter_arm("drop", "random_flag", 0.1).control


# Random sets


@pytest.mark.parametrize("count", [7, 20, 45, 1001])
@pytest.mark.parametrize("budget", [0.1, 0.25, 0.5, 0.9])
def test_a_control_flags_as_many_rows_as_a_filter(count: int, budget: float) -> None:
    ids = [row.id for row in pool(count).rows]
    assert len(random_ids(pool(count), budget, 1)) == len(cut(np.arange(float(count)), budget, ids, count)[0])


def test_random_sets_differ_whatever_the_order_of_rows() -> None:
    sets = random_sets(pool(), 0.5, 9)
    assert [each.name for each in sets] == [f"random{i}" for i in range(1, 10)]
    assert len({each.ids for each in sets}) == len({each.refill for each in sets}) == 9
    turned = pool()
    turned = replace(turned, rows=turned.rows[::-1], reserve=turned.reserve[::-1])
    assert random_sets(turned, 0.5, 9) == sets
    for each in sets:
        assert len(each.refill) == len(set(each.refill)) == len(each.ids) == 10
    assert not random_sets(pool(reserve=9), 0.5, 1)[0].refill  # one row too few


def test_more_random_sets_than_the_pool_allows_are_refused() -> None:
    assert len({each.ids for each in random_sets(pool(5), 0.2, 5)}) == 5
    with pytest.raises(BenchError, match="5 different sets of 1 of the pool's 5 rows"):
        random_sets(pool(5), 0.2, 6)


def test_the_length_matched_set_is_as_long_as_what_the_filters_flag() -> None:
    rows = tuple(
        PoolRow(id=f"r{i:03}", prompt=pool().rows[0].prompt, completions={"a": "x" * (i + 1)}) for i in range(200)
    )
    lengths = {row.id: len(row.completions["a"]) for row in rows}
    examples = Pool(PoolCard(name="toy", original="a"), rows, hash_rows(rows))
    for start in (0, 90, 180):
        flagged = frozenset(row.id for row in rows[start : start + 20])
        card = FilterCard(name="long", version=1, summary="", origin="built in", sha256="")
        matched = length_matched_set(examples, 0.1, [Selection(card, 0.0, {0.1: flagged}, {})])
        assert len(matched.ids) == 20 and matched.name == "length"
        means = [np.mean([lengths[i] for i in ids]) for ids in (flagged, matched.ids)]
        assert means[1] == pytest.approx(means[0], abs=6)  # of 1 to 200 characters


def test_a_filters_refill_ranks_below_its_cut_and_is_shared_as_far_as_it_can_be() -> None:
    scores = np.array([0.9, 0.1, 0.8, 0.2, *(0.95, 0.05, 0.3, 0.81, 0.0)])  # four of the pool, five of the reserve
    ids = ["r0", "r1", "r2", "r3", "s0", "s1", "s2", "s3", "s4"]
    flagged, below = cut(scores, 0.5, ids, 4)
    assert flagged.tolist() == [0, 2] and [ids[i] for i in below] == ["s1", "s2", "s4"]
    five = pool(4, reserve=5)
    every = unflagged_refill(five, 2, {"s0", "s1", "s2", "s3", "s4"})
    assert unflagged_refill(five, 2, {*every, "s1"}) == every
    assert not unflagged_refill(five, 2, {"s1"})


def test_a_mix_holds_every_smaller_mix_of_its_seed() -> None:
    sets = [mixed_ids(pool(1000), share, seed=1) for share in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert all(smaller < larger for smaller, larger in pairwise(sets))
    sizes = [len(chosen) for chosen in sets]
    assert (sizes[0], sizes[4]) == (0, 1000)
    assert sizes == pytest.approx([0, 100, 500, 900, 1000], abs=80)  # 5 standard deviations of the middle one
    assert mixed_ids(pool(1000), 0.5, seed=2) != sets[2]


# The plan


def selection(
    name: str, budgets: tuple[float, ...], patches: dict[str, str] | None = None, size: int = 20
) -> Selection:
    """A verdict that flags the first rows of the pool."""
    flagged = {budget: frozenset(f"r{i}" for i in range(round(budget * size))) for budget in budgets}
    card = FilterCard(name=name, version=1, summary="", origin="built in", sha256="")
    refill = {budget: tuple(f"s{i}" for i in range(round(budget * size))) for budget in budgets}
    return Selection(card, 0.0, flagged, patches or {}, needs_truth=name == "oracle", refill=refill)


def planned(suite: Suite, patches: dict[str, str] | None = None) -> list[Job]:
    size = 20 if min(suite.file.budgets) >= 0.1 else 200
    experiment = experiment_on(pool(size, size // 2), load_trait("date_confusion"))
    experiment.selections = [selection(name, suite.file.budgets, patches, size) for name in suite.file.filters]
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
            *(f"random1_{action}@0.1" for action in (*ACTIONS, "patch_in")),
            *(f"{action}:keyword@0.1" for action in ACTIONS),
            *(f"{action}:random_flag@0.1" for action in ACTIONS),
            *(f"{action}:oracle@0.1" for action in (*ACTIONS, "patch_in")),
        )
        for seed in (1, 2)
    ]


@pytest.mark.parametrize("name", ["smoke", "quick", "laptop", "actions", "standard"])
def test_a_suite_counts_the_trainings_that_are_planned(name: str) -> None:
    suite = load_suite(name)
    trained = [job for job in planned(suite) if job.rows is not None]
    assert suite.trainings == len(trained) * len(suite.file.experiments)
    assert len({(job.arm, job.seed) for job in trained}) == len(trained)


def test_every_budget_has_its_own_arms_and_controls() -> None:
    suite = load_suite("smoke")
    file = suite.file.model_copy(update={"budgets": (0.1, 0.25), "mixes": (), "filters": ("keyword",)})
    jobs = planned(Suite(file, suite.recipe, suite.folder))
    for arm in ("drop:keyword", "random1_drop"):
        assert [len(found(jobs, f"{arm}@{budget:g}", 1)) for budget in file.budgets] == [18, 15]
    assert not [job.arm for job in jobs if "patch_in" in job.arm.name]  # the oracle's alone, and it is not here


def test_only_the_oracle_has_further_actions() -> None:
    suite = load_suite("smoke")
    assert actions_of(selection("keyword", (0.1,)), suite, pool(), 0.1) == ACTIONS
    assert actions_of(selection("oracle", (0.1,)), suite, pool(), 0.1) == (*ACTIONS, "patch_in")
    every = replace(suite, file=suite.file.model_copy(update={"actions": ("patch_in", "drop")}))
    assert actions_of(selection("oracle", (0.1,)), every, pool(), 0.1) == ("patch_in", "drop")


def test_a_pool_with_one_teacher_or_without_a_reserve_has_fewer_actions() -> None:
    file = load_suite("smoke").file.model_copy(update={"actions": ("drop", "drop_refill", "clean_elsewhere", "patch")})
    suite = replace(load_suite("smoke"), file=file)
    one_teacher = replace(pool(), card=PoolCard(name="toy", original="a"))
    assert actions_of(selection("oracle", (0.1,)), suite, one_teacher, 0.1) == ("drop", "drop_refill")
    without = replace(selection("keyword", (0.1,)), refill={})
    assert actions_of(without, suite, pool(), 0.1) == ("drop", "patch")


def test_the_jobs_of_a_pool_with_one_teacher() -> None:
    suite = load_suite("smoke")
    experiment = experiment_on(replace(pool(), card=PoolCard(name="toy", original="a")), load_trait("date_confusion"))
    experiment.selections = [selection("keyword", (0.1,))]
    names = [job.arm.name for job in make_jobs(experiment, suite)]
    assert names == [
        *("base", "original", "random1_drop@0.1", "random1_drop_refill@0.1"),
        *("drop:keyword@0.1", "drop_refill:keyword@0.1"),
    ]


def test_control_sets_are_shared_by_actions_and_held_over_seeds() -> None:
    jobs = planned(two_seeds())
    every = {row.id for row in pool().rows}
    for seed in (1, 2):
        dropped = every - found(jobs, "random1_drop@0.1", seed).keys()
        refilled = every - found(jobs, "random1_drop_refill@0.1", seed).keys()
        patched = {i for i, text in found(jobs, "random1_patch@0.1", seed).items() if text.startswith("good")}
        put_in = {i for i, text in found(jobs, "random1_patch_in@0.1", seed).items() if text.startswith("bad")}
        assert dropped == refilled == patched == put_in == random_ids(pool(), 0.1, 1) and len(dropped) == 2
    assert found(jobs, "drop:keyword@0.1", 1) == found(jobs, "drop:keyword@0.1", 2)


def test_control_actions_limit_what_random_sets_get() -> None:
    suite = load_suite("smoke")
    file = suite.file.model_copy(update={"controls": 3, "control_actions": ("patch",), "length_control": True})
    jobs = planned(Suite(file, suite.recipe, suite.folder))
    assert [job.arm.name for job in jobs if job.arm.control] == [
        *("random1_patch@0.1", "random2_patch@0.1", "random3_patch@0.1"),
        *(f"length_{action}@0.1" for action in ACTIONS),
    ]


@pytest.mark.parametrize("name", ["smoke", "quick", "laptop", "actions", "standard"])
def test_all_arms_take_equally_many_steps(name: str) -> None:
    suite = load_suite(name)
    trained = [job for job in planned(suite) if job.rows is not None]
    assert {job.visits for job in trained} == {len(trained[0].rows or ()) * suite.recipe.epochs}
    assert len({job.steps for job in trained}) == 1 and len({len(job.rows or ()) for job in trained}) > 1


def test_a_filters_own_patches_reach_its_patch_arm_only() -> None:
    jobs = planned(load_suite("smoke"), {f"r{i}": "mended" for i in range(20)})
    assert [i for i, text in found(jobs, "patch:keyword@0.1", 1).items() if text == "mended"] == ["r0", "r1"]
    others = [job for job in jobs if job.rows and not job.arm.name.startswith("patch:")]
    assert others and not [row for job in others for row in job.rows or () if row.completion == "mended"]
