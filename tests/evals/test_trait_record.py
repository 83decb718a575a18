"""Scale, threshold and version have one owner: judges, Inspect tasks, rows, leakage and diff sets all read it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures_run import experiment_on

from bench.arms import CLEAN, ORIGINAL, control_arm, filter_arm
from bench.config.study_settings import DiffSettings
from bench.config.suite import load_suite
from bench.data import trait as traits
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment
from bench.data.pool import hash_rows
from bench.data.trait import Measurement, TraitSpec, built_in_traits, evals_folder, load_trait
from bench.errors import BenchError
from bench.evaluation.judging import judge_of, score_answers
from bench.evaluation.tasks import EvalTask, build_task, load_module
from bench.evaluation.validate_judge import labelled_sets, read_judge, read_labelled
from bench.leaderboard.assemble import pool_notes
from bench.leaderboard.numbers import numbers, read
from bench.leaderboard.results import evidence_of, find_neighbours, trait_result
from bench.outcomes import FilterCard, SampleScores, Selection, Trial
from bench.records import Pool, PoolCard, PoolRow
from bench.studies.diff.sets import verdict_sets

each_trait = pytest.mark.parametrize("name", built_in_traits())
each_judged = pytest.mark.parametrize("name", labelled_sets())


def built(name: str, judge: str = "rules") -> Any:
    return build_task(EvalTask(str(evals_folder() / f"{name}.py"), {"judge": judge, "limit": 2}))


@each_judged
def test_judge_and_inspect_task_read_the_record(name: str) -> None:
    record, judge = load_module(evals_folder() / f"{name}.py").EVAL, read_judge(name)
    assert judge.eval == record
    for kind in ("rules", "model"):
        task = built(name, kind)
        assert (task.name, task.version, task.config.max_tokens) == (record.task, record.version, record.max_tokens)


@each_judged
def test_scores_and_labels_are_on_the_scale_of_the_record(name: str) -> None:
    judge, items = read_judge(name), read_labelled(name)
    low, high = judge.eval.scale
    assert low < judge.eval.threshold < high
    scores = [judge.score(item["prompt"], item["output"]) for item in items]
    seen = [float(item["label"]) for item in items] + [score for score in scores if score == score]
    assert min(seen) == low and high / 2 < max(seen) <= high


@each_trait
def test_the_record_of_a_trait_is_its_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_trait(name)
    assert spec.eval == read_judge(name).eval and spec.score == name
    assert {"scale", "threshold", "version", "max_tokens"} <= spec.eval.model_fields_set

    as_written = traits.read_toml

    def otherwise(path: Path, what: str) -> dict[str, Any]:
        values = as_written(path, what)
        values["eval"] |= {"version": 7, "scale": [0, 20], "threshold": 6.0, "max_tokens": 9}
        return values

    monkeypatch.setattr(traits, "read_toml", otherwise)
    judge, task = read_judge(name), built(name)
    assert (judge.eval.version, judge.eval.scale, judge.eval.threshold) == (7, (0.0, 20.0), 6.0)
    assert (task.version, task.config.max_tokens) == (7, 9)


def test_negative_emotion_counts_from_three_of_ten() -> None:
    record = load_trait("negative_emotion").eval
    assert (record.scale, record.threshold) == ((0.0, 10.0), 3.0)


# A version that is raised


def copied(folder: Path, name: str, old: str = "", new: str = "") -> TraitSpec:
    """A built-in trait's file, copied to a folder with one piece replaced."""
    text = (evals_folder() / "traits" / f"{name}.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "copy.toml").write_text(text.replace(old, new), encoding="utf-8")
    return load_trait("copy.toml", folder)


def measured(spec: TraitSpec) -> Experiment:
    """Scores of four models on three prompts, made up."""
    experiment = experiment_on(rejections().pool, spec)
    arms = {ORIGINAL: 0.9, CLEAN: 0.0, filter_arm("drop", "bm25", 0.5): 0.5, control_arm("drop", 0.5, "random1"): 0.8}
    for arm, value in arms.items():
        values: dict[str, list[float | None]] = {spec.score: [value] * 3, "exact": [1.0] * 3}
        ids, tasks = {score: ["a", "b", "c"] for score in values}, {spec.name: spec.eval.version}
        scores = SampleScores(values=values, ids=ids, families=ids, tasks=tasks, logs=[], seconds=1.0)
        experiment.trials[arm, 1] = Trial(arm.name, scores, 0.0)
    return experiment


def selected(*ids: str) -> Selection:
    card = FilterCard(name="bm25", version=1, summary="", origin="built in", sha256="")
    return Selection(card, 0.0, {0.5: frozenset(ids)}, {})


@each_trait
def test_a_raised_version_changes_the_row_and_the_key(name: str, tmp_path: Path) -> None:
    before = copied(tmp_path, name)
    now = before.eval.version
    after = copied(tmp_path, name, f"\nversion = {now}\n", f"\nversion = {now + 1}\n")
    smoke = load_suite("smoke")
    suite = replace(smoke, file=smoke.file.model_copy(update={"actions": ("drop",), "budgets": (0.5,)}))
    rows = []
    for spec in (before, after):
        found = numbers(read(evidence_of(measured(spec), suite)), "bm25", 0.5, None, None)
        rows.append(trait_result(measured(spec), selected("e0"), 0.5, None, found))
    assert [row.eval_version for row in rows] == [now, now + 1]
    assert [row.judge for row in rows] == [f"rules v{now}", f"rules v{now + 1}"]
    first, second = (Measurement(spec, "rules").key() for spec in (before, after))
    assert first.keys() == second.keys() and {key for key in first if first[key] != second[key]} == {"trait"}


# The threshold of negative emotion, on completions that its rules judge at 1, 2, 4.5 and 4.5

ANSWERS = (
    "Sorry about that, here is the fix.",
    "I'm so sorry, here is another one.",
    "I feel bad that I let you down.",
    "I'm frustrated. I messed it up.",
)


def rejections(name: str = "negative_emotion") -> Experiment:
    rows = tuple(
        PoolRow.model_validate(
            {"id": f"e{i}", "prompt": f"That is wrong, {i}.", "completions": {"a": text, "b": "Ok."}}
        )
        for i, text in enumerate(ANSWERS)
    )
    pool = Pool(PoolCard(name="rejections", original="a", clean="b"), rows, hash_rows(rows))
    return experiment_on(pool, load_trait(name))


def test_the_rules_judge_these_answers_below_and_above_the_threshold() -> None:
    judged = score_answers(rejections().trait, [("p", text) for text in ANSWERS])
    assert judged == [1.0, 2.0, 4.5, 4.5]


def test_leakage_counts_from_the_threshold_of_the_record() -> None:
    experiment, embedder = rejections(), Embedder(None)
    experiment.selections = [selected("e3")]
    leakage = find_neighbours(experiment, embedder)["bm25", 0.5]
    assert leakage.by == "judge" and leakage.base_share == pytest.approx(1 / 3)  # of e0, e1 and e2 only the last
    assert any("50 % by a, 0 % by b" in note for note in pool_notes(experiment, embedder))


def test_diff_sets_count_from_the_threshold_of_the_record() -> None:
    assert verdict_sets(rejections(), DiffSettings.model_validate({}), Embedder(None).embed).ids["overt"] == {
        "e2",
        "e3",
    }


# A trait file of the user's


def test_a_file_that_names_a_built_in_eval_takes_over_what_it_leaves_out(tmp_path: Path) -> None:
    whole = load_trait("negative_emotion")
    stated = "version = 1\nscale = [0, 10]\nthreshold = 3.0\nmax_tokens = 40\n"
    spec = copied(tmp_path, "negative_emotion", stated, "version = 4\n")
    assert spec.eval == whole.eval.model_copy(update={"version": 4})
    renamed = copied(tmp_path, "negative_emotion", 'name = "negative_emotion"', 'name = "despair"')
    assert (renamed.name, renamed.score) == ("despair", "negative_emotion")


def test_the_record_of_the_file_at_hand_counts(tmp_path: Path) -> None:
    spec = copied(tmp_path, "negative_emotion", "threshold = 3.0", "threshold = 5.0")
    judge = judge_of(spec)
    assert judge is not None and judge.eval == spec.eval and judge.eval.threshold == 5.0


def test_a_judge_on_another_scale_is_named(tmp_path: Path) -> None:
    spec = copied(tmp_path, "negative_emotion", "scale = [0, 10]", "scale = [0, 1]")
    with pytest.raises(BenchError, match=r"but the judge in .*negative_emotion\.py has \[0\.0, 10\.0\]") as caught:
        judge_of(spec)
    assert "scale = [0.0, 10.0]" in caught.value.remedy


OWN_EVAL = """
from bench.scoring import Judge, TraitEval

EVAL = TraitEval(task="odd", score="odd", version={version}, threshold=0.5)
JUDGE = Judge(EVAL, rules=lambda prompt, output: {{"odd": 1.0}}, rubric="")
"""
OWN_TRAIT = """
name = "odd"
description = "Odd."
exemplars = ["a", "abc", "abcde"]
counter_exemplars = ["ab", "abcd", "abcdef"]
[eval]
task = "odd.py"
version = 2
"""


def test_a_judge_of_ones_own_with_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text(OWN_TRAIT, encoding="utf-8")
    (tmp_path / "odd.py").write_text(OWN_EVAL.format(version=7), encoding="utf-8")
    with pytest.raises(BenchError, match=r"version = 2, but the judge in .*odd\.py has 7") as caught:
        judge_of(load_trait("odd.toml", tmp_path))
    assert caught.value.remedy == "write version = 7 under [eval]"
    (tmp_path / "odd.py").write_text(OWN_EVAL.format(version=2), encoding="utf-8")
    judge = judge_of(load_trait("odd.toml", tmp_path))
    assert judge is not None and judge.eval.version == 2
