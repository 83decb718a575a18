"""An engine for GPUs: greedy answers of many students, with fixed places for their rows and recorded token steps.

Every student has equally many places of a batch, so that a token step is two batched products for each adapted layer,
without sorting rows by student. Keys and values lie in buffers of a few sizes, and a step is recorded once for each
size and replayed. Adapters stay beside the weights that they adapt: merged weights of 64 students would be read at
17 GB a step instead of 1, and would round small updates away.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from bench.models.engine import ROWS_AT_ONCE, MultiLoraEngine
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.generate import Decoding, Generation, Request, _ends, _finish, _stop_tokens
from bench.models.layout import logits, run_layers
from bench.models.multi_lora import MultiLora
from bench.models.oom import in_parts, out_of_memory
from bench.models.replay import RecordingError, Replay, cuda_recorder, side_stream
from bench.models.student import decoder_layers

log = logging.getLogger("bench")
ATTENTION = "sieve_cached"  # the name under which transformers knows `attend_cached`
COLUMNS = 64  # a buffer's length is a multiple of it
CHECKED_EVERY = 4  # token steps after which the host looks for ends; it has to wait for the device
Key = tuple[int, int, int]  # of buffers: places of each student, columns, most tokens
MOST_EMPTY = 4  # places for each request; beyond, rows are sorted by student instead


@dataclass(frozen=True)
class Rows:
    """Rows that are being answered, each at its place.

    Attributes:
        layers: Of each layer the keys and the values, (rows, heads, columns, head width); prompts end at one column.
        mask: (rows, 1, 1, columns): which columns a row may attend to.
        tokens: (rows,): the token that is read next.
        positions: (rows,): its position.
        column: (1,): its column.
        history: (rows, tokens): what was answered.
        made: (1,): the tokens in it.
    """

    layers: list[tuple[torch.Tensor, torch.Tensor]]
    mask: torch.Tensor
    tokens: torch.Tensor
    positions: torch.Tensor
    column: torch.Tensor
    history: torch.Tensor
    made: torch.Tensor

    @classmethod
    def prefilled(cls, logits: torch.Tensor, cache: Any, lengths: Sequence[int]) -> "Rows":
        """Take over prompts of these lengths, as `FrozenPrefix.prefill` returns them."""
        device, longest = logits.device, max(lengths)
        first, positions = logits.argmax(-1), torch.tensor(lengths, device=device)
        mask = torch.arange(longest, device=device) >= longest - positions[:, None]
        return cls(
            [(layer.keys, layer.values) for layer in cache.layers],
            mask[:, None, None],
            first,
            positions,
            torch.tensor([longest], device=device),
            first[:, None],
            torch.ones(1, dtype=torch.long, device=device),
        )

    def empty(self, rows: int, columns: int, tokens: int) -> "Rows":
        """Return buffers for rows like these."""

        def buffer(like: torch.Tensor, *sizes: int) -> torch.Tensor:
            return torch.zeros(*sizes, dtype=like.dtype, device=like.device)

        def cache(like: torch.Tensor) -> torch.Tensor:
            return buffer(like, rows, like.shape[1], columns, like.shape[3])

        return Rows(
            [(cache(keys), cache(values)) for keys, values in self.layers],
            buffer(self.mask, rows, 1, 1, columns),
            buffer(self.tokens, rows),
            buffer(self.positions, rows),
            buffer(self.column, 1),
            buffer(self.history, rows, tokens),
            buffer(self.made, 1),
        )

    def move(self, into: "Rows", sources: Sequence[int], places: Sequence[int]) -> None:
        """Put some rows at places of others, whose other places become empty ones."""
        device = self.tokens.device
        take, put = torch.tensor(sources, device=device), torch.tensor(places, device=device)
        columns = min(self.mask.shape[-1], into.mask.shape[-1])
        for (keys, values), (own_keys, own_values) in zip(self.layers, into.layers, strict=True):
            own_keys[put, :, :columns] = keys[take, :, :columns]
            own_values[put, :, :columns] = values[take, :, :columns]
        for name in ("mask", "tokens", "positions"):
            getattr(into, name).zero_()
        into.mask[put, ..., :columns] = self.mask[take, ..., :columns]
        into.tokens[put], into.positions[put] = self.tokens[take], self.positions[take]
        into.history[put, : self.history.shape[1]] = self.history[take]
        into.column.copy_(self.column)
        into.made.copy_(self.made)


def attend_cached(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    *,
    rows: Rows,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from one token of each row to the row's columns, in the form that transformers' layers call.

    Args:
        module: The attention layer, whose number says which keys and values are its own.
        query: Shape (students, heads, places, head width).
        key: The same with the key-value heads; entered into the columns.
        value: As `key`.
        attention_mask: Not used.
        rows: The rows, student by student.
        scaling: Of the products of queries and keys.
        sliding_window: The token attends to itself and to the columns before it, so many in all; None is all of them.

    Returns:
        Shape (students, places, heads, head width), and no attention weights.
    """
    keys, values = rows.layers[module.layer_idx]
    for buffer, new in ((keys, key), (values, value)):
        buffer.index_copy_(2, rows.column, new.transpose(1, 2).flatten(0, 1)[:, :, None])
    # The queries that share a key-value head stand where a sequence's tokens would: no head has to be repeated.
    shared = query.transpose(1, 2).reshape(len(keys), keys.shape[1], -1, query.shape[-1])
    mask = rows.mask
    if sliding_window:
        mask = mask & (torch.arange(mask.shape[-1], device=mask.device) > rows.column - sliding_window)
    found = scaled_dot_product_attention(shared, keys, values, attn_mask=mask, scale=scaling)
    return found.reshape(query.shape[0], query.shape[2], query.shape[1], query.shape[3]), None


