"""Tail-patch (Chang et al. 2024): what one more training step on a row does to the margin of a trained student.

The step is one of plain gradient descent on the row's mean loss per completion token, with the recipe's peak learning
rate and gradient clipping, from the student of the original pool. It is taken in full and undone, not estimated from
gradients. AdamW's own first step would move every weight by about the learning rate, whatever the row's gradient is.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.execution.job import Job
from bench.execution.stored import STUDENTS
from bench.execution.trials import Trials
from bench.files import read_json
from bench.models.encode import encode
from bench.models.per_example import PerExample
from bench.models.student import stored_tensors
from bench.records import Query
from bench.run_folder.store import key_hash
from bench.studies.lds.margins import encoded_queries, margins
from bench.studies.lds.plan import queries_sha256

TAIL_PATCH = "tail_patch"  # kind of work in the store
TAIL_PATCH_CODE = 1  # part of its key: raise it when the same inputs would give other changes


def one_step_changes(trials: Trials, job: Job, queries: Sequence[Query]) -> dict[str, float]:
    """Return the change of the mean margin, in nats, by one step on each row that a student was trained on, by id.

    Args:
        trials: How the student was trained; measured once and then kept in its store.
        job: The student's training, which is finished.
        queries: What the margin is read on.
    """
    key = {
        "student": key_hash(trials.train_key(job)),
        "queries": queries_sha256(queries),
        "device": trials.device,
        "code": TAIL_PATCH_CODE,
    }
    ids = [row.id for row in job.rows or ()]

    def fill(folder: Path) -> None:
        changes = dict(zip(ids, _changes(trials, job, queries), strict=True))
        (folder / "changes.json").write_text(json.dumps(changes), encoding="utf-8")

    if not trials.store.has(TAIL_PATCH, key):
        trials.progress.start(float(len(ids)))  # about a second each on two cores
        with trials.progress.phase("one training step on each row", float(len(ids))):
            trials.store.write(TAIL_PATCH, key, fill)
    file = trials.store.folder(TAIL_PATCH, key) / "changes.json"
    return read_json(file, "changes of the margin", f"delete {file.parent}, run again")


def _changes(trials: Trials, job: Job, queries: Sequence[Query]) -> list[float]:
    """Take a step on each row that a student was trained on; return the changes of its mean margin."""
    import torch

    recipe, rows, (base, tokenizer) = trials.recipe, job.rows or (), trials.trainer.base()
    asked = encoded_queries(tokenizer, queries, recipe.max_length)
    tokens = np.array([len(row.ids) - row.prompt_length for row in asked])
    tensors = stored_tensors(trials.store.folder(STUDENTS, trials.train_key(job)))
    student = PerExample(base, recipe, tensors, trials.trainer.full_precision_prefix())

    def margin() -> float:
        return float(margins(asked, lambda rows: -tokens * student.losses(rows)).mean())

    before, changes = margin(), []
    for done, row in enumerate(rows, start=1):
        gradient = student.gradient([encode(tokenizer, row, recipe.max_length)], [1.0])
        norm = max(float(np.linalg.norm(gradient)), recipe.max_grad_norm)
        with student.moved(torch.from_numpy(-recipe.learning_rate * recipe.max_grad_norm / norm * gradient)):
            changes.append(margin() - before)
        trials.progress.step(done, len(rows))
    return changes
