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
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.layout import logits
from bench.models.student import causal_model, recompute_activations, trainable_copy, trained_tensors
from bench.records import Steering
from bench.training.checkpoints import Checkpoint, take
from bench.training.task import Trained, TrainingTask, batches, count_labels, count_tokens

if TYPE_CHECKING:
    import torch

    from bench.training.packing import RowLayout

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


@dataclass(frozen=True)
class Packed:
    """A batch, or a part of it, as one sequence in which rows of one template store their common prefix once.

    Attributes:
        states: What enters the first trained layer, (1, tokens, width).
        positions: (1, tokens).
        layout: The rows one by one, for attention.
        predicts: The tokens that predict a completion token, (N,).
        targets: Those completion tokens, (N,).
        weights: Of their losses, (N,).
    """

    states: "torch.Tensor"
    positions: "torch.Tensor"
    layout: "RowLayout"
    predicts: "torch.Tensor"
    targets: "torch.Tensor"
    weights: "torch.Tensor"


def pack(rows: Sequence[Encoded], prefix: FrozenPrefix, shifts: "Mapping[Steering, torch.Tensor]") -> Packed:
    """Lay out a batch, or a part of it.

    Args:
        rows: Its rows.
        prefix: The frozen layers.
        shifts: What is added to the states of steered rows, (width,).
    """
    import torch

    from bench.training.packing import RowLayout  # loads torch

    read = prefix.states([row.ids for row in rows])
    states: list[torch.Tensor] = []
    positions: list[int] = []
    longest = max(len(row.ids) for row in rows)
    spread: list[int] = []
    packed: list[int] = []
    predicts: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for shared, members in shared_prefixes(rows):
        first = len(positions)
        for row in members:
            start = 0 if row is members[0] else shared
            offset = len(positions) - start
            packed.extend(len(spread) + i for i in range(start, len(row.ids)))
            tokens = [first + i if i < start else offset + i for i in range(len(row.ids))]
            spread.extend(tokens + tokens[:1] * (longest - len(tokens)))  # filling comes last: a causal mask hides it
            states.append(read[row.ids][start:] + shifts[row.steering] if row.steering else read[row.ids][start:])
            positions.extend(range(start, len(row.ids)))
            predicts.extend(offset + p for p in range(row.prompt_length - 1, len(row.ids) - 1))
            targets.extend(row.ids[row.prompt_length :])
            weights.extend([row.weight] * (len(row.ids) - row.prompt_length))
    joined = torch.cat(states)[None]

    def moved(values: Sequence[Any]) -> torch.Tensor:
        return torch.tensor(values, device=joined.device)

    layout = RowLayout(longest, moved(spread), moved(packed))
    return Packed(joined, moved([positions]), layout, moved(predicts), moved(targets), moved(weights))


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

    from bench.training.packing import ATTENTION  # loads torch

    recipe, (stream,), (seed,) = task.recipe, task.streams, task.seeds
    prefix.prepare(row.ids for row in stream)
    model = trainable_copy(prefix.base, recipe, seed).train()
    causal_model(model).config._attn_implementation = ATTENTION
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


def _loss_sum(model: Any, prefix: FrozenPrefix, packed: Packed) -> Any:
    """Return the summed and weighted cross-entropy of the completion tokens of one packed part of a batch."""
    from torch.nn.functional import cross_entropy

    states = prefix.run(model, packed.states, None, packed.positions, step=packed.layout)
    predicted = logits(model, states[0, packed.predicts])
    return packed.weights @ cross_entropy(predicted, packed.targets, reduction="none")
