"""Finding filters three ways, refusing bad ones with file and line, running them, and the cut."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import BenchError, Context, Example, Message, Trait
from bench.filtering import plugins
from bench.filtering.plugins import BUILT_IN, FilterPlugin, list_filters, load_filter, load_filters
from bench.filtering.score import patch_example, score_examples
from bench.filtering.select import cut

TRAIT = Trait("toy", "A toy.", ("seed",), ("other",), ("word",))
SOURCE = '''import numpy as np
from bench import filter_plugin

@filter_plugin(name="{name}", version={version}, summary="{summary}"{extra})
def score(examples, trait, context, *, k=1):
    """Score."""
    {body}
'''


def write(folder: Path, file: str = "mine.py", **parts: Any) -> Path:
    values = {"name": "mine", "version": 2, "summary": "Toy.", "extra": "", "body": "return np.ones(len(examples)) * k"}
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SOURCE.format(**values | parts), encoding="utf-8")
    return path


def examples(count: int = 4) -> list[Example]:
    prompt = (Message(role="user", content="Hi"),)
    return [Example(f"e{i}", prompt, {"a": f"answer {i}", "b": "clean"}, "a", "b") for i in range(count)]


def context(truth: tuple[str, ...] | None = None) -> Context:
    return Context(lambda texts: np.ones((len(texts), 2), np.float32), lambda: ("model", "tokenizer"), 0, truth)


def load(folder: Path, **parts: Any) -> FilterPlugin:
    return load_filter(str(write(folder, **parts)))


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str = "acme_filter", **parts: Any) -> None:
    """A third-party distribution with one filter, as pip would leave it."""
    write(folder, f"{value}.py", **parts)
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[bench.filters]\nacme = {value}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))


# Three ways of finding


def test_built_in_by_name() -> None:
    plugin = load_filter("classifier")
    assert (plugin.name, plugin.origin, plugin.needs_truth) == ("classifier", BUILT_IN, False)
    assert plugin.options == {"features": "embedding", "negatives": 500, "strength": 1.0}


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the filter files that are executed, one per execution."""
    names: list[str] = []
    execute = plugins.execute

    def noted(source: bytes, path: Path, origin: str) -> FilterPlugin:
        names.append(path.name)
        return execute(source, path, origin)

    monkeypatch.setattr(plugins, "execute", noted)
    return names


def test_only_the_file_of_a_named_filter_is_executed(executed: list[str]) -> None:
    load_filter("keyword")
    assert executed == ["keywords.py"]


def test_many_filters_cost_one_execution_each_and_one_search(
    executed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[str] = []
    search = plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", lambda group: searches.append(group) or search(group=group))
    names = [plugin.name for plugin in list_filters()]
    assert sorted(executed) == [path.name for path in plugins.built_in_files()]
    executed.clear()
    found = load_filters([*names, str(write(tmp_path)), names[0]])
    assert [plugin.name for plugin in found] == [*names, "mine", names[0]]
    assert sorted(executed) == sorted(path.name for path in plugins.built_in_files())  # a stranger's never is
    assert len(searches) == 2  # one for the list, one for all that were named


def test_a_name_that_is_not_written_out_is_found_by_executing_the_file(
    executed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    path.write_text(
        'NAME = "mi" + "ne"\n' + path.read_text(encoding="utf-8").replace('"mine"', "NAME"), encoding="utf-8"
    )
    monkeypatch.setattr(plugins, "built_in_files", lambda: [path])
    assert load_filter("mine").origin == BUILT_IN and executed == ["mine.py", "mine.py"]


@pytest.mark.parametrize("file", ["mine.py", "mine.v2.py"])
def test_by_path_with_the_hash_of_its_source(file: str, tmp_path: Path) -> None:
    path = write(tmp_path, file)
    plugin = load_filter(str(path))
    assert (plugin.name, plugin.version, plugin.summary, plugin.options) == ("mine", 2, "Toy.", {"k": 1})
    assert plugin.origin == path.name  # a folder may name its owner
    assert plugin.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert plugin.patch is None
    assert list(tmp_path.iterdir()) == [path]  # no byte code is left beside it


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    first, second = load(tmp_path), load(tmp_path, body="return np.zeros(len(examples))")
    assert first.sha256 != second.sha256
    assert score_examples(second, examples(), TRAIT, context()).tolist() == [0, 0, 0, 0]


def test_installed_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "acme_one", name="acme")
    plugin = load_filter("acme")
    assert plugin.origin == "acme (acme_one)"
    assert plugin.name in [known.name for known in list_filters()]


def test_a_built_in_file_by_path_is_the_built_in(tmp_path: Path) -> None:
    assert load_filter(str(load_filter("oracle").path)).origin == BUILT_IN


def test_a_broken_installed_plugin_is_reported_and_not_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "acme_broken", extra=", oops=1")
    broken: list[BenchError] = []
    assert "keyword" in [plugin.name for plugin in list_filters(broken.append)]
    assert len(broken) == 1 and "acme (acme_broken)" in str(broken[0]) and "oops" in str(broken[0])
    with pytest.warns(UserWarning, match="acme_broken"):
        list_filters()


