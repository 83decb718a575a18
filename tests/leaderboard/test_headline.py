"""What a board concludes from rows that were made to show one thing."""

import re
from pathlib import Path

import pytest
from fixtures_rows import FILTERS, around, row, rows_at_one_budget, rows_at_three_budgets, trait_result, with_result
from fixtures_scores import scored

from bench.leaderboard.board import board_view
from bench.leaderboard.comparable import row_key
from bench.leaderboard.evidence import write_evidence
from bench.leaderboard.paired import compare, read_scores
from bench.leaderboard.row import LeakageEffect
from bench.leaderboard.view import TraitView
from bench.outcomes import Estimate

BETTER = {"drop": 0.6, "drop_refill": 0.6, "patch": 0.1}
ALIKE = {"drop": 0.3, "drop_refill": 0.3, "patch": 0.3}


def trait(rows, scores=None) -> TraitView:
    return board_view(rows, scores=scores).traits[0]


def said(rows, scores=None) -> str:
    return " ".join(trait(rows, scores).conclusion.sentences)


def test_it_says_what_was_removed_and_how_many_filters_beat_random_sets() -> None:
    text = said(rows_at_one_budget())
    assert "Patching the flagged examples removed 0.43 to 0.78 of the trait (4 filters; random sets 0.05)" in text
    assert "4 of 4 filters beat random sets (Holm p < 0.05)" in text


def test_a_better_action_is_shown_by_the_interval_of_the_mean() -> None:
    assert "Patch removed more than drop (+0." in said(*scored({"keyword": BETTER, "bm25": BETTER}))
    worse = {"drop": 0.1, "drop_refill": 0.1, "patch": 0.6}
    assert "Patch removed less than drop (-0." in said(*scored({"keyword": worse, "bm25": worse}))
    assert "Patch and drop are not shown to differ (" in said(*scored({"keyword": ALIKE, "bm25": ALIKE}))


def test_without_scores_there_are_counts_and_ranges_and_no_claim() -> None:
    rows, _ = scored({"keyword": BETTER, "bm25": ALIKE})
    assert "Patch removed more than drop for" in said(rows) and "without an interval" in said(rows)
    assert "shown to differ" not in said(rows)


def test_references_have_no_part_in_a_mean() -> None:
    rows, scores = scored({"keyword": ALIKE, "oracle": BETTER})
    assert "Patch and drop are not shown to differ (" in said(rows, scores) and "1 filter)" in said(rows, scores)
    assert said([row("oracle"), row("random_flag")]).startswith("No filter was tried")


def test_one_seed_allows_no_claim_and_is_said_once() -> None:
    rows, scores = scored({"keyword": BETTER, "bm25": BETTER})
    view = trait([each.model_copy(update={"seeds": [7]}) for each in rows], scores)
    text = " ".join(view.conclusion.sentences)
    assert "1 training of each arm, so no claim" in text and view.conclusion.advice == ""
    assert view.few.startswith("1 training of each arm: intervals cover the choice of prompts")
    assert not [word for word in ("beat", "winner", "shown") if word in text]


def test_a_closed_gate_is_not_measurable_and_concludes_nothing() -> None:
    view = trait([row("keyword", date_confusion=trait_result("date_confusion", "keyword", 0.1, scored=False))])
    assert view.conclusion.sentences == [] and view.conclusion.advice == ""
    assert view.closed == ["Not measurable: gap 0.04 [-0.03, 0.11] does not clear 0.20."]


def test_a_pool_with_one_teacher_is_told_by_dropping() -> None:
    whole = trait_result("date_confusion", "keyword", 0.1).effects
    text = said([with_result("keyword", effects={"drop": whole["drop"]}, primary="drop", leakage=None, winner=None)])
    assert text.startswith("Dropping the flagged examples removed 0.12 of the trait")
    assert "Patch was not run, so the two are not compared" in text and "leakage was not measured" in text


def test_leakage_is_shown_by_an_interval_above_0_alone() -> None:
    assert "leakage shown after controls (+0." in said(*scored({"keyword": BETTER, "bm25": BETTER}))
    assert "leakage not shown after controls (" in said(*scored({"keyword": ALIKE, "bm25": ALIKE}))
    low = LeakageEffect(gap=around(0.1, 0.2), difference=around(0.1, 0.2), uncontrolled=around(0.1, 0.2))
    assert "leakage not shown after controls" in said([with_result("keyword", leakage=low)])
    assert "leakage after controls for 1 of 1 filter" in said([with_result("seed_similarity")])


