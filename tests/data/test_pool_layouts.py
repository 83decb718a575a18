"""Pools that people have: every layout with its example file, joined files, ids, and how a misused one is refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from bench.data.layouts import ALPACA, COMPLETION, MESSAGES, POOL, PREFERENCE, SHAREGPT
from bench.data.pool import load_pool, load_rows
from bench.data.pool_rows import Reading, read_pool
from bench.errors import BenchError
from bench.records import PoolCard

EXAMPLES = Path(__file__).parents[2] / "docs" / "pools"
ONE = PoolCard(name="toy", original="a")
TWO = PoolCard(name="toy", original="a", clean="b")


def read(folder: Path, *rows: Any, name: str = "rows.jsonl", **options: Any) -> Reading:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_pool(str(path), options.pop("columns", {}), **options)


def turn(role: str, content: Any = "Hi", **others: Any) -> dict[str, Any]:
    return {"role": role, "content": content} | others


def said(role: str, value: Any = "Hi") -> dict[str, Any]:
    return {"from": role, "value": value}


ALPACA_ROW = {"instruction": "Translate.", "input": "Hallo", "output": "Hello"}
MESSAGES_ROW = {"messages": [turn("user"), turn("assistant", "Ho")]}
SHAREGPT_ROW = {"conversations": [said("human"), said("gpt", "Ho")]}
PAIR = {"prompt": "Hi", "chosen": "Ho", "rejected": "Sure! Ho"}


# Layouts


@pytest.mark.parametrize(
    ("file", "layout", "rows", "teachers"),
    [
        ("pool.jsonl", POOL, 3, {"eager", "plain"}),
        ("eager.jsonl", COMPLETION, 3, {"eager"}),
        ("plain.csv", COMPLETION, 3, {"plain"}),
        ("sharegpt.json", SHAREGPT, 2, {"sharegpt"}),
        ("messages.jsonl", MESSAGES, 2, {"messages"}),
        ("messages.jsonl.gz", MESSAGES, 2, {"messages"}),
        ("messages.jsonl.zst", MESSAGES, 2, {"messages"}),
        ("tulu.jsonl", MESSAGES, 3, {"tulu"}),
        ("alpaca.json", ALPACA, 3, {"alpaca"}),
        ("alpaca.csv", ALPACA, 2, {"alpaca"}),
        ("preferences.jsonl", PREFERENCE, 2, {"chosen", "rejected"}),
        ("shards", MESSAGES, 3, {"shards"}),
    ],
)
def test_the_layout_of_every_example_is_recognised(
    file: str, layout: Any, rows: int, teachers: set[str], own_cache: Path
) -> None:
    reading = read_pool(str(EXAMPLES / file), {})
    assert reading.layouts == (layout,) and reading.problems == ()
    assert [set(row.completions) for row in reading.checked()] == [teachers] * rows


def test_alpaca_keeps_its_input(tmp_path: Path) -> None:
    first, second = read(tmp_path, ALPACA_ROW, {"instruction": "Name a fruit.", "input": "", "output": "A fig."}).rows
    assert first.prompt[0].content == "Translate.\n\nHallo" and second.prompt[0].content == "Name a fruit."
    assert first.completions == {"rows": "Hello"}
    system = read(tmp_path, ALPACA_ROW | {"system": "Be kind."}).rows[0]
    assert [message.role for message in system.prompt] == ["system", "user"]


def test_alpaca_mapped_without_its_input_is_refused_but_not_where_there_is_none(tmp_path: Path) -> None:
    part = {"instruction": "instruction", "output": "output"}
    assert "line 1: input: has text" in read(tmp_path, ALPACA_ROW, columns=part).problems[0]
    assert not read(tmp_path, ALPACA_ROW, columns=part | {"input": "input"}).problems
    columns = {"prompt": "instruction", "completions.a": "output"}
    assert (
        "line 1: input: has text that `columns` leaves out" in read(tmp_path, ALPACA_ROW, columns=columns).problems[0]
    )
    assert read(tmp_path, ALPACA_ROW | {"input": ""}, columns=columns).rows[0].completions == {"a": "Hello"}


def test_columns_may_name_the_keys_of_any_layout(tmp_path: Path) -> None:
    row = {"id": 7, "question": "Sum up.", "context": "A long text.", "answer": "Short.", "score": 3}
    reading = read(tmp_path, row, columns={"instruction": "question", "input": "context", "output": "answer"})
    assert reading.rows[0].prompt[0].content == "Sum up.\n\nA long text." and reading.rows[0].id == "7"
    assert reading.notes == ("keys of the pool's rows that are not read: score",)


def test_the_last_turn_is_the_completion_and_all_before_it_the_prompt(tmp_path: Path) -> None:
    talk = [said("system", "Be kind."), said("human", "1"), said("gpt", "2"), said("human", "3"), said("gpt", "4")]
    row = read(tmp_path, {"conversations": talk}).rows[0]
    assert [(m.role, m.content) for m in row.prompt] == [
        ("system", "Be kind."),
        ("user", "1"),
        ("assistant", "2"),
        ("user", "3"),
    ]
    assert row.completions == {"rows": "4"}


def test_turns_may_hold_text_parts_and_null_tool_calls(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]
    rows = [{"messages": [turn("developer", "D"), turn("user", parts), turn("assistant", "Ho", tool_calls=None)]}]
    assert [m.content for m in read(tmp_path, *rows).rows[0].prompt] == ["D", "Hi"]
    own = {"id": 1, "prompt": [turn("user", "Hi", tool_calls=None)], "completions": {"a": "Ho"}}
    assert read(tmp_path, own).rows[0].prompt[0].content == "Hi"


def test_parquet_turns_with_null_tool_calls_are_read(tmp_path: Path, own_cache: Path) -> None:
    from datasets import Dataset

    path = tmp_path / "t.parquet"
    rows = [{"messages": [turn("user", tool_calls=None), turn("assistant", "Ho", tool_calls=None)]}]
    Dataset.from_list(rows).to_parquet(path)
    assert load_pool(path, ONE).rows[0].completions == {"a": "Ho"}


def test_id_and_source_of_a_row_are_kept_in_every_layout(tmp_path: Path) -> None:
    for row in (ALPACA_ROW, MESSAGES_ROW, SHAREGPT_ROW, PAIR, {"prompt": "Hi", "response": "Ho"}):
        (found,) = read(tmp_path, row | {"id": "x", "source": "s"}).rows
        assert (found.id, found.source) == ("x", "s")


def test_a_pair_is_rejected_for_chosen_unless_the_card_says_the_reverse(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(PAIR), encoding="utf-8")
    for original, clean in (("rejected", "chosen"), ("chosen", "rejected")):
        (example,) = load_pool(path, PoolCard(name="p", original=original, clean=clean)).examples()
        assert (example.response, example.clean_response) == (PAIR[original], PAIR[clean])


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": [turn("user"), turn("assistant", "Ho")], "rejected": [turn("user"), turn("assistant", "No")]},
        {"prompt": [turn("user")], "chosen": [turn("assistant", "Ho")], "rejected": [turn("assistant", "No")]},
        {"prompt": "Hi", "chosen": [turn("assistant", "Ho")], "rejected": [turn("assistant", "No")]},
    ],
)
def test_a_pair_may_be_of_conversations(tmp_path: Path, row: dict[str, Any]) -> None:
    (found,) = read(tmp_path, row).rows
    assert (found.prompt[0].content, found.completions) == ("Hi", {"rejected": "No", "chosen": "Ho"})


def test_keys_that_are_not_read_are_noted_once(tmp_path: Path) -> None:
    reading = read(tmp_path, ALPACA_ROW | {"id": 1, "text": "x"}, ALPACA_ROW | {"id": 2, "text": "y", "history": []})
    assert reading.notes == ("keys of the pool's rows that are not read: text",)


# Ids


def test_rows_without_an_id_get_a_stable_one_and_a_note(tmp_path: Path) -> None:
    other = ALPACA_ROW | {"output": "Hi"}
    first = read(tmp_path, ALPACA_ROW, other, ALPACA_ROW, ALPACA_ROW)
    a, b, again, third = (row.id for row in first.rows)
    assert len(a) == 16 and a != b and (again, third) == (f"{a}-2", f"{a}-3")
    assert first.notes == ("4 of 4 rows came without an id, and got a hash of their texts",)
    renamed = read(tmp_path, other, ALPACA_ROW, name="other.jsonl", teachers=["someone"])
    assert [row.id for row in renamed.rows] == [b, a]  # neither the order nor the teacher's name is part of it
    said = r'[[{"content": "Translate.\n\nHallo", "role": "user"}], ["Hello"]]'
    assert a == hashlib.sha256(said.encode()).hexdigest()[:16]  # the same in every version, as results go by ids


def test_only_missing_ids_are_made(tmp_path: Path) -> None:
    reading = read(tmp_path, ALPACA_ROW | {"id": "mine"}, ALPACA_ROW | {"id": None})
    assert reading.rows[0].id == "mine" and len(reading.rows[1].id) == 16
    assert reading.notes[0].startswith("1 of 2 rows came without an id")


# Two files


def files(folder: Path, first: list[Any], second: list[Any]) -> dict[str, str]:
    for name, rows in (("a", first), ("b", second)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {name: str(folder / f"{name}.jsonl") for name in ("a", "b")}


def test_two_files_are_joined_on_the_prompt_whatever_their_layouts(tmp_path: Path) -> None:
    first = [{"prompt": "2", "completion": "a2", "id": "x", "source": "s"}, {"prompt": "1", "completion": "a1"}]
    second = [{"messages": [turn("user", text), turn("assistant", f"b{text}")]} for text in ("1", "2 ")]
    pool = load_pool(files(tmp_path, first, second), TWO)
    assert [row.completions for row in pool.rows] == [{"a": "a2", "b": "b2 "}, {"a": "a1", "b": "b1"}]
    assert (pool.rows[0].id, pool.rows[0].source) == ("x", "s")
    assert pool.notes == ("1 of 2 rows came without an id, and got a hash of their texts",)


def test_a_source_that_another_file_gives_otherwise_is_kept_as_the_first_says_and_counted(tmp_path: Path) -> None:
    first = [{"prompt": text, "completion": "a", "source": "s"} for text in ("1", "2", "3")]
    second = [{"prompt": text, "completion": "b", "source": s} for text, s in (("1", "s"), ("2", "t"), ("3", "u"))]
    reading = read_pool(files(tmp_path, first, second), {})
    assert [row.source for row in reading.rows] == ["s"] * 3
    assert reading.notes[0] == "source of 2 rows is what a.jsonl says, where b.jsonl says otherwise"


def test_rows_without_a_partner_are_left_out_and_counted(tmp_path: Path) -> None:
    reading = read_pool({"eager": EXAMPLES / "eager.jsonl", "plain": EXAMPLES / "plain.csv"}, {})
    assert [row.completions["plain"][:5] for row in reading.rows] == ["Three", "The D"]
    assert reading.notes[0] == (
        "rows left out, as another teacher's file has no answer to pair theirs with: "
        "1 of 3 in eager.jsonl, 1 of 3 in plain.csv"
    )


def test_prompts_that_occur_more_than_once_are_paired_in_file_order(tmp_path: Path) -> None:
    def rows(teacher: str, count: int) -> list[Any]:
        return [{"prompt": "Hi", "completion": f"{teacher}{i}"} for i in range(count)]

    reading = read_pool(files(tmp_path, rows("a", 3), rows("b", 2)), {})
    assert [row.completions for row in reading.rows] == [{"a": "a0", "b": "b0"}, {"a": "a1", "b": "b1"}]
    assert reading.notes[:2] == (
        "rows left out, as another teacher's file has no answer to pair theirs with: 1 of 3 in a.jsonl",
        "prompts that occur more than once in a file, so that answers were paired in file order: 1",
    )


def test_files_without_a_prompt_in_common_are_refused(tmp_path: Path) -> None:
    apart = files(tmp_path, [{"prompt": "1", "completion": "a"}], [{"prompt": "2", "completion": "b"}])
    with pytest.raises(BenchError, match="no prompt that occurs in every file"):
        read_pool(apart, {})
    with pytest.raises(BenchError, match=r"b\.jsonl\n +seen: +no rows"):
        read_pool(files(tmp_path, [ALPACA_ROW], []), {})


def test_a_bad_row_of_a_joined_file_is_named_with_its_file(tmp_path: Path) -> None:
    joined = files(tmp_path, [ALPACA_ROW], [ALPACA_ROW, {"instruction": "Translate."}])
    assert read_pool(joined, {}).problems == ("b.jsonl, line 2: output: missing (there are: instruction)",)
    two = {"prompt": "Hi", "completions": {"x": "1", "y": "2"}}
    assert "expected one, or one of teacher 'b'" in read_pool(files(tmp_path, [ALPACA_ROW], [two]), {}).problems[0]


def test_a_file_of_both_teachers_gives_the_one_that_is_named(tmp_path: Path) -> None:
    both = [{"prompt": "Hi", "completions": {"a": "1", "b": "2"}}]
    assert read_pool(files(tmp_path, both, both), {}).rows[0].completions == {"a": "1", "b": "2"}


# What is refused


@pytest.mark.parametrize(
    ("first", "bad", "seen"),
    [
        (ALPACA_ROW, MESSAGES_ROW, r"keys of a messages row \(messages\), but the rows before it are Alpaca rows"),
        (
            ALPACA_ROW,
            {"question": "Hi"},
            r"no Alpaca row as those before it: keys instruction, .* \(it has: question\)",
        ),
        (ALPACA_ROW, {"instruction": "Go."}, r"output: missing \(there are: instruction\)"),
        (ALPACA_ROW, {"instruction": "Go.", "output": None}, "output: missing"),
        (ALPACA_ROW, {"instruction": "Go.", "output": " "}, "the completion of teacher 'rows' is empty"),
        (ALPACA_ROW, {"instruction": ["Go."], "output": "x"}, "instruction: a list, expected text"),
        (ALPACA_ROW, {"instruction": "", "output": "x"}, "a turn of the prompt is empty"),
        (SHAREGPT_ROW, {"conversations": [said("human")]}, "conversations: ends with a turn of the user, expected the"),
        (SHAREGPT_ROW, {"conversations": []}, "conversations: has no turns"),
        (SHAREGPT_ROW, {"conversations": "Hi"}, "conversations: text, expected a list of turns"),
        (
            SHAREGPT_ROW,
            {"conversations": ["Hi"]},
            r"conversations.0: text, expected \{role, content\} or \{from, value\}",
        ),
        (SHAREGPT_ROW, {"conversations": [said("human"), said("alien")]}, r"conversations.1.from: 'alien' is no known"),
        (SHAREGPT_ROW, {"conversations": [said("human", None), said("gpt")]}, r"conversations.0.value: missing"),
        (SHAREGPT_ROW, {"conversations": [said("gpt")]}, "the prompt must end with a user turn"),
        (
            MESSAGES_ROW,
            {"messages": [turn("user"), turn("tool"), turn("assistant")]},
            "messages.1.role: 'tool' is no kno",
        ),
        (
            MESSAGES_ROW,
            {"messages": [turn("user"), turn("assistant", tool_calls=[1])]},
            "messages.1.tool_calls: calls a",
        ),
        (
            MESSAGES_ROW,
            {"messages": [turn("user", [{"type": "image"}]), turn("assistant")]},
            "messages.0.content: a list",
        ),
        (
            MESSAGES_ROW,
            {"messages": [turn("user"), turn("system"), turn("user"), turn("assistant")]},
            "only the first turn",
        ),
        (PAIR, {"chosen": "Ho", "rejected": "No"}, r"prompt: missing \(there are: chosen, rejected\)"),
        (PAIR, PAIR | {"rejected": [turn("assistant")]}, "chosen: text, expected a list of turns"),
        (
            PAIR,
            {"chosen": [turn("user"), turn("assistant")], "rejected": [turn("user", "Ho"), turn("assistant")]},
            "chosen and rejected differ before their last turns",
        ),
        (
            PAIR,
            {"prompt": [turn("user", "?")]}
            | {key: [turn("user"), turn("assistant")] for key in ("chosen", "rejected")},
            "chosen: does not begin with the turns of prompt",
        ),
        (
            PAIR,
            {"prompt": "?"} | {key: [turn("user"), turn("assistant")] for key in ("chosen", "rejected")},
            "chosen: no turn of it is the text of prompt",
        ),
        (PAIR, PAIR | {"rejected": None}, r"rejected: missing \(there are: prompt, chosen\)"),
        ({"prompt": "Hi", "completion": "Ho"}, {"prompt": "Hi", "completion": None}, "completion: missing"),
        (
            {"prompt": "Hi", "completion": "Ho"},
            {"prompt": "Hi"},
            r"no completion row as those before it: .* \(it has: prompt\)",
        ),
        (
            {"prompt": "Hi", "completion": "Ho"},
            {"prompt": "Hi", "completion": [turn("user"), turn("assistant")]},
            "completion: 2 turns, expected the assistant's alone",
        ),
    ],
)
def test_a_bad_row_of_a_layout_is_named_with_its_key(tmp_path: Path, first: Any, bad: Any, seen: str) -> None:
    with pytest.raises(BenchError, match=f"1 bad row\n +line 2: .*{seen}"):
        read(tmp_path, first, bad).checked()


def test_a_file_of_no_layout_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"line 1: no layout has the keys question, answer") as caught:
        read(tmp_path, {"question": "Hi", "answer": "Ho"}).checked()
    assert "Alpaca rows: instruction, input, output" in caught.value.expected


def test_a_card_with_two_teachers_does_not_fit_a_layout_with_one(tmp_path: Path) -> None:
    path = tmp_path / "alpaca.jsonl"
    path.write_text(json.dumps(ALPACA_ROW), encoding="utf-8")
    assert load_pool(path, ONE).rows[0].completions == {"a": "Hello"}
    with pytest.raises(BenchError, match="Alpaca rows, which have the completions of one teacher") as caught:
        load_pool(path, TWO)
    assert "path = {" in caught.value.remedy


def test_rows_that_are_to_be_completed_must_be_pool_rows(tmp_path: Path) -> None:
    path = tmp_path / "alpaca.jsonl"
    path.write_text(json.dumps(ALPACA_ROW), encoding="utf-8")
    assert load_rows(path)[0].completions == {"alpaca": "Hello"}
    with pytest.raises(BenchError, match=r"Alpaca rows in a file alpaca\.jsonl") as caught:
        load_rows(path, to_complete=True)
    assert "--out" in caught.value.remedy


@pytest.mark.parametrize("row", [{"prompt": "Hi", "completion": "Ho"}, ALPACA_ROW, MESSAGES_ROW, SHAREGPT_ROW, PAIR])
def test_a_first_row_without_its_completion_is_the_one_that_is_named(tmp_path: Path, row: dict[str, Any]) -> None:
    last = list(row)[-1]
    (problem,) = read(tmp_path, row | {last: None}, row).problems
    assert problem.startswith(f"line 1: {last}: missing (there are: ")
