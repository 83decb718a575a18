"""Compiled layers and recorded steps train the students that plain steps train; what fails is left out, and noted."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from fixtures_students import stream_of

from bench.config.recipe import Recipe
from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.load import load_model
from bench.models.oom import out_of_memory
from bench.models.packaged import TINY
from bench.models.replay import Inputs, RecordingError, Replay
from bench.records import TrainingRow
from bench.training import compiled, multi_lora
from bench.training.multi_lora import train_multi_lora
from bench.training.packing import SHAPES, Sizes, fixed_sizes
from bench.training.task import COMPILED_FROM, PLAIN, Speedups, Trained, TrainingInput, TrainingTask
from bench.training.trainer import Trainer
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

TOLERANCE = 1e-4  # nats a token, float32; `apart` in test_multi_lora.py allows the weights 2 %
RECIPE = Recipe(name="t", model=TINY, method="lora", epochs=2, learning_rate=2e-3, batch_size=4)


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    return load_model(TINY, "cpu")


@pytest.fixture(scope="module")
def streams(tiny: tuple[Any, Any]) -> list[list[Encoded]]:
    world = build_rows(WORLDS["date_confusion"], 9, seed=0)  # the last batch is not full
    arms = [[TrainingRow(row.id, row.prompt, row.completions[t]) for row in world] for t in (ORIGINAL, CLEAN)]
    return [stream_of(tiny[1], rows, RECIPE, seed=3) for rows in arms]


@pytest.fixture(scope="module")
def plain(tiny: tuple[Any, Any], streams: list[list[Encoded]]) -> list[Trained]:
    return train(tiny, streams, PLAIN)


@pytest.fixture(autouse=True)
def without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trace forward and backward pass as for any compiler, and run what was traced: quick, and needs no C++."""
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    yield
    torch._dynamo.reset()  # type: ignore[attr-defined]
    compiled._compiled.cache_clear()


def train(
    tiny: tuple[Any, Any], streams: list[list[Encoded]], speedups: Speedups, rows_at_once: int = 0, dtype: Any = None
) -> list[Trained]:
    base = copy.deepcopy(tiny[0]).to(dtype) if dtype else tiny[0]
    task = TrainingTask(RECIPE, streams, [3] * len(streams), rows_at_once, speedups=speedups)
    return train_multi_lora(FrozenPrefix(base, RECIPE), task)


