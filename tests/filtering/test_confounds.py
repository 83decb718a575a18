"""What else explains a flagged set: overlap with confounds and with a placebo trait, on the tiny model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures_run import run_quietly

from bench.config.suite import Suite, load_suite
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment, load_experiment
from bench.errors import BenchError
from bench.execution.session import run_settings
from bench.filtering.check import toy_grade, toy_training
from bench.filtering.confounds import add_overlaps
from bench.filtering.model_access import ModelAccess
from bench.filtering.select import Resources, select_all, suite_filters
from bench.run_folder.store import Store

SUITE = """
name = "tiny"
summary = "for tests"
recipe = "smoke"
seeds = [1]
budgets = [0.1, 0.25]
filters = ["keyword", "persona", "length", "oracle", "judge"]
grader = "a/grader"
{keys}

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = 80
reserve = 0
minimum_gap = 0.2
"""
BOTH = 'confounds = ["length", "base_loss"]\nplacebo = "blackmail"'


def suite_of(folder: Path, keys: str) -> Suite:
    path = folder / "tiny.toml"
    path.write_text(SUITE.format(keys=keys), encoding="utf-8")
    return load_suite(str(path))


def no_model() -> Any:
    raise AssertionError("filters read the tiny model through the context")


def overlapped(suite: Suite, folder: Path, trait: str = "date_confusion") -> Experiment:
    """Select and compare flags, as a run does."""
    settings = suite.file.experiments[0].model_copy(update={"trait": trait})
    experiment, plugins = load_experiment(settings, suite, no_model), suite_filters(suite)
    models = ModelAccess(*toy_training(), experiment.pool.examples())
    resources, store = Resources(Embedder(None), no_model, models, toy_grade), Store(folder / "store")
    select_all(plugins, experiment, suite, resources, store)
    add_overlaps(plugins, experiment, suite, resources, store)
    return experiment


def found(experiment: Experiment, budget: float) -> dict[str, dict[str, float]]:
    return {
        selection.filter.name: {overlap.other: overlap.jaccard for overlap in selection.overlaps[budget]}
        for selection in experiment.selections
    }


def flags(experiment: Experiment, name: str, budget: float) -> frozenset[str]:
    (selection,) = (s for s in experiment.selections if s.filter.name == name)
    return selection.flagged[budget]


def test_overlaps_are_those_of_the_flagged_sets(tmp_path: Path) -> None:
    own = overlapped(suite_of(tmp_path, BOTH), tmp_path)
    other = overlapped(suite_of(tmp_path, BOTH), tmp_path, "blackmail")  # the same rows, asked for the placebo
    for budget, flagged in ((0.1, 8), (0.25, 20)):
        seen = found(own, budget)
        keyword, length = flags(own, "keyword", budget), flags(own, "length", budget)
        assert len(keyword) == flagged and seen["keyword"]["length"] == len(keyword & length) / len(keyword | length)
        persona, placebo = flags(own, "persona", budget), flags(other, "persona", budget)
        assert seen["persona"]["placebo: blackmail"] == len(persona & placebo) / len(persona | placebo) < 1
        assert seen["length"]["placebo: blackmail"] == 1  # it knows nothing of the trait
        assert seen["length"].keys() == {"base_loss", "placebo: blackmail"}
        assert seen["oracle"].keys() == {"length", "base_loss"}
        chance = {overlap.by_chance for selection in own.selections for overlap in selection.overlaps[budget]}
        assert list(chance) == [pytest.approx(budget / (2 - budget))]
    assert found(own, 0.1)["judge"].keys() == {"length", "base_loss"}  # asking the grader again would cost money
    assert any("judge: no placebo: a grader" in note for note in own.notes)
    assert any("the trait itself" in note for note in other.notes)


def test_what_was_scored_once_is_read_from_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = suite_of(tmp_path, BOTH)
    suite = replace(suite, file=suite.file.model_copy(update={"filters": ("keyword", "persona", "length", "oracle")}))
    first = overlapped(suite, tmp_path)

    def refuse(*_: Any) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr("bench.filtering.select.score_examples", refuse)
    assert found(overlapped(suite, tmp_path), 0.1) == found(first, 0.1)


def test_no_placebo_unless_asked_for_and_unknown_names_are_refused(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "")
    assert found(overlapped(suite, tmp_path), 0.1)["keyword"].keys() == {"length"}
    with pytest.raises(BenchError, match="did you mean 'base_loss'"):
        overlapped(suite_of(tmp_path, 'confounds = ["base_los"]'), tmp_path)
    with pytest.raises(BenchError, match="did you mean 'blackmail'"):
        overlapped(suite_of(tmp_path, 'placebo = "blackmial"'), tmp_path)


@pytest.mark.parametrize("line", ['confounds = ["base_los"]', 'placebo = "blackmial"'])
def test_unknown_names_are_refused_before_anything_is_scored(tmp_path: Path, line: str) -> None:
    with pytest.raises(BenchError, match="did you mean"):
        run_quietly(suite_of(tmp_path, line), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_confound_that_lacks_its_input_is_left_out(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, 'confounds = ["judge"]')
    suite = replace(suite, file=suite.file.model_copy(update={"filters": ("keyword",)}))
    experiment = load_experiment(suite.file.experiments[0], suite, no_model)
    plugins, store = suite_filters(suite), Store(tmp_path / "store")
    resources = Resources(Embedder(None), no_model)
    select_all(plugins, experiment, suite, resources, store)
    add_overlaps(plugins, experiment, suite, resources, store)
    assert experiment.selections[0].overlaps[0.1] == ()
    assert any("confound judge: left out" in note for note in experiment.notes)


def test_a_finished_run_may_be_asked_for_further_overlaps(tmp_path: Path) -> None:
    assert run_settings(suite_of(tmp_path, BOTH), "cpu") == run_settings(suite_of(tmp_path, ""), "cpu")


def test_what_kept_a_confound_of_other_people_apart_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom bench import filter_plugin\n\n\n"
        '@filter_plugin(name="mine", version=1, summary="Flags long ones.")\n'
        "def score(examples, trait, context):\n"
        '    """Count characters."""\n'
        "    return np.array([len(example.response) for example in examples], float)\n",
        encoding="utf-8",
    )
    keys = 'confounds = ["mine.py"]'
    suite = suite_of(tmp_path, keys)
    file = suite.file.model_copy(update={"filters": ["keyword"]})
    notes = overlapped(replace(suite, file=file), tmp_path).notes
    assert [note for note in notes if "filter mine of mine.py ran in a process of its own" in note]
