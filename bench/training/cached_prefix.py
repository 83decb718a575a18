"""Training on cached states: the frozen lower layers are computed once and shared by all arms.

Where a recipe trains only the last k layers, the states that enter them are the same in every arm, epoch and seed for
the same tokens. They are computed once per distinct row, as far as memory goes. A step then runs the upper layers on
one packed sequence: the rows of the batch behind one another without padding, a prefix that several have in common
(system message and template) stored once, and the LM head applied to completion tokens only. Data order, loss,
optimiser and schedule are those of `bench.training.trl.train_with_trl`;
`tests/training/test_cached_prefix.py` compares losses and final weights.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.layout import logits
from bench.models.student import recompute_activations, trainable_copy, trained_tensors
from bench.records import Steering
from bench.training.checkpoints import Checkpoint, take
from bench.training.task import Trained, TrainingTask, batches, count_labels, count_tokens

if TYPE_CHECKING:
    import torch

WORTH_SHARING = 8  # tokens; rows of one template share more, rows of different templates share a few


def shared_prefixes(rows: Sequence[Encoded]) -> list[tuple[int, list[Encoded]]]:
    """Group the rows of a batch by the token prefix that they have in common; steered rows share with their like alone.

    Returns:
        Per group the prefix's length, which ends before any position that predicts a label, and its rows.
    """
    groups: list[tuple[int, list[Encoded]]] = []
    for row in sorted(rows, key=lambda row: (row.steering is not None, row.ids)):
        if groups and groups[-1][1][0].steering == row.steering:
            length, members = groups[-1]
            limit = min(length, row.prompt_length - 1)
            pairs = zip(members[0].ids[:limit], row.ids, strict=False)
            common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            if common >= WORTH_SHARING:
                groups[-1] = (common, [*members, row])
                continue
        groups.append((row.prompt_length - 1, [row]))
    return groups


def pack(
    rows: Sequence[Encoded], prefix: FrozenPrefix, shifts: "Mapping[Steering, torch.Tensor]"
) -> "tuple[torch.Tensor, ...]":
    """Lay a batch out as one sequence in which rows of one template store their common prefix once.

    Args:
        rows: The batch, or a part of it.
        prefix: The frozen layers.
        shifts: What is added to the states of steered rows, (width,).

    Returns:
        States (1, T, width), positions (1, T), attention mask (1, 1, T, T) where True may be attended to, the indices
        of the positions that predict a completion token (N,), those tokens (N,), and the weights of their losses (N,).
    """
    import torch

    read = prefix.states([row.ids for row in rows])
    states: list[torch.Tensor] = []
    positions: list[int] = []
    group_of: list[int] = []
    row_of: list[int] = []  # 0 marks a shared prefix
    predicts: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for group, (shared, members) in enumerate(shared_prefixes(rows)):
        for number, row in enumerate(members, start=1):
            start = shared if number > 1 else 0
            offset = len(positions) - start
            states.append(read[row.ids][start:] + shifts[row.steering] if row.steering else read[row.ids][start:])
            positions.extend(range(start, len(row.ids)))
            group_of.extend([group] * (len(row.ids) - start))
            row_of.extend(0 if i < shared else number for i in range(start, len(row.ids)))
            predicts.extend(offset + p for p in range(row.prompt_length - 1, len(row.ids) - 1))
            targets.extend(row.ids[row.prompt_length :])
            weights.extend([row.weight] * (len(row.ids) - row.prompt_length))
    packed = torch.cat(states)[None]
    device = packed.device
    groups, numbers = torch.tensor(group_of, device=device), torch.tensor(row_of, device=device)
    order = torch.arange(len(positions), device=device)
    related = (groups[:, None] == groups) & ((numbers[:, None] == numbers) | (numbers == 0))
    mask = (related & (order[:, None] >= order))[None, None]
    at, index, wanted, weight = (
        torch.tensor(each, device=device) for each in ([positions], predicts, targets, weights)
    )
    return packed, at, mask, index, wanted, weight


def train_cached_prefix(prefix: FrozenPrefix, task: TrainingTask) -> list[Trained]:
    """Train one student's upper layers on the cached states of the frozen ones.

    Args:
        prefix: The frozen layers of the base; a student is a copy of that base.
        task: Of one student.

    Returns:
        The trained tensors and the loss of every step, as TRL would give.
    """
    import torch
    from transformers import get_linear_schedule_with_warmup

    recipe, (stream,), (seed,) = task.recipe, task.streams, task.seeds
    prefix.prepare(row.ids for row in stream)
    model = trainable_copy(prefix.base, recipe, seed).train()
    if recipe.gradient_checkpointing:
        recompute_activations(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0, fused=True)
    steps = task.steps(0)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, len(steps))
    losses: list[float] = []
    kept: list[Checkpoint] = []
    start = time.perf_counter()
    for done, rows in enumerate(steps, start=1):
        labels = count_labels(rows)
        loss = 0.0
        for part in batches(rows, task.part):
            own = _loss_sum(model, prefix, pack(part, prefix, task.shifts)) / labels
            own.backward()
            loss += own.item()
        torch.nn.utils.clip_grad_norm_(parameters, recipe.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss)
        if done in task.checkpoints:
            kept.append(take(model, optimizer))
        task.on_step(done, len(steps))
    seconds = time.perf_counter() - start
    return [Trained(trained_tensors(model), losses, count_tokens(stream), seconds, "shared_trunk", 1, kept)]


def _loss_sum(model: Any, prefix: FrozenPrefix, packed: "tuple[torch.Tensor, ...]") -> Any:
    """Return the summed and weighted cross-entropy of the completion tokens of one packed part of a batch."""
    from torch.nn.functional import cross_entropy

    hidden, positions, mask, predicts, targets, weights = packed
    states = prefix.run(model, hidden, mask, positions)
    return weights @ cross_entropy(logits(model, states[0, predicts]), targets, reduction="none")
