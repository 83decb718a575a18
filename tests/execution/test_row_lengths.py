"""Rows that are too long for the recipe: all are named before anything is scored, and the advice holds."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures_run import experiment_on, run_quietly

from bench.arms import ORIGINAL
from bench.config.recipe import RECIPES, load_recipe
from bench.config.schema import ActionOptions
from bench.config.suite import Suite, load_suite
from bench.data.edit import with_system
from bench.data.experiment import Experiment
from bench.data.pool import clip_completions
from bench.data.trait import load_trait
from bench.errors import BenchError
from bench.execution.job import Job
from bench.execution.row_lengths import Remedy, RowLengths, experiment_texts, job_texts, pool_texts, remedy_of
from bench.execution.stored import STUDENTS
from bench.models.encode import encode
from bench.models.load import load_tokenizer
from bench.records import Message, Pool, PoolCard, PoolRow, TrainingRow
from bench.run_folder.store import Store

LIMIT, LONG = 120, " and so on" * 40


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("tiny-llama")


def pool_with(long: dict[str, str], reserve: dict[str, str] | None = None) -> Pool:
    """A pool of two teachers; `long` says whose completion of which row is a long one, or `prompt`."""

    def row(identity: str, which: str) -> PoolRow:
        texts = {name: f"Answer {identity} of {name}." + (LONG if which == name else "") for name in ("a", "b", "c")}
        prompt = (Message(role="user", content=f"Question {identity}?" + (LONG if which == "prompt" else "")),)
        return PoolRow(id=identity, prompt=prompt, completions=texts)

    ids = {f"r{i}": "" for i in range(10)} | long
    rows, more = (tuple(row(*each) for each in of.items()) for of in (ids, reserve or {}))
    return Pool(PoolCard(name="own", original="a", clean="b"), rows, "0" * 64, reserve=more)


def suite_with(**keys: Any) -> Suite:
    smoke = load_suite("smoke")
    recipe = smoke.recipe.model_copy(update={"max_length": LIMIT})
    return replace(smoke, file=smoke.file.model_copy(update=keys), recipe=recipe)


def refused(pool: Pool, tokenizer: Any, **keys: Any) -> BenchError:
    suite, experiment = suite_with(**keys), experiment_on(pool, load_trait("negative_emotion"))
    with pytest.raises(BenchError) as caught:
        checked(experiment, suite, tokenizer)
    return caught.value


def checked(experiment: Experiment, suite: Suite, tokenizer: Any) -> None:
    texts, remedy = experiment_texts(experiment, suite.file), remedy_of(experiment, suite.file)
    RowLengths(suite.recipe, tokenizer).check("pool 'own'", texts, remedy)


def test_all_rows_of_both_teachers_and_of_the_reserve_are_named_in_one_error(tokenizer: Any) -> None:
    error = refused(pool_with({"r1": "a", "r2": "b", "r3": "prompt"}, {"s1": "b"}), tokenizer)
    assert error.seen.startswith("5 rows are too long: r1 (a) ")
    assert all(name in error.seen for name in ("r3 (a)", "r2 (b)", "r3 (b)", "s1 (b)"))
    many = refused(pool_with({f"r{i}": "b" for i in range(9)}), tokenizer)
    assert many.seen.startswith("9 rows are too long: r0 (b)") and "r4 (b)" in many.seen and "and 4 more" in many.seen
    assert "r5" not in many.seen and f"at most {LIMIT} tokens" in many.expected


@pytest.mark.parametrize(
    ("actions", "seen"),
    [
        (("drop", "inoculate"), "(inoculate)"),
        (("drop", "inoculate_neutral"), "(inoculate_neutral)"),
        (("drop", "steer"), "exemplar"),
        (("drop", "regenerate"), "r1 (c)"),
    ],
)
def test_what_an_action_adds_or_puts_in_counts(tokenizer: Any, actions: tuple[str, ...], seen: str) -> None:
    pool = pool_with({"r1": "c"})
    keys = {"actions": actions, "oracle_actions": (), "action_options": ActionOptions(regenerate="c")}
    suite, experiment = suite_with(**keys), experiment_on(pool, load_trait("negative_emotion"))
    plain = suite_with(**keys | {"actions": ("drop", "patch", "mask")})
    longest = max(len(encode(tokenizer, row, 9999).ids) for _, row in pool_texts(pool, ("a", "b")))
    tight = plain.recipe.model_copy(update={"max_length": longest})
    checked(experiment, replace(plain, recipe=tight), tokenizer)
    with pytest.raises(BenchError) as caught:
        checked(experiment, replace(suite, recipe=tight), tokenizer)
    assert seen in caught.value.seen


def advised(error: BenchError, key: str) -> int:
    found = re.search(rf"{key} = (\d+)", error.remedy)
    assert found, error.remedy
    return int(found[1])


def test_both_remedies_let_every_row_fit(tokenizer: Any) -> None:
    pool, keys = pool_with({"r1": "a", "r2": "b"}), {"actions": ("drop", "inoculate"), "oracle_actions": ()}
    error = refused(pool, tokenizer, **keys)
    suite, trait = suite_with(**keys), load_trait("negative_emotion")
    recipe = suite.recipe.model_copy(update={"max_length": advised(error, "max_length")})
    checked(experiment_on(pool, trait), replace(suite, recipe=recipe), tokenizer)
    short = clip_completions(pool, tokenizer, advised(error, "completion_tokens"))
    checked(experiment_on(short, trait), suite, tokenizer)
    assert max(len(row.completions["b"]) for row in short.rows) > len("Answer r2 of b.")  # no more than needed is cut


def test_rows_that_a_filter_puts_in_are_named_with_their_arm(tokenizer: Any) -> None:
    row = TrainingRow("r1", (Message(role="user", content="Well?"),), "No." + LONG)
    measured = experiment_on(pool_with({}), load_trait("negative_emotion")).measurement
    recipe = suite_with().recipe
    arm, rows = replace(ORIGINAL, name="patch:mine@0.1"), [row]
    jobs = [Job(arm, seed, rows, measured, recipe) for seed in (1, 2)]
    with pytest.raises(BenchError, match="1 row is too long: r1 in patch:mine"):
        RowLengths(recipe, tokenizer).check("arms", job_texts(jobs))


def test_a_folder_that_keeps_its_recipe_is_not_told_to_change_it(tokenizer: Any) -> None:
    row, recipe = TrainingRow("r1", (Message(role="user", content="Well?"),), "No." + LONG), suite_with().recipe
    with pytest.raises(BenchError) as caught:
        RowLengths(recipe, tokenizer).check("arms", [("r1", row)], Remedy(otherwise="be brief", bound=True))
    assert caught.value.remedy.startswith("be brief; or set max_length = ")
    assert caught.value.remedy.endswith("with another --out")


def test_a_row_that_fits_is_measured_once_and_the_limit_is_that_of_training(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = TrainingRow("r", with_system((Message(role="user", content="Well, é?"),), "Be kind."), "No – " + LONG)
    length = len(encode(tokenizer, row, 9999).ids)
    fits, short = (load_recipe("smoke", RECIPES).model_copy(update={"max_length": n}) for n in (length, length - 1))
    lengths = RowLengths(fits, tokenizer)
    lengths.check("x", [("r", row)])
    monkeypatch.setattr("bench.execution.row_lengths.too_long", lambda *given: pytest.fail("again") if given[1] else {})
    lengths.check("x", [("r", row)])
    monkeypatch.undo()
    with pytest.raises(BenchError, match=f"r {length} tokens"):
        RowLengths(short, tokenizer).check("x", [("r", row)])


SUITE = """
name = "tight"
summary = "for tests"
recipe = "tight-recipe.toml"
seeds = [1]
budgets = [0.1]
filters = ["keyword"]
actions = ["drop", "patch"]
controls = 1

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = 40
minimum_gap = 0.2
eval_prompts = 8
capability_prompts = 2
"""


def tight(folder: Path, max_length: int) -> Suite:
    text = (RECIPES / "smoke.toml").read_text(encoding="utf-8") + f"max_length = {max_length}\n"
    (folder / "tight-recipe.toml").write_text(text, encoding="utf-8")
    (folder / "tight.toml").write_text(SUITE, encoding="utf-8")
    return load_suite(folder / "tight.toml")


def test_the_same_run_folder_takes_the_remedy_and_keeps_its_settings_once_a_student_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FiltersRun(Exception):
        """The rows were let through."""

    def select_all(*given: Any) -> None:
        raise FiltersRun

    monkeypatch.setattr("bench.run.select_all", select_all)
    with pytest.raises(BenchError, match="rows are too long") as caught:
        run_quietly(tight(tmp_path, 40), tmp_path / "out")
    longest = advised(caught.value, "max_length")
    with pytest.raises(BenchError, match=f"the longest has {longest} tokens"):
        run_quietly(tight(tmp_path, longest - 1), tmp_path / "out")
    with pytest.raises(FiltersRun):
        run_quietly(tight(tmp_path, longest), tmp_path / "out")
    Store(tmp_path / "out/store").write(STUDENTS, {"seed": 1}, lambda folder: None)
    with pytest.raises(BenchError, match="the settings it was written under"):
        run_quietly(tight(tmp_path, longest + 1), tmp_path / "out")
    with pytest.raises(FiltersRun):
        run_quietly(tight(tmp_path, longest), tmp_path / "out")
