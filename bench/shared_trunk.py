"""Training on cached states: the frozen lower layers are computed once and shared by all arms.

Where a recipe trains only the last k layers, the states that enter them are the same in every arm, epoch and seed for
the same tokens. They are computed once per distinct row. A step then runs the upper layers on one packed sequence:
the rows of the batch behind one another without padding, the prefix that they have in common (system message and
template) stored once, and the LM head applied to completion tokens only. Data order, loss, optimiser and schedule are
those of `bench.training.train_with_trl`; `tests/test_shared_trunk.py` compares losses and final weights.
"""

import time
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from bench.encoding import Encoded
from bench.recipes import Recipe
from bench.students import decoder_layers, first_trained_layer, trainable_copy, trained_tensors
from bench.training import OnStep, Trained, batches

if TYPE_CHECKING:
    import torch

TRUNK_BATCH = 16


class Trunk:
    """States that enter the first trained layer, per distinct row, in memory (float32: 4 * width bytes a token)."""

    def __init__(self, base: Any, recipe: Recipe) -> None:
        """Remember the frozen layers; nothing is computed yet."""
        self._base = base
        self._first = first_trained_layer(base, recipe)
        self._states: dict[tuple[int, ...], torch.Tensor] = {}

    def prepare(self, rows: Iterable[Encoded]) -> int:
        """Compute the states of rows not seen before; returns how many tokens that were."""
        missing = sorted({row.ids for row in rows} - self._states.keys(), key=lambda ids: (len(ids), ids))
        for i in range(0, len(missing), TRUNK_BATCH):
            self._compute(missing[i : i + TRUNK_BATCH])
        return sum(len(ids) for ids in missing)

    def states(self, row: Encoded) -> "torch.Tensor":
        """States of one prepared row, shape (tokens, width)."""
        return self._states[row.ids]

    def _compute(self, group: Sequence[tuple[int, ...]]) -> None:
        import torch

        model, device = self._base.model, self._base.device
        longest = max(len(ids) for ids in group)
        # Padded on the right: under a causal mask the padding cannot reach a real token.
        tokens = torch.tensor([[*ids, *([0] * (longest - len(ids)))] for ids in group], device=device)
        positions = torch.arange(longest, device=device)[None]
        with torch.inference_mode():
            hidden = model.embed_tokens(tokens)
            rotary = model.rotary_emb(hidden, positions)
            mask = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()[None, None]
            for layer in model.layers[: self._first]:
                hidden = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotary)
        for ids, states in zip(group, hidden, strict=True):
            self._states[ids] = states[: len(ids)].clone()


def common_prefix(rows: Sequence[Encoded]) -> int:
    """Length of the token prefix that all rows of a batch share, short of any position that predicts a label."""
    limit = min(row.prompt_length for row in rows) - 1
    columns = zip(*(row.ids[:limit] for row in rows), strict=True)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def pack(rows: Sequence[Encoded], trunk: Trunk) -> "tuple[torch.Tensor, ...]":
    """Lay a batch out as one sequence with its common prefix stored once.

    Returns:
        States (1, T, width), positions (1, T), attention mask (1, 1, T, T) where True may be attended to, the indices
        of the positions that predict a completion token (N,), and those tokens (N,).
    """
    import torch

    shared = common_prefix(rows)
    states, positions, owner = [trunk.states(rows[0])[:shared]], list(range(shared)), [-1] * shared
    predicts: list[int] = []
    targets: list[int] = []
    for number, row in enumerate(rows):
        offset = len(positions) - shared
        states.append(trunk.states(row)[shared:])
        positions.extend(range(shared, len(row.ids)))
        owner.extend([number] * (len(row.ids) - shared))
        predicts.extend(offset + p for p in range(row.prompt_length - 1, len(row.ids) - 1))
        targets.extend(row.ids[row.prompt_length :])
    packed = torch.cat(states)[None]
    device = packed.device
    owners = torch.tensor(owner, device=device)
    order = torch.arange(len(owner), device=device)
    same_row = (owners[:, None] == owners[None, :]) | (owners[None, :] == -1)
    mask = (same_row & (order[:, None] >= order[None, :]))[None, None]
    index = torch.tensor(predicts, device=device)
    return packed, torch.tensor([positions], device=device), mask, index, torch.tensor(targets, device=device)


def train_on_trunk(
    base: Any, trunk: Trunk, stream: Sequence[Encoded], recipe: Recipe, seed: int, on_step: OnStep | None = None
) -> Trained:
    """Train the upper layers on the trunk's cached states; arguments and result as in `train_with_trl`."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    trunk.prepare(stream)
    model = trainable_copy(base, recipe, seed).train()
    layers = decoder_layers(model)[first_trained_layer(base, recipe) :]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0, fused=True)
    steps = batches(stream, recipe.batch_size)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, len(steps))
    losses: list[float] = []
    start = time.perf_counter()
    for done, rows in enumerate(steps, start=1):
        loss = _loss(model, layers, *pack(rows, trunk))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if on_step:
            on_step(done, len(steps))
    seconds = time.perf_counter() - start
    return Trained(trained_tensors(model), losses, sum(len(row.ids) for row in stream), seconds, "shared_trunk")


def _loss(model: Any, layers: Any, hidden: Any, positions: Any, mask: Any, predicts: Any, targets: Any) -> Any:
    """Mean cross-entropy of the completion tokens of one packed batch."""
    from torch.nn.functional import cross_entropy

    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    rotary = causal.model.rotary_emb(hidden, positions)
    for layer in layers:
        hidden = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotary)
    logits = causal.lm_head(causal.model.norm(hidden[0, predicts]))
    return cross_entropy(logits, targets)
