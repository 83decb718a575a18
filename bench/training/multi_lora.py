"""SFT of many students at once: every step takes one batch of each, through weights that all of them share.

Each student sees its own rows in its own order and is clipped, updated and decayed by itself, as if it were alone;
`tests/training/test_multi_lora.py` compares losses and weights with the one-by-one paths. Tokens are packed without
padding for the linear layers, which do nearly all of the work, and laid out as padded rows for attention alone.
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.layout import within_window
from bench.models.multi_lora import MultiLora
from bench.models.student import recompute_activations, trainable_copy, trained_tensors
from bench.records import Steering
from bench.training.checkpoints import Checkpoint
from bench.training.task import HEAD_TOKENS, Trained, TrainingTask, count_labels, count_tokens

ATTENTION = "sieve_rows"  # the name under which transformers knows `attend_rows`


@dataclass(frozen=True)
class Step:
    """One batch of every student, packed.

    Attributes:
        positions: (students, length): of each token in its row; a student's rows stand behind one another, and the
            space after them is filled with zeros.
        spread: (rows * longest,): which of all tokens stands there when rows are laid out one by one.
        longest: Tokens of the longest row.
        packed: (students * length,): the inverse of `spread`.
        predicts: (targets,): the tokens that predict a completion token.
        targets: (targets,): what they should predict.
        students: (targets,): the student's number.
        weights: (targets,): of the target's loss.
    """

    positions: torch.Tensor
    spread: torch.Tensor
    longest: int
    packed: torch.Tensor
    predicts: torch.Tensor
    targets: torch.Tensor
    students: torch.Tensor
    weights: torch.Tensor


def pack_step(groups: Sequence[Sequence[Encoded]], device: torch.device) -> Step:
    """Lay out one batch, or a part of it, per student; one that has no row left gets padding alone."""
    rows = [(student, row) for student, group in enumerate(groups) for row in group]
    length = max(sum(len(row.ids) for row in group) for group in groups)
    longest = max(len(row.ids) for _, row in rows)
    starts = [student * length + start for student, group in enumerate(groups) for start in _starts(group)]

    positions = np.zeros(len(groups) * length, np.int64)
    packed = np.zeros(len(groups) * length, np.int64)
    spread = np.repeat(starts, longest).reshape(-1, longest)  # under a causal mask, padding reaches nothing
    for number, ((_, row), start) in enumerate(zip(rows, starts, strict=True)):
        steps = np.arange(len(row.ids))
        positions[start : start + len(steps)] = steps
        packed[start : start + len(steps)] = number * longest + steps
        spread[number, : len(steps)] = start + steps

    labelled = [len(row.ids) - row.prompt_length for _, row in rows]
    ends = [start + len(row.ids) for (_, row), start in zip(rows, starts, strict=True)]
    predicts = [np.arange(end - count - 1, end - 1) for end, count in zip(ends, labelled, strict=True)]

    def moved(values: Any) -> torch.Tensor:
        return torch.as_tensor(values).to(device, non_blocking=True)

    return Step(
        positions=moved(positions.reshape(len(groups), length)),
        spread=moved(spread.reshape(-1)),
        longest=longest,
        packed=moved(packed),
        predicts=moved(np.concatenate(predicts)),
        targets=moved([token for _, row in rows for token in row.ids[row.prompt_length :]]),
        students=moved(np.repeat([student for student, _ in rows], labelled)),
        weights=moved(np.repeat(np.array([row.weight for _, row in rows], np.float32), labelled)),
    )


def _starts(group: Sequence[Encoded]) -> list[int]:
    """Return where each row starts when they stand behind one another."""
    return list(accumulate((len(row.ids) for row in group), initial=0))[:-1]


def attend_rows(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    *,
    step: Step,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Compute causal attention within each row of a packed step, in the form that transformers' layers call.

    Args:
        module: The attention layer; not used.
        query: Shape (students, heads, length, head width).
        key: The same with the key-value heads.
        value: As `key`.
        attention_mask: Not used: rows are laid out one by one, so that a causal mask is all that is needed.
        step: Where rows begin and end.
        scaling: Of the products of queries and keys.
        sliding_window: A token attends to itself and to the tokens before it, so many in all; None is all of them.

    Returns:
        Shape (students, length, heads, head width), and no attention weights.
    """

    def spread(packed: torch.Tensor) -> torch.Tensor:
        flat = packed.transpose(1, 2).flatten(0, 1).index_select(0, step.spread)
        return flat.view(-1, step.longest, *flat.shape[1:]).transpose(1, 2)

    shared = query.shape[1] != key.shape[1]
    mask = None
    if sliding_window and sliding_window < step.longest:
        place = torch.arange(step.longest, device=query.device)[None]
        mask = within_window((place.mT >= place)[None, None], place, sliding_window)
    rows = scaled_dot_product_attention(
        spread(query), spread(key), spread(value), mask, is_causal=mask is None, scale=scaling, enable_gqa=shared
    )
    packed = rows.transpose(1, 2).flatten(0, 1).index_select(0, step.packed)
    return packed.view(query.shape[0], query.shape[2], *packed.shape[1:]), None


AttentionInterface.register(ATTENTION, attend_rows)


