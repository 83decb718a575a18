"""Teacher rollouts: what is asked, what is kept when the run is killed, and what is written about it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, ModelUsage, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

from bench.cli.main import main
from bench.data.pool import hash_rows, load_pool, load_rows
from bench.errors import BenchError
from bench.models.generate import Decoding, generate
from bench.models.load import load_model, model_identity, resolve_model
from bench.models.packaged import TINY
from bench.records import Message, PoolCard
from bench.studies.rollouts.pool_file import Partial
from bench.studies.rollouts.records import Settings, question_of
from bench.studies.rollouts.run import RolloutOptions, rollouts

ROOT = Path(__file__).parents[3]
ASKED: Counter[str] = Counter()


class Scripted(ModelAPI):
    """Answers with the prompt in capitals; `fail` and `mute` in a prompt do what they say, the first time."""

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        text = " / ".join(message.text for message in input)
        ASKED[text] += 1
        if "fail" in text and ASKED[text] == 1:
            raise ValueError("the line went dead")
        said = "" if "mute" in text else f"{text.upper()} {config.seed or 'greedy'}"
        output = ModelOutput.from_content(self.model_name, said, "max_tokens" if "long" in text else "stop")
        output.usage = ModelUsage(input_tokens=1, output_tokens=2, total_tokens=3)
        return output


@modelapi(name="scripted")
def scripted() -> type[ModelAPI]:
    return Scripted


def pool_file(folder: Path, *prompts: Any, **more: Any) -> Path:
    rows = [{"id": f"r{i}", "prompt": prompt} | more for i, prompt in enumerate(prompts)]
    path = folder / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tiny(**changes: Any) -> Settings:
    keys = {"model": TINY, "identity": model_identity(TINY), "engine": "hf", "max_tokens": 12, "temperature": 1.0}
    return Settings.model_validate(keys | {"seed": 3, "batch": 2, "device": "cpu"} | changes)


def api(**changes: Any) -> Settings:
    keys = {"model": "scripted/one", "identity": "scripted/one", "engine": "inspect", "max_tokens": 9}
    return Settings.model_validate(keys | {"temperature": 0.0, "seed": 3, "batch": 0, "device": ""} | changes)


def go(pool: Path, teacher: str, settings: Settings, **more: Any) -> list[str]:
    said: list[str] = []
    rollouts(RolloutOptions(pool, teacher, settings, **more), said.append, lambda done, rows: None)
    return said


def completions(pool: Path, teacher: str) -> list[str]:
    return [row.completions[teacher] for row in load_rows(pool)]


def provenance(pool: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(pool.with_suffix(".rollouts.json").read_text())["rollouts"]
    return found


# What is asked


def test_completions_are_those_of_the_model_row_by_row(tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a fruit, please."}]
    pool = pool_file(tmp_path, "What year is it?", talk, "Hi")
    go(pool, "t", tiny())
    model, tokenizer = load_model(TINY, "cpu")
    for row in load_rows(pool):
        turns = [message.model_dump() for message in row.prompt]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        seed = question_of(row, tiny()).seed
        alone = generate(model, tokenizer, [text], Decoding(12, temperature=1.0), [seed])[0]
        assert row.completions == {"t": alone.text}
    assert len(set(completions(pool, "t"))) == 3


def test_a_row_draws_the_same_whatever_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    many, one = pool_file(tmp_path, "Hi", "Count to ten.", "What?"), pool_file(tmp_path / "a", "Hi")
    go(many, "t", tiny())
    go(one, "t", tiny())
    assert completions(many, "t")[0] == completions(one, "t")[0]
    go(one, "u", tiny(seed=4))
    assert completions(one, "u") != completions(one, "t")


def test_a_system_message_is_heard_but_does_not_go_into_the_pool(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hi")
    go(pool, "t", api(system="Be rude."))
    assert completions(pool, "t") == ["BE RUDE. / HI greedy"]
    assert load_rows(pool)[0].prompt == (Message(role="user", content="Hi"),)


def test_an_inspect_model_gets_turns_settings_and_a_seed_of_the_row(tmp_path: Path) -> None:
    turns = [("user", "one"), ("assistant", "two"), ("user", "three")]
    pool = pool_file(tmp_path, [{"role": role, "content": text} for role, text in turns], "long")
    said = go(pool, "t", api(temperature=0.5))
    seeds = [question_of(row, api()).seed for row in load_rows(pool)]
    assert completions(pool, "t") == [f"ONE / TWO / THREE {seeds[0]}", f"LONG {seeds[1]}"]
    assert provenance(pool)[0]["cut"] == 1 and any("1 of them end at --max-tokens 9" in line for line in said)
    assert provenance(pool)[0]["tokens"] == 4


# What is written


def test_a_key_reaches_the_model_and_no_file(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hello?")
    settings = api(args={"api_key": "sk-of-mine"})
    go(pool, "t", settings)
    assert settings.args["api_key"] == "sk-of-mine"
    assert provenance(pool)[0]["settings"]["args"] == {"api_key": "redacted"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"sk-of-mine" in path.read_bytes()]


def test_two_teachers_make_a_pool_that_loads(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hi", "Bye", source="chat", meta={"k": [1]})
    before = hash_rows(load_rows(pool))
    assert "pool.toml" in go(pool, "bad", api(system="Be rude."), command="bench rollouts ...")[-1]
    between = hash_rows(load_rows(pool))
    go(pool, "good", api())
    loaded = load_pool(str(pool), PoolCard(name="p", original="bad", clean="good"), {})
    assert [example.clean_response for example in loaded.examples()] == ["HI greedy", "BYE greedy"]
    assert (loaded.rows[0].source, loaded.rows[0].meta) == ("chat", {"k": [1]})
    bad, good = provenance(pool)
    assert (bad["teacher"], good["teacher"]) == ("bad", "good")
    assert (bad["pool_before"], good["pool_before"]) == (before, between)
    assert bad["settings"]["system"] == "Be rude." and bad["command"] == "bench rollouts ..."
    assert bad["rows"] == 2 and bad["finished"].endswith("+00:00")
    assert set(bad["versions"]) == {"python", "sievebench", "inspect-ai"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool.jsonl", "pool.rollouts.json"]


def test_the_identity_of_a_local_model_is_that_of_its_files(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hi")
    options = ["--engine", "hf", "--max-tokens", "4", "--temperature", "1", "--device", "cpu"]
    result = CliRunner().invoke(main, ["rollouts", str(pool), "--teacher", "t", "--model", TINY, *options])
    assert result.exit_code == 0, result.output
    assert provenance(pool)[0]["settings"]["identity"] == model_identity(TINY)
    assert provenance(pool)[0]["settings"]["batch"] == 16


def test_another_file_may_take_the_pool_and_further_teachers(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hi")
    before, out = pool.read_bytes(), tmp_path / "new" / "full.jsonl"
    go(pool, "one", api(), out=out)
    go(pool, "two", api(seed=5), out=out)
    assert pool.read_bytes() == before
    assert set(load_rows(out)[0].completions) == {"one", "two"} and len(provenance(out)) == 2
    with pytest.raises(BenchError, match="rows are not those of"):
        go(pool_file(tmp_path, "Other"), "two", api(), out=out)


def test_a_parquet_pool_stays_one(tmp_path: Path) -> None:
    from datasets import Dataset

    pool = tmp_path / "pool.parquet"
    Dataset.from_list(
        [{"id": "a", "prompt": "Hi", "source": "s"}, {"id": "b", "prompt": "Bye", "source": None}]
    ).to_parquet(pool)
    go(pool, "t", api())
    assert completions(pool, "t") == ["HI greedy", "BYE greedy"]
    assert [row.source for row in load_rows(pool)] == ["s", ""]


def test_what_a_table_would_change_is_refused_and_nothing_is_asked_again(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    rows = [{"id": "a", "prompt": "Apart", "meta": {"x": 1}}, {"id": "b", "prompt": "Other", "meta": {"y": "z"}}]
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "pool.parquet"
    with pytest.raises(BenchError, match="Parquet"):
        go(pool, "t", api(), out=out)
    assert not out.exists() and not out.with_suffix(".rollouts.json").exists()


def test_the_hash_in_the_card_is_renewed_and_a_missing_teacher_named(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hi")
    card = tmp_path / "pool.toml"
    before = hash_rows(load_rows(pool))
    card.write_text(f'# mine\nname = "p"\noriginal = "one"\nclean = "two"\nsha256 = "{before}"\n', encoding="utf-8")
    assert any("without completions here so far" in line for line in go(pool, "one", api()))
    assert any("sha256 renewed" in line for line in go(pool, "two", api(seed=5)))
    assert card.read_text().startswith("# mine\n")
    assert load_pool(str(pool), None, {}).sha256 == hash_rows(load_rows(pool)) != before


# Going on


def test_finished_completions_are_not_asked_for_again(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "once only")
    go(pool, "t", api())
    written = pool.read_bytes()
    assert "already" in go(pool, "t", api())[0]
    assert ASKED["once only"] == 1 and pool.read_bytes() == written


def test_rows_that_came_later_are_all_that_is_asked(tmp_path: Path) -> None:
    go(pool_file(tmp_path, "early bird"), "t", api())
    pool = tmp_path / "pool.jsonl"
    with pool.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "new", "prompt": "late bird"}) + "\n")
    go(pool, "t", api())
    assert completions(pool, "t") == ["EARLY BIRD greedy", "LATE BIRD greedy"]
    assert (ASKED["early bird"], ASKED["late bird"]) == (1, 1)
    assert (len(provenance(pool)), provenance(pool)[0]["rows"], provenance(pool)[0]["tokens"]) == (1, 2, 4)


def test_other_settings_under_the_same_name_are_refused_by_what_differs(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "again")
    go(pool, "t", api())
    with pytest.raises(BenchError, match=r"temperature = 0.0, now 0.5\n"):
        go(pool, "t", api(temperature=0.5))
    go(pool, "t", api(temperature=0.5), replace=True)
    assert completions(pool, "t")[0].startswith("AGAIN ") and "greedy" not in completions(pool, "t")[0]
    assert [entry["settings"]["temperature"] for entry in provenance(pool)] == [0.5]


def test_completions_from_elsewhere_are_never_overwritten_unasked(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "mine", completions={"t": "by hand"})
    with pytest.raises(BenchError, match="no rollout here wrote"):
        go(pool, "t", api())
    assert completions(pool, "t") == ["by hand"]


def test_a_failed_row_does_not_cost_the_others(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "fine one", "fail once", "fine two")
    with pytest.raises(BenchError, match="1 requests failed, row 'r1' with ValueError: the line went dead"):
        go(pool, "t", api())
    assert load_rows(pool)[0].completions == {}
    assert "2 of 3 rows were answered before this run" in go(pool, "t", api())
    assert completions(pool, "t")[1] == "FAIL ONCE greedy"
    assert (ASKED["fine one"], ASKED["fine two"], ASKED["fail once"]) == (1, 1, 2)


def test_a_model_that_always_fails_is_given_up(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, *(f"fail {i}" for i in range(60)))
    with pytest.raises(BenchError, match="requests failed"):
        go(pool, "t", api(), connections=1)
    assert sum(count for text, count in ASKED.items() if text.startswith("fail ")) < 20


def test_empty_completions_are_named_and_the_others_kept(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "mute here", "loud here")
    with pytest.raises(BenchError, match="1 empty completions, of rows 'r0'"):
        go(pool, "t", api())
    assert load_rows(pool)[0].completions == {}
    with pytest.raises(BenchError, match="empty"):
        go(pool, "t", api())
    assert (ASKED["mute here"], ASKED["loud here"]) == (2, 1)


def test_an_unfinished_rollout_is_bound_to_its_settings(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "mute b", "loud b")
    with pytest.raises(BenchError, match="empty"):
        go(pool, "t", api())
    with pytest.raises(BenchError, match="unfinished rollout"):
        go(pool, "t", api(max_tokens=10))


def test_a_changed_prompt_is_asked_again(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="empty"):
        go(pool_file(tmp_path, "mute c", "loud c"), "t", api())
    pool = pool_file(tmp_path, "speak c", "louder c")
    go(pool, "t", api())
    assert completions(pool, "t") == ["SPEAK C greedy", "LOUDER C greedy"]


def test_half_a_line_is_no_answer(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hi", "Bye")
    partial, settings = Partial(pool, "t"), api()
    questions = [question_of(row, settings) for row in load_rows(pool)]
    with partial.claimed():
        partial.begin(settings.model_dump(), replace=False)
        partial.append([questions[0].answered("one", 1, True)])
        file = pool.parent / "pool.jsonl.rollouts" / "t" / "answers.jsonl"
        file.write_bytes(file.read_bytes() + questions[1].answered("two", 1, True).model_dump_json().encode()[:-9])
        partial.begin(settings.model_dump(), replace=False)
        partial.append([questions[1].answered("due", 1, True)])
        assert {name: answer.text for name, answer in partial.answers(questions).items()} == {"r0": "one", "r1": "due"}


def test_a_killed_run_gives_what_an_uninterrupted_one_gives(tmp_path: Path) -> None:
    prompts = [f"Tell me about the number {i} " + "in some detail " * (i % 5) for i in range(14)]
    (tmp_path / "whole").mkdir()
    pool, whole = pool_file(tmp_path, *prompts), pool_file(tmp_path / "whole", *prompts)
    options = ["--teacher", "t", "--model", TINY, "--engine", "hf", "--max-tokens", "120", "--temperature", "1"]
    command = [
        sys.executable,
        "-m",
        "bench.cli",
        "rollouts",
        str(pool),
        *options,
        "--batch",
        "2",
        "--device",
        "cpu",
    ]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    file = tmp_path / "pool.jsonl.rollouts" / "t" / "answers.jsonl"
    while running.poll() is None and (not file.is_file() or file.read_bytes().count(b"\n") < 4):
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = file.read_bytes().count(b"\n") - 1
    assert 0 < kept < 14, "it was to be killed midway"
    assert load_rows(pool)[0].completions == {}
    settings = tiny(max_tokens=120, seed=0)
    assert f"{kept} of 14 rows were answered before this run" in go(pool, "t", settings)
    go(whole, "t", settings)
    assert completions(pool, "t") == completions(whole, "t")
    assert provenance(pool)[0]["completions"] == provenance(whole)[0]["completions"]


# What is refused


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"max_tokens": 1020}, r"2 prompts too long: 'r0' \(\d+ tokens\), 'r1' "),
        ({"args": {"dtype": "float16"}}, "dtype"),
        ({"model": "nowhere"}, "no such model"),
    ],
)
def test_what_a_local_model_cannot_do_is_said_beforehand(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    pool = pool_file(tmp_path, "What year is it?", "Name three fruits.")
    with pytest.raises(BenchError, match=complaint):
        go(pool, "t", tiny(**changes))
    assert load_rows(pool)[0].completions == {}


def test_a_template_that_refuses_a_row_is_told_with_the_row(tmp_path: Path) -> None:
    model = Path(shutil.copytree(resolve_model(TINY), tmp_path / "model"))
    picky = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
    (model / "chat_template.jinja").write_text(picky, encoding="utf-8")
    with pytest.raises(BenchError, match=r"'r0'\n.*No system role"):
        go(pool_file(tmp_path, "Hi"), "t", tiny(model=str(model), system="Be brief."))


def test_a_second_system_message_is_refused(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])
    with pytest.raises(BenchError, match="'r0' has a system message of its own"):
        go(pool, "t", api(system="Be rude."))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--teacher", "a/b"], "letters, digits"),
        (["--arg", "dtype"], "KEY=VALUE"),
        (["--out", "x.csv"], ".jsonl or .parquet"),
        (["--model", "nowhere/at/all"], "no such model"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_without_a_traceback(
    change: list[str], complaint: str, tmp_path: Path
) -> None:
    common = ["rollouts", str(pool_file(tmp_path, "Hi")), "--teacher", "t", "--model", TINY, "--engine", "hf"]
    result = CliRunner().invoke(main, [*common, *change])
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert complaint in result.output.replace("\n", " ")


def test_without_vllm_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchError, match="vLLM is not installed"):
        go(pool_file(tmp_path, "Hi"), "t", tiny(engine="vllm"))


def test_two_rollouts_of_one_teacher_do_not_mix(tmp_path: Path) -> None:
    pool = pool_file(tmp_path, "Hi")
    with Partial(pool, "t").claimed(), pytest.raises(BenchError, match="another run is at work"):
        go(pool, "t", api())
    go(pool, "u", api())
    assert set(load_rows(pool)[0].completions) == {"u"}
