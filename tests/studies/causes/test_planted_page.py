from pathlib import Path

import pytest
from fixtures_studies import NO, UNCLEAR, causes_record, world

from bench.errors import BenchError
from bench.files import write_json
from bench.leaderboard.pages import CAUSES
from bench.studies.causes import page
from bench.studies.causes.records import matrix, matrix_row, rates, read_causes, share


def test_the_matrix_counts_each_verdict_of_each_world() -> None:
    row = matrix_row("5", "perfect", [world(1), world(2, stays=NO), world(3, stays=UNCLEAR)])
    assert row.counts["5"] == {"supported": 1, "ruled out": 1, "undetermined": 1}
    assert row.counts["4b"] == {"supported": 0, "ruled out": 3, "undetermined": 0}
    assert (row.worlds, row.rates.found.count, row.rates.alone.count, row.rates.missed.count) == (3, 1, 1, 1)
    assert (row.rates.false_support.count, row.rates.false_support.total) == (0, 3)


def test_a_hypothesis_that_was_not_planted_is_a_false_support_wherever_it_is_supported() -> None:
    wrong = rates([world(1, planted="4a"), world(2)])
    assert (wrong.false_support.count, wrong.false_support.total) == (1, 2)
    assert (wrong.found.count, wrong.found.total, wrong.missed.count) == (1, 2, 1)


def test_what_does_not_take_hold_counts_for_false_support_alone() -> None:
    found = rates([world(1, planted="2"), world(2)])
    assert (found.found.total, found.alone.total, found.missed.total, found.false_support.total) == (1, 1, 1, 2)


@pytest.mark.parametrize(("count", "total"), [(0, 6), (6, 6), (3, 6), (1, 54), (54, 54)])
def test_intervals_are_exact(count: int, total: int) -> None:
    """Clopper & Pearson by the quantiles of the beta distribution."""
    from scipy.stats import beta

    found = share(count, total)
    low = beta.ppf(0.025, count, total - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
    assert (found.count, found.total) == (count, total)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_share_of_no_worlds_is_anything() -> None:
    assert share(0, 0).model_dump() == {"count": 0, "total": 0, "low": 0.0, "high": 1.0}


def test_perfect_and_imperfect_patterns_are_counted_apart() -> None:
    rows = matrix([world(1), world(1, patterns="imperfect", stays=NO), world(1, planted="3a")])
    assert [(row.patterns, row.planted, row.rates.found.count) for row in rows] == [
        ("perfect", "3a", 0),
        ("perfect", "5", 1),
        ("imperfect", "5", 0),
    ]


def test_a_world_is_exact_only_if_nothing_else_was_supported() -> None:
    assert world(1).exact
    assert not world(1, planted="4a").exact
    assert not world(1, stays=NO).exact


def test_unmet_prerequisites_decide_nothing() -> None:
    unmet = world(1).model_copy(update={"met": False, "verdicts": []})
    assert matrix_row("5", "perfect", [unmet]).counts["5"]["undetermined"] == 1
    assert "prerequisites" in page.misses(unmet)[0]


def test_misses_say_which_question_decided() -> None:
    assert page.misses(world(1)) == []
    (why,) = page.misses(world(1, stays=NO))
    assert why.startswith("Prior of the base model (5), planted, is ruled out: Does the original model keep the trait")
    missed, wrong = sorted(page.misses(world(1, planted="4a")))
    assert "(5), not planted, is supported" in missed and "(4a), planted, is ruled out" in wrong


def test_headline_counts_found_alone_ruled_out_and_wrong_with_intervals() -> None:
    text, other = page.headline(causes_record(world(1), world(2, stays=NO), world(3, patterns="imperfect")))
    assert text.startswith(
        "With perfect patterns the planted hypothesis was supported in 1 of 2 [1.3 %, 98.7 %] synthetic pools"
    )
    assert "it alone in 1 of 2 [1.3 %, 98.7 %], and ruled out in 1; a wrong one was supported in 0 of 2 [" in text
    assert (
        "With imperfect patterns the planted hypothesis was supported in 1 of 1 [2.5 %, 100 %] synthetic pools" in other
    )


def test_the_page_comes_from_the_json_alone_and_escapes_its_texts(tmp_path: Path) -> None:
    made = causes_record(world(1), world(2, stays=NO), world(1, patterns="imperfect"))
    made.matrix[0] = made.matrix[0].model_copy(update={"how": "Bound <deep>."})
    write_json(tmp_path / CAUSES.data, made)
    assert read_causes(tmp_path).matrix[0].counts["5"]["ruled out"] == 1
    page.write(tmp_path, [CAUSES])
    text = (tmp_path / CAUSES.file).read_text(encoding="utf-8")
    assert "Bound &lt;deep&gt;." in text and ">1 yes, 1 no</td>" in text
    assert "(5), planted, is ruled out" in text and "1 of 2 [1.3 %, 98.7 %] planted causes were found" in text
    assert '<td class="num">75 %</td><td class="num">50 %</td>' in text


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file"):
        page.write(tmp_path, [CAUSES])
