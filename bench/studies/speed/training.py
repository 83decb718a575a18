"""Training on both sides: a fresh SFTTrainer per arm, against what `bench run` does.

Counted on both sides, for each arm: tokenising its rows, copying the model, training, and writing the trained tensors.
The suite's first arm also pays for the trunk states of its rows, as in a run. Loading the base model is not counted.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.execution.batched import train_together
from bench.plan import Job
from bench.studies.speed.flops import shape_of, training_work
from bench.studies.speed.measure import Ask, Done
from bench.studies.speed.records import Side, counted
from bench.studies.speed.station import Station


@dataclass(frozen=True)
class Trained(Done):
    """Students of some jobs, in their order.

    Attributes:
        folders: Of each student.
        losses: Of each step.
    """

    folders: list[Path]
    losses: list[list[float]]


def train_plain(station: Station, jobs: Sequence[Job]) -> Trained:
    """A loop of SFTTrainer runs."""
    from bench.models.student import save_student
    from bench.training.task import TrainingTask, encode_in_order
    from bench.training.trl import train_with_trl

    base, tokenizer = station.base()
    folders = [station.folder() for _ in jobs]
    losses = []
    start = time.perf_counter()
    for job, folder in zip(jobs, folders, strict=True):
        stream = encode_in_order(tokenizer, job.rows or (), station.recipe, job.seed)
        (trained,) = train_with_trl(base, tokenizer, TrainingTask(station.recipe, [stream], [job.seed]))
        save_student(trained.tensors, folder)
        losses.append(trained.losses)
    return _trained(station, jobs, time.perf_counter() - start, folders, losses)


def train_suite(station: Station, jobs: Sequence[Job]) -> Trained:
    """The jobs as `bench run` trains them, from an empty store."""
    bench = station.fresh_bench()
    arms = [(job.rows or (), job.seed) for job in jobs]
    start = time.perf_counter()
    if bench.trainer.path == "stacked" and station.device != "cpu":
        train_together(bench, arms, [0.0] * len(arms))
    folders = [bench.student(job.rows or (), job.seed, job.label, 0.0) for job in jobs]
    seconds = time.perf_counter() - start
    facts = [json.loads((folder / "training.json").read_text(encoding="utf-8")) for folder in folders]
    return _trained(station, jobs, seconds, folders, [fact["losses"] for fact in facts])


CALLS: dict[Side, Callable[..., Trained]] = {"plain": train_plain, "suite": train_suite}


def asks(jobs: Sequence[Job], repeats: int, batch_size: int) -> list[Ask[Trained]]:
    """What is measured: all jobs, then how each side grows with rows, arms and seeds.

    Args:
        jobs: Arm by arm and seed by seed, the first arm first.
        repeats: For all jobs together; growth is measured once.
        batch_size: Rows of a step, the least that a small pool has.
    """
    first = jobs[0]
    whole = len(first.rows or ())
    small = max(whole // 8, min(batch_size, whole))
    arms = [_cut(job, small) for job in jobs if job.seed == first.seed]

    def ask(axis: str, size: int, chosen: Sequence[Job], what: str) -> Ask[Trained]:
        return Ask("training", what, CALLS, (chosen,), len(chosen), "arm", axis, size)

    what = f"{counted(len(jobs), 'training')}: {', '.join(job.label for job in jobs)}"
    made = [Ask("training", what, CALLS, (list(jobs),), len(jobs), "arm", repeats=repeats)]
    for rows in sorted({max(whole // 4, small), max(whole // 2, small), whole}):
        made.append(ask("rows", rows, [_cut(first, rows)], f"arm {first.arm}, its first {rows} rows"))
    for count in (n for n in (1, 2, 4, 8) if n <= len(arms)):
        made.append(ask("arms", count, arms[:count], f"{counted(count, 'arm')} of {small} rows at most"))
    for count in (1, 2):
        seeded = [replace(arms[0], seed=first.seed + n) for n in range(count)]
        made.append(ask("seeds", count, seeded, f"arm {first.arm} of {small} rows, {counted(count, 'seed')}"))
    return made


def warm_up(jobs: Sequence[Job], batch_size: int) -> Ask[Trained]:
    """One step, so that libraries and the model are loaded."""
    return Ask("training", "warm-up", CALLS, ([_cut(jobs[0], batch_size)],))


def _cut(job: Job, rows: int) -> Job:
    return replace(job, rows=(job.rows or ())[:rows])


def _trained(
    station: Station, jobs: Sequence[Job], seconds: float, folders: list[Path], losses: list[list[float]]
) -> Trained:
    from bench.training.task import encode_in_order

    base, tokenizer = station.base()
    streams = [encode_in_order(tokenizer, job.rows or (), station.recipe, job.seed) for job in jobs]
    return Trained(seconds, training_work(shape_of(base, station.recipe), streams), folders, losses)
