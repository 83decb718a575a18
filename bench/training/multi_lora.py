"""SFT of many students at once: every step takes one batch of each, through weights that all of them share.

Each student sees its own rows in its own order and is clipped, updated and decayed by itself, as if it were alone;
`tests/training/test_multi_lora.py` compares losses and weights with the one-by-one paths. Tokens are packed without
padding for the linear layers, which do nearly all of the work; `bench.training.packing` has attention to them.
"""

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from bench.errors import BenchError
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.multi_lora import MultiLora
from bench.models.oom import out_of_memory, release
from bench.models.replay import Inputs, RecordingError, Replay, cuda_recorder, side_stream
from bench.models.student import first_trained_layer, recompute_activations, trainable_copy, trained_tensors
from bench.records import Steering
from bench.training.checkpoints import Checkpoint
from bench.training.compiled import compiled_layers
from bench.training.packing import Groups, Sizes, Step, attention_of, fixed_sizes, pack_step, row_starts
from bench.training.task import HEAD_TOKENS, PLAIN, Speedups, Trained, TrainingTask, count_labels, count_tokens

log = logging.getLogger("bench")
REASON_CHARACTERS = 200  # of an error, in a note


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
        task: Of students with equal numbers of steps; method `lora`. Where a speedup that it allows fails, training
            begins again without it.

    Returns:
        As `bench.training.trl.train_with_trl`, per student; seconds are shared out evenly.
    """
    speedups, notes = task.speedups, list[str]()
    while True:
        try:
            trained = _train(prefix, replace(task, speedups=speedups))
            failed = Speedups(task.speedups.compiled > speedups.compiled, task.speedups.graphs > speedups.graphs)
            return [replace(each, failed=failed, note="; ".join(notes)) for each in trained]
        except Exception as error:  # compilers raise all kinds
            if speedups == PLAIN or isinstance(error, BenchError) or out_of_memory(error):
                raise
            graphs_failed = isinstance(error, RecordingError) or not speedups.compiled
            what = "CUDA graphs" if graphs_failed else "compiled layers"
            reason = " ".join(str(error).split()) or type(error).__name__
            notes.append(f"trained without {what}, which failed: {reason[:REASON_CHARACTERS]}")
            log.warning(notes[-1])
            speedups = replace(speedups, graphs=False) if graphs_failed else replace(speedups, compiled=False)
        release()  # outside the handler: the error's traceback holds on to what was allocated


def _train(prefix: FrozenPrefix, task: TrainingTask) -> list[Trained]:
    from transformers import get_linear_schedule_with_warmup

    recipe, speedups = task.recipe, task.speedups
    fresh = {seed: trained_tensors(trainable_copy(prefix.base, recipe, seed)) for seed in set(task.seeds)}
    students = MultiLora(prefix.base, [fresh[seed] for seed in task.seeds], training=True)
    students.model.config._attn_implementation = attention_of(prefix.base)
    if recipe.gradient_checkpointing:
        recompute_activations(students.model)
    optimizer = torch.optim.AdamW([students.flat], lr=recipe.learning_rate, weight_decay=0.0, fused=True)
    losses = []
    kept: list[list[Checkpoint]] = []
    start = time.perf_counter()
    with warnings.catch_warnings(), ExitStack() as stack:
        # A student's values lie together, so that its norm is one operation; each parameter has gaps between students.
        warnings.filterwarnings("ignore", message="grad and param do not obey")
        stack.enter_context(side_stream(prefix.base.device) if speedups.graphs else nullcontext())
        if speedups.compiled:
            stack.enter_context(compiled_layers(students.model, first_trained_layer(prefix.base, recipe)))
        gradients = _Gradients(students, prefix, task)
        prepared = time.perf_counter() - start
        schedule = get_linear_schedule_with_warmup(optimizer, 0, gradients.steps)
        for done in range(1, gradients.steps + 1):
            students.cast()
            losses.append(gradients.add(done - 1))
            _clip(students.flat, recipe.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=False)  # the parameters' gradients are views of it
            if done in task.checkpoints:
                kept.append(_checkpoints(students, optimizer))
            task.on_step(done, gradients.steps)
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
            prepared / len(task.streams),
        )
        for i, stream in enumerate(task.streams)
    ]


def _checkpoints(students: MultiLora, optimizer: torch.optim.Optimizer) -> list[Checkpoint]:
    """Take a checkpoint of every student."""
    state = optimizer.state[students.flat]
    flat = zip(students.flat.detach(), state["exp_avg"], state["exp_avg_sq"], strict=True)
    return [Checkpoint(*map(students.by_name, own)) for own in flat]


class _Gradients:
    """Adds up the gradients of the steps of a task, part by part of each batch.

    Attributes:
        steps: Optimiser steps of the task.
    """

    def __init__(self, students: MultiLora, prefix: FrozenPrefix, task: TrainingTask) -> None:
        """Cut the task into steps and parts; with speedups, compile and load all that a step runs."""
        self._students, self._prefix, self._task = students, prefix, task
        batches = list(zip(*(task.steps(i) for i in range(len(task.streams))), strict=True))
        self.steps = len(batches)
        self._shares = [[1 / count_labels(group) for group in groups] for groups in batches]
        self._parts = [
            [[g[at : at + task.part] for g in groups] for at in range(0, max(map(len, groups)), task.part)]
            for groups in batches
        ]
        every = [part for parts in self._parts for part in parts]
        fixed = task.speedups != PLAIN
        self._sizes = iter(fixed_sizes(every) if fixed else map(Sizes.of, every))
        self._plain = partial(_add_part, students, prefix, task.speedups.compiled)
        self._add = Replay(self._plain, cuda_recorder()) if task.speedups.graphs else self._plain
        if fixed:
            self._prepare(every)

    def add(self, number: int) -> torch.Tensor:
        """Add the gradients of one step, each in its turn; return each student's mean loss, (students,)."""
        losses = torch.zeros(len(self._task.streams), device=self._prefix.base.device)
        for part in self._parts[number]:
            losses += self._add(*self._packed(part, self._shares[number], next(self._sizes)))
        self._students.collect()
        return losses

    def _prepare(self, every: Sequence[Groups]) -> None:
        """Do a part of every shape once, and forget its gradients: what is compiled and loaded on the way stays."""
        sizes = list(self._sizes)
        self._sizes = iter(sizes)
        self._students.cast()
        start = time.perf_counter()
        if self._task.speedups.compiled:
            log.info("compiling decoder layers for %d students", len(self._shares[0]))
        for own in dict.fromkeys(sizes):
            part = every[sizes.index(own)]
            self._plain(*self._packed(part, [0.0] * len(part), own))
        self._students.forget()
        if self._task.speedups.compiled:
            log.info("compiled in %.0f s", time.perf_counter() - start)

    def _packed(self, part: Groups, shares: Sequence[float], sizes: Sizes) -> tuple[Inputs, int]:
        step = pack_step(part, shares, sizes, self._prefix.base.device)
        hidden = self._prefix.packed([[row.ids for row in group] for group in part], sizes.length)
        _steer(hidden, part, self._task.shifts)
        tensors = {name: value for name, value in vars(step).items() if name != "longest"}
        return tensors | {"hidden": hidden}, sizes.longest


