"""Each side works in a process of its own: errors come back, memory is counted call by call, turns are fair."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.load import TINY
from bench.studies.speed.measure import Ask, Done, measure
from bench.studies.speed.records import Side, Work
from bench.studies.speed.station import Station
from bench.studies.speed.workers import Memory, Worker, memory_counted

RECIPE = Recipe(name="r", model=TINY, method="lora", last_layers=2, learning_rate=0.01)
BIG = 200 * 2**20


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker("plain", RECIPE, "cpu", tmp_path_factory.mktemp("worker") / "plain") as made:
        yield made


def take(station: Station, size: int) -> int:
    return len(bytearray(b"x") * size)


def mistake(station: Station) -> None:
    raise BenchError("here", seen="this", expected="that", remedy="mend it")


def crash(station: Station) -> None:
    raise ZeroDivisionError("divided")


def die(station: Station) -> None:
    os._exit(3)


def where_benches_lie(station: Station) -> tuple[Path, Path, bool, bool]:
    first = station.fresh_bench()
    first.trainer.trunk()
    second = station.fresh_bench()
    shared = first.trainer.base()[0] is second.trainer.base()[0]
    return first.store.root, second.store.root, shared, first.trainer.trunk() is second.trainer.trunk()


def test_memory_is_that_of_the_call(worker: Worker) -> None:
    before = worker.call(take, 1)[1].resident
    value, during = worker.call(take, BIG)
    after = worker.call(take, 1)[1].resident
    assert value == BIG and during.gpu == 0
    assert during.resident >= before + BIG * 0.9
    if memory_counted() == "call":
        assert after < during.resident - BIG * 0.5


def test_mistakes_and_crashes_come_back_and_the_process_goes_on(worker: Worker) -> None:
    with pytest.raises(BenchError) as caught:
        worker.call(mistake)
    assert (caught.value.where, caught.value.remedy) == ("here", "mend it")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: divided"):
        worker.call(crash)
    assert worker.call(take, 5)[0] == 5


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    with Worker("suite", RECIPE, "cpu", tmp_path / "suite") as made:
        for _ in range(2):  # the second call finds nobody
            with pytest.raises(BenchError, match="exit code 3"):
                made.call(die)


def test_every_measured_training_begins_with_nothing_but_the_base(tmp_path: Path) -> None:
    first, second, same_model, same_trunk = where_benches_lie(Station(RECIPE, "cpu", tmp_path))
    assert first != second and same_model and not same_trunk


def test_sides_take_turns() -> None:
    order: list[tuple[str, int]] = []

    class Fake:
        def __init__(self, side: Side) -> None:
            self.side = side

        def call(self, function: Any, argument: int) -> tuple[Done, Memory]:
            order.append((self.side, argument))
            return Done(float(len(order)), Work(flops=1, least_flops=1)), Memory(10)

    sides = cast("dict[Side, Worker]", {"plain": Fake("plain"), "suite": Fake("suite")})
    ask = Ask("search", "w", {"plain": lambda: None, "suite": lambda: None}, (7,), repeats=3)
    last = measure(sides, ask)
    assert [side for side, _ in order] == ["plain", "suite", "suite", "plain", "plain", "suite"]
    assert {argument for _, argument in order} == {7}
    assert ask.case().seconds("plain") == [1.0, 4.0, 5.0] and last["suite"].seconds == 6.0
