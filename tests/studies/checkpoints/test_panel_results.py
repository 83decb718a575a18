"""Means and comparisons of models, against numbers worked out by hand."""

from collections.abc import Sequence

import pytest

from bench.errors import BenchError
from bench.outcomes import SampleScores
from bench.stats import effects
from bench.stats.equivalence import compare
from bench.studies.checkpoints.results import chosen_score, model_means, score_names


def scores(values: Sequence[float | None], ids: Sequence[str] = (), families: Sequence[str] = ()) -> SampleScores:
    names = list(ids) or [f"p{i}" for i in range(len(values))]
    return SampleScores(
        values={"s": list(values)},
        ids={"s": names},
        families={"s": list(families) or names},
        tasks={"t": 1},
        logs=["log"],
        seconds=1.0,
    )


def test_models_are_paired_by_prompt_whatever_the_order() -> None:
    """Equal scores on every prompt leave no width to the difference, though each mean is uncertain."""
    values = [0.0, 1.0] * 20
    names = [f"p{i}" for i in range(40)]
    means = model_means({"a": scores(values, names), "b": scores(values[::-1], names[::-1])}, "s", (0, 1))
    found = compare(means, "b", "a", 0.1)
    assert found.contrast == "b - a"
    assert found.difference.value == found.difference.low == found.difference.high == 0.0
    alone = effects.mean(means, "a")
    assert alone.value == 0.5 and alone.high is not None and alone.high > 0.6


@pytest.mark.parametrize(
    ("better", "margin", "outcome"),
    [(0, 0.1, "no effect"), (60, 0.1, "effect"), (12, 0.1, "unclear"), (60, 0.9, "no effect")],
)
def test_verdicts(better: int, margin: float, outcome: str) -> None:
    a, b = [0.0] * 60 + [1.0] * 60, [1.0] * better + [0.0] * (60 - better) + [1.0] * 60
    means = model_means({"a": scores(a), "b": scores(b)}, "s", (0, 1))
    found = compare(means, "b", "a", margin)
    assert found.difference.value == pytest.approx(better / 120)
    assert found.outcome == outcome


def test_a_prompt_asked_twice_counts_as_its_mean() -> None:
    means = model_means({"a": scores([0.0, 1.0, 1.0, None], ["p", "p", "q", "q"])}, "s", (0, 1))
    assert float(means.point["a"]) == pytest.approx(0.75)
    assert means.extent["a"].prompts == 2


def test_what_does_not_apply_is_left_out() -> None:
    means = model_means({"a": scores([None] * 10 + [1.0, 0.0] * 10), "b": scores([None] * 30)}, "s", (0, 1))
    assert effects.mean(means, "a").value == 0.5 and means.extent["a"].prompts == 20
    assert effects.mean(means, "b").value is None
    assert compare(means, "b", "a", 0.1).outcome == "not estimable"


def test_families_widen_the_interval() -> None:
    values = ([1.0] * 10 + [0.0] * 10) * 3
    alone = effects.mean(model_means({"a": scores(values)}, "s", (0, 1)), "a")
    together = effects.mean(model_means({"a": scores(values, (), [str(i // 10) for i in range(60)])}, "s", (0, 1)), "a")
    assert alone.low is not None and together.low is not None and together.low < alone.low - 0.05


def test_no_note_speaks_of_training_seeds_or_arms() -> None:
    means = model_means({"a": scores([0.0, 1.0] * 20), "b": scores([0.0] * 40)}, "s", (0, 1))
    assert effects.mean(means, "a").note == effects.mean(means, "b").note == ""
    assert compare(means, "a", "b", 0.1).difference.note == ""


def test_the_only_score_needs_no_name() -> None:
    assert score_names({"a": scores([1.0]), "b": scores([0.0])}) == ["s"]
    assert chosen_score("", ["s"], "t") == "s"
    for wanted, names in (("x", ["s"]), ("", ["s", "r"])):
        with pytest.raises(BenchError, match="score of eval t"):
            chosen_score(wanted, names, "t")
