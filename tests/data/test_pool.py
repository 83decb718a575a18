"""Pools: what is read from JSONL, Parquet and folders, every way in which a pool is refused, and the cuts."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.data.pool import clip_completions, hash_rows, load_pool
from bench.errors import BenchError
from bench.models.load import resolve_model
from bench.models.packaged import TINY
from bench.records import Message, Pool, PoolCard, PoolRow

CARD = PoolCard(name="toy", original="a", clean="b")


def row(identity: object = "r1", **changes: Any) -> dict[str, Any]:
    return {"id": identity, "prompt": "Hi", "completions": {"a": "bad", "b": "good"}} | changes


def write(folder: Path, *rows: object) -> str:
    """A pool file; a row that is text already is written as it stands."""
    path = folder / "rows.jsonl"
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def parquet(path: Path, *rows: dict[str, Any]) -> str:
    from datasets import Dataset

    Dataset.from_list(list(rows)).to_parquet(path)
    return str(path)


# What is read


def test_text_is_one_user_turn_and_a_number_is_an_id(tmp_path: Path) -> None:
    pool = load_pool(write(tmp_path, row(7, source="chat", meta={"k": [1]})), CARD, {})
    assert pool.rows[0].id == "7"
    assert pool.rows[0].prompt == (Message(role="user", content="Hi"),)
    assert (pool.rows[0].source, pool.rows[0].meta, pool.notes) == ("chat", {"k": [1]}, ())


def test_turns_and_the_system_message_are_kept_in_order(tmp_path: Path) -> None:
    roles = ["system", "user", "assistant", "user"]
    prompt = [{"role": role, "content": f"turn {i}"} for i, role in enumerate(roles)]
    pool = load_pool(write(tmp_path, row(prompt=prompt)), CARD, {})
    assert [message.model_dump() for message in pool.rows[0].prompt] == prompt
    assert pool.examples()[0].prompt_text == "turn 0\nturn 1\nturn 2\nturn 3"


def test_filters_see_both_teachers_but_neither_truth_nor_meta(tmp_path: Path) -> None:
    pool = load_pool(write(tmp_path, row(meta={"truth": "overt"})), CARD, {})
    example = pool.examples()[0]
    assert (example.response, example.clean_response) == ("bad", "good")
    assert pool.rows[0].truth == "overt"
    assert not hasattr(example, "meta") and not hasattr(example, "truth")


def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path) -> None:
    assert len(load_pool(write(tmp_path, row("x"), "", row("y")), CARD, {}).rows) == 2
    with pytest.raises(BenchError, match="line 3: "):
        load_pool(write(tmp_path, row("x"), "", "{"), CARD, {})


def test_the_hash_is_of_what_the_rows_say_and_not_of_how_they_are_written(tmp_path: Path) -> None:
    first = load_pool(write(tmp_path, row(source="")), CARD, {}).sha256
    shuffled = json.dumps(dict(reversed(row().items())), indent=None, separators=(" ,", ": "))
    assert load_pool(write(tmp_path, shuffled), CARD, {}).sha256 == first
    assert load_pool(write(tmp_path, row(completions={"a": "bad.", "b": "good"})), CARD, {}).sha256 != first


def test_the_card_beside_the_rows_is_read_unless_one_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, row())
    (tmp_path / "pool.toml").write_text('name = "beside"\noriginal = "b"\nclean = "a"\n', encoding="utf-8")
    assert load_pool(path, None, {}).card.name == "beside"
    assert load_pool(path, CARD, {}).card == CARD


def test_a_pool_cut_to_its_first_rows_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, *(row(f"r{i}") for i in range(5)))
    # The card describes the whole pool, so a cut one is not held to its number and hash.
    card = CARD.model_copy(update={"rows": 5, "sha256": load_pool(path, CARD, {}).sha256})
    cut = load_pool(path, card, {}, rows=2)
    assert [r.id for r in cut.rows] == ["r0", "r1"]
    assert cut.notes == ("pool cut to the first 2 of 5 rows, as the suite asks",)
    assert cut.sha256 == hash_rows(cut.rows) != card.sha256
    assert load_pool(path, card, {}, rows=5).notes == ()


def test_parquet_with_columns_of_other_names(tmp_path: Path) -> None:
    table = [
        {"key": 1, "question": "Q1", "bad": "x1", "good": "y1", "third": None, "set": None, "unused": 1},
        {"key": 2, "question": "Q2", "bad": "x2", "good": "y2", "third": "z2", "set": "chat", "unused": 2},
    ]
    columns = {"id": "key", "prompt": "question", "source": "set"}
    columns |= {"completions.a": "bad", "completions.b": "good", "completions.c": "third"}
    first, second = load_pool(parquet(tmp_path / "t.parquet", *table), CARD, columns).rows
    # A table has a value or null in every column: null is a field that was not given.
    assert (first.id, first.completions, first.source) == ("1", {"a": "x1", "b": "y1"}, "")
    assert (second.completions, second.source) == ({"a": "x2", "b": "y2", "c": "z2"}, "chat")


def test_parquet_of_pool_rows_equals_the_same_rows_as_jsonl(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    rows = [row("x", prompt=turns, meta={"n": 1}), row("y", prompt=turns[1:], meta={"n": 2})]
    rows[1]["completions"]["c"] = "only here"  # null in row x once it is a table
    table = load_pool(parquet(tmp_path / "t.parquet", *rows), CARD, {})
    assert table == load_pool(write(tmp_path, *rows), CARD, {})


def test_a_date_among_the_metadata_of_a_table_is_no_obstacle(tmp_path: Path) -> None:
    paths = [
        parquet(tmp_path / f"{day}.parquet", row(meta={"when": datetime(2026, 1, day)}, source="s")) for day in (1, 2)
    ]
    first, second = (load_pool(path, CARD, {}).sha256 for path in paths)
    assert first != second


def test_a_folder_that_datasets_can_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine", row("x"), row("y"))
    assert [r.id for r in load_pool(str(tmp_path / "mine"), CARD, {}).rows] == ["x", "y"]


# What is refused


def turn(role: str, content: str = "Hi") -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("bad", "seen"),
    [
        ('{"id": "x",', "Expecting property name"),
        ("[1]", "a list, expected an object with keys"),
        ({"prompt": "Hi"}, r"no completion of teacher 'a' \(the row has: none\)"),
        (row("x", prmpt="Hi"), "prmpt: Extra inputs are not permitted"),
        (row(""), "id: String should have at least 1 character"),
        (row("first"), "id 'first' was already used in line 1"),
        (row("x", prompt=" "), "a turn of the prompt is empty"),
        (row("x", prompt=5), "prompt: a number, expected text"),
        (row("x", prompt=[]), "must end with a user turn"),
        (row("x", prompt=[turn("user"), turn("assistant")]), "must end with a user turn"),
        (row("x", prompt=[turn("user", ""), turn("assistant"), turn("user")]), "a turn of the prompt is empty"),
        (row("x", prompt=[turn("user"), turn("system"), turn("user")]), "only the first turn may be a system message"),
        (row("x", prompt=[turn("tool"), turn("user")]), "prompt.0.role: 'tool' is no known role"),
        (row("x", completions="bad"), "completions: text, expected an object with a text for each teacher"),
        (row("x", completions={"a": "bad", "b": "\n"}), "the completion of teacher 'b' is empty"),
        (row("x", completions={"a": "bad", "c": "good"}), r"no completion of teacher 'b' \(the row has: a, c\)"),
        (row("x", completions={"b": None}), r"no completion of teacher 'a' \(the row has: none\)"),
        (row("x", prompt="\ud800"), "half of a surrogate pair"),
        (row("x") | {"\ud800": 1}, "half of a surrogate pair"),
        (row("x", completions={"a": "bad", "b": "good", "": "x"}), "completions: the name of a teacher is empty"),
        (row("x", completions={"a": "bad", "b": "good", " ": "x"}), "completions: the name of a teacher is empty"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, bad: object, seen: str) -> None:
    with pytest.raises(BenchError, match=f"1 bad row\n +line 2: .*{seen}"):
        load_pool(write(tmp_path, row("first"), bad), CARD, {})


def test_all_bad_rows_are_counted_and_the_first_twenty_shown(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="25 bad rows") as caught:
        load_pool(write(tmp_path, *[row("")] * 25), CARD, {})
    assert "line 20: " in caught.value.seen and "line 21: " not in caught.value.seen
    assert caught.value.seen.endswith("... and 5 more")


def test_a_mapped_column_or_field_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no row with the column 'question', which `columns` names"):
        load_pool(write(tmp_path, row()), CARD, {"id": "id", "prompt": "question"})
    with pytest.raises(BenchError, match="did you mean 'prompt'"):
        load_pool(write(tmp_path, row()), CARD, {"promt": "prompt"})


def test_a_mapped_optional_column_may_be_missing_in_a_row(tmp_path: Path) -> None:
    columns = {"prompt": "q", "source": "set", "completions.a": "x", "completions.b": "y"}
    rows = [{"q": "1", "x": "bad", "y": "good", "set": "s"}, {"q": "2", "x": "bad", "y": "good"}]
    assert [r.source for r in load_pool(write(tmp_path, *rows), CARD, columns).rows] == ["s", ""]
    with pytest.raises(BenchError, match=r"line 2: no completion of teacher 'b' \(the row has: a\)"):
        load_pool(write(tmp_path, rows[0], {"q": "2", "x": "bad"}), CARD, columns)


def test_a_file_without_rows_or_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no rows"):
        load_pool(write(tmp_path), CARD, {})
    with pytest.raises(BenchError, match="no such file"):
        load_pool(str(tmp_path / "missing.jsonl"), CARD, {})


@pytest.mark.parametrize(
    ("name", "seen"),
    [("damaged.parquet", "ArrowInvalid: Parquet magic"), ("folder", "EmptyDatasetError: The directory")],
)
def test_what_datasets_cannot_load_is_one_line(tmp_path: Path, name: str, seen: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "damaged.parquet").write_bytes(b"not a table")
    with pytest.raises(BenchError, match="that `datasets` can load") as caught:
        load_pool(str(tmp_path / name), CARD, {})
    assert caught.value.seen.startswith(seen) and "\n" not in caught.value.seen


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("", r"no card .*pool\.toml"),
        ("name = ", "Invalid value"),
        ('name = "x"\nclean = "a"\n', "original: Field required"),
        ('name = "x"\noriginal = "a"\nclean = "b"\nlicense = "MIT"\n', "license: Extra inputs are not permitted"),
        ('name = "x"\noriginal = "a"\nclean = "a"\n', "original and clean teacher are both 'a'"),
        ('name = "x"\noriginal = "a"\nclean = "b"\nrows = 2\n', "rows = 1, card says 2"),
        ('name = "x"\noriginal = "a"\nclean = "b"\nsha256 = "5a"\n', "sha256 = [0-9a-f]{64}, card says 5a"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, card: str, words: str) -> None:
    if card:
        (tmp_path / "pool.toml").write_text(card, encoding="utf-8")
    with pytest.raises(BenchError, match=words):
        load_pool(write(tmp_path, row()), None, {})


# Clipping


def clip(text: str, tokens: int) -> Pool:
    from transformers import AutoTokenizer

    rows = (PoolRow(id="x", prompt=(Message(role="user", content="Hi"),), completions={"a": text, "b": "Yes."}),)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model(TINY))
    return clip_completions(Pool(CARD, rows, hash_rows(rows), ("earlier",)), tokenizer, tokens)


def test_completions_are_cut_and_the_hash_and_notes_say_so() -> None:
    text = "one two three four five six seven eight nine ten"
    short, whole = clip(text, 8), clip(text, 100)
    assert whole.rows[0].completions["a"] == text
    cut = short.rows[0].completions["a"]
    assert text.startswith(cut) and 0 < len(cut) < len(text)
    assert short.rows[0].completions["b"] == "Yes."
    assert short.sha256 == hash_rows(short.rows) != whole.sha256
    assert short.notes == ("earlier", "completions cut to their first 8 tokens, as the suite asks")


def test_a_cut_inside_a_character_leaves_no_broken_one() -> None:
    cuts = {clip("日本語日本語", tokens).rows[0].completions["a"] for tokens in range(3, 12)}
    assert len(cuts) > 1 and all("日本語日本語".startswith(cut) for cut in cuts)


def test_a_cut_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(BenchError, match="nothing but blanks in the first 1 tokens"):
        clip("\n\n\n \n\nhello", 1)
