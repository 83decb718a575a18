"""Each side works in a process of its own: errors come back, memory is counted call by call, turns are fair."""

import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.load import TINY
from bench.studies.speed.records import Case, Side, Work
from bench.studies.speed.workers import Outcome, Processes, Worker, call, measure, start_workers

RECIPE = Recipe(name="r", model=TINY, method="lora", last_layers=2, learning_rate=0.01)
BIG = 200 * 2**20


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with start_workers(RECIPE, "cpu") as made:
        yield made


def take(worker: Worker, side: Side, size: int) -> Outcome[int]:
    return 1.0, Work(flops=1, least_flops=1), len(bytearray(b"x") * size)


def mistake(worker: Worker) -> None:
    raise BenchError("here", seen="this", expected="that", remedy="fix it")


def crash(worker: Worker) -> None:
    raise ZeroDivisionError("divided")


def die(worker: Worker) -> None:
    os._exit(3)


def process_id(worker: Worker) -> int:
    return os.getpid()


def peak_resets(worker: Worker) -> bool:
    return Path("/proc/self/clear_refs").exists()


def test_memory_is_that_of_the_call(processes: Processes) -> None:
    case = Case(kind="search", part="search", what="w")
    for size in (1, BIG, 1):
        assert measure(processes, case, take, (size,), 1) == {"plain": size, "suite": size}
    before, during, after = (timing.resident_bytes for timing in case.timings if timing.side == "plain")
    assert during >= before + BIG * 0.9
    assert all(timing.gpu_bytes == 0 for timing in case.timings)
    if call(processes["plain"], peak_resets):
        assert after < during - BIG * 0.5


def test_each_side_keeps_a_process_of_its_own(processes: Processes) -> None:
    ids = [call(processes[side], process_id) for side in ("plain", "suite", "plain")]
    assert ids[0] == ids[2] and len({*ids, os.getpid()}) == 3


def test_errors_come_back_and_the_process_goes_on(processes: Processes) -> None:
    with pytest.raises(BenchError) as caught:
        call(processes["plain"], mistake)
    assert (caught.value.where, caught.value.remedy) == ("here", "fix it")
    with pytest.raises(ZeroDivisionError, match="divided"):
        call(processes["plain"], crash)
    assert call(processes["plain"], process_id) > 0


def test_a_process_that_dies_is_reported() -> None:
    with pytest.raises(BenchError, match="ended before"), start_workers(RECIPE, "cpu") as made:
        call(made["suite"], die)


def test_every_measured_training_begins_with_nothing_but_the_base(tmp_path: Path) -> None:
    worker = Worker(RECIPE, "cpu", tmp_path / "suite")
    first = worker.fresh_trials()
    first.trainer.frozen_prefix()
    second = worker.fresh_trials()
    assert first.store.root != second.store.root
    assert first.trainer.base()[0] is second.trainer.base()[0]
    assert first.trainer.frozen_prefix() is not second.trainer.frozen_prefix()


def test_sides_take_turns() -> None:
    order: list[str] = []

    class Fake:
        def submit(self, run: Any, function: Any, arguments: tuple[Side, int]) -> "Future[Any]":
            order.append(arguments[0])
            done: Future[Any] = Future()
            done.set_result(((float(len(order)), Work(flops=1, least_flops=1), arguments[1]), 10, 0))
            return done

    case = Case(kind="search", part="search", what="w")
    made = cast("Processes", {"plain": Fake(), "suite": Fake()})
    assert measure(made, case, take, (7,), 3) == {"plain": 7, "suite": 7}
    assert order == ["plain", "suite", "suite", "plain", "plain", "suite"]
    assert case.seconds("plain") == [1.0, 4.0, 5.0] and case.seconds("suite") == [2.0, 3.0, 6.0]
