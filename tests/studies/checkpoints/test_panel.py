"""Panel files: what they mean, and what is said about mistakes in them."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files import toml_names
from bench.studies.checkpoints.panel import PANELS, Panel, load_panel
from bench.studies.checkpoints.tasks import find_task

MINIMAL = """
name = "mine"
summary = "Two models"
[[models]]
name = "a"
model = "tiny-llama"
[[models]]
name = "b"
model = "tiny-llama"
[[models]]
name = "c"
model = "tiny-llama"
[[evals]]
task = "date_confusion"
"""


def panel(folder: Path, old: str = "", new: str = "") -> str:
    assert old in MINIMAL
    (folder / "panel.toml").write_text(MINIMAL.replace(old, new, 1), encoding="utf-8")
    return str(folder / "panel.toml")


def test_built_in_panels_load() -> None:
    assert toml_names(PANELS) == ["safety", "smoke"]
    for name in toml_names(PANELS):
        assert load_panel(name).name == name


@pytest.mark.parametrize("name", toml_names(PANELS))
def test_the_evals_of_built_in_panels_report_their_score_under_a_name_that_exists(name: str) -> None:
    panel = load_panel(name)
    for entry in panel.evals:
        assert find_task(entry, panel, panel.folder).prompts >= 8, entry.task


def test_all_pairs_are_compared_or_each_model_with_the_reference(tmp_path: Path) -> None:
    assert load_panel(panel(tmp_path)).pairs == [("b", "a"), ("c", "a"), ("c", "b")]
    with_reference = panel(tmp_path, 'summary = "Two models"', 'summary = "Two models"\nreference = "b"')
    assert load_panel(with_reference).pairs == [("a", "b"), ("c", "b")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('model = "tiny-llama"', 'model = "tiny-llama"\nrun = "out/quick"', "give either model or run"),
        ('model = "tiny-llama"', 'run = "out/quick"', "run needs arm"),
        ('model = "tiny-llama"', 'model = "tiny-llama"\nseed = 1', "belong to run"),
        ('model = "tiny-llama"', 'model = "tiny-llama"\nmodel_args = {a = 1}', "model_args are for models of Inspect"),
        ('model = "tiny-llama"', 'model = "inspect:gpt-4o"', "inspect:provider/name"),
        ('name = "b"', 'name = "a"', "two models are named 'a'"),
        ('summary = "Two models"', 'summary = "x"\nreference = "d"', "reference 'd' is none of the models a, b, c"),
        ('summary = "Two models"', 'summary = "x"\njudge = "model"', "needs grader"),
        ('summary = "Two models"', 'summary = "x"\nmargin = 0.0', "greater than 0"),
        ('summary = "Two models"', 'summary = "x"\nmargins = 0.1', "margins: Extra inputs"),
        ('task = "date_confusion"', 'score = "x"', "give either task or inspect_evals"),
        ('task = "date_confusion"', 'inspect_evals = "xstest"', "package/task"),
        ('task = "date_confusion"', 'task = "date_confusion"\nscale = [1, 0]', "scale is [lowest, highest]"),
        ('summary = "Two models"', "summary = Two", "Invalid value"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_panel(panel(tmp_path, old, new))
    assert said in caught.value.seen


def test_a_panel_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="did you mean 'safety'"):
        load_panel("safty")
    with pytest.raises(BenchError, match="no such file"):
        load_panel(str(tmp_path / "none.toml"))


def test_the_margin_follows_the_scale_unless_given(tmp_path: Path) -> None:
    text = MINIMAL.replace('task = "date_confusion"', 'task = "date_confusion"\nscale = [1, 10]')
    (tmp_path / "scaled.toml").write_text(text, encoding="utf-8")
    file: Panel = load_panel(str(tmp_path / "scaled.toml"))
    assert file.folder == tmp_path
    assert find_task(file.evals[0], file, Path()).margin == pytest.approx(0.9)
    own = file.evals[0].model_copy(update={"margin": 0.25})
    assert find_task(own, file, Path()).margin == 0.25
