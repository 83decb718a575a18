"""Read the files that users write, and write files complete or not at all."""

import json
import os
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from bench.errors import BenchError, unknown, unwritable, validation_error
from bench.plain_data import parse_json, plain_data

Record = TypeVar("Record", bound=BaseModel)
MAX_BYTES = 2**28  # of a file that is read whole; rows and records take less than a thousandth


def read_bytes(path: Path, expected: str = "a file", remedy: str = "fix the path") -> bytes:
    """Read a file whole.

    Args:
        path: Of the file.
        expected: What it should be, for messages.
        remedy: What the user does where it is not.

    Raises:
        BenchError: If it is not there, no regular file (a pipe would never end), too large or not readable.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            seen = "a folder" if stat.S_ISDIR(found.st_mode) else "neither file nor folder, such as a pipe or device"
        elif found.st_size > MAX_BYTES:
            seen = f"{found.st_size / 2**20:,.0f} MiB, more than {MAX_BYTES / 2**20:,.0f}"
        else:
            return path.read_bytes()
    except FileNotFoundError:
        seen = "no such file"
    except OSError as error:
        seen = f"not readable: {error.strerror}"
    except ValueError as error:  # a NUL character in the path
        seen = f"no path: {error}"
    raise BenchError(str(path), seen=seen, expected=expected, remedy=remedy)


def read_text(path: Path, expected: str = "a text file", remedy: str = "") -> str:
    """Read a text file, without the byte order mark that some editors write; arguments and errors as `read_bytes`.

    Raises:
        BenchError: Also if it is not UTF-8.
    """
    try:
        return read_bytes(path, expected, remedy or "fix the path").decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BenchError(
            str(path),
            seen=f"byte {error.start + 1} is not UTF-8",
            expected=expected if remedy else "UTF-8 text",
            remedy=remedy or "save it as UTF-8",
        ) from error


def json_lines(path: Path, what: str, expected: str) -> Iterator[tuple[str, Any]]:
    """Read a JSONL file.

    Args:
        path: Of the file.
        what: How messages call it.
        expected: What a line should be, for messages.

    Yields:
        Where each line stands, for messages, and its value; blank lines are left out.

    Raises:
        BenchError: If the file cannot be read, has no lines, or one is no JSON.
    """
    lines = [(n, line) for n, line in enumerate(read_text(path, "a JSONL file").split("\n"), start=1) if line.strip()]
    if not lines:
        raise BenchError(f"{what} {path}", seen="no lines", expected=expected, remedy="write some, or leave it out")
    for number, line in lines:
        where = f"{what} {path}, line {number}"
        try:
            yield where, parse_json(line)
        except ValueError as error:
            raise BenchError(where, seen=f"no JSON: {error}", expected=expected, remedy="fix that line") from error


def toml_names(folder: Path) -> list[str]:
    """Return the names of the TOML files in a folder of the package, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def find_toml(kind: str, name: str, built_in: Path, folder: Path = Path()) -> Path:
    """Return the path of a TOML file that is given by name or by path.

    Args:
        kind: What it is, for messages: `suite`, `recipe`, ...
        name: Name of a file in `built_in`, or a path that ends with `.toml`.
        built_in: Folder of those that come with the package.
        folder: Where a relative path starts from.

    Raises:
        BenchError: If there is no such file.
    """
    if not name.endswith(".toml"):
        if name not in toml_names(built_in):
            raise unknown(kind, name, toml_names(built_in))
        return built_in / f"{name}.toml"
    path = folder / name
    if not os.path.isfile(path):
        raise BenchError(
            f"{kind} {name}",
            seen="no such file",
            expected=f"a file {path}, or one of: {', '.join(toml_names(built_in))}",
            remedy="fix the path",
        )
    return path


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file as plain data.

    Args:
        path: Of the file.
        what: How messages call it.

    Raises:
        BenchError: If it is not valid TOML.
    """
    try:
        found: dict[str, Any] = plain_data(tomllib.loads(read_text(path, "a TOML file")))
    except (ValueError, RecursionError) as error:
        raise BenchError(what, seen=str(error), expected="valid TOML", remedy="fix that line") from error
    return found


def load_toml(path: Path, what: str, record: type[Record]) -> Record:
    """Read a TOML file as a record.

    Args:
        path: Of the file.
        what: How messages call it.
        record: Its schema.

    Raises:
        BenchError: If it is not valid TOML, or a key or value is wrong.
    """
    return validated(read_toml(path, what), what, record)


def validated(values: Mapping[str, Any], what: str, record: type[Record]) -> Record:
    """Make a record of plain data.

    Raises:
        BenchError: If a key or value is wrong; all of them are named.
    """
    try:
        return record.model_validate(values)
    except ValidationError as error:
        raise validation_error(what, error) from error


def read_json(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: Of the file.
        what: What it should be, for messages.
        remedy: What the user does where it is not.

    Raises:
        BenchError: If it is not there or not such a file.
    """
    try:
        value = parse_json(read_text(path, what, remedy))
        if not isinstance(value, dict):
            raise ValueError(f"{type(value).__name__} in place of an object")
    except ValueError as error:
        raise BenchError(str(path), seen=f"damaged: {error}", expected=what, remedy=remedy) from error
    return value


def read_record(path: Path, record: type[Record], what: str, remedy: str) -> Record:
    """Read a JSON file as a record.

    Args:
        path: Of the file.
        record: Its schema.
        what: What it should be, for messages.
        remedy: What the user does where it is not.

    Raises:
        BenchError: If it is not there, not JSON, or not of this schema.
    """
    return validated(read_json(path, what, remedy), str(path), record)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path for a file or folder, which takes the place of `path` when the block is done.

    A block that fails or is killed leaves `path` as it was.

    Raises:
        BenchError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-") as scratch:
            yield Path(scratch) / path.name
            if path.is_dir():
                shutil.rmtree(path)
            os.replace(Path(scratch) / path.name, path)
    except OSError as error:
        raise unwritable(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, complete or not at all.

    Raises:
        BenchError: If it cannot be written.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: BaseModel | dict[str, Any]) -> None:
    """Write a record or plain data as JSON, complete or not at all.

    Raises:
        BenchError: If it cannot be written.
    """
    text = value.model_dump_json(indent=1) if isinstance(value, BaseModel) else json.dumps(value, indent=1)
    write_text(path, text + "\n")


@contextmanager
def locked(path: Path, busy: BenchError) -> Iterator[None]:
    """Hold a lock file while the block runs; the lock of a killed process is free again.

    Args:
        path: Of the lock file.
        busy: Raised if another process or thread holds it.

    Raises:
        BenchError: `busy`, or that the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path).acquire(timeout=0)
    except Timeout as error:
        raise busy from error
    except OSError as error:
        raise unwritable(path, error) from error
    with held:
        yield
