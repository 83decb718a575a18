"""Tail-patch (Chang et al. 2024): what one more training step on a row does to the margin of a trained student.

The step is one of plain gradient descent on the row's mean loss per completion token, with the recipe's peak learning
rate and gradient clipping, from the student of the original pool. It is taken in full and undone, not estimated from
gradients. AdamW's own first step would move every weight by about the learning rate, whatever the row's gradient is.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.execution.job import Job
from bench.execution.memory import states_budget
from bench.execution.trials import STUDENTS, Trials
from bench.files import read_json
from bench.models.encode import Encoded, encode
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.likelihood import log_likelihoods
from bench.models.student import stored_tensors, trainable_copy
from bench.records import Query
from bench.run_folder.store import key_hash
from bench.studies.lds.margins import encoded_queries, margins
from bench.studies.lds.plan import queries_sha256
from bench.training.cached_prefix import loss_sum, pack
from bench.training.methods import METHODS
from bench.training.task import count_labels

if TYPE_CHECKING:
    import torch

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


class _Student:
    """A trained student that takes single steps, always from the same weights."""

    def __init__(self, trials: Trials, folder: Path) -> None:
        base, _ = trials.trainer.base()
        self._recipe = trials.recipe
        self._model = trainable_copy(base, trials.recipe, seed=0)
        self._weights = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._start = {name: tensor.to(base.device) for name, tensor in stored_tensors(folder).items()}
        in_parts = METHODS[trials.trainer.path].uses_prefix  # in float32, unlike the trainer's own on a GPU
        self._prefix = FrozenPrefix(base, trials.recipe, states_budget(trials.device)) if in_parts else None
        self.reset()

    def reset(self) -> None:
        """Go back to the weights that training left."""
        import torch

        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(self._start[name])

    def step(self, row: Encoded) -> None:
        """Take one step of gradient descent on a row."""
        import torch

        self._model.zero_grad()
        self._loss(row).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._weights.values(), self._recipe.max_grad_norm)
        with torch.no_grad():
            for weight in self._weights.values():
                if weight.grad is not None:
                    weight.sub_(self._recipe.learning_rate * weight.grad)

    def margin(self, queries: Sequence[Encoded]) -> float:
        """Return the mean margin over the queries, in nats."""
        wrapped: Any = self._model
        model = wrapped.get_base_model() if hasattr(wrapped, "get_base_model") else wrapped
        return float(margins(queries, lambda asks: log_likelihoods(model, asks, self._prefix)).mean())

    def _loss(self, row: Encoded) -> "torch.Tensor":
        import torch

        if self._prefix:
            summed: torch.Tensor = loss_sum(self._model, self._prefix, pack([row], self._prefix))
            return summed / count_labels([row])
        tokens, labels = (torch.tensor([ids], device=self._model.device) for ids in (row.ids, row.labels))
        mean: torch.Tensor = self._model(input_ids=tokens, labels=labels).loss
        return mean


def _changes(trials: Trials, job: Job, queries: Sequence[Query]) -> list[float]:
    rows, tokenizer, longest = job.rows or (), trials.trainer.base()[1], trials.recipe.max_length
    student = _Student(trials, trials.store.folder(STUDENTS, trials.train_key(job)))
    asked = encoded_queries(tokenizer, queries, longest)
    before = student.margin(asked)
    changes = []
    for done, row in enumerate(rows, start=1):
        student.step(encode(tokenizer, row, longest))
        changes.append(student.margin(asked) - before)
        student.reset()
        trials.progress.step(done, len(rows))
    return changes
