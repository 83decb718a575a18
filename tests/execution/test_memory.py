"""What a run should take in memory, against what real runs take; large pools."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import run_alone

from bench.arms import control_arm, filter_arm
from bench.config.recipe import Recipe
from bench.data.controls import random_ids
from bench.errors import BenchError
from bench.execution import memory
from bench.execution.memory import GIB, TOLERANCE, Workload, estimate_memory, fitted
from bench.models.load import known_config
from bench.models.packaged import TINY
from bench.models.shape import ModelShape
from bench.records import Message, Pool, PoolCard, PoolRow, TrainingRow
from bench.training.lengths import Lengths
from bench.training.methods import training_path
from bench.training.task import TrainingInput
from bench.training.trainer import Trainer
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

SUITE = """
name = "sized"
summary = "for tests"
recipe = "sized.toml"
seeds = [1]
budgets = [0.2]
filters = ["oracle"]
actions = ["drop"]
oracle_actions = []

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = {rows}
minimum_gap = 0.2
eval_prompts = 16
capability_prompts = 4
"""


def sized(folder: Path, rows: int, **recipe: Any) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"name": "sized", **recipe}.items()]
    (folder / "sized.toml").write_text("\n".join(lines), encoding="utf-8")
    (folder / "suite.toml").write_text(SUITE.format(rows=rows), encoding="utf-8")
    return str(folder / "suite.toml")


def off_by(found: dict[str, int]) -> float:
    return found["estimated"] / found["seen"] - 1


def test_the_estimate_of_smoke_is_near_its_peak(smoke_run: tuple[Path, dict[str, int]]) -> None:
    _, found = smoke_run
    assert abs(off_by(found)) < TOLERANCE, found
    assert found["seen"] <= found["now"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        {"method": "lora", "last_layers": 6, "batch_size": 8},
        {"method": "lora", "last_layers": 6, "batch_size": 32},
        {"method": "top_layers", "last_layers": 10, "batch_size": 8},
        {"method": "lora", "batch_size": 4},
        {"method": "lora", "batch_size": 16},
        {"method": "full", "batch_size": 4},
    ],
    ids=lambda recipe: "-".join(map(str, recipe.values())),
)
def test_the_estimate_of_a_real_model_is_near_its_peak(recipe: dict[str, Any], tmp_path: Path) -> None:
    """The first three train on cached states, the next two with multi-LoRA, the last with TRL."""
    suite = sized(tmp_path, 64, model="smollm2-135m", epochs=1, learning_rate=1e-3, **recipe)
    found = run_alone(suite, tmp_path / "out")
    assert abs(off_by(found)) < TOLERANCE, found


@pytest.mark.gpu
@pytest.mark.parametrize("last_layers", [0, 6])
def test_the_estimate_is_near_the_peak_of_a_gpu(last_layers: int) -> None:
    """One student's training in this process: a whole run would take most of a minute, and trains groups."""
    import torch

    model = "smollm2-135m"
    recipe = Recipe(name="t", model=model, method="lora", last_layers=last_layers, learning_rate=1e-3, batch_size=16)
    rows = build_rows(WORLDS["date_confusion"], 32, seed=1)
    path = training_path(recipe, known_config(model), multi_lora=True)
    lengths = Lengths.of([Pool(PoolCard(name="t", original=ORIGINAL, clean=CLEAN), tuple(rows), "")], ["a prompt"])
    work = Workload(lengths, recipe, ModelShape.of(known_config(model)), "cuda", path)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    arm = [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in rows]
    Trainer(recipe, "cuda", path, compiled=False).train([TrainingInput(arm, 1, 32)], lambda *_: None, "a test")
    seen = memory.peak_memory("cuda") - before
    found = {"estimated": estimate_memory(work).total, "seen": seen}
    assert abs(off_by(found)) < TOLERANCE, found


def pool(rows: int, words: int = 12) -> Pool:
    """Seeded random words; every text differs."""
    rng = np.random.default_rng(rows)
    drawn = rng.integers(0, 4000, size=(rows, 3, words))

    def text(row: int, part: int) -> str:
        return " ".join(f"w{number}" for number in drawn[row, part])

    every = tuple(
        PoolRow(id=f"r{i:06d}", prompt=(Message(role="user", content=text(i, 0)),), completions=teachers)
        for i in range(rows)
        for teachers in [{"a": text(i, 1), "b": text(i, 2)}]
    )
    return Pool(PoolCard(name="words", original="a", clean="b"), every, "")


LORA = Recipe(name="t", model=TINY, method="lora", learning_rate=1e-3, batch_size=16)


def estimate(recipe: Recipe = LORA, rows: int = 100, **settings: Any) -> memory.MemoryEstimate:
    lengths = Lengths.of([pool(rows)], ["one prompt", "another one"])
    path = training_path(recipe, known_config(TINY), multi_lora=False)
    work = Workload(lengths, recipe, ModelShape.of(known_config(TINY)), settings.pop("device", "cpu"), path)
    return estimate_memory(work, **settings)


def test_fewer_rows_at_once_take_less() -> None:
    totals = [estimate(rows_at_once=rows).parts["a training step"] for rows in (16, 4, 1)]
    assert totals == sorted(totals, reverse=True) and totals[0] > 10 * totals[2]


def test_states_of_frozen_layers_keep_to_their_budget() -> None:
    recipe = LORA.model_copy(update={"last_layers": 2})
    assert estimate(recipe).parts["frozen layers"] > 1_000_000
    assert estimate(recipe, states_budget=1000).parts["frozen layers"] == 1000
    assert estimate().parts["frozen layers"] == 0