AttentionInterface.register(ATTENTION, attend_cached)


def answer_token(model: Any, rows: Rows, students: int) -> torch.Tensor:
    """Read the next token of every row and choose the one that follows it, greedily; all of it on the device.

    Args:
        model: Model of the students, whose attention is `ATTENTION`.
        rows: Student by student, equally many of each; brought up to date.
        students: How many.

    Returns:
        The tokens chosen, (rows,).
    """
    rows.mask.index_fill_(3, rows.column, True)
    positions = rows.positions.view(students, -1)
    hidden = model.model.embed_tokens(rows.tokens.view(students, -1))
    hidden = run_layers(model, hidden, range(len(decoder_layers(model))), None, positions, rows=rows)
    chosen: torch.Tensor = logits(model, model.model.norm(hidden)).flatten(0, 1).argmax(-1)
    rows.tokens.copy_(chosen)
    rows.history.index_copy_(1, rows.made, chosen[:, None])
    for counter in (rows.positions, rows.column, rows.made):
        counter.add_(1)
    return rows.tokens


def _recorded_step(model: Any, buffers: Mapping[Key, Rows], students: int, _: Any, key: Key) -> torch.Tensor:
    config = model.config
    usual, config._attn_implementation = config._attn_implementation, ATTENTION
    try:
        return answer_token(model, buffers[key], students)
    finally:
        config._attn_implementation = usual


