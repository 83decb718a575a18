"""Teachers beside their students: judged on the same prompts, in the same order."""

from dataclasses import replace
from typing import Any

import pytest

from bench.config.suite import load_suite
from bench.data.experiment import Experiment, load_experiment
from bench.evaluation.judging import score_answers
from bench.leaderboard.results import teacher_scores
from bench.outcomes import SampleScores

SCORE = "date_confusion"


@pytest.fixture(scope="module")
def setup() -> Experiment:
    suite = load_suite("smoke")

    def no_tokenizer() -> Any:
        raise AssertionError("a world needs no tokenizer")

    return load_experiment(suite.file.experiments[0], suite, no_tokenizer)


def of_students(ids: list[str]) -> SampleScores:
    zeros: list[float | None] = [0.0] * len(ids)
    families = {SCORE: [f"family of {identity}" for identity in ids]}
    return SampleScores(values={SCORE: zeros}, ids={SCORE: ids}, families=families, tasks={}, logs=[], seconds=1.0)


def test_answers_are_paired_by_id_and_not_by_place(setup: Experiment) -> None:
    ids = sorted(setup.answers["original"], reverse=True)
    scores = teacher_scores(setup, of_students(ids))
    for teacher in ("original", "clean"):
        (run,) = scores[f"teacher:{teacher}"]
        alone = [(score_answers(setup.trait, [setup.answers[teacher][identity]]) or [None])[0] for identity in ids]
        assert run.values[SCORE] == alone
        assert run.ids[SCORE] == ids and run.families[SCORE][0] == f"family of {ids[0]}"


def test_a_teacher_that_lacks_an_answer_is_left_out(setup: Experiment) -> None:
    assert teacher_scores(setup, of_students([*setup.answers["original"], "another"])) == {}


def test_rules_do_not_stand_beside_a_model_judge(setup: Experiment) -> None:
    judged = replace(setup, measurement=replace(setup.measurement, judge="model"))
    assert teacher_scores(judged, of_students(list(setup.answers["original"]))) == {}
