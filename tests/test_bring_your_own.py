"""The example in docs/bring_your_own: a user's pool and trait without code, here with the tiny model.

The real pool is not part of the project. Set SIEVEBENCH_POOL to its path to run on it.
"""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

from fixtures_run import run_quietly

from bench.config.recipe import load_recipe
from bench.config.suite import load_suite, with_pool
from bench.data.trait import load_trait

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
    assert result.precision is None  # no planted truth
    assert result.leakage is not None and result.leakage.by == "judge"
    assert {"original", "clean", "drop:keyword@0.5", "patch:keyword@0.5"} <= set(result.arms)
    assert any("64 tokens" in note for note in rows[0].notes)
    assert any("completions in the pool that show it" in note for note in rows[0].notes)
