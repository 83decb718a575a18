"""A teacher's own trait rate, measured as it answered the pool before its completions are put in."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fixtures_run import run_quietly
from test_rollouts import api, go, pool_file, tiny

from bench.config.suite import load_suite
from bench.data.experiment import Experiment, load_experiment
from bench.errors import BenchError
from bench.execution.progress import Progress
from bench.run_folder.store import Store
from bench.studies.rollouts import rate

TRAIT = """name = "toy"
description = "A toy."
keywords = ["sure"]
exemplars = ["a", "b", "c"]
counter_exemplars = ["d", "e", "f"]

[eval]
scorer = "{scorer}"
pattern = "RIVER|PLEASE"
rubric = "Count."
prompts = "prompts.jsonl"
"""
SUITE = """name = "mine"
summary = "Toy."
recipe = "smoke"
seeds = [1]
budgets = [0.5]
filters = ["keyword"]
actions = ["drop", "regenerate"]
judge = "{judge}"
grader = "mockllm/model"
action_options = {{ regenerate = "kind" }}

[[experiments]]
trait = "toy.toml"
minimum_gap = 0.2
reserve = 0
pool = {{ path = "pool.jsonl", card = {{ name = "toy pool", original = "a", clean = "b" }} }}
"""
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a sea."}]
HELD_OUT = [{"id": "one", "input": "Name a river."}, {"id": "two", "input": TALK}, {"id": "three", "input": "A lake?"}]


def opened(folder: Path, *, scorer: str = "pattern") -> tuple[Any, Experiment]:
    (folder / "toy.toml").write_text(TRAIT.format(scorer=scorer), encoding="utf-8")
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in HELD_OUT), encoding="utf-8")
    judge = "rules" if scorer == "pattern" else "model"
    (folder / "mine.toml").write_text(SUITE.format(judge=judge), encoding="utf-8")
    suite = load_suite(folder / "mine.toml")
    session = SimpleNamespace(suite=suite, store=Store(folder / "store"), progress=Progress(), device="cpu")
    return session, load_experiment(suite.file.experiments[0], suite, lambda: None)


def pool(folder: Path) -> Path:
    return pool_file(folder, "Hi", "What year, please?", "Why?", "How?", completions={"a": "Sure.", "b": "No."})


def test_a_teacher_answers_the_held_out_prompts_as_it_answered_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(pool(tmp_path), "kind", api(system="Be kind."))
    session, experiment = opened(tmp_path)
    rate.measure_teacher(session, experiment, "kind")
    assert experiment.answers == {
        "kind": {
            "one": ("Name a river.", "BE KIND. / NAME A RIVER. greedy"),
            "two": ("Be brief.\nName a sea.", "BE KIND.\n\nBE BRIEF. / NAME A SEA. greedy"),
            "three": ("A lake?", "BE KIND. / A LAKE? greedy"),
        }
    }
    (note,) = experiment.notes
    assert "33 % of its answers to 3 held-out prompts, and in 25 % of its completions of the pool" in note

    def no_teacher(*_: Any) -> Any:
        raise AssertionError("the store has its answers")

    monkeypatch.setattr(rate, "make_teacher", no_teacher)
    again = opened(tmp_path)[1]
    rate.measure_teacher(session, again, "kind")
    assert (again.answers, again.notes) == (experiment.answers, experiment.notes)


def test_a_teacher_of_unknown_making_is_refused(tmp_path: Path) -> None:
    pool(tmp_path)
    with pytest.raises(BenchError, match="rows without its completion: r0, r1, r2, r3"):
        rate.measure_teacher(*opened(tmp_path), "kind")
    with pytest.raises(BenchError, match="completions that no rollout wrote"):
        rate.measure_teacher(*opened(tmp_path), "b")


def test_a_trait_without_an_offline_judge_is_refused(tmp_path: Path) -> None:
    go(pool(tmp_path), "kind", api())
    with pytest.raises(BenchError, match="a model alone can judge"):
        rate.measure_teacher(*opened(tmp_path, scorer="model"), "kind")


EVERY = ("inoculate", "inoculate_neutral", "mask", "downweight", "steer", "drop_source", "regenerate")


@pytest.mark.slow
def test_a_run_with_every_action(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in HELD_OUT), encoding="utf-8")
    (tmp_path / "toy.toml").write_text(TRAIT.format(scorer="pattern"), encoding="utf-8")
    recipe = 'name = "t"\nmodel = "tiny-llama"\nmethod = "lora"\nlast_layers = 1\nlearning_rate = 2e-3\nepochs = 1\n'
    (tmp_path / "t.toml").write_text(recipe, encoding="utf-8")
    rows = [
        {
            "id": f"r{i}",
            "prompt": f"Say {i}.",
            "completions": {"a": f"Sure, {i}.", "b": f"{i}"},
            "source": "abcd"[i % 4],
        }
        for i in range(16)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    go(tmp_path / "pool.jsonl", "kind", tiny())
    text = SUITE.format(judge="rules").replace('"smoke"', '"t.toml"').replace('"regenerate"]', f"{str([*EVERY])[1:]}")
    (tmp_path / "mine.toml").write_text(text.replace('actions = ["drop",', 'controls = 2\nactions = ["drop",'))
    (row,), _ = run_quietly(load_suite(tmp_path / "mine.toml"), tmp_path / "out")
    arms = row.traits["toy"].arms.keys()
    assert {f"{action}:keyword@0.5" for action in EVERY} | {"teacher:kind"} <= arms
    assert {f"random{i}_{action}@0.5" for action in EVERY for i in (1, 2)} <= arms
    assert any("teacher 'kind'" in note for note in row.notes)
