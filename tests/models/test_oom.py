"""Out of memory: the same batch in smaller parts, with the same result, and a record of it."""

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_run import run_quietly
from fixtures_students import stream_of
from test_run import SUITE, tiny_suite

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.leaderboard.row import read_rows
from bench.models import engine as engines
from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.generate import Request
from bench.models.load import load_model
from bench.models.oom import first_that_fits, halvings, in_parts, out_of_memory
from bench.models.packaged import TINY
from bench.models.student import install
from bench.records import TrainingRow
from bench.training import cached_prefix
from bench.training.cached_prefix import train_cached_prefix
from bench.training.multi_lora import train_multi_lora
from bench.training.task import Trained, TrainingTask
from bench.training.trl import train_with_trl
from bench.worlds import WORLDS
from bench.worlds.grammar import ORIGINAL, build_rows

LOSS_TOLERANCE = 1e-4  # nats; the same float32 products summed in another order
WEIGHT_TOLERANCE = 0.02  # of the distance that training moved the weights
COMMON: dict[str, Any] = {"name": "t", "model": TINY, "epochs": 2, "learning_rate": 2e-3, "batch_size": 8}
LAST_TWO = Recipe(method="lora", last_layers=2, **COMMON)


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


@pytest.fixture(scope="module")
def rows() -> list[TrainingRow]:
    world = build_rows(WORLDS["date_confusion"], 27, seed=0)  # the last batch has 6 rows
    return [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in world]


def assert_same(base: Any, recipe: Recipe, one: Trained, other: Trained) -> None:
    assert one.losses == pytest.approx(other.losses, abs=LOSS_TOLERANCE)
    models = [
        {n: p.detach() for n, p in install(base, recipe, t.tensors, "t").named_parameters()} for t in (one, other)
    ]
    start = {name: weight.detach() for name, weight in base.named_parameters()}
    moved = sum(float((models[0][n] - start[n]).square().sum()) for n in start) ** 0.5
    apart = sum(float((models[0][n] - models[1][n]).square().sum()) for n in start) ** 0.5
    assert moved > 0
    assert apart <= WEIGHT_TOLERANCE * moved


@pytest.mark.parametrize("rows_at_once", [4, 1])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_parts_of_a_batch_train_to_the_same_with_trl(
    method: str, rows_at_once: int, tiny: tuple[Any, Any], rows: list[TrainingRow]
) -> None:
    recipe = Recipe.model_validate(COMMON | {"method": method})
    stream = stream_of(tiny[1], rows, recipe, seed=3)
    whole, parts = (train_with_trl(*tiny, TrainingTask(recipe, [stream], [3], count))[0] for count in (0, rows_at_once))
    assert len(whole.losses) == 7
    assert_same(tiny[0], recipe, whole, parts)


@pytest.mark.parametrize("rows_at_once", [4, 1])
def test_parts_of_a_batch_train_to_the_same_on_cached_states(
    rows_at_once: int, tiny: tuple[Any, Any], rows: list[TrainingRow]
) -> None:
    stream = stream_of(tiny[1], rows, LAST_TWO, seed=3)
    whole, parts = (
        train_cached_prefix(FrozenPrefix(tiny[0], LAST_TWO), TrainingTask(LAST_TWO, [stream], [3], count))[0]
        for count in (0, rows_at_once)
    )
    assert_same(tiny[0], LAST_TWO, whole, parts)


@pytest.mark.parametrize("last_layers", [0, 1])
@pytest.mark.parametrize("rows_at_once", [4, 1])
def test_parts_of_a_batch_train_to_the_same_with_multi_lora(
    rows_at_once: int, last_layers: int, tiny: tuple[Any, Any], rows: list[TrainingRow]
) -> None:
    recipe = LAST_TWO.model_copy(update={"last_layers": last_layers})
    streams = [stream_of(tiny[1], part, recipe, seed=3) for part in (rows, rows[:25])]  # one ends earlier
    whole, parts = (
        train_multi_lora(FrozenPrefix(tiny[0], recipe), TrainingTask(recipe, streams, [3, 3], count))
        for count in (8, rows_at_once)
    )
    for one, other in zip(whole, parts, strict=True):
        assert_same(tiny[0], recipe, one, other)


@pytest.mark.parametrize("budget", [0, 200_000])
def test_a_frozen_prefix_without_room_gives_the_same_numbers(
    budget: int, tiny: tuple[Any, Any], rows: list[TrainingRow]
) -> None:
    task = TrainingTask(LAST_TWO, [stream_of(tiny[1], rows, LAST_TWO, seed=3)], [3])
    roomy, tight = FrozenPrefix(tiny[0], LAST_TWO), FrozenPrefix(tiny[0], LAST_TWO, budget)
    (whole,), (part,) = train_cached_prefix(roomy, task), train_cached_prefix(tight, task)
    assert_same(tiny[0], LAST_TWO, whole, part)
    kept = sum(states.nbytes for states in tight._states.values())
    assert kept <= 0.75 * budget
    assert bool(kept) == bool(budget)
    assert len(tight._states) < len(roomy._states)


