"""Evaluations in several processes that share one engine: Inspect's own work spreads over the cores of a machine.

Inspect takes some 15 ms of one core per sample, which is more than a GPU needs to answer it. The engine and its model
stay in this process; workers run Inspect and send their prompts here, where those of all workers form batches.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import AuthenticationError, get_context
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Self

from inspect_ai import Task
from inspect_ai.dataset import Sample

from bench.errors import BenchError
from bench.evaluation.evaluate import EvalJob, evaluate_students, run_tasks
from bench.evaluation.provider import LIKELIHOODS, DynamicBatcher, answering, engine_batcher
from bench.models.encode import Encoded
from bench.models.engine import MOST_AT_ONCE, Engine
from bench.models.generate import Generation, Request
from bench.outcomes import SampleScores
from bench.processes import end_with_parent, sigint_blocked


class EvalWorkers:
    """Processes that run eval jobs; a context, which ends them."""

    def __init__(self, processes: int, tokenizer: Any, stops: tuple[str, ...] = ()) -> None:
        """Start a server for prompts; processes start with `start`, or when they get work.

        Args:
            processes: How many.
            tokenizer: The students', sent to every process once it runs.
            stops: Texts that end an answer.
        """
        self._processes = processes
        self._key = os.urandom(16)
        self._listener = Listener(authkey=self._key)
        self._batcher: DynamicBatcher | None = None
        self._greeting = tokenizer, stops
        self._under_way: list[Future[Any]] = []
        # Spawned, not forked: this process runs threads and may hold a GPU. What a new process is given has to fit a
        # pipe's buffer, or this one waits until it runs.
        self._pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (self._listener.address, self._key))
        threading.Thread(target=self._accept, daemon=True).start()

    def start(self) -> None:
        """Let processes start and load Inspect while this one does something else."""
        with sigint_blocked():
            for _ in range(self._processes):
                self._pool.submit(_load)

    @contextlib.contextmanager
    def answered_by(self, engine: Engine) -> Iterator[None]:
        """Let an engine answer what is asked meanwhile."""
        with engine_batcher(engine, self._askers) as self._batcher:
            try:
                yield
            finally:
                self._batcher = None

    def ask(self, engine: Engine, job: EvalJob) -> "dict[str, SampleScores | BenchError]":
        """Evaluate students of an engine as `evaluate_students` does, a share of them in each process.

        A process that ends before its share is done is an error of the students in it.
        """
        students = list(job.students.items())
        shares = [dict(students[i :: self._processes]) for i in range(min(self._processes, len(students)))]
        with self.answered_by(engine):
            parts = [self.submit(replace(job, students=share)) for share in shares]
            found: dict[str, SampleScores | BenchError] = {}
            for share, part in zip(shares, parts, strict=True):
                try:
                    found |= part.result()
                except BrokenProcessPool:
                    found |= dict.fromkeys(share, _ended(share))
            return found

    def submit(self, job: EvalJob) -> "Future[dict[str, SampleScores | BenchError]]":
        """Evaluate students as `evaluate_students` does."""
        self._under_way = [each for each in self._under_way if not each.done()]
        found: Future[dict[str, SampleScores | BenchError]] = Future()
        try:
            with sigint_blocked():
                found = self._pool.submit(_run, job)
        except BrokenProcessPool as error:  # a process ended while students trained, say
            found.set_exception(error)
        self._under_way.append(found)
        return found

    def _askers(self) -> int:
        """Return how many processes may send prompts; each waits for its answers before it sends others."""
        return min(self._processes, sum(not each.done() for each in self._under_way))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:  # nobody waits for what they are at, which may be a grader
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(cancel_futures=True)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except (AuthenticationError, EOFError, ConnectionError):  # somebody else than a worker
                continue
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        with connection, contextlib.suppress(EOFError, ConnectionError):  # the worker has ended
            connection.send(self._greeting)
            while True:
                settings, payloads = connection.recv()
                try:
                    if self._batcher is None:
                        raise RuntimeError("no student is loaded")
                    futures = self._batcher.submit_all(settings, payloads, connection)
                    connection.send([future.result() for future in futures])
                except Exception as error:  # the worker raises it
                    connection.send(error)


def _ended(share: Mapping[str, str]) -> BenchError:
    return BenchError(
        f"evaluation of {', '.join(share.values())}",
        seen="its process ended: killed, most often as memory ran out, or by an eval file",
        expected="a process that ends when its work is done",
        remedy="run again, with smaller --students-at-once if memory is short; finished work is kept",
    )


class _Remote:
    """The engine as a worker sees it."""

    rows_at_once = MOST_AT_ONCE  # what Inspect has under way goes over as one batch

    def __init__(self, address: Any, key: bytes) -> None:
        self._connection = Client(address, authkey=key)
        self.tokenizer, self.stops = self._connection.recv()

    def generate(
        self, asks: Sequence[Request], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        answers: list[Generation] = self._ask((max_tokens, temperature, tuple(stops)), asks)
        return answers

    def log_likelihoods(self, asks: Sequence[tuple[str, Encoded]]) -> list[float]:
        found: list[float] = self._ask(LIKELIHOODS, asks)
        return found

    def _ask(self, settings: Any, payloads: Sequence[Any]) -> Any:
        self._connection.send((settings, list(payloads)))
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


_worker: _Remote | None = None  # set once in each process, by the pool's initializer


def _start(address: Any, key: bytes) -> None:
    """Connect a new process."""
    global _worker
    end_with_parent()
    _worker = _Remote(address, key)


def _load() -> None:
    """Let Inspect load what it only loads in its first evaluation, some 300 modules."""
    task = Task(dataset=[Sample(input="Hello")], solver=[], name="first")  # asks no model
    with tempfile.TemporaryDirectory(prefix="sievebench-") as folder:
        run_tasks({"mockllm/model": {}}, [task], Path(folder))


def _run(job: EvalJob) -> "dict[str, SampleScores | BenchError]":
    assert _worker is not None
    with answering(_worker, list(job.students), _worker.tokenizer, _worker.stops):
        return evaluate_students(job)
