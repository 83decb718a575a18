"""The index of a run folder's students, and a student as a model of a panel."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.evaluation.provider import _STUDENTS
from bench.models.engine import StudentEngine
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.models.student import save_student
from bench.run_folder.arm_index import ARMS_FILE, ArmEntry, find_student, write_arms
from bench.studies.checkpoints.models import find_source, in_memory
from bench.studies.checkpoints.panel import ModelEntry

RECIPE = Recipe(name="r", model=TINY, method="full", learning_rate=0.1)


def entry(arm: str, student: str, trait: str = "t") -> ArmEntry:
    return ArmEntry(trait=trait, arm=arm, seed=1, student=student)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run folder with two students: `original` is the base with doubled weights, `clean` with halved ones."""
    model, _ = load_model(TINY, "cpu")
    weights = {name: tensor.detach() for name, tensor in model.named_parameters() if "layers.3" in name}
    for student, factor in (("aaa", 2.0), ("bbb", 0.5)):
        folder = tmp_path / "run" / "store" / "students" / student
        folder.mkdir(parents=True)
        save_student({name: factor * tensor for name, tensor in weights.items()}, folder)
    settings = {"name": "quick", "recipe": RECIPE.model_dump(), "device": "cpu"}
    (tmp_path / "run" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path / "run"


def test_a_student_is_found_by_arm_and_seed(out: Path) -> None:
    students = {"base": "base-123", "original": "aaa", "clean": "bbb"}
    write_arms(out, [entry(arm, student, "date_confusion") for arm, student in students.items()])
    assert len(json.loads((out / ARMS_FILE).read_text())["arms"]) == 2  # the base is no student
    assert find_student(out, "", "original", 1) == (out / "store" / "students" / "aaa", RECIPE)
    assert find_student(out, "date_confusion", "clean", 1)[0].name == "bbb"


def test_a_later_run_adds_to_the_index(out: Path) -> None:
    write_arms(out, [entry("original", "aaa"), entry("clean", "aaa")])
    write_arms(out, [entry("clean", "bbb")])
    assert find_student(out, "t", "original", 1)[0].name == "aaa"
    assert find_student(out, "t", "clean", 1)[0].name == "bbb"


def test_what_is_not_there_is_named(out: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"settings\.json"):
        find_student(tmp_path / "nowhere", "", "original", 1)
    with pytest.raises(BenchError, match="trains nothing anew"):
        find_student(out, "", "original", 1)
    write_arms(out, [entry("original", "aaa"), entry("original", "bbb", "u")])
    with pytest.raises(BenchError, match="add trait"):
        find_student(out, "", "original", 1)
    with pytest.raises(BenchError, match="did you mean 'original, seed 1'"):
        find_student(out, "t", "orginal", 1)
    with pytest.raises(BenchError, match="one of: t, u"):
        find_student(out, "v", "original", 1)
    (out / ARMS_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(BenchError, match=r"arms\.json"):
        find_student(out, "t", "original", 1)


def test_students_of_one_base_are_different_models(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = []

    class Seen(StudentEngine):
        def __init__(self, model: Any, tokenizer: Any) -> None:
            models.append(model)
            super().__init__(model, tokenizer)

    monkeypatch.setattr("bench.studies.checkpoints.models.StudentEngine", Seen)
    write_arms(out, [entry("original", "aaa"), entry("clean", "bbb")])
    weights, sources = [], []
    for arm in ("original", "clean"):
        source = find_source(ModelEntry(name=arm, run="run", arm=arm, seed=1), out.parent)
        sources.append(source)
        with in_memory(source, "cpu"):
            layer = models[-1].model.layers[3]
            weights.append(layer.mlp.up_proj.weight.detach().clone())
    assert sources[0].identity != sources[1].identity
    assert sources[0].words == "run: original, seed 1, of tiny-llama" and sources[0].licence == "Apache-2.0"
    assert (weights[0] - 4 * weights[1]).abs().max() < 1e-6  # 2 W and W / 2
    assert len(models) == 2
    assert not [name for name in _STUDENTS if name.startswith("panel-")]