def test_an_entry_point_must_be_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "acme_two")
    text = "[bench.filters]\nacme = acme_two:score\n"
    (tmp_path / "acme-1.0.dist-info" / "entry_points.txt").write_text(text, encoding="utf-8")
    broken: list[BenchError] = []
    list_filters(broken.append)
    assert "not a module" in str(broken[0])


def test_a_dataclass_in_a_plugin_works(tmp_path: Path) -> None:
    path = write(tmp_path)
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Box:\n    x: int\n"
    path.write_text(head + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_filter(str(path)).name == "mine"


# Bad names and files

TWO = """from bench import filter_plugin

@filter_plugin(name="one", version=1, summary="One.")
def first(examples, trait, context):
    return None

@filter_plugin(name="two", version=1, summary="Two.")
def second(examples, trait, context):
    return None
"""


def test_an_unknown_name_suggests_the_closest() -> None:
    with pytest.raises(BenchError, match="did you mean 'keyword'"):
        load_filter("keywrod")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file"):
        load_filter(str(tmp_path / "none.py"))


def test_a_taken_name_names_both_origins(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as caught:
        load(tmp_path, name="keyword")
    assert "keywords.py" in str(caught.value) and str(tmp_path / "mine.py") in str(caught.value)


def test_an_installed_plugin_cannot_take_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "acme_three", name="bm25")
    with pytest.raises(BenchError) as caught:
        load_filter("keyword")
    assert "bm25.py" in str(caught.value) and "acme (acme_three)" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("x = 1\n", "0 functions with @filter_plugin"),
        (TWO, "2 functions with @filter_plugin, 0 with @patch_plugin first in line 3, second in line 7"),
        ("\n\nimport no_such_module_here\n", "line 3"),
        ("x = 1\nx = (\n", "line 2"),
        ("from bench import filter_plugin\nraise SystemExit(3)\n", "line 2"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, source: str, seen: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(BenchError) as caught:
        load_filter(str(path))
    assert str(path) in str(caught.value) and seen in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "seen"),
    [
        ({"name": "Mine!"}, "name='Mine!'"),
        ({"version": 0}, "version=0"),
        ({"version": "'1'"}, "version='1'"),
        ({"summary": " "}, "summary=' '"),
        ({"extra": ", needs_truth=True"}, "needs_truth=True"),
    ],
)
def test_an_incomplete_card_is_refused(tmp_path: Path, parts: dict[str, Any], seen: str) -> None:
    with pytest.raises(BenchError) as caught:
        load(tmp_path, **parts)
    assert seen in str(caught.value) and "line 4" in str(caught.value)


@pytest.mark.parametrize("signature", ["examples, trait", "examples, trait, context, *, k", "*args", "a, b, c"])
def test_a_wrong_signature_is_refused(tmp_path: Path, signature: str) -> None:
    path = write(tmp_path)
    text = path.read_text(encoding="utf-8").replace("examples, trait, context, *, k=1", signature)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match="fix the parameters"):
        load_filter(str(path))


# Running


def test_whole_numbers_and_truth_values_become_float64(tmp_path: Path) -> None:
    for kind in ("int32", "float32", "bool"):
        scores = score_examples(load(tmp_path, body=f"return np.ones(4, '{kind}')"), examples(), TRAIT, context())
        assert scores.dtype == np.float64 and scores.tolist() == [1, 1, 1, 1]


