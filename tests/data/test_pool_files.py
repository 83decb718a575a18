"""Data files of a pool: every ending, compression and encoding that is read, and how a damaged one is refused."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench.data.pool_files import read_records, stem_of
from bench.errors import BenchError

ROWS = [{"prompt": "Größe?", "completion": "1"}, {"prompt": "b", "completion": "2, or\n3"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = 'prompt,completion\nGröße?,1\nb,"2, or\n3"\n'
BOM = b"\xef\xbb\xbf"


def compressed(text: str, kind: str) -> bytes:
    from pyarrow import BufferOutputStream, CompressedOutputStream

    sink = BufferOutputStream()
    with CompressedOutputStream(sink, kind) as stream:
        stream.write(text.encode())
    return bytes(sink.getvalue())


def records(folder: Path, name: str, content: bytes) -> list[Any]:
    (folder / name).write_bytes(content)
    return [row for _, row in read_records(str(folder / name))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES.encode()),
        ("a.JSONL", LINES.encode()),
        ("a.ndjson", LINES.replace("\n", "\r\n").encode()),
        ("a.jsonl", BOM + LINES.encode()),
        ("a.json", json.dumps(ROWS).encode()),
        ("a.json", BOM + json.dumps(ROWS, indent=1).encode()),
        ("a.json", LINES.encode()),
        ("a.jsonl", json.dumps(ROWS, indent=1).encode()),
        ("a.csv", CSV.encode()),
        ("a.CSV", BOM + CSV.encode()),
        ("a.tsv", CSV.replace(",1", "\t1").replace("n,", "n\t").replace("t,", "t\t").replace("b,", "b\t").encode()),
        ("a.jsonl.gz", gzip.compress(LINES.encode())),
        ("a.JSONL.GZ", gzip.compress(LINES[:40].encode()) + gzip.compress(LINES[40:].encode())),
        ("a.v2.jsonl.zst", compressed(LINES, "zstd")),
        ("a.json.zst", compressed(json.dumps(ROWS), "zstd")),
        ("a.csv.gz", gzip.compress(CSV.encode())),
    ],
)
def test_one_pool_in_every_kind_of_file(tmp_path: Path, name: str, content: bytes) -> None:
    assert records(tmp_path, name, content) == ROWS


def test_a_folder_of_parquet_shards_is_read_in_order(tmp_path: Path, own_cache: Path) -> None:
    from datasets import Dataset

    for number, row in enumerate(ROWS):
        Dataset.from_list([row]).to_parquet(tmp_path / f"train-0000{number}-of-00002.parquet")
    Dataset.from_list(ROWS).to_parquet(tmp_path / "test-00000-of-00001.parquet")
    (tmp_path / "pool.toml").write_text('name = "p"\noriginal = "a"\n', encoding="utf-8")
    first, second = "train-00000-of-00002.parquet, row 1", "train-00001-of-00002.parquet, row 1"
    assert list(read_records(str(tmp_path))) == [(first, ROWS[0]), (second, ROWS[1])]
    assert len(list(read_records(str(tmp_path), split="test"))) == 2
    with pytest.raises(BenchError, match="a split and config that it has"):
        list(read_records(str(tmp_path), split="dev"))


def test_files_of_a_folder_are_read_as_they_are_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, row in {"a.jsonl": {"prompt": "2026-01-01"}, "b.jsonl": {"prompt": "Hi", "source": "s"}}.items():
        (tmp_path / name).write_text(json.dumps(row), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    expected = [("a.jsonl, line 1", {"prompt": "2026-01-01"}), ("b.jsonl, line 1", {"prompt": "Hi", "source": "s"})]
    assert list(read_records(".")) == list(read_records(str(tmp_path))) == expected
    assert stem_of(".") == tmp_path.name
    (tmp_path / "c.csv").write_text("prompt\nNA\n", encoding="utf-8")
    with pytest.raises(BenchError, match=r"more than one kind: a\.jsonl and c\.csv"):
        list(read_records("."))


def test_an_error_of_datasets_is_said_with_its_cause(tmp_path: Path, own_cache: Path) -> None:
    from datasets import Dataset, Features, Value

    text = Features({"prompt": Value("string")})
    Dataset.from_dict({"prompt": []}, features=text).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(BenchError, match=r"seen: +(?!DatasetGenerationError)\w+: .+"):
        list(read_records(str(tmp_path / "a.parquet")))


def test_split_and_config_reach_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("datasets.load_dataset", lambda *names, **options: asked.append((names, options)) or ROWS)
    assert [row for _, row in read_records("org/chats", split="train_sft[:2]", config="en")] == ROWS
    assert asked == [(("org/chats",), {"name": "en", "split": "train_sft[:2]"})]


@pytest.mark.parametrize(
    ("name", "content", "seen"),
    [
        ("a.jsonl.gz", gzip.compress(LINES.encode())[:-12], "after .*: Truncated"),
        ("a.jsonl.gz", LINES.encode(), "after its beginning: "),
        ("a.jsonl.zst", compressed(LINES * 500, "zstd")[:-9], "after .*: Truncated"),
        ("a.jsonl.zst", LINES.encode(), "after its beginning: "),
        ("a.json", b'{\n "prompt": "Hi"\n}', "neither an array of rows nor one JSON object a line"),
        ("a.csv", b"prompt,completion\nx,\xe4\n", "can't decode byte 0xe4"),
        ("a.csv", b'prompt,completion\nx,"y\n', "unexpected end of data"),
        ("a.csv", b"prompt,prompt\nx,y\n", "a column occurs twice in the header: prompt, prompt"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(tmp_path: Path, name: str, content: bytes, seen: str) -> None:
    with pytest.raises(BenchError, match=f"a\\..*\n +seen: +.*{seen}"):
        records(tmp_path, name, content)


def test_a_row_that_cannot_be_read_stands_as_its_error(tmp_path: Path) -> None:
    good, *errors = records(tmp_path, "a.jsonl", b'{"a": 1}\n{"a": \n{"a": "\xe4"}\n')
    assert good == {"a": 1} and all(isinstance(error, ValueError) for error in errors) and len(errors) == 2
    (broken,) = records(tmp_path, "a.json", b'[{"a": 1}')
    assert isinstance(broken, ValueError)
    assert records(tmp_path, "a.jsonl", b"\n\n") == []


def test_cells_of_a_table(tmp_path: Path) -> None:
    long, short, empty = records(tmp_path, "a.csv", b",prompt,completion\n0,x,y,z\n1,x\n2,,y\n")
    assert str(long) == "more cells than the header has columns"
    assert short == {"prompt": "x", "completion": None} and empty == {"prompt": None, "completion": "y"}
    text = "x" * 200_000  # beyond the csv module's own limit
    assert records(tmp_path, "b.csv", f"prompt\n{text}\n".encode()) == [{"prompt": text}]


@pytest.mark.parametrize(
    ("name", "seen"),
    [("a.xlsx", "a file of another kind"), ("a.parquet.gz", "a file of another kind"), ("b.jsonl", "no such file")],
)
def test_other_files_are_refused_with_what_is_read(tmp_path: Path, name: str, seen: str) -> None:
    if not name.startswith("b"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BenchError, match=seen) as caught:
        read_records(str(tmp_path / name))
    assert all(ending in caught.value.expected for ending in (".jsonl", ".csv", ".gz", ".zst", ".parquet"))


def test_a_split_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES, encoding="utf-8")
    with pytest.raises(BenchError, match="split 'test'"):
        read_records(str(tmp_path / "a.jsonl"), split="test")
