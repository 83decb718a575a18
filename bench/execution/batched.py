"""Many students of one base side by side: trained in one loop, and evaluated in the same batches."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bench.execution.job import MOST_AT_ONCE, Job
from bench.execution.memory import TOGETHER
from bench.execution.stored import STUDENTS
from bench.execution.trials import Trials
from bench.models.oom import out_of_memory, release
from bench.run_folder.store import key_hash
from bench.training.task import TrainingInput

if TYPE_CHECKING:
    from bench.evaluation.workers import EvalWorkers
    from bench.training.task import Trained

SHARE_OF_FREE_MEMORY = 0.8
SPARE_CORES = 2  # for the engine and the system


def do_batched(trials: Trials, jobs: Sequence[Job], at_once: int | None) -> None:
    """Do what the store lacks; see `bench.execution.executor.Executor`.

    Args:
        trials: On the multi-LoRA path, and on a GPU where `at_once` is None.
        jobs: Trainings and evaluations.
        at_once: Students in one group; None for as many as fit the device, measured on one of them.
    """
    missing = trials.missing(jobs)
    training = [job for job, (train, _) in zip(jobs, missing, strict=True) if train]
    evaluations = [job for job, (_, evaluation) in zip(jobs, missing, strict=True) if evaluation]
    most = at_once or MOST_AT_ONCE
    with _workers(trials, min(most, len(evaluations))) if evaluations else nullcontext() as pool:
        if pool:
            pool.start()  # processes load Inspect while students train
        if training:
            train_batched(trials, training, at_once)
        if pool:
            _evaluate(trials, evaluations, most, pool)


def train_batched(trials: Trials, jobs: Sequence[Job], at_once: int | None = None) -> None:
    """Train students into the store, in groups that take equally many steps; the longest trainings first.

    Args:
        trials: On the multi-LoRA path, and on a GPU where `at_once` is None.
        jobs: Trainings that the store lacks.
        at_once: Most students in a group; None for as many as fit the device.

    Raises:
        BenchError: If not even one student fits.
    """
    at_once = at_once or _that_fit(trials, jobs[0])
    by_steps: dict[int, list[Job]] = {}  # students of a group learn at one rate, which falls with the steps
    for job in jobs:
        by_steps.setdefault(job.steps, []).append(job)
    for _, alike in sorted(by_steps.items(), reverse=True):
        for start in range(0, len(alike), at_once):
            group = alike[start : start + at_once]
            seconds = sum(job.seconds[0] for job in group)
            with trials.progress.phase(f"training {len(group)} students at once", seconds):
                _train(trials, group)


def _that_fit(trials: Trials, job: Job) -> int:
    """Return how many students fit the device's memory, by training one on its longest rows."""
    import torch

    rows = sorted(job.rows or (), key=lambda row: -len(row.completion) - sum(len(m.content) for m in row.prompt))
    trials.trainer.frozen_prefix()  # there once, however many students
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    longest = rows[: trials.recipe.batch_size]
    one_epoch = TrainingInput(longest, job.seed, len(longest))
    trials.trainer.train([one_epoch], lambda done, steps: None, "training one student")
    one = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    return max(1, min(MOST_AT_ONCE, int(SHARE_OF_FREE_MEMORY * free / one)))


def _train(trials: Trials, group: Sequence[Job]) -> None:
    for job, trained in zip(group, _trained(trials, group), strict=True):

        def fill(folder: Path, trained: "Trained" = trained, rows: int = len(job.rows or ())) -> None:
            trials.keep(trained, rows, folder)

        trials.store.write(STUDENTS, trials.train_key(job), fill)


def _trained(trials: Trials, group: Sequence[Job]) -> "list[Trained]":
    """Train a group; where memory does not suffice, its halves one after the other."""
    trainer, step = trials.trainer, trials.progress.step
    arms = [job.student for job in group]
    if len(group) == 1:
        return trainer.train(arms, step, "training a student")
    try:
        return trainer.attempt(arms, step, trainer.rows_at_once)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    release()  # outside the handler: the error's traceback holds on to what was allocated
    half = (len(group) + 1) // 2
    return _trained(trials, group[:half]) + _trained(trials, group[half:])


def do_in_turns(trials: Trials, jobs: Sequence[Job]) -> None:
    """Train a few students, one after another, and let them answer together; then the next few.

    Args:
        trials: Of a recipe whose students can answer side by side.
        jobs: Trainings and evaluations.
    """
    at_once = trials.memory.together if trials.memory else TOGETHER
    todo = [job for job, missing in zip(jobs, trials.missing(jobs), strict=True) if any(missing)]
    for start in range(0, len(todo), at_once):
        group = todo[start : start + at_once]
        for job in group:
            trials.train(job)
        missing = [evaluation for _, evaluation in trials.missing(group)]
        for alike in _of_one_measurement([job for job, wanted in zip(group, missing, strict=True) if wanted]):
            with trials.progress.phase(f"evaluating {len(alike)} students", sum(job.seconds[1] for job in alike)):
                trials.answer(alike, trials.ask_here)


def _of_one_measurement(jobs: Sequence[Job]) -> list[list[Job]]:
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        alike.setdefault(key_hash(job.measurement.key()), []).append(job)
    return list(alike.values())


def _workers(trials: Trials, most: int) -> "EvalWorkers":
    from bench.evaluation.workers import EvalWorkers  # loads Inspect

    processes = max(1, min(most, (os.cpu_count() or 1) - SPARE_CORES))
    return EvalWorkers(processes, trials.trainer.tokenizer, trials.trainer.stops)


def _evaluate(trials: Trials, jobs: Sequence[Job], at_once: int, pool: "EvalWorkers") -> None:
    for alike in _of_one_measurement(jobs):
        for i in range(0, len(alike), at_once):
            group = alike[i : i + at_once]
            seconds = sum(job.seconds[1] for job in group)
            with trials.progress.phase(f"evaluating {len(group)} students at once", seconds):
                trials.answer(group, pool.ask)