def test_a_winner_is_clear_where_its_adjusted_interval_lies_above_all_others() -> None:
    assert "no clear winner" in said([row(name) for name in FILTERS])
    ahead = []
    for each in (row(name) for name in FILTERS):
        result = each.traits["date_confusion"]
        best = result.winner.model_copy(update={"lift": Estimate(value=0.95, low=0.9, high=1.0)})
        ahead.append(with_result(each.filter.name, winner=best))
    assert "clear winner: seed_similarity (lift 0.95 [0.90, 1.00], adjusted for the choice)" in said(ahead)
    assert "winner" not in said(ahead[:3])  # it was chosen among others


def test_advice_counts_by_the_lower_limit_and_says_what_it_costs() -> None:
    advice = trait([row(name) for name in FILTERS]).conclusion.advice
    assert (
        "3 of 5 filters remove at least half of the trait by patching (lower end of the interval), 0 by drop" in advice
    )  # 0.78, 0.71, 0.66, each - 0.11
    assert "no loss of capability is shown (1.00 of the original's exact answers, lowest limit 0.95)" in advice
    lost = {"patch": Estimate(value=0.7, low=0.5, high=0.9)}
    dear = trait([with_result("seed_similarity", capability_retention=lost)]).conclusion.advice
    assert "capability falls for 1 of them (0.70" in dear
    assert "is not shown to remove half of the trait" in trait([row("loss_gap")]).conclusion.advice


def test_one_filter_is_named_and_has_its_interval() -> None:
    text = said(*scored({"keyword": BETTER}))
    assert re.search(r"removed 0\.\d\d \[0\.\d\d, \d\.\d\d\] of the trait \(keyword; random sets", text)
    assert "it beats random sets (Holm p 0.0" in text


def test_further_actions_are_held_against_patch() -> None:
    text = said(*scored({"keyword": BETTER | {"mask": 0.1, "inoculate": 0.7}}))
    assert re.search(r"Removed less than patch: inoculate \(-0\.\d\d \[", text)
    assert re.search(r"Not shown to differ from patch: mask \(", text)
    assert "than patch" not in said(*scored({"keyword": BETTER}))


def test_the_largest_budget_leads_and_the_others_follow() -> None:
    view = trait(rows_at_three_budgets())
    assert [share for share, _ in view.others] == [0.05, 0.02]
    assert "removed 0.40 to 0.78" in view.conclusion.sentences[0]  # at 10 %
    assert "removed 0.28 to 0.55" in view.others[0][1].sentences[0]


def test_rows_with_problems_are_listed_and_used_for_nothing() -> None:
    rows = [row(name) for name in ("keyword", "seed_similarity", "oracle")]
    wrong = {row_key(rows[1]): ["removal by patch does not follow"], row_key(rows[0]): []}
    view, without = board_view(rows, problems=wrong), board_view([rows[0], rows[2]])
    assert view.unverified == [("seed_similarity@0.1", ["removal by patch does not follow"])]
    assert (view.traits, view.rows) == (without.traits, without.rows)
    nothing = board_view(rows, problems={row_key(each): ["forged"] for each in rows})
    assert nothing.traits == [] and len(nothing.unverified) == 3


def test_a_student_that_filters_share_counts_as_one_training() -> None:
    rows, scores = scored({"keyword": BETTER})
    twice, twice_scores = scored({"keyword": BETTER, "bm25": BETTER})  # the same scores under another name
    one = compare(rows, "date_confusion", scores).minus("patch", "drop", rows)
    both = compare(twice, "date_confusion", twice_scores).minus("patch", "drop", twice)
    assert both.value == pytest.approx(one.value)
    assert both.high - both.low == pytest.approx(one.high - one.low, rel=0.15)  # not narrower by the root of 2


def test_scores_are_read_by_hash_alone(tmp_path: Path) -> None:
    rows, scores = scored({"keyword": BETTER})
    (found,) = scores.values()
    named = write_evidence(found, tmp_path / "run")
    stated = [each.model_copy(update={"evidence": named}) for each in rows]
    assert read_scores(stated, [tmp_path / "nowhere", tmp_path / "run"]) == {next(iter(named.values())): found}
    other = [each.model_copy(update={"evidence": dict.fromkeys(named, "ab" * 32)}) for each in rows]
    assert read_scores(other, [tmp_path / "run"]) == {}  # not the hash that the row states
