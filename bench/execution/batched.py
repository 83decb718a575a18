"""Many students of one base at once: trained in one loop, and asked in the same batches."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.evaluation.evaluate import measurement_tasks
from bench.execution.executor import Task
from bench.execution.trials import Bench
from bench.models.oom import out_of_memory, release
from bench.training.trainer import Arm

if TYPE_CHECKING:
    from bench.evaluation.workers import EvalWorkers
    from bench.training.trl import Trained

MOST_AT_ONCE = 64  # they fill a large GPU, and a stopped run loses one group at most
SHARE_OF_FREE_MEMORY = 0.8
SPARE_CORES = 2  # for the engine and the system


def train_and_ask_together(bench: Bench, tasks: Sequence[Task], at_once: int | None) -> None:
    """Do what the store lacks; see `bench.execution.executor.Executor`.

    Args:
        bench: On the stacked path, and on a GPU where `at_once` is None.
        tasks: Trainings and evaluations.
        at_once: Students in one group; None for as many as fit the device, measured on one of them.
    """
    missing = bench.missing([task.inputs for task in tasks])
    training = [task for task, (train, _) in zip(tasks, missing, strict=True) if train]
    asking = [task for task, (_, evaluation) in zip(tasks, missing, strict=True) if evaluation]
    if training:
        arms = [(task.rows or (), task.seed) for task in training]
        train_together(bench, arms, [task.seconds[0] for task in training], at_once)
    if asking:
        _evaluate(bench, asking, at_once or MOST_AT_ONCE)


def train_together(bench: Bench, arms: Sequence[Arm], seconds: Sequence[float], at_once: int | None = None) -> None:
    """Train students into the store, in groups that take equally many steps; the longest trainings first.

    Args:
        bench: On the stacked path, and on a GPU where `at_once` is None.
        arms: Rows and seed of each; none of them is in the store.
        seconds: What each should take.
        at_once: Most students in a group; None for as many as fit the device.

    Raises:
        BenchError: If not even one student fits.
    """
    at_once = at_once or _that_fit(bench, arms[0])
    by_steps: dict[int, list[int]] = {}  # students of a group learn at one rate, which falls with the steps
    for i, (rows, _) in enumerate(arms):
        by_steps.setdefault(bench.trainer.steps_of(rows), []).append(i)
    for _, alike in sorted(by_steps.items(), reverse=True):
        for start in range(0, len(alike), at_once):
            group = alike[start : start + at_once]
            bench.watch.phase(f"training {len(group)} students at once", sum(seconds[i] for i in group))
            _train(bench, [arms[i] for i in group])
            bench.watch.finish()


def _that_fit(bench: Bench, arm: Arm) -> int:
    """How many students fit the device's memory, by training one on its longest rows."""
    import torch

    rows = sorted(arm[0], key=lambda row: -len(row.completion) - sum(len(m.content) for m in row.prompt))
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    bench.trainer.train([(rows[: bench.recipe.batch_size], arm[1])], lambda done, steps: None, "training one student")
    one = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    return max(1, min(MOST_AT_ONCE, int(SHARE_OF_FREE_MEMORY * free / one)))


def _train(bench: Bench, group: Sequence[Arm]) -> None:
    for (rows, seed), trained in zip(group, _trained(bench, group), strict=True):

        def fill(folder: Path, trained: "Trained" = trained, rows: int = len(rows)) -> None:
            bench.keep(trained, rows, folder)

        bench.store.write("students", bench.train_key(rows, seed), fill)


def _trained(bench: Bench, group: Sequence[Arm]) -> "list[Trained]":
    """Train a group; where memory does not suffice, its halves one after the other."""

    def tick(done: int, steps: int) -> None:
        bench.watch.advance(done / steps)

    if len(group) == 1:
        return bench.trainer.train(group, tick, "training a student")
    try:
        return bench.trainer.attempt(group, tick, bench.trainer.rows_at_once)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    release()  # outside the handler: the error's traceback holds on to what was allocated
    half = (len(group) + 1) // 2
    return _trained(bench, group[:half]) + _trained(bench, group[half:])


def _evaluate(bench: Bench, tasks: Sequence[Task], at_once: int) -> None:
    from bench.evaluation.workers import EvalWorkers

    processes = max(1, min(at_once, len(tasks), (os.cpu_count() or 1) - SPARE_CORES))
    with EvalWorkers(processes, bench.trainer.base()[1], bench.trainer.stops) as pool:
        for i in range(0, len(tasks), at_once):
            group = tasks[i : i + at_once]
            bench.watch.phase(f"evaluating {len(group)} students at once", sum(task.seconds[1] for task in group))
            _evaluate_group(bench, group, pool)
            bench.watch.finish()


def _evaluate_group(bench: Bench, group: Sequence[Task], pool: "EvalWorkers") -> None:
    from bench.evaluation.workers import EvalJob

    keys = [bench.keys(*task.inputs) for task in group]
    students = {
        str(evaluation["student"]): bench.store.folder("students", training) if training else None
        for training, evaluation in keys
    }
    finished = 0

    def examine(task: Task, key: dict[str, Any]) -> None:
        nonlocal finished

        def fill(folder: Path) -> None:
            tasks, tags = tuple(measurement_tasks(task.measurement)), (task.label.replace(" ", "_"),)
            asked = EvalJob(key["student"], tasks, folder, task.measurement.grader, tags)
            scores = pool.submit(asked).result()
            bench.keep_scores(scores, engine.rows_at_once if engine.rows_at_once < most else None, folder)

        bench.store.write("evals", key, fill)
        finished += 1
        bench.watch.advance(finished / len(group))

    engine = bench.trainer.engine(list(students.values()), list(students))
    most = engine.rows_at_once
    with pool.answered_by(engine), ThreadPoolExecutor(len(group)) as threads:
        for _ in threads.map(examine, group, [key for _, key in keys]):
            pass  # raises what an evaluation raised
