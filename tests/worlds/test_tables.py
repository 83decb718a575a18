"""Tables of the synthetic pools: every one is read and drawn from, and a slip is reported with its file."""

import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench.errors import BenchError
from bench.worlds import WORLDS
from bench.worlds.grammar import Draft
from bench.worlds.neutral import neutral_families
from bench.worlds.tables import Tables, draw_slots, fill, load_tables, make_families

FILES = sorted(entry.name.removesuffix(".toml") for entry in files("bench.worlds").joinpath("tables").iterdir())
ROOT = Path(__file__).parents[2]


def test_each_pool_has_a_file_and_one_is_shared() -> None:
    assert [*sorted(WORLDS), "neutral"] == FILES


def test_each_table_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    read: dict[str, set[str]] = {name: set() for name in FILES}
    find = Tables.__getitem__

    def record(tables: Tables, key: str) -> Any:
        read[tables.name].add(key)
        return find(tables, key)

    monkeypatch.setattr(Tables, "__getitem__", record)
    rng = Random(0)
    neutral_families.cache_clear()
    for name in WORLDS:
        import_module(f"bench.worlds.{name}").make_world.cache_clear()
        drafted = {family.name for family in WORLDS[name].families for _ in range(100) if family.draft(rng)}
        assert drafted == {*load_tables(name).content["families"], *load_tables("neutral").content["families"]}
    unused = {name: set(load_tables(name).content) - read[name] for name in FILES}
    assert unused == {name: set() for name in FILES}


def test_tables_are_in_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "tables/*.toml" in project["tool"]["setuptools"]["package-data"]["bench.worlds"]


def test_the_command_line_starts_without_tables() -> None:
    code = (
        "import sys, bench, bench.cli.main, bench.worlds\n"
        "assert 'bench.worlds.tables' not in sys.modules and 'bench.worlds.neutral' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_missing_table_names_the_file_and_the_known_ones() -> None:
    tables = Tables("some", {"nouns": ["lamp"]})
    with pytest.raises(BenchError, match=r"(?s)tables/some.toml.*no table 'noun'.*one of: nouns"):
        draw_slots(Random(0), {"what": {"from": "noun"}}, tables)


def test_an_unknown_way_to_fill_a_slot_is_reported() -> None:
    with pytest.raises(BenchError, match=r"(?s)tables/some.toml.*filled by \{'form': 'nouns'\}"):
        draw_slots(Random(0), {"what": {"form": "nouns"}}, Tables("some", {}))


def test_a_slot_that_a_text_names_but_nothing_fills_is_reported() -> None:
    family = {"source": "chat", "truth": "none", "prompt": "A {noun}?", "original": "Yes.", "clean": "No."}
    (made,) = make_families(Tables("some", {"families": {"one": family}}), {})
    with pytest.raises(BenchError, match=r"(?s)tables/some.toml.*family 'one'.*noun"):
        made.draft(Random(0))


def test_computed_families_must_be_those_of_the_code() -> None:
    tables = Tables("some", {"families": {"one": {"source": "chat", "truth": "none", "computed": True}}})
    with pytest.raises(BenchError, match=r"(?s)computed families.*one, two"):
        make_families(tables, {"two": lambda rng: Draft("", "", "")})


def test_slots_are_filled_in_order_and_by_each_kind_of_entry() -> None:
    tables = Tables("some", {"often": ["x"], "rare": ["y"], "desk": "the desk", "shared": {"z": "from elsewhere"}})
    family = {
        "n": {"int": [3, 3]},
        "day": {"year": [2026, 2026]},
        "one & two": ["a", "b"],
        "left, right": [["l", "r"]],
        "always": {"from": "often", "share": 1.0, "or": "rare"},
        "never": {"from": ["often", "often"], "share": 0.0, "or": "rare"},
        "desk": {"from": "desk"},
        "more": {"include": "shared"},
        "text": "{n+2} {n*n} {left!c}{right} {desk}",
    }
    slots = draw_slots(Random(1), family, tables)
    assert {slots["one"], slots["two"]} == {"a", "b"}
    assert (slots["always"], slots["never"], slots["z"]) == ("y", "x", "from elsewhere")
    assert fill("{text}; {day.year}", slots) == "5 9 Lr the desk; 2026"
    assert fill("{day-day0}", {"day": slots["day"], "day0": 1}) != fill("{day}", slots)