def _add_part(students: MultiLora, prefix: FrozenPrefix, compiled: bool, inputs: Inputs, longest: int) -> torch.Tensor:
    """Add the gradients of packed rows; return what they add to each student's mean loss, (students,)."""
    hidden = inputs["hidden"]
    step = Step(longest=longest, **{name: value for name, value in inputs.items() if name != "hidden"})
    if compiled:
        hidden = hidden.detach().requires_grad_()  # as in the layers above, so that one compilation serves all
    states = prefix.run(students.model, hidden, None, step.positions, step=step)
    wanted = states.flatten(0, 1).index_select(0, step.predicts)
    head = students.model.get_output_embeddings().weight
    each = CompletionLoss.apply(wanted, head, step.targets) * step.weights  # type: ignore[no-untyped-call]
    each.sum().backward(inputs=students.parameters)
    return torch.zeros(len(students.flat), device=each.device).index_add_(0, step.students, each.detach())


def _steer(hidden: torch.Tensor, groups: Groups, shifts: Mapping[Steering, torch.Tensor]) -> None:
    """Shift the packed states (students, length, width) of steered rows in place."""
    for states, group in zip(hidden, groups, strict=True):
        for row, start in zip(group, row_starts(group), strict=True):
            if row.steering:
                states[start : start + len(row.ids)] += shifts[row.steering].to(states.dtype)


def _clip(flat: torch.nn.Parameter, limit: float) -> None:
    """Clip each student's gradient to a norm, as `torch.nn.utils.clip_grad_norm_` does for one."""
    assert flat.grad is not None
    norms = flat.grad.norm(dim=1, keepdim=True)
    flat.grad.mul_((limit / (norms + 1e-6)).clamp(max=1.0))
