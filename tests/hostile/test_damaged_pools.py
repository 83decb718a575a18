"""Pools of every layout and format, made wrong in 500 ways each: rows, or a plain error that says which is bad."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from mutations import as_json, damaged, returns_soon

from bench.cli.main import main
from bench.data.pool import load_pool
from bench.errors import BenchError
from bench.records import PoolCard

FEW, MANY = 40, 500
TURNS = [{"role": "user", "content": "Which year?"}, {"role": "assistant", "content": "2024."}]
SHARED = [{"from": "human", "value": "Which year?"}, {"from": "gpt", "value": "2024."}]
POOL = {"id": "a", "prompt": "Which year?", "completions": {"original": "2024.", "clean": "2026."}}
QUIET: Any = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}
LAYOUTS: dict[str, dict[str, Any]] = {
    "pool": POOL | {"source": "s", "meta": {"truth": "overt", "more": [1, None]}},
    "pool of turns": POOL | {"prompt": [{"role": "system", "content": "Be brief."}, TURNS[0]]},
    "preference": {"prompt": "Which year?", "chosen": "2026.", "rejected": "2024.", "system": "Be brief."},
    "preference of turns": {"chosen": [TURNS[0], {"role": "assistant", "content": "2026."}], "rejected": TURNS},
    "ShareGPT": {"id": 1, "conversations": SHARED, "system": "Be brief."},
    "messages": {"messages": [*TURNS, *TURNS], "source": "s"},
    "Alpaca": {"instruction": "Answer.", "input": "Which year?", "output": "2024.", "system": "Be brief."},
    "completion": {"prompt": TURNS[:1], "completion": TURNS[1:]},
    "response": {"prompt": "Which year?", "response": "2024."},
}
FLAT = {
    "id": "a",
    "prompt": "Which year?",
    "completions.original": "2024.",
    "completions.clean": "2026.",
    "source": "s",
}


def as_lines(rows: Any) -> bytes:
    return b"\n".join(map(as_json, rows if isinstance(rows, list) else [rows]))


def as_table(rows: Any, delimiter: str = ",") -> bytes:
    """As CSV: what is no text is written as its JSON."""
    known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    names = list(dict.fromkeys(name for row in known for name in row))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, escapechar="\\")
    for row in [dict(zip(names, names, strict=True)), *known]:
        cells = [row.get(name, "") for name in names]
        writer.writerow([each if isinstance(each, str) else as_json(each).decode() for each in cells])
    return text.getvalue().encode(errors="surrogatepass")


def as_parquet(rows: Any) -> bytes:
    """As Parquet where its types can hold it, else with every value as text."""
    known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    try:
        table = pa.Table.from_pylist(known)
        return written(table)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        plain = [{ascii(key): ascii(value) for key, value in row.items()} for row in known]
        return written(pa.Table.from_pylist(plain))


def written(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def as_zst(rows: Any) -> bytes:
    file = pa.BufferOutputStream()
    with pa.CompressedOutputStream(file, "zstd") as stream:
        stream.write(as_lines(rows))
    return file.getvalue().to_pybytes()


FORMATS: dict[str, Callable[[Any], bytes]] = {
    ".json": as_json,
    ".jsonl": as_lines,
    ".csv": as_table,
    ".tsv": lambda rows: as_table(rows, "\t"),
    ".jsonl.gz": lambda rows: gzip.compress(as_lines(rows), mtime=0),
    ".csv.gz": lambda rows: gzip.compress(as_table(rows), mtime=0),
    ".jsonl.zst": as_zst,
    ".parquet": as_parquet,
}
KINDS = [(layout, ".jsonl") for layout in LAYOUTS]
KINDS += [
    ("flat" if ".csv" in ending or ".tsv" in ending else "pool", ending) for ending in FORMATS if ending != ".jsonl"
]


def three(layout: str) -> list[dict[str, Any]]:
    row = FLAT if layout == "flat" else LAYOUTS[layout]
    return [row | ({"id": f"{number}"} if "id" in row else {}) for number in range(3)]


def attempts(layout: str, ending: str, folder: Path, count: int) -> dict[str, int]:
    """Read and inspect so many damaged pools; how many had rows, and how many were refused."""
    outcomes = {"taken": 0, "refused": 0}
    file, other = folder / f"rows{ending}", folder / "other.jsonl"
    other.write_bytes(as_lines(three("response")))
    named = layout in ("flat", "pool", "pool of turns")
    original, clean = ("original", "clean") if named else ("rejected", "chosen")
    two = named or layout.startswith("preference")
    card = PoolCard(name="p", original=original, clean=clean if two else "")
    joined: dict[str, str | Path] = {"rejected": file, "clean": other}

    def read(source: Path | dict[str, str | Path], card: PoolCard) -> None:
        try:
            assert load_pool(source, card).rows
            outcomes["taken"] += 1
        except BenchError as error:
            assert error.seen and error.expected and error.remedy
            outcomes["refused"] += 1

    @settings(max_examples=count, **QUIET)
    @given(damaged([three(layout)], FORMATS[ending]))
    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        with returns_soon():
            read(file, card)
            if not two:
                read(joined, PoolCard(name="p", original="rejected", clean="clean"))
            found = CliRunner().invoke(main, ["pool", "inspect", str(file)])
            if found.exception and not isinstance(found.exception, SystemExit):
                raise found.exception
            assert found.exit_code in (0, 2)

    file.write_bytes(FORMATS[ending](three(layout)))
    read(file, card)
    assert outcomes["taken"] == 1, "the sound file"
    attempt()
    return outcomes


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("layout", "ending"), KINDS)
def test_no_pool_ends_in_a_traceback(layout: str, ending: str, count: int, tmp_path: Path, own_cache: Path) -> None:
    outcomes = attempts(layout, ending, tmp_path, count)
    print(layout, ending, outcomes)
    assert outcomes["refused"] > count / 10


def test_a_text_of_a_parquet_file_that_is_no_utf8_is_refused(tmp_path: Path, own_cache: Path) -> None:
    answers = pa.array([b"2024.", b"\xff2024."]).view(pa.string())  # which nothing looks at until it is decoded
    table = pa.table({"prompt": ["Which year?", "And now?"], "response": answers})
    (tmp_path / "p.parquet").write_bytes(written(table))
    with pytest.raises(BenchError, match="can't decode byte 0xff"):
        load_pool(tmp_path / "p.parquet", PoolCard(name="p", original="rejected", clean=""))
