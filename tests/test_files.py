"""Files that users can break are read with a plain error; files are written complete or not at all."""

import json
import os
from pathlib import Path

import pytest

from bench import files
from bench.errors import BenchError, unknown
from bench.files import (
    find_toml,
    json_lines,
    load_toml,
    read_json,
    read_record,
    read_text,
    replacing,
    write_json,
    write_text,
)
from bench.records import Strict


class Point(Strict):
    x: int
    y: int = 0


def point(folder: Path, text: str, name: str = "point.toml") -> Path:
    (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    return folder / name


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("x = ", "Invalid value (at end of document)"),
        ("y = 1", "x: Field required"),
        ('x = 1\nz = "a"', "z: Extra inputs are not permitted"),
        ("x = 1 # \udcff", "byte 9 is not UTF-8"),
    ],
)
def test_a_mistake_in_a_toml_file_is_named(tmp_path: Path, text: str, seen: str) -> None:
    file = point(tmp_path, text)
    with pytest.raises(BenchError) as caught:
        load_toml(file, "point p", Point)
    assert caught.value.seen == seen
    assert caught.value.where == ("point p" if "UTF-8" not in seen else str(file))
    assert caught.value.expected and caught.value.remedy


def test_a_toml_file_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    built_in = tmp_path / "built_in"
    built_in.mkdir()
    inside, outside = point(built_in, "x = 1", "origin.toml"), point(tmp_path, "x = 2")
    assert find_toml("point", "origin", built_in) == inside
    assert find_toml("point", "point.toml", built_in, tmp_path) == outside
    assert load_toml(outside, "point", Point) == Point(x=2)
    assert load_toml(point(tmp_path, "\ufeffx = 3", "marked.toml"), "point", Point) == Point(x=3)
    with pytest.raises(BenchError, match="did you mean 'origin'"):
        find_toml("point", "orgin", built_in)
    with pytest.raises(BenchError, match="no such file") as caught:
        find_toml("point", "none.toml", built_in, tmp_path)
    assert str(tmp_path / "none.toml") in caught.value.expected and "origin" in caught.value.expected


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (None, "no such file"),
        ("", "damaged: "),
        ('{"x": 1', "damaged: "),
        ("[1]", "damaged: "),
        ("\udcff", "byte 1 is not UTF-8"),
    ],
)
def test_a_json_file_that_is_none_is_named_with_its_remedy(tmp_path: Path, text: str | None, seen: str) -> None:
    file = tmp_path / "point.json" if text is None else point(tmp_path, text, "point.json")
    for read in (read_json, lambda *arguments: read_record(arguments[0], Point, *arguments[1:])):
        with pytest.raises(BenchError) as caught:
            read(file, "a point", "draw it again")
        assert caught.value.seen.startswith(seen)
        assert (caught.value.where, caught.value.expected) == (str(file), "a point")
        assert caught.value.remedy == "draw it again"


def test_a_record_of_another_schema_names_its_keys(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="x: Input should be a valid integer"):
        read_record(point(tmp_path, '{"x": "a"}', "point.json"), Point, "a point", "")


def test_records_and_plain_data_come_back_as_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "point.json"
    write_json(file, Point(x=1, y=2))
    assert read_record(file, Point, "a point", "") == Point(x=1, y=2)
    write_json(file, {"x": 3, "name": "é"})
    assert read_json(file, "a point", "") == {"x": 3, "name": "é"} == json.loads(file.read_text(encoding="utf-8"))
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), unknown("point", "p", [])])
def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, error: BaseException) -> None:
    file = tmp_path / "text.txt"
    write_text(file, "before")
    with pytest.raises(type(error)) as caught, replacing(file) as partial:
        partial.write_text("half", encoding="utf-8")
        raise error
    assert caught.value is error
    assert read_text(file) == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for name in ("old", "new"):
        with replacing(target) as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="could not be written"):
        write_text(tmp_path / "file" / "below.txt", "x")
    with pytest.raises(BenchError, match="No space left") as caught, replacing(tmp_path / "full.txt"):
        raise OSError(28, "No space left on device")
    assert caught.value.where == str(tmp_path / "full.txt")


HOSTILE_JSON = {
    "deep": ("[" * 100_000, "nested"),
    "deeper than is of use": ("[" * 80 + "]" * 80, "nested"),
    "a huge integer": ('{"x": ' + "9" * 400 + "}", "an integer of 1329 bits"),
    "a number beyond float64": ('{"x": 1e999}', "not finite"),
    "not a number": ('{"x": NaN}', "not finite"),
    "half a surrogate pair": ('{"x": "\\ud800"}', "half of a surrogate pair"),
    "a key twice": ('{"x": 1, "y": {"z": 1, "z": 2}}', "the key 'z' is there twice in one object"),
    "half a pair in a key": ('{"\\ud800": 1}', "half of a surrogate pair"),
}


@pytest.mark.parametrize(("text", "seen"), HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_json_that_later_code_could_not_bear_is_refused(tmp_path: Path, text: str, seen: str) -> None:
    with pytest.raises(BenchError) as caught:
        read_json(point(tmp_path, text, "point.json"), "a point", "draw it again")
    assert seen in caught.value.seen and caught.value.remedy == "draw it again"
    with pytest.raises(BenchError, match=r"line 2") as caught:
        list(json_lines(point(tmp_path, f'{{"x": 1}}\n{text}\n', "points.jsonl"), "points", "a point a line"))
    assert seen in caught.value.seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("x = " + "[" * 100_000, "recursion"),
        ("x = " + "[" * 80 + "]" * 80, "nested"),
        ("x = nan", "not finite"),
        ("x = " + "9" * 400, "an integer of 1329 bits"),
    ],
)
def test_toml_that_later_code_could_not_bear_is_refused(tmp_path: Path, text: str, seen: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_toml(point(tmp_path, text), "point p", Point)
    assert seen in caught.value.seen


def test_what_is_no_file_is_refused_and_a_pipe_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    (tmp_path / "large.json").write_text("[1, 2, 3, 4, 5]", encoding="utf-8")
    names = {
        "pipe": "pipe or device",
        "folder": "a folder",
        "large": "MiB",
        "no": "no such file",
        "x" * 300: "too long",
    }
    for name, seen in {**names, "null\0": "null"}.items():
        with pytest.raises(BenchError) as caught:
            read_json(tmp_path / f"{name}.json", "a point", "draw it again")
        assert seen in caught.value.seen and caught.value.remedy == "draw it again"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    file = point(tmp_path, '\ufeff{"x": 1}', "point.json")
    assert read_record(file, Point, "a point", "") == Point(x=1)
    assert list(json_lines(file, "points", "a point")) == [(f"points {file}, line 1", {"x": 1})]
