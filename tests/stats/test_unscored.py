"""Arms that lack scores: means over common answers, worked out by hand, and what is refused."""

import numpy as np
import pytest

from bench.stats import effects
from bench.stats.means import Floats
from bench.stats.unscored import on_common_prompts

NOT = float("nan")


def table(*scores: float) -> Floats:
    return np.array([scores])


def test_complete_tables_are_left_as_they_are() -> None:
    tables = {"original": table(1, 0, 1), "clean": table(0, 0, 0)}
    found = on_common_prompts(tables)
    assert found.left_out == 0 and found.refused == {}
    assert all((found.tables[arm] == each).all() for arm, each in tables.items())


def test_arms_are_compared_on_the_answers_that_all_of_them_have_a_score_for() -> None:
    # Each arm over its own prompts gives a gap of 8/9 - 1/9; over those that both have, 1.
    original = table(1, 1, 1, 1, 1, 1, 1, 1, 0, NOT)
    clean = table(0, 0, 0, 0, 0, 0, 0, 0, NOT, 1)
    drop = table(1, 1, 1, 1, 0, 0, 0, 0, 1, 1)
    found = on_common_prompts({"original": original, "clean": clean, "drop": drop})
    assert found.left_out == 2 and found.refused == {}
    means = effects.arm_means(found.tables, np.arange(10), (0, 1))
    assert effects.gap(means).value == 1.0 and effects.difference(means, "drop").value == 0.5
    assert {each.prompts for each in means.extent.values()} == {8}


def test_an_answer_is_left_out_under_the_seed_that_lacks_it_alone() -> None:
    scores = np.ones((2, 10))
    lacking = scores.copy()
    lacking[1, 3] = NOT
    found = on_common_prompts({"original": scores, "clean": lacking})
    absent = np.isnan(found.tables["original"])
    assert found.left_out == 1 and absent.sum() == 1 and absent[1, 3]


@pytest.mark.parametrize(("missing", "refused"), [(2, False), (3, True)])
def test_an_arm_with_more_than_a_fifth_of_its_answers_unscored_is_refused_alone(missing: int, refused: bool) -> None:
    arm = table(*[NOT] * missing, *[0.0] * (10 - missing))
    tables = {"original": table(*[1.0] * 10), "clean": table(*[0.0] * 10), "drop": arm}
    found = on_common_prompts(tables)
    means = effects.arm_means(found.tables, np.arange(10), (0, 1))
    if refused:
        assert found.refused == {"drop": "30 % of its answers have no score, more than 20 %"} and found.left_out == 0
        assert np.isnan(means.point["drop"]) and means.extent["original"].prompts == 10
    else:
        assert found.refused == {} and found.left_out == 2 and means.point["drop"] == 0.0


def test_a_refused_arm_changes_no_number_of_the_others() -> None:
    rng = np.random.default_rng(0)
    tables: dict[str, Floats] = {arm: rng.integers(0, 2, (3, 40)).astype(float) for arm in ("original", "drop")}
    tables["clean"] = np.zeros((3, 40))
    alone = effects.arm_means(tables, np.arange(40) // 4, (0, 1))
    broken = np.where(rng.random((3, 40)) < 0.5, NOT, 1.0)
    found = on_common_prompts({**tables, "broken": broken})
    beside = effects.arm_means(found.tables, np.arange(40) // 4, (0, 1))
    assert effects.removal(beside, "drop") == effects.removal(alone, "drop")
    assert effects.mean(beside, "clean") == effects.mean(alone, "clean")


def test_all_arms_are_refused_where_less_than_half_of_the_answers_is_common() -> None:
    tables = {f"arm{i}": np.ones((1, 10)) for i in range(6)}
    for i in range(6):
        tables[f"arm{i}"][0, i] = NOT
    assert on_common_prompts({arm: tables[arm] for arm in list(tables)[:5]}).refused == {}
    found = on_common_prompts(tables)
    assert set(found.refused) == set(tables) and "40 % of the answers, less than half" in found.refused["arm0"]
