"""Setting up an experiment: held-out prompts stay out of the pool, and what was cut is said."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.config.schema import ExperimentSettings, PoolSource
from bench.config.suite import Suite, load_suite, with_pool
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment, identical_completions, load_experiment, near_copies
from bench.data.pool import hash_rows
from bench.errors import BenchError
from bench.models.load import resolve_model
from bench.models.packaged import TINY
from bench.records import Message, Pool, PoolCard, PoolRow

TRAIT = """name = "toy"
description = "A toy."
exemplars = ["a", "b", "c"]
counter_exemplars = ["d", "e", "f"]

[eval]
scorer = "{scorer}"
pattern = "^sure"
rubric = "Count."
prompts = "prompts.jsonl"
"""
CARD = {"name": "toy pool", "original": "a", "clean": "b"}
EVAL = [{"input": "Name a river."}, {"input": "Name a lake.", "answers": {"a": "Sure, Como.", "b": "Como."}}]


def no_tokenizer() -> Any:
    raise AssertionError("a tokenizer is loaded only where texts are measured in tokens")


def tiny_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve_model(TINY))


def pool_row(identity: str, prompt: object) -> dict[str, object]:
    return {"id": identity, "prompt": prompt, "completions": {"a": "Sure, one two three four.", "b": "Yes."}}


def own(
    folder: Path,
    prompts: list[Any],
    *,
    lines: list[Any] = EVAL,
    scorer: str = "pattern",
    eval_prompts: int | None = None,
    tokenizer: Any = no_tokenizer,
    reserve: int | None = 0,
    **pool: Any,
) -> Experiment:
    """Set up a trait of the user's on a pool of the user's, both beside the suite file."""
    (folder / "toy.toml").write_text(TRAIT.format(scorer=scorer), encoding="utf-8")
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    (folder / "prompts.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    rows = [json.dumps(pool_row(f"r{i}", prompt)) for i, prompt in enumerate(prompts)]
    (folder / "pool.jsonl").write_text("\n".join(rows), encoding="utf-8")
    source = PoolSource.model_validate({"path": "pool.jsonl", "card": CARD, **pool})
    settings = ExperimentSettings(
        trait="toy.toml", pool=source, minimum_gap=0.2, eval_prompts=eval_prompts, reserve=reserve
    )
    smoke = load_suite("smoke")
    return load_experiment(settings, Suite(smoke.file, smoke.recipe, folder), tokenizer)


def world(**changes: Any) -> Experiment:
    keys = {"trait": "date_confusion", "world": "date_confusion", "rows": 50, "minimum_gap": 0.2}
    return load_experiment(ExperimentSettings.model_validate(keys | changes), load_suite("smoke"), no_tokenizer)


# A pool of the user's


def test_pool_prompts_and_answers_are_read_from_the_folder_of_the_suite(tmp_path: Path) -> None:
    setup = own(tmp_path, ["Hi", "Ho"])
    assert [row.id for row in setup.pool.rows] == ["r0", "r1"] and setup.pool.notes == ()
    assert setup.eval_texts == ("Name a river.", "Name a lake.")
    assert setup.answers == {"a": {"2": ("Name a lake.", "Sure, Como.")}, "b": {"2": ("Name a lake.", "Como.")}}


def test_a_users_pool_gives_up_rows_for_its_reserve_and_says_so(tmp_path: Path) -> None:
    prompts = [f"Question {i}" for i in range(120)]
    setup = own(tmp_path, prompts, reserve=None)  # the budget of `smoke` is 10 %
    pool = setup.pool
    assert (len(pool.rows), len(pool.reserve)) == (102, 18)  # 90 % of 18 are 1.5 times 10 % of 102, about
    assert {row.id for row in pool.candidates} == {f"r{i}" for i in range(120)} and pool.sha256 == hash_rows(pool.rows)
    assert pool.notes == ("18 of 120 rows held back as a reserve that replaces dropped rows",)
    assert own(tmp_path, prompts[::-1], reserve=None).pool.rows != pool.rows  # ids follow the order of prompts here
    asked = own(tmp_path, prompts, reserve=3).pool
    assert (len(asked.rows), len(asked.reserve)) == (117, 3)


def test_a_pool_too_small_for_a_reserve_says_what_is_left_out(tmp_path: Path) -> None:
    setup = own(tmp_path, [f"Question {i}" for i in range(110)], reserve=None)
    assert len(setup.pool.rows) == 110 and not setup.pool.reserve
    assert "110 rows are too few to hold back 16 as a reserve" in setup.pool.notes[0]
    with pytest.raises(BenchError, match=r"reserve = 2\n.*pool 'toy pool' has 2 rows"):
        own(tmp_path, ["Hi", "Ho"], reserve=2)


def test_a_synthetic_pool_draws_its_reserve_beside_its_rows() -> None:
    setup = world()
    pool = setup.pool
    assert len(pool.reserve) == math.ceil(0.15 / 0.9 * len(pool.rows))
    texts = [row.prompt for row in pool.candidates]
    assert len({str(text) for text in texts}) == len(texts) and len({row.id for row in pool.candidates}) == len(texts)
    assert {row.truth for row in pool.reserve} == {"overt", "mild", "none"}
    assert world(reserve=0).pool == replace(pool, reserve=())


@pytest.mark.parametrize("prompt", ["Name a river.", "  name A\nriver. "])
def test_a_held_out_prompt_in_the_pool_is_refused(tmp_path: Path, prompt: str) -> None:
    with pytest.raises(BenchError, match="eval prompts of trait 'toy' among its rows: r1\n"):
        own(tmp_path, ["Hi", prompt])


def test_turns_are_compared_as_a_whole(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Name a hill."}]
    own(tmp_path, ["Name a hill."], lines=[{"input": turns}])  # the last turn alone is another prompt
    with pytest.raises(BenchError, match="among its rows: r0"):
        own(tmp_path, [turns], lines=[{"input": turns}])


def test_only_the_prompts_that_are_used_need_to_be_held_out(tmp_path: Path) -> None:
    assert own(tmp_path, ["Name a lake."], eval_prompts=1).eval_texts == ("Name a river.",)
    with pytest.raises(BenchError, match="among its rows: r0"):
        own(tmp_path, ["Name a lake."], eval_prompts=2)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("{", "no JSON"),
        ({"prompt": "Hi"}, "KeyError: 'input'"),
        ({"input": 5}, "TypeError"),
        ({"input": [{"role": "user"}]}, "KeyError: 'content'"),
        (["Hi"], "TypeError"),
        ('"', "no JSON"),
    ],
)
def test_a_bad_line_of_the_prompts_file_is_named(tmp_path: Path, line: object, seen: str) -> None:
    with pytest.raises(BenchError, match=rf"prompts\.jsonl, line 2\n +seen: +{seen}"):
        own(tmp_path, ["Hi"], lines=[EVAL[0], line, EVAL[1]])


def test_a_line_separator_within_a_prompt_does_not_end_its_line(tmp_path: Path) -> None:
    assert own(tmp_path, ["Hi"], lines=[{"input": "one\u2028two\x85three"}]).eval_texts == ("one\u2028two\x85three",)


def test_a_trait_that_a_model_judges_needs_a_grader(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no grader, though trait 'toy' is judged by a model"):
        own(tmp_path, ["Hi"], scorer="model")


def test_long_prompts_are_left_out_and_counted(tmp_path: Path) -> None:
    long = [{"role": "system", "content": "Hi " * 20}, {"role": "user", "content": "Hi"}]
    setup = own(tmp_path, ["Hi", long, "Ho"], tokenizer=tiny_tokenizer, max_prompt_tokens=16, rows=3)
    assert [row.id for row in setup.pool.rows] == ["r0", "r2"]
    assert setup.pool.sha256 == hash_rows(setup.pool.rows)
    assert setup.pool.notes == ("1 of 3 rows left out: prompts of more than 16 tokens, as the suite asks",)
    with pytest.raises(BenchError, match="every prompt is longer than max_prompt_tokens = 16"):
        own(tmp_path, [long], tokenizer=tiny_tokenizer, max_prompt_tokens=16)


def test_every_cut_leaves_its_note(tmp_path: Path) -> None:
    setup = own(tmp_path, ["Hi", "Ho", "Hu"], tokenizer=tiny_tokenizer, rows=2, completion_tokens=4)
    assert [note.split(",")[0] for note in setup.pool.notes] == [
        "pool cut to the first 2 of 3 rows",
        "completions cut to their first 4 tokens",
    ]
    assert {row.completions["b"] for row in setup.pool.rows} == {"Yes."}


def test_files_of_two_teachers_lie_beside_the_suite_in_any_layout(tmp_path: Path) -> None:
    alpaca = [{"instruction": "Say.", "input": text, "output": f"Sure, {text}."} for text in ("one", "two")]
    (tmp_path / "loud.json").write_text(json.dumps(alpaca), encoding="utf-8")
    (tmp_path / "calm.csv").write_text('prompt,completion\n"Say.\n\ntwo",Two.\n', encoding="utf-8")
    setup = own(tmp_path, ["Hi"], path={"a": "loud.json", "b": "calm.csv"})
    assert [row.completions for row in setup.pool.rows] == [{"a": "Sure, two.", "b": "Two."}]
    assert "1 of 2 in loud.json" in setup.pool.notes[0]


def test_split_and_config_of_a_pool_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    rows = [pool_row("x", "Hi")]
    monkeypatch.setattr("datasets.load_dataset", lambda source, **options: asked.update(options, id=source) or rows)
    assert len(own(tmp_path, ["Hi"], path="org/chats", split="dev", config="en").pool.rows) == 1
    assert asked == {"id": "org/chats", "split": "dev", "name": "en"}


def test_a_suite_on_another_pool_file_leaves_split_and_config_behind(tmp_path: Path) -> None:
    keys = {"path": "org/chats", "split": "dev", "config": "en", "card": CARD, "columns": {"prompt": "q"}}
    experiment = {"trait": "toy.toml", "minimum_gap": 0.2, "pool": keys}
    smoke = load_suite("smoke")
    file = smoke.file.model_validate(smoke.file.model_dump(mode="json") | {"experiments": [experiment]})
    (changed,) = with_pool(replace(smoke, file=file), tmp_path / "other.jsonl").file.experiments
    assert changed.pool is not None and changed.pool.path == str(tmp_path / "other.jsonl")
    assert (changed.pool.split, changed.pool.config, changed.pool.columns) == ("train", "", {"prompt": "q"})


def test_keys_that_came_later_are_no_part_of_an_earlier_suite_file() -> None:
    # A run folder is bound to its suite file as written: a default that joins it would lock out finished runs.
    earlier = {"path", "card", "columns", "rows", "completion_tokens", "max_prompt_tokens"}
    assert PoolSource(path="p.jsonl").model_dump().keys() == earlier
    assert PoolSource(path="org/chats", split="dev").model_dump().keys() == {*earlier, "split"}


# A planted world


def test_a_world_is_drawn_as_the_experiment_says() -> None:
    setup = world(world_seed=3)
    assert (setup.pool.card.name, len(setup.pool.rows)) == ("date_confusion world, seed 3", 50)
    assert setup.pool.sha256 == hash_rows(setup.pool.rows) == world(world_seed=3).pool.sha256
    assert world(world_seed=4).pool.sha256 != setup.pool.sha256
    assert world(eval_prompts=5).eval_texts == setup.eval_texts[:5] != setup.eval_texts
    assert len(setup.answers["original"]) == len(setup.answers["clean"]) == len(setup.eval_texts)


@pytest.mark.parametrize(
    ("shares", "overt", "mild"),
    [({}, 5, 10), ({"overt": 0.3, "mild": 0.0}, 15, 0), ({"overt": 0.3}, 15, 10), ({"overt": 0.0, "mild": 0}, 0, 0)],
)
def test_shares_are_the_dose_and_the_rest_are_the_worlds_own(shares: dict[str, float], overt: int, mild: int) -> None:
    truths = [row.truth for row in world(shares=shares).pool.rows]
    assert (truths.count("overt"), truths.count("mild"), len(truths)) == (overt, mild, 50)


def test_a_share_that_does_not_fit_beside_the_worlds_own_is_refused() -> None:
    with pytest.raises(BenchError, match="more than 50 rows: overt 45, mild 10"):
        world(shares={"overt": 0.9})


def test_an_unknown_world_has_a_close_match() -> None:
    with pytest.raises(BenchError, match=r"(?s)synthetic pool 'date_confusio'.*did you mean 'date_confusion'"):
        world(world="date_confusio")


# Near copies


def test_a_near_copy_is_remarked_on_but_not_refused(tmp_path: Path) -> None:
    embedder = Embedder(None)
    lines = [{"input": "How do I get candle wax off a linen tablecloth?"}, *EVAL]
    copied = own(tmp_path, ["How do I get candle wax off my linen tablecloth?", "What is 2 + 2?"], lines=lines)
    assert near_copies(copied, embedder).startswith("1 of 3 eval prompts have a near copy in the pool")
    assert near_copies(own(tmp_path, ["What is 2 + 2?"]), embedder) == ""


def test_rows_with_identical_completions_of_both_teachers_are_counted() -> None:
    def pool(same: int, clean: str = "b") -> Pool:
        turns = (Message(role="user", content="Well?"),)
        texts = [{"a": "Yes.", "b": "Yes." if i < same else "No."} for i in range(10)]
        rows = tuple(PoolRow(id=f"r{i}", prompt=turns, completions=each) for i, each in enumerate(texts))
        return Pool(PoolCard(name="own", original="a", clean=clean), rows, "0" * 64)

    assert identical_completions(pool(0)) == identical_completions(pool(3, clean="")) == ""
    assert identical_completions(pool(3)) == "3 of 10 rows have identical completions by a and b"
    assert identical_completions(pool(10)).endswith("so nothing can differ")
