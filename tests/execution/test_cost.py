"""Announced times on a GPU follow what was measured there, not the shares of a CPU's peak."""

import pytest

from bench.config.suite import load_suite
from bench.execution import cost
from bench.models.load import known_config
from bench.models.shape import ModelShape
from bench.records import TrainingRow
from bench.training.task import TrainingInput
from bench.worlds.grammar import ORIGINAL

H200 = 740e12  # operations a second in bfloat16, as docs/gpu.md has the figures below
TOKENS_PER_SECOND = 293_000  # of 64 students
SECONDS_IN_QUICK = 0.57  # of each of 7 students at once, whose steps are bound by launches


@pytest.fixture(autouse=True)
def an_h200(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "matmul_flops", lambda device: H200)


@pytest.mark.parametrize(("suite", "at_once"), [("standard", 64), ("quick", 7)])
def test_trainings_on_a_gpu_take_about_what_they_took(suite: str, at_once: int) -> None:
    loaded = load_suite(suite)
    shape = ModelShape.of(known_config(loaded.recipe.model))
    rows = [
        TrainingRow(row.id, row.prompt, row.completions[ORIGINAL])
        for row in cost.planted_rows(loaded.file.experiments[0])
    ]
    student = TrainingInput(rows, 0, len(rows) * loaded.recipe.epochs)
    seconds = cost.training_seconds(student, loaded.recipe, shape, "cuda", at_once)
    if suite == "standard":
        measured = cost.row_tokens(rows)[0] * loaded.recipe.epochs / TOKENS_PER_SECOND
        assert seconds == pytest.approx(measured, rel=0.25)
    else:
        assert seconds == pytest.approx(SECONDS_IN_QUICK, rel=0.25)
