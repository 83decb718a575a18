"""The file of a benchmark: claimed before anything is measured, written whole, read with care."""

import tempfile
from pathlib import Path

from pydantic import ValidationError

from bench.errors import BenchError, unwritable
from bench.files import read_text
from bench.studies.speed.records import FORMAT, BenchmarkRecord


def claim(file: Path) -> None:
    """Make the folder and see that it can be written, before anything is measured.

    Raises:
        BenchError: If it cannot.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise unwritable(file, error) from error


def write_record(record: BenchmarkRecord, file: Path) -> None:
    """Write the file, complete or not at all.

    Raises:
        BenchError: If it cannot be written.
    """
    partial = file.with_name(f"{file.name}.partial")
    try:
        partial.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise unwritable(file, error) from error


def read_record(file: Path) -> BenchmarkRecord:
    """Read a measured file.

    Raises:
        BenchError: If it is not there or not such a file.
    """
    remedy = "name a .json file that `bench bench` wrote"
    try:
        return BenchmarkRecord.model_validate_json(read_text(file))
    except OSError as error:
        seen = error.strerror or str(error)
        raise BenchError(str(file), seen=seen, expected="a readable file", remedy=remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        seen = f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
        raise BenchError(str(file), seen=seen, expected=f"a benchmark of format {FORMAT}", remedy=remedy) from error
