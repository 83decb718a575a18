"""Filters that an installed package brings: nothing of the package is imported, or changes anything, in the run."""

import hashlib
import py_compile
import shutil
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_hostile_plugins import LOOKING, SOURCE, TRAIT, TRUTH, examples

from bench import BenchError, Context, list_filters
from bench.filtering.isolation import IsolatedScore
from bench.filtering.plugins import load_filter
from bench.filtering.score import patch_example, score_examples
from bench.stats import effects

FOUND = "\n    return np.full(n, float(len(hits)))"
PATCH = """
@patch_plugin
def patch(example, trait):
    from dataclasses import replace
    return replace(example, completions={**example.completions, 'a': f'mended {os.getpid()}'})
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, body: str = "    pass", *, tail: str = "", package: str = "", entry: str = "acme.mine") -> Path:
    """Install a distribution with one filter in a package, as pip would leave it; return the filter's file."""
    folder, facts = site / "acme", site / "acme-1.0.dist-info"
    folder.mkdir()
    facts.mkdir()
    (folder / "__init__.py").write_text(package, encoding="utf-8")
    (folder / "parts.py").write_text("HALF = 0.5\n", encoding="utf-8")
    (folder / "mine.py").write_text(SOURCE.format(body=body) + tail, encoding="utf-8")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[bench.filters]\nhostile = {entry}\n", encoding="utf-8")
    return folder / "mine.py"


def scored() -> list[float]:
    context = Context(lambda texts: np.ones((len(texts), 2), np.float32), lambda: None, 0, TRUTH)  # type: ignore[arg-type, return-value]
    scores: list[float] = score_examples(load_filter("hostile"), examples(), TRAIT, context).tolist()
    assert not [name for name in sys.modules if name.split(".")[0] == "acme"]
    return scores


def few(*values: str) -> list[Any]:
    """The first value as it is, the others, half a second each, as `slow`."""
    return [pytest.param(value, marks=[pytest.mark.slow] * (number > 0)) for number, value in enumerate(values)]


@pytest.mark.parametrize("where", few("gc", "frames", "modules"))
def test_it_finds_no_truth(where: str, site: Path) -> None:
    lines = LOOKING[where].replace("\n        ", "\n").strip().split("\n")
    install(site, "".join(f"    {line}\n" for line in lines) + FOUND)
    assert scored() == [0, 0, 0, 0]


@pytest.mark.parametrize("place", few("package", "module", "scoring", "patch"))
def test_what_it_replaces_in_the_suite_stays_in_its_process(place: str, site: Path) -> None:
    replacing = "from bench.stats import effects; effects.removal = None"
    places = {"package": {"package": replacing}, "module": {"tail": replacing}, "scoring": {"body": f"    {replacing}"}}
    mending = {"patch": {"tail": PATCH.replace("    return", f"    {replacing}\n    return")}}
    before = effects.removal
    install(site, **(places | mending)[place])
    assert scored() == [0, 0, 0, 0]
    if place == "patch":
        patched = patch_example(load_filter("hostile"), examples()[0], TRAIT)
        assert patched.response.startswith("mended ")
    assert effects.removal is before is not None


@pytest.mark.parametrize("how", few("sys.exit(0)", "os._exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit"))
@pytest.mark.parametrize("place", few("package", "module"))
def test_one_that_ends_when_it_is_imported_is_left_out_and_named(how: str, place: str, site: Path) -> None:
    ending = f"import os, sys\n{how}\n"
    install(site, **{"package": ending} if place == "package" else {"tail": ending})
    broken: list[BenchError] = []
    names = [plugin.name for plugin in list_filters(broken.append)]
    assert "keyword" in names and "hostile" not in names
    assert "of acme (acme.mine)" in str(broken[0]) and "mine.py" in str(broken[0])
    with pytest.warns(UserWarning, match="acme"), pytest.raises(BenchError, match="filter 'hostile'"):
        load_filter("hostile")


NO_FILTERS = ("acme.mine:score", "acme.none", "no.such", "a..b", "not a module", "os", "math", "wide.deep.mine", "")


def test_entry_points_that_name_no_filter_are_left_out_and_named(site: Path) -> None:
    install(site, entry="\n".join(["acme", *(f"e{i} = {value}" for i, value in enumerate(NO_FILTERS))]))
    (site / "wide" / "deep").mkdir(parents=True)  # namespace packages
    broken: list[BenchError] = []
    assert "keyword" in [plugin.name for plugin in list_filters(broken.append)]
    assert [error.seen.split(" with ")[0] for error in broken] == [
        "0 functions",
        *(f"{value} is not a module" for value in NO_FILTERS),
    ]


def test_a_package_in_an_archive_is_left_out_and_named(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site)
    archive = shutil.make_archive(str(site / "archive"), "zip", site, "acme")
    shutil.rmtree(site / "acme")
    monkeypatch.syspath_prepend(archive)
    broken: list[BenchError] = []
    assert "keyword" in [plugin.name for plugin in list_filters(broken.append)]
    assert [error.seen for error in broken] == ["acme.mine is not a module with a source file"]


def test_it_imports_what_lies_beside_it_and_runs_as_the_source_that_is_hashed(site: Path) -> None:
    path = install(site, "    from .parts import HALF\n    return np.full(n, HALF)")
    other = site / "other.py"
    other.write_text(SOURCE.format(body="    return np.full(n, 9.0)"), encoding="utf-8")
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH  # byte code that Python would believe
    py_compile.compile(str(other), cache_from_source(str(path)), invalidation_mode=unchecked)
    plugin = load_filter("hostile")
    assert scored() == [0.5, 0.5, 0.5, 0.5]
    assert plugin.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() and plugin.origin == "acme (acme.mine)"
    assert isinstance(plugin.score, IsolatedScore)  # for which a run notes how it was isolated


def test_a_package_that_is_the_filter_itself(site: Path) -> None:
    install(
        site, entry="acme", package=SOURCE.format(body="    from . import parts\n    return np.full(n, parts.HALF)")
    )
    assert scored() == [0.5, 0.5, 0.5, 0.5]


def test_a_wish_for_the_truth_is_refused_whatever_the_distribution_is_called(site: Path) -> None:
    path = install(site)
    path.write_text(
        path.read_text(encoding="utf-8").replace("version=1", "version=1, needs_truth=True"), encoding="utf-8"
    )
    facts = site / "acme-1.0.dist-info" / "METADATA"
    facts.write_text("Metadata-Version: 2.1\nName: built in\nVersion: 1.0\n", encoding="utf-8")
    broken: list[BenchError] = []
    list_filters(broken.append)
    assert "planted truth is for the built-in oracle alone" in broken[0].seen
