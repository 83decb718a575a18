"""The frozen lower layers, computed once: what enters the first trained layer is the same for every student.

Training rows keep their hidden states. Eval prompts also keep the keys and values of the frozen layers, so that a
student's answer starts at its own layers. Everything is stored per distinct row of tokens and without padding, so what
is read back does not depend on the batch in which it was computed. Memory in float32: 4 * width bytes a token for
states, and 8 * frozen layers * key-value width bytes a token for prompts. Once a budget is used up, further rows are
computed whenever they are needed.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bench.config.recipe import Recipe
from bench.models.encode import Encoded, filled_up
from bench.models.layout import check_runs_by_layer, logits, run_layers
from bench.models.oom import in_parts
from bench.models.student import causal_model, decoder_layers, first_trained_layer

if TYPE_CHECKING:
    import torch

Ids = tuple[int, ...]
ROWS_AT_ONCE = 16
FOR_PROMPTS = 0.25  # share of the budget; every student reads the eval prompts


class FrozenPrefix:
    """Return the states that enter the first trained layer, per distinct row of tokens."""

    def __init__(self, base: Any, recipe: Recipe, budget: float = math.inf) -> None:
        """Remember the frozen layers; nothing is computed yet.

        Args:
            base: Causal language model.
            recipe: Says which layers are frozen.
            budget: Bytes that kept states, keys and values may take; what is read does not depend on it, up to
                rounding.
        """
        self.base = base
        self._first = first_trained_layer(base, recipe)
        self._states: dict[Ids, torch.Tensor] = {}
        self._prompts: dict[Ids, tuple[torch.Tensor, Any]] = {}
        self._room, self._room_for_prompts = (1 - FOR_PROMPTS) * budget, FOR_PROMPTS * budget
        self._checked = False  # TRL's path holds on to a base of any layout, and runs none of its layers here

    def prepare(self, rows: Iterable[Ids]) -> None:
        """Compute and keep the states of rows not seen before, short rows first, as many as there is room for."""
        fitting = []
        for row in _ordered(set(rows) - self._states.keys()):
            size = self.base.dtype.itemsize * self.base.config.hidden_size * len(row)
            if size > self._room:
                break
            self._room -= size
            fitting.append(row)
        for row, states, _ in self._compute(fitting, keep_keys=False):
            self._states[row] = states

    def states(self, rows: Sequence[Ids]) -> "dict[Ids, torch.Tensor]":
        """Return the states of some rows, kept or computed now, each of shape (tokens, width)."""
        missing = _ordered({row for row in rows if row not in self._states})
        found = {row: states for row, states, _ in self._compute(missing, keep_keys=False)}
        return {row: self._states[row] if row in self._states else found[row] for row in rows}

    def packed(self, groups: Sequence[Sequence[Ids]], length: int) -> "torch.Tensor":
        """Return states of groups of rows, packed and filled up with padding: shape (groups, length, width)."""
        import torch
        from torch.nn.functional import pad

        if self._first:
            self.prepare(row for group in groups for row in group)
            read = self.states([row for group in groups for row in group])
            none = self.base.get_input_embeddings().weight[:0].detach()
            packed = [torch.cat([none, *(read[row] for row in group)]) for group in groups]
            return torch.stack([pad(each, (0, 0, 0, length - len(each))) for each in packed])
        tokens = torch.zeros(len(groups), length, dtype=torch.long)  # as quick to look up as to keep
        for filled, group in zip(tokens, groups, strict=True):
            own = [token for row in group for token in row]
            filled[: len(own)] = torch.tensor(own, dtype=torch.long)
        with torch.no_grad():
            hidden: torch.Tensor = self.base.model.embed_tokens(on_device(tokens, self.base.device))
        return hidden

    def run(self, model: Any, hidden: Any, mask: Any, positions: Any, cache: Any = None, **more: Any) -> Any:
        """Run a student's own layers and final norm.

        Args:
            model: The student: a plain model, or one wrapped by peft.
            hidden: States that enter its first trained layer, shape (batch, tokens, width).
            mask: True where may be attended to, shape (1 or batch, 1, tokens, tokens).
            positions: Shape (1 or batch, tokens).
            cache: Keys and values of these layers are appended to it.
            more: Passed on to the attention function of the model.

        Returns:
            States that enter the LM head, shape (batch, tokens, width).

        Raises:
            BenchError: If the model's layers cannot be run one by one.
        """
        self._check()
        more |= {"past_key_values": cache, "use_cache": True} if cache is not None else {}
        own = range(self._first, len(decoder_layers(model)))
        return causal_model(model).model.norm(run_layers(model, hidden, own, mask, positions, **more))

    def _check(self) -> None:
        if not self._checked:
            check_runs_by_layer(self.base)
            self._checked = True

    def final_states(self, model: Any, groups: Sequence[Sequence[Encoded]]) -> "torch.Tensor":
        """Return the states that enter the LM head for groups of rows whose prompts are equal.

        Args:
            model: As for `run`.
            groups: A group is read as one sequence: its prompt once, then the completions, which do not see one
                another.

        Returns:
            Shape (groups, longest sequence filled up, width), padded on the right.
        """
        import torch
        from torch.nn.functional import pad
        from torch.nn.utils.rnn import pad_sequence

        self.prepare(row.ids for group in groups for row in group)
        states = self.states([row.ids for group in groups for row in group])
        pieces, positions, parts = [], [], []
        for group in groups:
            prompt = group[0].prompt_length
            pieces.append(torch.cat([states[group[0].ids][:prompt], *(states[row.ids][prompt:] for row in group)]))
            ends = [len(row.ids) for row in group]
            positions.append(torch.tensor([*range(prompt), *(i for end in ends for i in range(prompt, end))]))
            numbers = [0] * prompt + [n for n, end in enumerate(ends, start=1) for _ in range(prompt, end)]
            parts.append(torch.tensor(numbers))
        longest = max(map(len, pieces))
        more = filled_up(longest) - longest
        hidden = pad(pad_sequence(pieces, batch_first=True), (0, 0, 0, more))
        at = pad(pad_sequence(positions, batch_first=True), (0, more)).to(hidden.device)
        part = pad(pad_sequence(parts, batch_first=True, padding_value=-1), (0, more), value=-1).to(hidden.device)
        mask = _causal(hidden)[1] & ((part[:, None, :] == 0) | (part[:, None, :] == part[:, :, None]))[:, None]
        return self.run(model, hidden, mask, at)  # type: ignore[no-any-return]

    def prefill(self, model: Any, rows: Sequence[Ids]) -> "tuple[torch.Tensor, Any]":
        """Read prompts with a student.

        Returns:
            Logits of the token that follows each prompt, shape (rows, vocabulary), and the filled key-value cache of
            the left-padded batch.
        """
        import torch

        from bench.models.kv_cache import roomy_cache  # loads torch

        read = self._read(rows)
        longest = max(map(len, rows))
        cache = roomy_cache()
        numbers = {row: number for number, row in enumerate(read)}  # many students are asked the same
        in_order = list(read) == list(rows)

        def batched(pieces: "Iterable[torch.Tensor]") -> "torch.Tensor":
            padded = _left_padded(list(pieces), longest)
            return padded if in_order else padded[places]

        with torch.inference_mode():
            places = torch.tensor([numbers[row] for row in rows], device=self.base.device)
            for layer in range(self._first):
                keys, values = zip(*(each[1][layer] for each in read.values()), strict=True)
                cache.update(batched(keys), batched(values), layer)
            hidden = batched(each[0] for each in read.values())
            lengths = torch.tensor([len(row) for row in rows], device=hidden.device)
            real = torch.arange(longest, device=hidden.device) >= longest - lengths[:, None]
            positions, mask = _causal(hidden)
            own = torch.eye(longest, dtype=torch.bool, device=hidden.device)  # padding sees itself: no empty softmax
            mask = mask & (real[:, None, None, :] | own)
            positions = (real.cumsum(-1) - 1).clamp(min=0)
            last = self.run(model, hidden, mask, positions, cache)[:, -1]
            return logits(model, last), cache

    def _read(self, prompts: Sequence[Ids]) -> "dict[Ids, tuple[torch.Tensor, Any]]":
        """States, keys and values of prompts; those not seen before are kept while there is room."""
        found = {row: self._prompts[row] for row in prompts if row in self._prompts}
        for row, states, keys in self._compute(_ordered(set(prompts) - found.keys()), keep_keys=True):
            found[row] = states, keys
            size = states.nbytes + sum(key.nbytes + value.nbytes for key, value in keys)
            if size <= self._room_for_prompts:
                self._room_for_prompts -= size
                self._prompts[row] = found[row]
        return found

    def _compute(self, rows: Sequence[Ids], *, keep_keys: bool) -> "Iterator[tuple[Ids, torch.Tensor, Any]]":
        """Compute states of rows, and the keys and values of every frozen layer (none unless they are asked for)."""
        at_once = ROWS_AT_ONCE
        groups = []
        for _, alike in groupby(rows, key=lambda ids: filled_up(len(ids))):  # so that its padding is its own
            some = list(alike)
            groups += [some[i : i + ROWS_AT_ONCE] for i in range(0, len(some), ROWS_AT_ONCE)]
        for group in groups:
            found, at_once = in_parts(
                lambda part: self._compute_group(part, keep_keys), group, at_once, "the frozen layers"
            )
            yield from ((row, *each) for row, each in zip(group, found, strict=True))

    def _compute_group(self, group: Sequence[Ids], keep_keys: bool) -> "list[tuple[torch.Tensor, Any]]":
        import torch
        from transformers import DynamicCache

        self._check()
        device = self.base.device
        longest = filled_up(max(map(len, group)))
        # Padded on the right: under a causal mask the padding cannot reach a real token.
        tokens = torch.tensor([[*ids, *([0] * (longest - len(ids)))] for ids in group], device=device)
        cache: Any = DynamicCache() if keep_keys else None
        extra = {"past_key_values": cache, "use_cache": True} if keep_keys else {}
        with torch.inference_mode():
            hidden = self.base.model.embed_tokens(tokens)
            positions, mask = _causal(hidden)
            hidden = run_layers(self.base, hidden, range(self._first), mask, positions, **extra)
        found = []
        for number, ids in enumerate(group):
            kept = (slice(number, number + 1), slice(None), slice(len(ids)))
            layers = cache.layers if keep_keys else ()
            keys = [(layer.keys[kept].clone(), layer.values[kept].clone()) for layer in layers]
            found.append((hidden[number, : len(ids)].clone(), keys))
        return found


def on_device(values: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """Move values to a device; a GPU fetches them from page-locked memory while this process goes on."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def _ordered(rows: Iterable[Ids]) -> list[Ids]:
    """Put rows of like length beside one another, so that little is padded."""
    return sorted(rows, key=lambda ids: (len(ids), ids))


def _causal(hidden: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """Return positions (1, tokens) and causal mask (1, 1, tokens, tokens) of a right-padded batch."""
    import torch

    tokens = hidden.shape[1]
    mask = torch.ones(tokens, tokens, dtype=torch.bool, device=hidden.device).tril()
    return torch.arange(tokens, device=hidden.device)[None], mask[None, None]


def _left_padded(pieces: "Sequence[torch.Tensor]", longest: int) -> "torch.Tensor":
    """Stack tensors whose last but one axis is the token, padded with zeros in front."""
    import torch
    from torch.nn.functional import pad

    padded = [pad(piece, (0, 0, longest - piece.shape[-2], 0)) for piece in pieces]
    return torch.cat(padded) if padded[0].dim() == 4 else torch.stack(padded)
