"""Data files: rows as plain data from JSON, CSV and Parquet files, compressed ones, folders and `datasets` ids."""

import csv
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from bench.errors import BenchError
from bench.plain_data import parse_json

Raw = tuple[str, Any]  # where a row stands in its file, and the row, or the error in its place
SPLIT = "train"  # of a `datasets` id or folder, unless another is named
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
KNOWN = "a .jsonl, .json, .csv, .tsv (also with .gz or .zst behind) or .parquet file, a folder of them, or a dataset id"
MAIN_KINDS = {".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"}  # .json is also what describes a folder
MAX_CELL = 2**31 - 1  # the csv module's own limit, 131,072 characters, is shorter than some completions
DATASET_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


def format_of(path: Path) -> tuple[str, str]:
    """Return a data file's format, such as `.jsonl`, and its compression, by its name; "" for what is not known."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    kind = suffixes[-1] if suffixes else ""
    known = kind in _TEXT_FORMATS or (kind == ".parquet" and not compression)
    return (kind, compression) if known else ("", "")


def stem_of(source: str) -> str:
    """Return a file's name without its endings, or the last part of a folder's path or a dataset id.

    >>> stem_of("data/answers.v2.jsonl.gz"), stem_of("org/chats")
    ('answers.v2', 'chats')
    """
    path = Path(os.path.abspath(source))  # "." has no name
    for ending in reversed(format_of(path)):
        path = path.with_suffix("") if ending else path
    return path.name


def read_records(source: str, split: str = SPLIT, config: str = "") -> Iterator[Raw]:
    """Yield the rows of a data file, a folder or a `datasets` id, each with its place (`line 3`, `row 3`).

    Args:
        source: Path, or dataset id.
        split: Of a folder or dataset id.
        config: The same; "" for its default.

    Raises:
        BenchError: If it is not there, not of a known format, damaged, or cut off.
    """
    path = Path(source).expanduser()
    kind, compression = format_of(path)
    if os.path.isfile(path) and kind:
        if (split, config) != (SPLIT, ""):
            named = f"split {split!r}, config {config!r}"
            raise BenchError(f"pool {source}", seen=named, expected="a folder or dataset id", remedy="leave them out")
        return _parquet(source, path) if kind == ".parquet" else _text_rows(path, kind, compression)
    if os.path.isdir(path):
        return _folder(source, Path(os.path.abspath(path)), split, config)
    if not os.path.isfile(path) and not kind and DATASET_ID.fullmatch(source):
        return _table(source, source, name=config or None, split=split)
    seen = "a file of another kind" if os.path.isfile(path) else "no such file"
    raise BenchError(f"pool {source}", seen=seen, expected=KNOWN, remedy="fix the path, or convert the file")


def _folder(source: str, path: Path, split: str, config: str) -> Iterator[Raw]:
    """Yield the rows of the files that `datasets` finds for a split, each file read as it is alone."""
    from datasets import load_dataset_builder

    with _said_in_one_line(source):
        files = load_dataset_builder(str(path), name=config or None).config.data_files or {}
    found = [Path(file) for file in files.get(split, ())]
    kinds = {format_of(file)[0] for file in found}
    if not found or "" in kinds:  # a part of a split, or a kind that `datasets` alone can read
        yield from _table(source, str(path), name=config or None, split=split)
        return
    others = sorted(file.name for file in path.iterdir() if format_of(file)[0] in MAIN_KINDS - kinds)
    if others:
        raise BenchError(
            f"pool {source}",
            seen=f"files of more than one kind: {found[0].name} and {', '.join(others)}",
            expected="one kind, as `datasets` reads a folder",
            remedy="convert the others or take them out, or name a single file",
        )
    for file in found:
        for place, row in read_records(str(file)):
            yield f"{file.relative_to(path)}, {place}", row


def _parquet(source: str, path: Path) -> Iterator[Raw]:
    return _table(source, "parquet", data_files=str(path), split="train", keep_in_memory=True)


def _table(source: str, *arguments: str, **options: Any) -> Iterator[Raw]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    with _said_in_one_line(source):
        table = load_dataset(*arguments, **options)
        for number, row in enumerate(table, start=1):  # texts are decoded here, and may be no UTF-8
            yield f"row {number}", row


@contextmanager
def _said_in_one_line(source: str) -> Iterator[None]:
    """Turn whatever `datasets` raises into the user's error, in one line, with the cause that it keeps to itself."""
    try:
        yield
    except Exception as error:
        cause = error.__cause__ or error
        raise BenchError(
            f"pool {source}",
            seen=f"{type(cause).__name__}: {' '.join(str(cause).split())}",
            expected="a file, folder or dataset id that `datasets` can load, and a split and config that it has",
            remedy="fix the path, id, split or config, or check the network",
        ) from error


def _text_rows(path: Path, kind: str, compression: str) -> Iterator[Raw]:
    place = "its beginning"
    try:
        with _open(path, compression) as file:
            for place, row in _TEXT_FORMATS[kind](file, kind):
                yield place, row
    except (OSError, csv.Error, ValueError) as error:  # cut off, no table, no UTF-8
        raise BenchError(
            f"pool {path}",
            seen=f"after {place}: {error}",
            expected=f"a whole {kind}{compression} file in UTF-8",
            remedy="restore the file, or save it as UTF-8",
        ) from error


def _open(path: Path, compression: str) -> BinaryIO:
    if not compression:
        return path.open("rb")
    from pyarrow import input_stream

    stream = input_stream(str(path), compression=COMPRESSIONS[compression])  # an error where the file is cut off
    return cast(BinaryIO, io.BufferedReader(stream))


def _json_rows(file: BinaryIO, kind: str) -> Iterator[Raw]:
    """Yield the rows of an array, or of a file with one object a line: both are found under either ending."""
    begun = False
    for number, line in enumerate(file, start=1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, as Excel and PowerShell write it
        if not line.strip():
            continue
        if not begun and line.lstrip().startswith(b"["):
            yield from _array(line + file.read())
            return
        row = _object(line)
        if not begun and kind == ".json" and isinstance(row, Exception):
            raise ValueError("neither an array of rows nor one JSON object a line")
        begun = True
        yield f"line {number}", row


def _array(text: bytes) -> Iterator[Raw]:
    rows = _object(text)
    if isinstance(rows, Exception):
        yield "array", rows
        return
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


def _object(line: bytes) -> Any:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return ValueError(f"not UTF-8, byte {error.start + 1}")
    try:
        return parse_json(text)
    except ValueError as error:
        return error


def _table_rows(file: BinaryIO, kind: str) -> Iterator[Raw]:
    """Yield the rows of a table with a header; an empty cell is no value, as text has no other way to say so."""
    csv.field_size_limit(MAX_CELL)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.DictReader(text, strict=True, delimiter="\t" if kind == ".tsv" else ",")
    names = [name for name in reader.fieldnames or () if name]
    if len(set(names)) < len(names):
        raise csv.Error(f"a column occurs twice in the header: {', '.join(names)}")
    for number, row in enumerate(reader, start=1):
        surplus = row.pop(None, None)  # where the module puts them
        cells = {key: value or None for key, value in row.items() if key}
        yield f"row {number}", cells if surplus is None else ValueError("more cells than the header has columns")


_TEXT_FORMATS: dict[str, Callable[[BinaryIO, str], Iterator[Raw]]] = {
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".json": _json_rows,
    ".csv": _table_rows,
    ".tsv": _table_rows,
}