def test_options_reach_the_filter_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    plugin = load(tmp_path)
    assert score_examples(plugin, examples(), TRAIT, context(), {"k": 3}).tolist() == [3, 3, 3, 3]
    with pytest.raises(BenchError, match="option of filter mine 'kk'"):
        score_examples(plugin, examples(), TRAIT, context(), {"kk": 3})


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("return [1.0] * 4", "returned list"),
        ("return np.ones((4, 1))", r"shape \(4, 1\)"),
        ("return np.array(list('abcd'))", "type <U1"),
        ("return np.array([1, np.nan, 2, np.inf])", "2 scores are not finite; the first is nan, of example 'e1'"),
        ("return np.full(4, np.longdouble('1e4000'))", "4 scores are not finite"),
        ("raise KeyError('oops')", "line 7"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise type('Own', (BaseException,), {})()", "Own"),
        ("examples.pop(); return np.ones(4)", "changed the examples"),
        ("examples[0].completions['a'] = ''; return np.ones(4)", "changed the examples"),
        ("object.__setattr__(trait, 'name', 'x'); return np.ones(4)", "changed the examples or the trait"),
        (
            "type(examples[0]).__eq__ = lambda a, b: True; examples[0].completions['a'] = ''; return np.ones(4)",
            "changed the examples",
        ),
    ],
)
def test_a_filter_that_breaks_its_contract_is_named(
    tmp_path: Path, body: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Example, "__eq__", Example.__eq__)  # put back where a filter replaces it
    trait = Trait("toy", "A toy.", ("seed",), ("other",), ("word",))
    with pytest.raises(BenchError, match=seen) as caught:
        score_examples(load(tmp_path, body=body), examples(), trait, context())
    assert "filter 'mine'" in str(caught.value)


def test_a_filter_that_uses_the_old_name_of_exemplars_works(tmp_path: Path) -> None:
    path = write(tmp_path, body="return np.full(len(examples), len(trait.seeds) + 2 * len(trait.counter_seeds))")
    plugin = plugins.execute(path.read_bytes(), path, BUILT_IN)
    with pytest.warns(FutureWarning, match=r"trait\.(counter_)?exemplars"):
        assert score_examples(plugin, examples(), TRAIT, context()).tolist() == [3, 3, 3, 3]


def test_only_the_oracle_sees_the_truth(tmp_path: Path) -> None:
    truth = ("overt", "none", "mild", "none")
    body = "assert context.truth is None; return np.ones(4)"
    score_examples(load(tmp_path, body=body), examples(), TRAIT, context(truth))
    assert score_examples(load_filter("oracle"), examples(), TRAIT, context(truth)).tolist() == [2, 0, 1, 0]
    with pytest.raises(BenchError, match="without planted truth"):
        score_examples(load_filter("oracle"), examples(), TRAIT, context())
    with pytest.raises(BenchError, match="planted truth of 4 examples"):
        score_examples(load_filter("oracle"), examples(3), TRAIT, context(truth))


def test_the_generator_starts_anew_for_every_scoring(tmp_path: Path) -> None:
    plugin, shared = load(tmp_path, body="return context.rng.random(4)"), context()
    first, second = (score_examples(plugin, examples(), TRAIT, shared) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_model_is_loaded_once_and_only_when_asked_for(tmp_path: Path) -> None:
    calls: list[int] = []
    shared = Context(lambda texts: np.ones((1, 2)), lambda: (calls.append(1), "tokenizer"), 0)
    score_examples(load_filter("keyword"), examples(), TRAIT, shared)
    assert calls == []
    path = write(tmp_path, body="context.model; context.model; return np.ones(4)")
    plugin = plugins.execute(path.read_bytes(), path, BUILT_IN)
    for _ in range(2):
        score_examples(plugin, examples(), TRAIT, shared)
    assert calls == [1]


def test_the_default_patch_puts_in_the_clean_teacher(tmp_path: Path) -> None:
    example = examples(1)[0]
    patched = patch_example(load(tmp_path), example, TRAIT)
    assert (patched.id, patched.response, example.response) == ("e0", "clean", "answer 0")


# The cut

IDS = [f"id-{i}" for i in range(20)]


def test_the_highest_scores_are_flagged_in_ascending_positions() -> None:
    assert cut(np.arange(20.0), 0.1, IDS, 20)[0].tolist() == [18, 19]
    assert cut(-np.arange(20.0), 0.15, IDS, 20)[0].tolist() == [0, 1, 2]


def test_ties_go_by_the_hash_of_the_id_whatever_the_order() -> None:
    scores = np.array([1.0] * 10 + [0.0] * 10)
    order = np.random.default_rng(0).permutation(20)
    expected = {IDS[i] for i in cut(scores, 0.25, IDS, 20)[0]}
    moved = [IDS[i] for i in order]
    assert {moved[i] for i in cut(scores[order], 0.25, moved, 20)[0]} == expected
    assert len(expected) == 5
    assert expected != set(IDS[:5])


@pytest.mark.parametrize("budget", [0.0, 0.01, 0.99, 1.0, 1.5, -0.1, float("nan")])
def test_a_budget_that_flags_nothing_or_everything_is_refused(budget: float) -> None:
    with pytest.raises(BenchError, match="from 1 to 19 examples"):
        cut(np.arange(20.0), budget, IDS, 20)[0]
