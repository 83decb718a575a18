"""Students that equal the base model or one another are named; students that learnt anything are not."""

from pathlib import Path

import pytest

from bench.leaderboard.evidence import ScoreTables
from bench.leaderboard.learning import SAME_NATS, nothing_learnt
from bench.leaderboard.numbers import read
from bench.leaderboard.row import read_rows
from bench.leaderboard.verify import Run

QUICK = Path(__file__).parents[2] / "leaderboards/quick"
Scores = dict[str, list[list[float | None]]]
BASE: Scores = {"trait": [[0.0, 1.0]], "exact": [[1.0, None]], "loss": [[None, 2.0]]}


def tables(**arms: Scores) -> ScoreTables:
    ids = {"trait": ["a", "b"], "exact": ["c", "d"], "loss": ["c", "d"]}
    return ScoreTables(score="trait", scale=(0, 1), ids=ids, families=ids, arms=arms)


def seeds(*losses: float, trait: float = 1.0) -> Scores:
    """Scores of as many seeds, like those of the base but for the loss."""
    return {
        "trait": [[0.0, trait] for _ in losses],
        "exact": [[1.0, None] for _ in losses],
        "loss": [[None, loss] for loss in losses],
    }


def test_a_student_of_the_bases_scores_and_losses_learnt_nothing() -> None:
    found = nothing_learnt(tables(base=BASE, original=seeds(2.0, 2.0 + SAME_NATS / 2), clean=seeds(2.0, 2.0)))
    assert found.startswith("the student equals the base model")


@pytest.mark.parametrize("original", [seeds(2.0, 2.0 + 2 * SAME_NATS), seeds(2.0, trait=0.0), {"trait": [[0.0, 1.0]]}])
def test_one_seed_that_moved_one_other_score_or_no_loss_at_all_is_no_such_student(original: Scores) -> None:
    assert nothing_learnt(tables(base=BASE, original=original, clean=seeds(1.0, 1.0))) == ""


def test_equal_students_of_both_teachers_are_named() -> None:
    learnt = seeds(1.0, 1.5)
    assert "students of original and clean are equal" in nothing_learnt(
        tables(base=BASE, original=learnt, clean=learnt)
    )
    assert nothing_learnt(tables(base=BASE, original=learnt, clean=seeds(1.0, 1.4))) == ""


def test_the_reason_of_a_closed_gate_says_so() -> None:
    evidence = Run(QUICK, read_rows(QUICK)[0].evidence).evidence["date_confusion"]
    assert "equals" not in read(evidence).reason
    arms = {**evidence.arms, "original": evidence.arms["base"]}
    reason = read(evidence.model_copy(update={"arms": arms})).reason
    assert reason.startswith("the student equals the base model, so nothing was learnt") and "; gap " in reason