def test_sizes_divide_the_batch() -> None:
    for batch in range(1, 70):
        sizes = halvings(batch)
        assert sizes[0] == batch and sizes[-1] == 1
        assert all(batch % size == 0 for size in sizes)
        assert all(2 * after <= before for before, after in itertools.pairwise(sizes))


def test_parts_keep_what_is_done_and_stay_small() -> None:
    asked: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        asked.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return [10 * item for item in items]

    results, at_once = in_parts(work, range(11), 8, "it")
    assert results == [10 * i for i in range(11)]
    assert at_once == 2
    assert asked == [8, 4, 2, 2, 2, 2, 2, 1]


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(size: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        first_that_fits(broken, [2, 1], "it")
    assert not out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported asynchronously"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("unable to mmap 9 bytes from file <x>: Cannot allocate memory (12)"),
    ],
)
def test_what_allocators_say_is_a_lack_of_memory(error: Exception) -> None:
    assert out_of_memory(error)


def test_one_row_that_does_not_fit_is_an_error_with_a_way_out() -> None:
    def never(size: int) -> None:
        raise MemoryError

    with pytest.raises(BenchError, match="memory of training x") as caught:
        first_that_fits(never, [4, 2, 1], "training x")
    assert "max_prompt_tokens" in caught.value.remedy


LIMITED = """
import json, resource, sys
import torch
from bench.models.oom import first_that_fits, halvings

torch.zeros(1)
size = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 300 * 2**20, -1))
tried = []

def work(rows):
    tried.append(rows)
    return float(torch.ones(rows, 20 * 2**20).sum())  # 80 MiB a row

total, rows = first_that_fits(work, halvings(16), "a test")
print(json.dumps([total, rows, tried]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is kept to on Linux alone")
def test_the_allocator_of_the_cpu_is_understood() -> None:
    """A real allocation fails, under a real limit of the address space."""
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    total, rows, tried = json.loads(done.stdout)
    assert rows in (1, 2)
    assert total == rows * 20 * 2**20
    assert tried == halvings(16)[: len(tried)]


@pytest.mark.gpu
def test_the_allocator_of_a_gpu_is_understood() -> None:
    free = torch.cuda.mem_get_info()[0]
    each = free // 6  # four rows of it fit, eight do not

    def work(rows: int) -> int:
        return torch.empty(rows * each, dtype=torch.uint8, device="cuda").shape[0]

    assert first_that_fits(work, [8, 4, 2, 1], "a test") == (4 * each, 4)


def test_a_run_that_runs_out_of_memory_says_so_in_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward pass over more than 4 rows, and answers to more than 5 prompts, find no memory."""
    recipe = 'name = "t"\nmodel = "tiny-llama"\nmethod = "lora"\nlast_layers = 2\nlearning_rate = 2e-3\nepochs = 1\n'
    (tmp_path / "t.toml").write_text(recipe, encoding="utf-8")
    one_arm = 'filters = ["oracle"]\nactions = ["drop"]\noracle_actions = []'
    text = SUITE.replace('"smoke"', '"t.toml"').replace("seeds = [1, 2]", "seeds = [1]")
    suite = tiny_suite(tmp_path, text.replace('filters = ["keyword", "oracle"]', one_arm))
    plain, _ = run_quietly(suite, tmp_path / "plain")
    pack, answer = cached_prefix.pack, engines.answer

    def narrow(batch: Sequence[Encoded], prefix: FrozenPrefix, shifts: Any) -> Any:
        if len(batch) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return pack(batch, prefix, shifts)

    def short(model: Any, tokenizer: Any, requests: Sequence[Request], *settings: Any) -> Any:
        if len(requests) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return answer(model, tokenizer, requests, *settings)

    monkeypatch.setattr(cached_prefix, "pack", narrow)
    monkeypatch.setattr(engines, "answer", short)
    run_quietly(suite, tmp_path / "narrow")
    facts = [json.loads(f.read_text()) for f in (tmp_path / "narrow").glob("store/students/*/training.json")]
    assert facts and {f["rows_at_once"] for f in facts} == {4}
    rows = {row.filter.name: row for row in read_rows(tmp_path / "narrow")}
    trained, answered = rows["oracle"].notes[-2:]
    assert "batch of 8: 4 rows at a time" in trained
    assert "drop:oracle@0.1" in trained and "original" in trained and "base" not in trained
    assert "answered 5 at a time" in answered and "base" in answered
    for row in plain:
        assert not [note for note in row.notes if "memory" in note]
        for arm, score in row.traits["date_confusion"].arms.items():
            again = rows[row.filter.name].traits["date_confusion"].arms[arm]
            assert again.loss.value == pytest.approx(score.loss.value, abs=1e-3)