class CompletionLoss(torch.autograd.Function):
    """Cross-entropy through a frozen LM head, a slice of tokens at a time, without keeping logits.

    The gradient that reaches the states is computed together with the loss, as in Hsu et al. 2024, Liger Kernel
    (arXiv:2410.10989), here with plain matrix products.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return losses (tokens,), float32, of states (tokens, width), head (vocabulary, width), targets (tokens,)."""
        losses, gradients = [], []
        for part, wanted in zip(torch.split(states, HEAD_TOKENS), torch.split(targets, HEAD_TOKENS), strict=True):
            log_odds = (part @ head.T).float().log_softmax(-1)
            losses.append(-log_odds.gather(1, wanted[:, None])[:, 0])
            slope = log_odds.exp_()
            slope[torch.arange(len(wanted), device=wanted.device), wanted] -= 1
            gradients.append(slope.to(head.dtype) @ head)
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Scale each token's gradient."""
        (slopes,) = ctx.saved_tensors
        return slopes * gradients[0][:, None].to(slopes.dtype), None, None


def train_multi_lora(prefix: FrozenPrefix, task: TrainingTask) -> list[Trained]:
    """Train several LoRA students, all at once.

    Args:
        prefix: The frozen layers and, above them, the base that the students adapt; its device and precision decide
            where and in which precision the matrix products run. Adapters and their updates are float32.
        task: Of students with equal numbers of steps; method `lora`.

    Returns:
        As `bench.training.trl.train_with_trl`, per student; seconds are shared out evenly.
    """
    from transformers import get_linear_schedule_with_warmup

    recipe = task.recipe
    steps = list(zip(*(task.steps(i) for i in range(len(task.streams))), strict=True))
    fresh = {seed: trained_tensors(trainable_copy(prefix.base, recipe, seed)) for seed in set(task.seeds)}
    students = MultiLora(prefix.base, [fresh[seed] for seed in task.seeds], training=True)
    students.model.config._attn_implementation = ATTENTION
    if recipe.gradient_checkpointing:
        recompute_activations(students.model)
    optimizer = torch.optim.AdamW([students.flat], lr=recipe.learning_rate, weight_decay=0.0, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, len(steps))
    losses = []
    kept: list[list[Checkpoint]] = []
    start = time.perf_counter()
    with warnings.catch_warnings():
        # A student's values lie together, so that its norm is one operation; each parameter has gaps between students.
        warnings.filterwarnings("ignore", message="grad and param do not obey")
        for done, groups in enumerate(steps, start=1):
            losses.append(_add_gradients(students, prefix, groups, task))
            _clip(students.flat, recipe.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=False)  # the parameters' gradients are views of it
            if done in task.checkpoints:
                kept.append(_checkpoints(students, optimizer))
            task.on_step(done, len(steps))
    by_student = torch.stack(losses).T.tolist()  # waits for the device
    seconds = (time.perf_counter() - start) / len(task.streams)
    return [
        Trained(
            students.tensors(i),
            by_student[i],
            count_tokens(stream),
            seconds,
            "stacked",
            len(task.streams),
            [each[i] for each in kept],
        )
        for i, stream in enumerate(task.streams)
    ]


def _checkpoints(students: MultiLora, optimizer: torch.optim.Optimizer) -> list[Checkpoint]:
    """Take a checkpoint of every student."""
    state = optimizer.state[students.flat]
    flat = zip(students.flat.detach(), state["exp_avg"], state["exp_avg_sq"], strict=True)
    return [Checkpoint(*map(students.by_name, own)) for own in flat]


def _add_gradients(
    students: MultiLora, prefix: FrozenPrefix, groups: Sequence[Sequence[Encoded]], task: TrainingTask
) -> torch.Tensor:
    """Add the gradients of one step; return each student's mean loss, (students,)."""
    shares = 1 / torch.tensor([count_labels(group) for group in groups], dtype=torch.float32, device=prefix.base.device)
    head = students.model.get_output_embeddings().weight
    losses = torch.zeros_like(shares)
    for start in range(0, max(map(len, groups)), task.part):
        part = [group[start : start + task.part] for group in groups]
        step = pack_step(part, prefix.base.device)
        hidden = prefix.packed([[row.ids for row in group] for group in part])
        _steer(hidden, part, task.shifts)
        states = prefix.run(students.model, hidden, None, step.positions, step=step)
        wanted = states.flatten(0, 1).index_select(0, step.predicts)
        share = shares[step.students] * step.weights
        each = CompletionLoss.apply(wanted, head, step.targets) * share  # type: ignore[no-untyped-call]
        each.sum().backward()
        losses.index_add_(0, step.students, each.detach())
    return losses


def _steer(hidden: torch.Tensor, groups: Sequence[Sequence[Encoded]], shifts: Mapping[Steering, torch.Tensor]) -> None:
    """Shift the packed states (students, length, width) of steered rows in place."""
    for states, group in zip(hidden, groups, strict=True):
        for row, start in zip(group, _starts(group), strict=True):
            if row.steering:
                states[start : start + len(row.ids)] += shifts[row.steering].to(states.dtype)


def _clip(flat: torch.nn.Parameter, limit: float) -> None:
    """Clip each student's gradient to a norm, as `torch.nn.utils.clip_grad_norm_` does for one."""
    assert flat.grad is not None
    norms = flat.grad.norm(dim=1, keepdim=True)
    flat.grad.mul_((limit / (norms + 1e-6)).clamp(max=1.0))
