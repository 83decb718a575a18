"""The same work on both sides in turns: what is asked, and its timings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bench.studies.speed.records import SIDES, Case, Kind, Side, Timing, Work
from bench.studies.speed.workers import Worker


@dataclass(frozen=True)
class Done:
    """One side's call: its wall time in seconds and how much it did; subclasses add what came out."""

    seconds: float
    work: Work


D = TypeVar("D", bound=Done)


@dataclass(frozen=True)
class Ask(Generic[D]):
    """Work for both sides; see `Case` for what describes it.

    Attributes:
        calls: What each side does, a function of a module: station and arguments in, a `Done` out.
        arguments: Of both functions.
        repeats: How often it is measured.
    """

    kind: Kind
    what: str
    calls: Mapping[Side, Callable[..., D]]
    arguments: tuple[Any, ...]
    parts: int = 1
    part: str = "call"
    axis: str = ""
    size: int = 1
    repeats: int = 1
    timings: list[Timing] = field(default_factory=list)

    def case(self) -> Case:
        """What was measured."""
        return Case(
            kind=self.kind,
            axis=self.axis,
            size=self.size,
            parts=self.parts,
            part=self.part,
            what=self.what,
            timings=self.timings,
        )


def measure(workers: Mapping[Side, Worker], ask: Ask[D]) -> dict[Side, D]:
    """Do the work `repeats` times on each side, in the order A B, B A, A B: a slow drift of the machine hits both.

    Returns:
        What came out of each side's last call.
    """
    last: dict[Side, D] = {}
    for repeat in range(ask.repeats):
        for side in SIDES if repeat % 2 == 0 else SIDES[::-1]:
            done, memory = workers[side].call(ask.calls[side], *ask.arguments)
            ask.timings.append(
                Timing(
                    side=side,
                    repeat=repeat,
                    seconds=done.seconds,
                    resident_bytes=memory.resident,
                    gpu_bytes=memory.gpu,
                    work=done.work,
                )
            )
            last[side] = done
    return last


def warm_up(workers: Mapping[Side, Worker], ask: Ask[D]) -> None:
    """Let both sides do a little of the work unmeasured and at once, so that imports and loading are behind them."""
    for side in SIDES:
        workers[side].start(ask.calls[side], *ask.arguments)
    for side in SIDES:
        workers[side].result()
