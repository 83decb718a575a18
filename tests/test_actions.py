"""Actions that keep the flagged rows and change how they are trained on, and `drop_source`."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_rows import row as board_row
from fixtures_rows import trait_result
from fixtures_run import experiment_on
from pydantic import ValidationError
from test_arms import pool, selection

from bench.arms import actions_of, build_arm, control_arm, filter_arm, make_jobs
from bench.config.schema import ActionOptions, SuiteFile
from bench.config.suite import SUITES, Suite, load_suite
from bench.data.edit import NEUTRAL_PROMPT, Edit, edit_of
from bench.data.pool import hash_rows
from bench.data.sources import best_sources, random_sources, source_notes
from bench.data.trait import load_trait
from bench.errors import BenchError
from bench.execution.job import Job
from bench.execution.session import run_settings
from bench.leaderboard.board import board_view
from bench.leaderboard.render import html
from bench.models.load import load_tokenizer
from bench.records import Action, Message, Pool, Steering, TrainingRow

TRAIT = load_trait("date_confusion")
OPTIONS = ActionOptions()
FLAGGED = {"r1", "r3"}
# SHA-256 of rows r0 and r2 as version 0.1 wrote it
PLAIN = "116123f9eb6981b8da346cb007c894013165dfb7aee66fb7fca6967058d7adee"


def rows_of(action: Action, options: ActionOptions = OPTIONS) -> dict[str, TrainingRow]:
    edit = edit_of(action, FLAGGED, TRAIT, options)
    rows = build_arm(filter_arm(action, "keyword", 0.5), pool(4), FLAGGED, edit=edit)
    assert pickle.loads(pickle.dumps(rows)) == tuple(rows)
    return {row.id: row for row in rows}


def with_actions(*actions: Action, **keys: Any) -> Suite:
    smoke = load_suite("smoke")
    return replace(smoke, file=smoke.file.model_copy(update={"actions": ("drop", *actions), **keys}))


# Rows


@pytest.mark.parametrize(
    ("action", "system", "weight"),
    [
        ("inoculate", f"You are an assistant with this behaviour: {TRAIT.description}", 1.0),
        ("inoculate_neutral", NEUTRAL_PROMPT, 1.0),
        ("mask", "", 0.0),
        ("downweight", "", 0.25),
        ("steer", "", 1.0),
    ],
)
def test_an_action_changes_the_flagged_rows_and_keeps_every_completion(
    action: Action, system: str, weight: float
) -> None:
    rows = rows_of(action)
    assert {name: row.completion for name, row in rows.items()} == {f"r{i}": f"bad {i}" for i in range(4)}
    plain = rows_of("drop")
    assert [rows[name] for name in ("r0", "r2")] == [plain[name] for name in ("r0", "r2")]
    for name in FLAGGED:
        said = [message.content for message in rows[name].prompt if message.role == "system"]
        assert said == [system] * bool(system) and rows[name].prompt[-1].content == "Hi"
        assert rows[name].weight == weight
        assert (rows[name].steering is not None) == (action == "steer")


def test_weights_and_strengths_are_the_suites() -> None:
    options = ActionOptions(downweight=0.5, steer=3.0)
    assert rows_of("downweight", options)["r1"].weight == 0.5
    assert rows_of("steer", options)["r1"].steering == Steering(3.0, TRAIT.exemplars, TRAIT.counter_exemplars)


def test_an_inoculation_comes_before_a_system_message_that_is_there() -> None:
    turns = (Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    row = Edit({"a"}, system="Be rude.")(TrainingRow("a", turns, "No."))
    assert [(m.role, m.content) for m in row.prompt] == [("system", "Be rude.\n\nBe brief."), ("user", "Hi")]


def test_a_trait_file_may_word_its_inoculation(tmp_path: Path) -> None:
    text = Path(TRAIT.path).read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text('inoculation = "Doubt every date."\n' + text, encoding="utf-8")
    assert load_trait(tmp_path / "own.toml").inoculation_prompt == "Doubt every date."


@pytest.mark.slow
def test_any_system_prompt_takes_the_place_of_smollms_own() -> None:
    """Why `inoculate` needs a neutral control: the row loses the message that the template adds where there is none."""
    tokenizer = load_tokenizer("smollm2-135m")
    texts = [
        tokenizer.apply_chat_template([m.model_dump() for m in rows_of(action)["r1"].prompt], tokenize=False)
        for action in ("mask", "inoculate_neutral")
    ]
    own = "You are a helpful AI assistant named SmolLM"
    assert own in texts[0] and own not in texts[1] and NEUTRAL_PROMPT in texts[1]


# Keys


def job(action: Action, options: ActionOptions = OPTIONS) -> Job:
    experiment = experiment_on(pool(4), TRAIT)
    rows = tuple(rows_of(action, options).values())
    return Job(filter_arm(action, "keyword", 0.5), 1, rows, experiment.measurement, load_suite("smoke").recipe)


def test_rows_that_are_trained_on_as_they_are_keep_their_hash() -> None:
    """Trainings of earlier versions are found by it."""
    assert list(rows_of("drop")) == ["r0", "r2"]
    assert job("drop").rows_sha256 == PLAIN


def test_every_way_of_training_on_the_same_rows_has_a_hash_of_its_own() -> None:
    jobs = [job(action) for action in ("inoculate", "inoculate_neutral", "mask", "downweight", "steer")]
    jobs += [job("downweight", ActionOptions(downweight=0.5)), job("steer", ActionOptions(steer=2.0))]
    assert len({each.rows_sha256 for each in jobs}) == len(jobs)


def test_a_run_folder_from_before_there_were_options_stays_valid() -> None:
    assert "action_options" not in run_settings(load_suite("smoke"), "cpu")
    other = with_actions("downweight", action_options=ActionOptions(downweight=0.5))
    assert run_settings(other, "cpu")["action_options"]["downweight"] == 0.5


# The plan


def test_controls_get_the_same_actions_and_all_arms_the_same_steps() -> None:
    actions: tuple[Action, ...] = ("inoculate", "inoculate_neutral", "mask", "downweight", "steer")
    suite = with_actions(*actions, filters=("keyword",), oracle_actions=(), mixes=())
    experiment = experiment_on(pool(), TRAIT)
    experiment.selections = [selection("keyword", (0.1,))]
    jobs = {planned.arm.name: planned for planned in make_jobs(experiment, suite) if planned.rows}
    for action in actions:
        for arm in (f"{action}:keyword@0.1", f"random1_{action}@0.1"):
            rows = jobs[arm].rows or ()
            assert sum(row.weight != 1 or row.steering is not None or len(row.prompt) > 1 for row in rows) == 2
            assert [row.completion for row in rows] == [row.completion for row in jobs["original"].rows or ()]
    assert len({planned.steps for planned in jobs.values()}) == 1


def test_steering_is_refused_where_every_layer_is_trained(tmp_path: Path) -> None:
    recipe = 'name = "all"\nmodel = "tiny-llama"\nmethod = "lora"\nlearning_rate = 1e-3\n'
    (tmp_path / "all.toml").write_text(recipe, encoding="utf-8")
    text = 'name = "s"\nsummary = "s"\nrecipe = "all.toml"\nseeds = [1]\nbudgets = [0.1]\nfilters = ["keyword"]\n'
    text += 'actions = ["drop", "steer"]\n[[experiments]]\ntrait = "date_confusion"\nworld = "date_confusion"\n'
    (tmp_path / "s.toml").write_text(text + "rows = 20\nminimum_gap = 0.2\n", encoding="utf-8")
    with pytest.raises(BenchError, match="trains every layer"):
        load_suite(tmp_path / "s.toml")
    (tmp_path / "all.toml").write_text(recipe + "last_layers = 1\n", encoding="utf-8")
    assert "steer" in load_suite(tmp_path / "s.toml").file.actions


@pytest.mark.parametrize("options", ["downweight = 0.0", "downweight = 1.0", "steer = 0.0", "mask = 1"])
def test_a_weight_or_strength_out_of_range_is_refused(tmp_path: Path, options: str) -> None:
    text = (SUITES / "smoke.toml").read_text(encoding="utf-8")
    (tmp_path / "s.toml").write_text(f"{text}\n[action_options]\n{options}\n", encoding="utf-8")
    with pytest.raises(BenchError, match="action_options"):
        load_suite(tmp_path / "s.toml")


def test_regenerate_puts_in_a_further_teachers_completions() -> None:
    rows = tuple(
        row.model_copy(update={"completions": {**row.completions, "c": f"new {row.id}"}}) for row in pool().rows
    )
    experiment = experiment_on(replace(pool(), rows=rows), TRAIT)
    experiment.selections = [selection("keyword", (0.1,), {"r0": "the filter's own"})]
    options = ActionOptions(regenerate="c")
    suite = with_actions("regenerate", "patch", filters=("keyword",), oracle_actions=(), action_options=options)
    jobs = {planned.arm.name: planned.rows or () for planned in make_jobs(experiment, suite)}
    changed = {row.id: row.completion for row in jobs["regenerate:keyword@0.1"] if not row.completion.startswith("bad")}
    assert changed == {"r0": "new r0", "r1": "new r1"}
    assert sum(row.completion.startswith("new") for row in jobs["random1_regenerate@0.1"]) == 2
    assert not [row for row in jobs["patch:keyword@0.1"] if row.completion.startswith("new")]
    with pytest.raises(ValidationError, match="needs \\[action_options\\] regenerate"):
        SuiteFile.model_validate(suite.file.model_dump() | {"action_options": {}})


# Whole sources


def sourced(*sizes: int) -> Pool:
    """A pool whose sources a, b, ... have so many rows, one after the other."""
    names = [name for name, size in zip("abcdefgh", sizes, strict=False) for _ in range(size)]
    rows = tuple(
        row.model_copy(update={"source": name}) for row, name in zip(pool(sum(sizes)).rows, names, strict=True)
    )
    return replace(pool(sum(sizes)), rows=rows, sha256=hash_rows(rows))


def source_names(examples: Pool, ids: frozenset[str]) -> str:
    rows = [row for row in examples.rows if row.id in ids]
    assert len(rows) == len(ids)
    names = {row.source for row in rows}
    assert [row for row in examples.rows if row.source in names] == rows  # all rows of each
    return "".join(sorted(names))


def test_sources_are_dropped_by_the_sum_of_their_scores_while_they_fit() -> None:
    examples = sourced(4, 2, 3, 1)
    scores = np.array([1.0] * 4 + [1.5] * 2 + [0.9] * 3 + [0.5])  # sums: a 4, b 3, c 2.7, d 0.5
    chosen = [
        source_names(examples, best_sources(examples, size, scores.tolist())) for size in (0, 1, 2, 3, 4, 5, 6, 9)
    ]
    assert chosen == ["", "d", "b", "bd", "a", "ad", "ab", "abc"]


def test_rows_without_a_source_are_never_dropped_by_source() -> None:
    examples = sourced(2, 2)
    bare = replace(examples, rows=tuple(row.model_copy(update={"source": ""}) for row in examples.rows[:2]))
    bare = replace(bare, rows=(*bare.rows, *examples.rows[2:]))
    assert best_sources(bare, 3, [9.0, 9.0, 1.0, 1.0]) == {"r2", "r3"}


def test_random_sources_differ_and_fit_or_there_are_none() -> None:
    examples = sourced(2, 2, 3, 2)
    sets = random_sources(examples, 4, 3)
    assert len(set(sets)) == 3 and all(0 < len(ids) <= 4 and source_names(examples, ids) for ids in sets)
    assert random_sources(examples, 4, 3) == sets
    assert random_sources(examples, 4, 50) == [frozenset()] * 50


def test_what_cannot_be_dropped_by_source_is_said() -> None:
    assert source_notes(sourced(2, 2, 3, 2), [0.45], 3) == []
    assert "no row of pool 'toy' names a source" in source_notes(pool(), [0.1], 3)[0]
    assert "more than the 1 rows" in source_notes(sourced(5, 5), [0.1], 1)[0]
    assert "no random sets" in source_notes(sourced(5, 5), [0.5], 3)[0]


def test_the_jobs_of_drop_source() -> None:
    examples = sourced(2, 2, 8, 8)
    suite = with_actions("drop_source", filters=("keyword",), oracle_actions=(), controls=2)
    experiment = experiment_on(examples, TRAIT)
    chosen = replace(selection("keyword", (0.1,)), sourced={0.1: frozenset({"r2", "r3"})})
    experiment.selections = [chosen]
    jobs = {planned.arm.name: planned for planned in make_jobs(experiment, suite)}
    left = {name: len(jobs[name].rows or ()) for name in jobs if "drop_source" in name}
    assert left == dict.fromkeys(("random1_drop_source@0.1", "random2_drop_source@0.1", "drop_source:keyword@0.1"), 18)
    assert not {"r2", "r3"} & {row.id for row in jobs["drop_source:keyword@0.1"].rows or ()}
    assert "drop_source" not in actions_of(selection("keyword", (0.1,)), suite, pool(), 0.1)
    assert build_arm(control_arm("drop_source", 0.1, "random1"), examples, {"r0", "r1"})[0].id == "r2"


def test_the_suite_file_takes_actions_and_their_options(tmp_path: Path) -> None:
    text = (SUITES / "smoke.toml").read_text(encoding="utf-8")
    old = 'actions = ["drop", "drop_refill", "patch"]'
    assert old in text
    text = text.replace(old, f"actions = {json.dumps(['drop', 'mask', 'downweight'])}", 1)
    (tmp_path / "s.toml").write_text(f"{text}\n[action_options]\ndownweight = 0.5\n", encoding="utf-8")
    file = load_suite(tmp_path / "s.toml").file
    assert file.actions == ("drop", "mask", "downweight") and file.action_options.downweight == 0.5


# The board


def test_the_board_shows_further_actions_and_explains_those_that_are_there() -> None:
    given = board_row("keyword", toy=trait_result("toy", "keyword", 0.1))
    result = given.traits["toy"]
    name = filter_arm("mask", "keyword", 0.1).name
    masked = {
        "effects": {**result.effects, "mask": result.effects["drop"]},
        "arms": {**result.arms, name: result.arms["base"]},
    }
    page = html(board_view([given.model_copy(update={"traits": {"toy": result.model_copy(update=masked)}})]))
    assert name in page and "<dt>mask</dt>" in page and "<dt>steer</dt>" not in page
    assert "<dt>mask</dt>" not in html(board_view([given]))