def test_a_gpu_is_not_charged_for_main_memory() -> None:
    assert estimate(device="cuda").total < 0.1 * estimate().total
    assert "libraries" not in estimate(device="cuda").parts


def test_frozen_weights_are_packed_on_a_cpu_and_copied_in_half_precision_on_a_gpu() -> None:
    full = LORA.model_copy(update={"method": "full"})
    bare = estimate(full).parts["weights"]
    assert estimate(full, device="cuda").parts["weights"] == bare
    assert estimate().parts["weights"] == 2 * bare
    assert estimate(device="cuda").parts["weights"] == 1.5 * bare


def test_recomputed_activations_take_a_fraction_and_a_base_in_bfloat16_half() -> None:
    frugal = LORA.model_copy(update={"gradient_checkpointing": True, "precision": "bfloat16"})
    shape = ModelShape.of(known_config(TINY) | {"num_hidden_layers": 32})
    one_layer = shape.saved(LORA) / 32
    assert shape.saved(frugal) == one_layer + 32 * memory.FLOAT * shape.width
    parts, less = estimate(device="cuda").parts, estimate(frugal, device="cuda").parts
    assert less["weights"] == parts["weights"] / 3  # no copy in float32
    assert less["a training step"] < parts["a training step"]


def test_shapes_are_read_off_the_configs_of_real_models() -> None:
    """Heads of Qwen 3 and Gemma 3 are wider than the model divided by their number."""
    qwen = {"hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
    shape = ModelShape.of(qwen | {"intermediate_size": 3072, "num_hidden_layers": 28, "vocab_size": 151936})
    assert (shape.queries, shape.keys) == (2048, 1024)
    assert shape.weights == 28 * (2 * 1024 * 3072 + 3 * 1024 * 3072) + 1024 * 151936
    assert shape.trained(LORA) == 28 * 16 * (7 * 1024 + 2 * 2048 + 2 * 1024 + 3 * 3072)


def test_a_run_that_cannot_fit_is_refused_and_one_that_nearly_fits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths, shape = Lengths.of([pool(100)], ["one prompt"]), ModelShape.of(known_config(TINY))

    def with_total(total: float) -> memory.MemoryEstimate:
        monkeypatch.setattr(memory, "total_memory", lambda device: total)
        return fitted(Workload(lengths, LORA, shape, "cpu", "stacked"))

    whole, least = estimate().total, estimate(rows_at_once=1).total
    assert with_total(2 * whole).rows_at_once == 16
    assert with_total((whole + least) / 2).rows_at_once < 16
    assert with_total(least / 1.2).rows_at_once == 1
    with pytest.raises(BenchError, match="memory on cpu") as caught:
        with_total(least / 1.4)
    assert "last_layers" in caught.value.remedy


def test_a_container_may_have_less_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory.total_memory("cpu")
    assert whole > GIB / 2 and 0 < memory.available_memory("cpu") <= whole
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB // 4}\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.total_memory("cpu") == GIB
    assert memory.available_memory("cpu") <= 3 * GIB // 4
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.total_memory("cpu") == whole


def test_peaks_are_of_this_process() -> None:
    before = memory.peak_memory("cpu")
    held = np.ones(max(before // 8, 1) * 2)
    assert memory.peak_memory("cpu") >= before + held.nbytes // 4


ARMS = """
import json, sys
sys.path[:0] = sys.argv[2:]
from test_memory import pool
from bench.arms import build_arm, control_arm, filter_arm, reference_arms
from bench.data.controls import random_ids
import psutil

def resident():
    return psutil.Process().memory_info().rss

rows = int(sys.argv[1])
examples = pool(rows)
before = resident()
arms = [
    build_arm(control_arm(action, 0.1, "random1"), examples, random_ids(examples, 0.1, seed))
    for action in ("drop", "patch", "patch_in", "only") for seed in range(50)
]
seen = sum(1 for arm in arms for row in arm)
print(json.dumps({"arms": len(arms), "rows": seen, "bytes": resident() - before}))
"""


def test_an_arm_takes_bytes_a_row() -> None:
    """200 arms of 5,000 rows; as rows they would take about 100 MB."""
    command = [sys.executable, "-c", ARMS, "5000", str(Path(__file__).parent), str(Path(__file__).parents[1])]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["rows"] == 50 * (4500 + 5000 + 5000 + 500)
    assert found["bytes"] < 20 * found["rows"]


def test_an_arm_made_on_demand_is_the_list_of_its_rows() -> None:
    import pickle

    from bench.arms import build_arm, teacher_rows

    examples = pool(10)
    flagged = random_ids(examples, 0.3, 1)
    arm = build_arm(filter_arm("patch", "f", 0.3), examples, flagged, {next(iter(flagged)): "mended"})
    rows = list(arm)
    assert len(rows) == len(arm) == 10 and [arm[i] for i in range(10)] == rows
    assert tuple(rows) == arm and hash(arm) == hash(tuple(rows))
    assert list(arm[2:5]) == rows[2:5] and arm[-1] == rows[-1]
    assert pickle.loads(pickle.dumps(arm)) == tuple(rows)
    assert sum(row.completion == "mended" for row in rows) == 1
    assert arm != build_arm(control_arm("drop", 0.3, "random1"), examples, flagged)
    assert [row.completion for row in teacher_rows(examples, "b")] == [row.completions["b"] for row in examples.rows]


def test_a_disk_too_small_for_the_students_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = ModelShape.of(known_config(TINY))
    each = memory.FLOAT * shape.trained(LORA)

    def said(free: int) -> str:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        return memory.disk_warning(3, LORA, shape, tmp_path)

    assert said(3 * each) == ""
    assert "3 students need about" in said(3 * each - 1) and str(tmp_path) in said(0)
