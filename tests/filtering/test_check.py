"""`bench check`: each broken promise is caught and named; the template passes."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.filtering.check import KINDS, check_filter, new_filter

GOOD = '''
import numpy as np
from bench import filter_plugin


@filter_plugin(name="tried", version=1, summary="Length of the response.")
def score(examples, trait, context{options}):
    """Score by length."""
    {body}
'''
LENGTHS = "np.array([float(len(e.response)) for e in examples])"


def write(folder: Path, body: str = f"return {LENGTHS}", options: str = "", more: str = "") -> str:
    path = folder / "tried.py"
    path.write_text(GOOD.format(body=body, options=options) + more, encoding="utf-8")
    return str(path)


def failed(path: str) -> dict[str, str]:
    report = check_filter(path)
    assert not report.passed
    assert all(line.remedy for line in report.lines if not line.passed)
    return {line.name: line.detail for line in report.lines if not line.passed}


def test_a_good_filter_passes_and_is_measured(tmp_path: Path) -> None:
    report = check_filter(write(tmp_path))
    assert report.passed
    assert 0 < report.seconds < 60
    assert 0 < report.megabytes < 1000


@pytest.mark.parametrize(
    ("body", "line", "detail"),
    [
        ("return list(range(len(examples)))", "works on the toy pool", "returned list"),
        ("return np.ones(3)", "works on the toy pool", "shape (3,)"),
        ("return np.full(len(examples), np.nan)", "works on the toy pool", "not finite"),
        ("return np.full(len(examples), 'x')", "works on the toy pool", "type <U1"),
        (f"examples[0].completions['original'] = 'x'; return {LENGTHS}", "works on the toy pool", "changed"),
        ("return 1 / 0", "works on the toy pool", "ZeroDivisionError"),
        (f"import time; return {LENGTHS} + time.time_ns() % 10**9", "deterministic", "120 of 120"),
        ("return np.arange(len(examples))", "permuting examples permutes scores", "depend on the order"),
        ("return context.rng.random(len(examples))", "permuting examples permutes scores", "depend on the order"),
    ],
)
def test_a_broken_promise_is_named(tmp_path: Path, body: str, line: str, detail: str) -> None:
    assert detail in failed(write(tmp_path, body))[line]


def test_drawing_from_the_context_is_deterministic(tmp_path: Path) -> None:
    body = f"return {LENGTHS} + context.rng.random()"
    assert check_filter(write(tmp_path, body)).passed


def test_an_undocumented_option_is_an_incomplete_card(tmp_path: Path) -> None:
    assert "'k'" in failed(write(tmp_path, options=", *, k=1"))["card complete"]


PATCH = """
from dataclasses import replace
from bench import patch_plugin

@patch_plugin
def patch(example, trait):
    return {}
"""


def test_a_patch_of_its_own_is_tried(tmp_path: Path) -> None:
    more = PATCH.format("replace(example, completions={'original': 'Fine.', 'clean': 'Fine.'})")
    report = check_filter(write(tmp_path, more=more))
    assert report.passed
    assert {line.name: line.detail for line in report.lines}["patches every example"] == "its own patch"


@pytest.mark.parametrize(
    ("result", "detail"),
    [
        ("'text'", "returned 'text'"),
        ("replace(example, id='another')", "returned Example"),
        ("example.completions.update(original='x') or example", "changed its input"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_bad_patch_is_named(tmp_path: Path, result: str, detail: str) -> None:
    assert detail in failed(write(tmp_path, more=PATCH.format(result)))["works on the toy pool"]


def test_a_file_that_does_not_load_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import numpy\nimport no_such_module_here\n", encoding="utf-8")
    assert "line 2" in failed(str(path))["loads, with a unique name"]
    assert "no filter" in failed("no_such_filter")["loads, with a unique name"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_filter_passes_its_check(kind: str, tmp_path: Path) -> None:
    path = new_filter("my_filter", tmp_path / "deep" / "folder", kind)
    assert path.name == "my_filter.py" and len(path.read_text(encoding="utf-8").splitlines()) <= 40
    report = check_filter(str(path))
    assert report.passed, report.lines
    assert report.plugin is not None and report.plugin.name == "my_filter"


def test_a_new_filter_of_a_kind_reads_what_it_says(tmp_path: Path) -> None:
    read = {"text": "trait.exemplars", "activation": "context.states(", "gradient": "context.gradient_products("}
    for kind in KINDS:
        text = new_filter(f"my_{kind}", tmp_path, kind).read_text(encoding="utf-8")
        assert [other for other, use in read.items() if use in text.split("Returns:")[1]] == [kind]
    with pytest.raises(BenchError, match="did you mean 'gradient'"):
        new_filter("mine", tmp_path, "gradients")


def test_a_new_filter_never_overwrites(tmp_path: Path) -> None:
    new_filter("mine", tmp_path).write_text("precious", encoding="utf-8")
    with pytest.raises(BenchError, match="a file is there"):
        new_filter("mine", tmp_path)
    assert (tmp_path / "mine.py").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["", "My-Filter", "2nd", "a/b", "../x", "class", "random", "keyword", "oracle"])
def test_a_new_filter_has_a_fitting_free_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError, match="choose another name"):
        new_filter(name, tmp_path)
    assert not list(tmp_path.iterdir())