def check_equal(found: list[Trained], expected: list[Trained]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.losses == pytest.approx(other.losses, abs=TOLERANCE)
        moved = sum(float(tensor.square().sum()) for name, tensor in other.tensors.items() if "lora_B" in name)
        apart = sum(float((one.tensors[n] - t).square().sum()) for n, t in other.tensors.items() if "lora_B" in n)
        assert apart <= 0.02**2 * moved


def run_again(work: Callable[[], torch.Tensor]) -> tuple[Callable[[], None], torch.Tensor]:
    """What a CUDA graph does, as far as results go: the recorded work once more, into the same result."""
    result = torch.empty(2)  # a loss for each student

    def replay() -> None:
        result.copy_(work())

    return replay, result


def test_compiled_layers_train_the_same_students(
    tiny: tuple[Any, Any], streams: list[list[Encoded]], plain: list[Trained]
) -> None:
    torch._dynamo.utils.counters.clear()
    found = train(tiny, streams, Speedups(compiled=True))
    check_equal(found, plain)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1  # for all layers and lengths
    check_equal(train(tiny, [*streams, *streams], Speedups(compiled=True))[:2], plain)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1  # and numbers of students
    assert found[0].note == "" and 0 < found[0].compile_seconds < found[0].seconds
    assert all("forward" not in vars(layer) for layer in tiny[0].model.layers)


def test_recorded_steps_train_the_same_students(
    tiny: tuple[Any, Any], streams: list[list[Encoded]], plain: list[Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multi_lora, "cuda_recorder", lambda: run_again)
    for rows_at_once in (0, 2):
        check_equal(train(tiny, streams, Speedups(graphs=True), rows_at_once), plain)


def test_adapters_read_in_bfloat16_learn_what_float32_learns(
    tiny: tuple[Any, Any], streams: list[list[Encoded]], plain: list[Trained]
) -> None:
    for one, other in zip(train(tiny, streams, PLAIN, dtype=torch.bfloat16), plain, strict=True):
        assert one.losses == pytest.approx(other.losses, abs=0.02)  # bfloat16 keeps 8 bits
        assert all(tensor.dtype == torch.float32 for tensor in one.tensors.values())
    assert plain[0].losses[-1] < plain[0].losses[0] - 0.05


def test_a_failing_compiler_and_a_failing_recorder_are_left_out_and_noted(
    tiny: tuple[Any, Any], streams: list[list[Encoded]], plain: list[Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(graph: Any, example: Any) -> Any:
        raise RuntimeError("no C++ compiler here")

    def unable() -> Any:
        def record(work: Callable[[], torch.Tensor]) -> Any:
            raise RuntimeError("operation not permitted when stream is capturing")

        return record

    monkeypatch.setattr(compiled, "_compiled", lambda _: torch.compile(compiled._forward, backend=broken))
    monkeypatch.setattr(compiled._compiled, "cache_clear", lambda: None, raising=False)
    monkeypatch.setattr(multi_lora, "cuda_recorder", unable)
    found = train(tiny, streams, Speedups(compiled=True, graphs=True))
    check_equal(found, plain)
    assert "without compiled layers" in found[0].note and "no C++ compiler here" in found[0].note
    assert "without CUDA graphs" in found[0].note and "capturing" in found[0].note


def test_memory_that_runs_out_is_no_reason_to_train_without_speedups(
    tiny: tuple[Any, Any], streams: list[list[Encoded]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(multi_lora, "cuda_recorder", full)
    with pytest.raises(torch.OutOfMemoryError):
        train(tiny, streams, Speedups(graphs=True))


def test_replayed_work_reads_the_new_inputs() -> None:
    calls: list[int] = []

    def work(inputs: Inputs, factor: int) -> torch.Tensor:
        calls.append(len(inputs["x"]))
        return inputs["x"] * factor

    def record(once: Callable[[], torch.Tensor]) -> tuple[Callable[[], None], torch.Tensor]:
        result = torch.empty_like(once())

        def replay() -> None:
            result.copy_(once())

        return replay, result

    replay = Replay(work, record)
    for values, factor in (([1.0, 2.0], 2), ([3.0, 4.0], 2), ([3.0, 4.0], 3), ([1.0], 2)):
        assert replay({"x": torch.tensor(values)}, factor).tolist() == [value * factor for value in values]
    assert calls == [2, 2, 2, 2, 2, 1, 1]  # recorded once for each shape and constant, then replayed

    def fail(once: Callable[[], torch.Tensor]) -> Any:
        raise ValueError("no")

    with pytest.raises(RecordingError, match="no"):
        Replay(work, fail)({"x": torch.zeros(1)}, 1)


def test_fixed_sizes_hold_every_step_and_are_few(streams: list[list[Encoded]]) -> None:
    parts = [[stream[at : at + 2] for stream in streams] for at in range(0, 18, 2)]
    sizes = fixed_sizes([*parts, [[streams[0][0]], []]])
    assert 1 < len(set(sizes[:-1])) <= SHAPES and sizes[-1].rows == 1
    for groups, own in zip(parts, sizes, strict=False):
        least = Sizes.of(groups)
        assert own.rows == least.rows
        assert own.length >= least.length and own.longest >= least.longest and own.targets >= least.targets


def test_who_is_trained_with_which_speedups(tiny: tuple[Any, Any]) -> None:
    def speedups(device: str, wanted: bool | None, tokens: int) -> Speedups:
        return Trainer(RECIPE, device, "stacked", compiled=wanted).speedups(tokens)

    much = COMPILED_FROM
    assert speedups("cpu", None, much) == speedups("cuda", False, much) == PLAIN
    assert speedups("cuda", None, much) == Speedups(compiled=True, graphs=True)
    assert speedups("cuda", None, much - 1) == Speedups(graphs=True)
    assert speedups("cpu", True, 1) == Speedups(compiled=True)


def test_a_trainer_does_not_try_again_what_failed(tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    world = build_rows(WORLDS["date_confusion"], 4, seed=0)
    rows = [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in world]
    tried: list[str] = []

    def broken(model: Any, first: int) -> Any:
        tried.append("compiled")
        raise RuntimeError("no compiler")

    monkeypatch.setattr(multi_lora, "compiled_layers", broken)
    trainer = Trainer(RECIPE, "cpu", "stacked", compiled=True)
    notes = [trainer.train([TrainingInput(rows, 1, 4)], lambda *_: None, "a test")[0].note for _ in range(2)]
    assert len(tried) == 1 and notes[0] == notes[1] and "no compiler" in notes[0]


def test_the_reason_is_that_of_the_work_and_not_of_the_recording_that_could_not_end() -> None:
    def record(once: Callable[[], torch.Tensor]) -> Any:
        try:
            once()
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    def work(inputs: Inputs) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(RecordingError, match="out of memory") as caught:
        Replay(work, record)({})
    assert out_of_memory(caught.value)
