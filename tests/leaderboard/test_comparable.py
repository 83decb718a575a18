"""Which rows are ranked and corrected together, and which stand apart or count once."""

from typing import Any

import pytest
from fixtures_rows import FILTERS, RECIPE, row, trait_result

from bench.leaderboard.board import board_view
from bench.leaderboard.comparable import comparable_groups, differences, distinct_rows
from bench.leaderboard.row import Cost, Row

ROWS = [row(name) for name in FILTERS]
TRAIT = "date_confusion"


def with_result(name: str, **changes: Any) -> Row:
    return row(name, date_confusion=trait_result(TRAIT, name, 0.1).model_copy(update=changes))


def holm(rows: list[Row]) -> dict[str, float | None]:
    """Label -> Holm's p on the board of these rows."""
    return {each.filter.name: each.traits[TRAIT].effects["patch"].p_holm for each in board_view(rows).rows}


def test_a_board_given_twice_is_the_board() -> None:
    assert board_view(ROWS + ROWS) == board_view(ROWS)
    assert holm(ROWS + ROWS) == holm(ROWS)


@pytest.mark.parametrize(
    "changes",
    [
        {"command": "bench run invented --out elsewhere"},
        {"commit": "fffffff"},
        {"versions": {"torch": "2.12.0"}},
        {"notes": ["another note"]},
        {"evidence": {"evidence/scores-0.json.gz": "0" * 64}},
        {"cost": Cost(share_flagged=0.1, filter_seconds=9, train_seconds=9, eval_seconds=9, device="2 CPU cores")},
    ],
)
def test_rows_with_equal_numbers_are_one_row_wherever_they_were_made(changes: dict[str, Any]) -> None:
    again = [each.model_copy(update=changes) for each in ROWS]
    assert len(distinct_rows(ROWS + again)) == len(ROWS)
    assert holm(ROWS + again) == holm(ROWS)


def test_the_same_filter_file_elsewhere_is_the_same_filter_and_other_options_are_not() -> None:
    filter_card = ROWS[3].filter
    moved = ROWS[3].model_copy(update={"filter": filter_card.model_copy(update={"origin": "~/keyword.py"})})
    tuned = ROWS[3].model_copy(update={"filter": filter_card.model_copy(update={"options": {"k": 3}})})
    assert len(distinct_rows([ROWS[3], moved])) == 1
    assert len(distinct_rows([ROWS[3], tuned])) == 2


OTHER: dict[str, Row] = {
    "suite": row("loss_gap").model_copy(update={"suite": "another"}),
    "suite v": row("loss_gap").model_copy(update={"suite_version": 2}),
    "recipe": row("loss_gap").model_copy(update={"recipe": RECIPE.model_copy(update={"epochs": 9})}),
    "seeds": row("loss_gap").model_copy(update={"seeds": [3, 4, 5]}),
    "device": row("loss_gap").model_copy(
        update={"cost": Cost(share_flagged=0.1, filter_seconds=1, train_seconds=1, eval_seconds=1, device="cuda")}
    ),
    "pool": with_result("loss_gap", pool_sha256="5a" * 31 + "5b"),
    "judge": with_result("loss_gap", judge="model v1"),
    "eval version": with_result("loss_gap", eval_version=2),
    "held-out prompts": with_result("loss_gap", prompts=24),
    "reserve": with_result("loss_gap", reserve_rows=0),
    "controls": with_result("loss_gap", controls=2),
    "minimum gap": with_result("loss_gap", minimum_gap=0.1),
}


@pytest.mark.parametrize("what", OTHER)
def test_what_does_not_compare_is_neither_ranked_nor_corrected_together(what: str) -> None:
    others = [each for each in ROWS if each.filter.name != "loss_gap"]
    assert [len(group) for group in comparable_groups([*others, OTHER[what]])] == [len(others), 1]
    found = holm([*others, OTHER[what]])
    assert {name: p for name, p in found.items() if name != "loss_gap"} == holm(others)
    assert found["loss_gap"] == OTHER[what].traits[TRAIT].effects["patch"].p  # a hypothesis of its own
    assert any(what.split()[0] in note for note in differences([*others, OTHER[what]]))


def test_a_second_run_of_a_filter_is_no_second_hypothesis() -> None:
    first = ROWS[3]
    result = first.traits[TRAIT]
    again = with_result(first.filter.name, gap=result.gap.model_copy(update={"high": 0.96}))
    assert [len(group) for group in comparable_groups([*ROWS, again])] == [len(ROWS), 1]
    (note,) = differences([*ROWS, again])
    assert f"{first.filter.name}@0.1 is there more than once" in note


def test_no_best_is_named_over_filters_that_no_run_compared() -> None:
    fewer = [with_result(name, winner=None) if name == "keyword" else row(name) for name in FILTERS]
    joined = [each for each in ROWS if each.filter.name != "influence"]
    for rows in (fewer[:3], joined):
        (view,) = board_view(rows).traits
        assert not any("winner" in sentence for sentence in view.conclusion.sentences)
