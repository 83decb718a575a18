"""Margins of students on a trait's queries, read teacher-forced and without an evaluation; kept in the run store."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.execution.job import Job
from bench.execution.stored import STUDENTS
from bench.execution.trials import Trials
from bench.files import read_json
from bench.models.encode import Encoded, encode
from bench.records import Query, TrainingRow
from bench.run_folder.store import key_hash
from bench.studies.lds.plan import queries_sha256

MARGINS = "margins"  # kind of work in the store
MARGIN_CODE = 1  # part of its key: raise it when the same student would have another margin
LogLikelihoods = Callable[[Sequence[Encoded]], Sequence[float] | NDArray[np.float64]]


def encoded_queries(tokenizer: Any, queries: Sequence[Query], max_length: int) -> list[Encoded]:
    """Render each query with its trait completion, then each with its clean one.

    Raises:
        BenchError: If one is longer than `max_length` tokens.
    """
    pairs = [(query, query.trait) for query in queries] + [(query, query.clean) for query in queries]
    return [
        encode(tokenizer, TrainingRow(f"query {1 + number % len(queries)}", query.prompt, text), max_length)
        for number, (query, text) in enumerate(pairs)
    ]


def margins(rows: Sequence[Encoded], log_likelihoods: LogLikelihoods) -> NDArray[np.float64]:
    """Return log p(trait completion) - log p(clean completion) of each query, end of turn included, in nats.

    Args:
        rows: From `encoded_queries`.
        log_likelihoods: Returns a student's log-probability of each row's completion, in nats.
    """
    trait, clean = np.array(log_likelihoods(rows)).reshape(2, -1)
    difference: NDArray[np.float64] = trait - clean
    return difference


def mean_margin(trials: Trials, job: Job, queries: Sequence[Query]) -> float:
    """Return the mean margin of a trained student over the queries, in nats; read once and then kept."""
    student = key_hash(trials.train_key(job))
    key = {
        "student": student,
        "queries": queries_sha256(queries),
        "device": trials.device,
        "code": MARGIN_CODE,
    }

    def fill(folder: Path) -> None:
        trainer = trials.trainer
        rows = encoded_queries(trainer.tokenizer, queries, trials.recipe.max_length)
        engine = trainer.engine([trials.store.folder(STUDENTS, trials.train_key(job))], [student])
        found = margins(rows, lambda rows: engine.log_likelihoods([(student, row) for row in rows]))
        (folder / "margins.json").write_text(json.dumps({"margins": found.tolist()}), encoding="utf-8")

    if not trials.store.has(MARGINS, key):
        trials.store.write(MARGINS, key, fill)
    file = trials.store.folder(MARGINS, key) / "margins.json"
    return float(np.mean(read_json(file, "a student's margins", f"delete {file.parent}, run again")["margins"]))
