"""Doing trials in several processes: small students leave cores idle when they are trained one after another.

Workers share nothing but the run store. Each takes a trial, does what the store lacks and puts it there; the caller
then reads all results from the store, as it would after a single process.
"""

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.progress import Meter
from bench.recipes import Recipe
from bench.store import Store
from bench.trials import Bench, TrialInputs

POLL_SECONDS = 0.2
MOST_WORKERS = 4  # each holds the base model and the shared states
WORTH_SECONDS = 60.0  # starting workers costs some ten seconds


@dataclass(frozen=True)
class Task:
    """One trial, and what its training and evaluation should take in seconds."""

    inputs: TrialInputs
    label: str
    seconds: tuple[float, float]


def count_workers(device: str, seconds: float) -> int:
    """How many processes to use: on a CPU up to one a core; elsewhere, and for little work, just this one."""
    return min(_cores(), MOST_WORKERS) if device == "cpu" and seconds > WORTH_SECONDS else 1


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def do_in_workers(
    tasks: Sequence[Task], workers: int, recipe: Recipe, device: str, root: Path, meter: Meter, *, rejudging: bool
) -> None:
    """Do trials in worker processes; their results are in the store afterwards.

    Args:
        tasks: Trials that lack a result; two with equal inputs are done once.
        workers: Number of processes; the cores are shared out among them.
        recipe: How students are trained.
        device: Where.
        root: Folder of the run store.
        meter: Told about progress.
        rejudging: As in `bench.trials.Bench`.

    Raises:
        BenchError: The first that a worker raises, or that a worker died; finished trials are kept.
    """
    context = multiprocessing.get_context("spawn")  # a forked process inherits torch's threads in a broken state
    events: Any = context.Queue()
    settings = (recipe, device, root, rejudging, max(1, _cores() // workers), events)
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=settings)
    futures = [pool.submit(_do, task) for task in tasks]
    try:
        _follow(futures, events, meter)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.kill()
        raise
    pool.shutdown()


def _follow(futures: "Sequence[Future[None]]", events: Any, meter: Meter) -> None:
    """Pass events on to the meter until all is done or something fails."""
    from concurrent.futures.process import BrokenProcessPool

    waiting = list(futures)
    while waiting:
        try:
            name, arguments = events.get(timeout=POLL_SECONDS)
            getattr(meter, name)(*arguments)
        except queue.Empty:
            for future in [future for future in waiting if future.done()]:
                waiting.remove(future)
                try:
                    future.result()
                except BrokenProcessPool as error:
                    raise BenchError(
                        "a worker process",
                        seen="it was killed, by lack of memory perhaps",
                        expected="processes that live until they are done",
                        remedy="run the same command again, with --workers 1 if memory is short; nothing else is lost",
                    ) from error


class _Events:
    """A watch that sends what it is told to the main process."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self._worker = os.getpid()

    def phase(self, text: str, seconds: float) -> None:
        self._events.put(("phase", (text, seconds, self._worker)))

    def advance(self, share: float) -> None:
        self._events.put(("advance", (share, self._worker)))

    def finish(self) -> None:
        self._events.put(("finish", (self._worker,)))


_bench: Bench | None = None  # a worker's own, made once


def _start(recipe: Recipe, device: str, root: Path, rejudging: bool, threads: int, events: Any) -> None:
    global _bench
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    _bench = Bench(recipe, device, Store(root), _Events(events), rejudging=rejudging)


def _leave_with(parent: int) -> None:
    """End this process when the one that started it is gone, by `kill -9` too."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _do(task: Task) -> None:
    assert _bench is not None  # `_start` ran first
    _bench.trial(*task.inputs, task.label, task.seconds)