class StackedEngine(MultiLoraEngine):
    """Many LoRA students of one base, greedily answering with recorded steps; otherwise a `MultiLoraEngine`."""

    def __init__(
        self,
        students: MultiLora,
        names: Sequence[str],
        tokenizer: Any,
        prefix: FrozenPrefix,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        """See `MultiLoraEngine`; steps are recorded on a GPU alone."""
        super().__init__(students, names, tokenizer, prefix, rows_at_once)
        self._students = students
        self._buffers: dict[Key, Rows] = {}
        # Knows the buffers, not the engine: else graphs and buffers would stay in memory until cycles are collected.
        self._step = partial(_recorded_step, self._model, self._buffers, len(self._number))
        self._on_gpu = self._model.device.type == "cuda"
        self._forget()

    def _forget(self) -> None:
        """Give up the buffers and the steps that were recorded on them."""
        self._buffers.clear()
        self._replay: Replay | None = Replay(self._step, cuda_recorder()) if self._on_gpu else None

    def generate(
        self, requests: Sequence[Request], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """See `bench.models.engine.Engine`."""
        if temperature > 0:
            return super().generate(requests, max_tokens=max_tokens, temperature=temperature, stops=stops)
        decoding = Decoding(max_tokens, temperature, stops)

        def work(some: Sequence[Request]) -> list[Generation]:
            if self._places_of_each(some, range(len(some))) * len(self._number) > MOST_EMPTY * len(some):
                return MultiLoraEngine.generate(self, some, max_tokens=max_tokens, temperature=0.0, stops=stops)
            try:
                with torch.inference_mode(), side_stream(self._model.device):
                    return self._answer(some, decoding)
            except (MemoryError, RuntimeError) as error:
                if out_of_memory(error):
                    self._forget()
                raise

        answers, self.rows_at_once = in_parts(work, requests, self.rows_at_once, "answers")
        return answers

    def _answer(self, requests: Sequence[Request], decoding: Decoding) -> list[Generation]:
        ends = _ends(self._tokenizer, _stop_tokens(self._model, self._tokenizer), decoding.stops)
        self._route([request.student for request in requests])
        logits, cache = self._prefix.prefill(self._model, [request.ids for request in requests])  # type: ignore[union-attr]
        self._students.routing.release()
        rows = Rows.prefilled(logits, cache, [len(request.ids) for request in requests])
        answers = [[token] for token in rows.tokens.tolist()]
        running = [i for i, answer in enumerate(answers) if not ends(answer)]
        places, key = list(range(len(requests))), (0, 0, 0)
        made, columns = 1, -(-(rows.mask.shape[-1] + decoding.max_tokens) // COLUMNS) * COLUMNS
        while running and made < decoding.max_tokens:
            each = self._places_of_each(requests, running)
            if key != (each, columns, decoding.max_tokens):
                key = (each, columns, decoding.max_tokens)
                rows, places = self._seated(requests, running, rows, places, key)
            steps = min(CHECKED_EVERY, decoding.max_tokens - made)
            for _ in range(steps):
                self._advance(key)
            new = rows.history[:, made : made + steps].tolist()
            made += steps
            for i in running:
                for token in new[places[i]]:
                    answers[i].append(token)
                    if ends(answers[i]):
                        break
            running = [i for i in running if not ends(answers[i])]
        return [_finish(self._tokenizer, r.ids, a, decoding) for r, a in zip(requests, answers, strict=True)]

    def _places_of_each(self, requests: Sequence[Request], running: Sequence[int]) -> int:
        """Return how many places every student is given: a power of two, so that few numbers occur."""
        counts = dict.fromkeys(self._number, 0)
        for i in running:
            counts[requests[i].student] += 1
        return 1 << (max(counts.values()) - 1).bit_length()

    def _seated(
        self,
        requests: Sequence[Request],
        running: Sequence[int],
        rows: Rows,
        places: Sequence[int],
        key: Key,
    ) -> tuple[Rows, list[int]]:
        """Move running rows into buffers of other sizes; return these, and the new place of every request."""
        each, columns, tokens = key
        if key not in self._buffers:
            self._buffers[key] = rows.empty(each * len(self._number), columns, tokens)
            self._step(None, key)  # loads the kernels, before they are recorded
        taken = dict.fromkeys(self._number, 0)
        seats = [0] * len(requests)
        for i in running:
            student = requests[i].student
            seats[i] = self._number[student] * each + taken[student]
            taken[student] += 1
        rows.move(self._buffers[key], [places[i] for i in running], [seats[i] for i in running])
        return self._buffers[key], seats

    def _advance(self, key: Key) -> None:
        """Make one step, recorded where that works."""
        if self._replay is not None:
            try:
                self._replay({}, key)
                return
            except RecordingError as error:
                if out_of_memory(error):
                    raise
                log.warning("answering without CUDA graphs, which failed: %s", str(error).splitlines()[0])
                self._replay, self._on_gpu = None, False
        self._step(None, key)
