"""The example in docs/bring_your_own: a user's pool and trait without code, here with the tiny model.

The real pool is not part of the project. Set SIEVEBENCH_POOL to its path to run on it.
"""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures_run import run_quietly

from bench.config.recipe import load_recipe
from bench.config.suite import Suite, load_suite, with_pool
from bench.data.trait import load_trait
from bench.errors import BenchError

EXAMPLE = Path(__file__).parents[1] / "docs" / "bring_your_own"


def small_pool(folder: Path) -> Path:
    path = folder / "pool.jsonl"
    rows = [
        {
            "id": f"row-{i}",
            "prompt": f"Tell me about the number {i}.",
            "completions": {
                "llama-2-13b-chat-hf": f"Sure! I'd be happy to help. The number {i} comes after {i - 1}.",
                "text_davinci_003": f"The number {i} comes after {i - 1}.",
            },
            "source": "numbers",
        }
        for i in range(1, 41)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_trait_describes_itself() -> None:
    trait = load_trait("trait.toml", EXAMPLE)
    pattern = re.compile(trait.eval.pattern, re.IGNORECASE)
    assert all(pattern.search(text) for text in trait.exemplars)
    assert not any(pattern.search(text) for text in trait.counter_exemplars)


def test_it_has_prompts_of_its_own() -> None:
    lines = (EXAMPLE / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["input"] for line in lines]
    assert len(set(prompts)) == len(prompts) >= 48


def test_the_example_runs_on_a_pool_given_by_path(tmp_path: Path) -> None:
    pool = Path(os.environ.get("SIEVEBENCH_POOL") or small_pool(tmp_path))
    suite = with_pool(load_suite(str(EXAMPLE / "suite.toml")), pool)
    few = [one.model_copy(update={"eval_prompts": 16}) for one in suite.file.experiments]
    file = suite.file.model_copy(update={"experiments": tuple(few)})
    quick_to_train = replace(suite, file=file, recipe=load_recipe("smoke", Path()))
    rows, _ = run_quietly(quick_to_train, tmp_path / "out")
    assert {row.filter.name for row in rows} == {"keyword", "classifier", "teacher_swap"}
    result = rows[0].traits["eager_opening"]
    assert result.found is None  # no planted truth
    assert result.neighbours is not None and result.neighbours.by == "judge"
    assert {"original", "clean", "drop:keyword@0.5", "patch:keyword@0.5"} <= set(result.arms)
    assert any("64 tokens" in note for note in rows[0].notes)
    assert any("completions in the pool that show it" in note for note in rows[0].notes)


def one_teacher_suite(folder: Path, **changes: Any) -> Suite:
    """The example's suite on its pool without the clean teacher, with further changes."""
    lines = [json.loads(line) for line in small_pool(folder).read_text(encoding="utf-8").splitlines()]
    rows = [
        line | {"completions": {"llama-2-13b-chat-hf": line["completions"]["llama-2-13b-chat-hf"]}} for line in lines
    ]
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    suite = with_pool(load_suite(str(EXAMPLE / "suite.toml")), folder / "pool.jsonl")
    (one,) = suite.file.experiments
    assert one.pool is not None and one.pool.card is not None
    card = one.pool.card.model_copy(update={"clean": ""})
    pool = one.pool.model_copy(update={"card": card})
    experiment = one.model_copy(update={"eval_prompts": 8, "capability_prompts": 2, "pool": pool, "reserve": 20})
    file = suite.file.model_copy(update={"experiments": (experiment,), "budgets": (0.25,), **changes})
    return replace(suite, file=file, recipe=load_recipe("smoke", Path()))


def test_a_pool_with_one_teacher_is_dropped_and_refilled_but_not_patched(tmp_path: Path) -> None:
    suite = one_teacher_suite(tmp_path, actions=("drop", "drop_refill", "patch"))
    found, lines_said = run_quietly(suite, tmp_path / "out")
    assert {row.filter.name for row in found} == {"keyword", "classifier"}  # teacher_swap compares two teachers
    assert any("teacher_swap: left out" in line for line in lines_said)
    for row in found:
        result = row.traits["eager_opening"]
        assert result.reserve_rows == 20 and result.primary == "drop_refill" and result.leakage is None
        assert not any("patch" in arm for arm in result.arms)
        assert result.arms["clean"] == result.arms["base"]  # which stands in for it
        assert any("bench rollouts" in note for note in row.notes)


def test_a_run_whose_filters_are_all_left_out_stops_before_anything_is_trained(tmp_path: Path) -> None:
    suite = one_teacher_suite(tmp_path, filters=("teacher_swap", "oracle"), actions=("drop",))
    with pytest.raises(BenchError, match=r"teacher_swap, oracle\n +seen: +all are left out") as caught:
        run_quietly(suite, tmp_path / "out")
    assert "teacher_swap: left out" in caught.value.seen and "keyword" in caught.value.remedy
    assert not (tmp_path / "out/store/students").exists()
