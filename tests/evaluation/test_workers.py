"""Several processes ask one engine: they start while students train, and what all of them ask is one batch."""

import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from inspect_ai import Task
from inspect_ai.dataset import Sample

from bench.errors import BenchError
from bench.evaluation.evaluate import EvalJob, run_tasks
from bench.evaluation.provider import LINGER_SECONDS
from bench.evaluation.workers import EvalWorkers, _load, _Remote
from bench.execution import batched
from bench.models.generate import Generation, Request

PROCESSES = 4


class Engine:
    """Notes how many prompts share a batch."""

    rows_at_once = 100

    def __init__(self) -> None:
        self.batches: list[int] = []

    def generate(
        self, requests: Sequence[Request], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        self.batches.append(len(requests))
        return [Generation(request.student, len(request.ids), 1, True) for request in requests]

    def log_likelihoods(self, rows: Sequence[Any]) -> list[float]:
        raise NotImplementedError


def test_prompts_of_all_processes_share_a_batch_although_they_come_at_different_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine()
    with EvalWorkers(PROCESSES, "tokenizer") as workers, ThreadPoolExecutor(PROCESSES) as processes:
        jobs: list[Future[Any]] = []

        def submit(function: Any, job: Any) -> "Future[Any]":
            jobs.append(Future())
            return jobs[-1]

        monkeypatch.setattr(workers._pool, "submit", submit)

        def asked(number: int) -> list[str]:
            remote = _Remote(workers._listener.address, workers._key)
            assert remote.tokenizer == "tokenizer"
            time.sleep(2 * LINGER_SECONDS * number)
            requests = [Request(f"student-{number}", (1, 2), 0)] * 2
            found = remote.generate(requests, max_tokens=8, temperature=0.0, stops=())
            jobs[number].set_result(None)
            return [answer.text for answer in found]

        with workers.answered_by(engine):
            for number in range(PROCESSES):
                workers.submit(EvalJob({str(number): ""}, (), Path()))
            said = list(processes.map(asked, range(PROCESSES)))
        assert said == [[f"student-{number}"] * 2 for number in range(PROCESSES)]
        assert engine.batches == [2 * PROCESSES]
        assert workers._askers() == 0


def test_what_a_process_loads_first_is_what_an_evaluation_needs() -> None:
    """Nothing of Inspect that an evaluation loads is left for the first one."""

    def loaded() -> set[str]:
        return {name for name in sys.modules if name.split(".")[0] in ("inspect_ai", "acp", "fastapi", "opentelemetry")}

    _load()
    before = loaded()
    task = Task(dataset=[Sample(input="Hello")], solver=[], name="again")
    with tempfile.TemporaryDirectory() as folder:
        (log,) = run_tasks({"mockllm/model": {}}, [task], Path(folder))
    assert log.status == "success" and {"inspect_ai.hooks", "inspect_ai.solver._transcript"} <= before
    assert loaded() == before


@pytest.mark.parametrize("evaluated", [True, False])
def test_processes_start_before_training_does(evaluated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    pool = SimpleNamespace(start=lambda: events.append("processes start"))
    trials: Any = SimpleNamespace(missing=lambda jobs: [(True, evaluated)] * len(jobs))
    monkeypatch.setattr(batched, "_workers", lambda *_: nullcontext(pool))
    monkeypatch.setattr(batched, "train_batched", lambda *_: events.append("training"))
    monkeypatch.setattr(batched, "_evaluate", lambda *_: events.append("evaluations"))
    jobs: Any = ["a job"]
    batched.do_batched(trials, jobs, 2)
    assert events == (["processes start", "training", "evaluations"] if evaluated else ["training"])


def test_processes_that_ended_while_nothing_was_asked_are_an_error_of_the_students() -> None:
    with EvalWorkers(PROCESSES, "tokenizer") as workers:
        workers._pool._broken = True  # as the pool notes it; `submit` raises from then on
        found = workers.ask(Engine(), EvalJob({"a": "arm a", "b": "arm b"}, (), Path()))
    assert sorted(found) == ["a", "b"]
    error = found["a"]
    assert isinstance(error, BenchError) and "arm a" in error.where and "its process ended" in error.seen
