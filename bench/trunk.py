"""The frozen lower layers, computed once: what enters the first trained layer is the same for every student.

Training rows keep their hidden states. Eval prompts also keep the keys and values of the frozen layers, so that a
student's answer starts at its own layers. Everything is stored per distinct row of tokens and without padding, so what
is read back does not depend on the batch in which it was computed. Memory in float32: 4 * width bytes a token for
states, and 8 * frozen layers * key-value width bytes a token for prompts.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bench.recipes import Recipe
from bench.students import decoder_layers, first_trained_layer

if TYPE_CHECKING:
    import torch

Ids = tuple[int, ...]
ROWS_AT_ONCE = 16


class Trunk:
    """States that enter the first trained layer, per distinct row of tokens."""

    def __init__(self, base: Any, recipe: Recipe) -> None:
        """Remember the frozen layers; nothing is computed yet."""
        self.base = base
        self._first = first_trained_layer(base, recipe)
        self._states: dict[Ids, torch.Tensor] = {}
        self._keys: dict[Ids, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def prepare(self, rows: Iterable[Ids]) -> None:
        """Compute the states of rows not seen before."""
        self._compute(set(rows) - self._states.keys(), keep_keys=False)

    def states(self, row: Ids) -> "torch.Tensor":
        """States of one prepared row, shape (tokens, width)."""
        return self._states[row]

    def packed(self, groups: Sequence[Sequence[Ids]]) -> "torch.Tensor":
        """States of some rows behind one another, filled up with zeros: shape (groups, longest group, width)."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        if self._first:
            self.prepare(row for group in groups for row in group)
            return pad_sequence([torch.cat([self._states[row] for row in group]) for group in groups], batch_first=True)
        device = self.base.device  # what enters the lowest layer is as quick to look up as to keep
        tokens = [torch.tensor([token for row in group for token in row], device=device) for group in groups]
        with torch.no_grad():
            hidden: torch.Tensor = self.base.model.embed_tokens(pad_sequence(tokens, batch_first=True))
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
        """
        causal = model.get_base_model() if hasattr(model, "get_base_model") else model
        rotary = causal.model.rotary_emb(hidden, positions)
        more |= {"past_key_values": cache, "use_cache": True} if cache is not None else {}
        for layer in decoder_layers(model)[self._first :]:
            hidden = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotary, **more)
        return causal.model.norm(hidden)

    def states_of(self, model: Any, rows: Sequence[Ids]) -> "torch.Tensor":
        """States that enter the LM head, right-padded: shape (rows, longest, width)."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        self.prepare(rows)
        with torch.inference_mode():
            hidden = pad_sequence([self._states[row] for row in rows], batch_first=True)
            positions, mask = _causal(hidden)
            return self.run(model, hidden, mask, positions)  # type: ignore[no-any-return]

    def begin(self, model: Any, rows: Sequence[Ids]) -> "tuple[torch.Tensor, Any]":
        """Read prompts with a student.

        Returns:
            Logits of the token that follows each prompt, shape (rows, vocabulary), and the filled key-value cache of
            the left-padded batch.
        """
        import torch
        from transformers import DynamicCache

        self._compute({row for row in rows if row not in self._keys}, keep_keys=True)
        longest = max(map(len, rows))
        cache = DynamicCache()
        with torch.inference_mode():
            for layer in range(self._first):
                keys, values = zip(*(self._keys[row][layer] for row in rows), strict=True)
                cache.update(_left_padded(keys, longest), _left_padded(values, longest), layer)
            hidden = _left_padded([self._states[row] for row in rows], longest)
            real = torch.tensor([[i >= longest - len(row) for i in range(longest)] for row in rows])
            real = real.to(hidden.device)
            positions, mask = _causal(hidden)
            own = torch.eye(longest, dtype=torch.bool, device=hidden.device)  # padding sees itself: no empty softmax
            mask = mask & (real[:, None, None, :] | own)
            positions = (real.cumsum(-1) - 1).clamp(min=0)
            last = self.run(model, hidden, mask, positions, cache)[:, -1]
            return model.lm_head(last), cache

    def _compute(self, rows: set[Ids], *, keep_keys: bool) -> None:
        ordered = sorted(rows, key=lambda ids: (len(ids), ids))
        for i in range(0, len(ordered), ROWS_AT_ONCE):
            self._compute_group(ordered[i : i + ROWS_AT_ONCE], keep_keys)

    def _compute_group(self, group: Sequence[Ids], keep_keys: bool) -> None:
        import torch
        from transformers import DynamicCache

        model, device = self.base.model, self.base.device
        longest = max(map(len, group))
        # Padded on the right: under a causal mask the padding cannot reach a real token.
        tokens = torch.tensor([[*ids, *([0] * (longest - len(ids)))] for ids in group], device=device)
        cache: Any = DynamicCache() if keep_keys else None
        extra = {"past_key_values": cache, "use_cache": True} if keep_keys else {}
        with torch.inference_mode():
            hidden = model.embed_tokens(tokens)
            positions, mask = _causal(hidden)
            rotary = model.rotary_emb(hidden, positions)
            for layer in model.layers[: self._first]:
                hidden = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotary, **extra)
        for number, ids in enumerate(group):
            self._states[ids] = hidden[number, : len(ids)].clone()
            if cache is not None:
                kept = (slice(number, number + 1), slice(None), slice(len(ids)))
                self._keys[ids] = [(layer.keys[kept].clone(), layer.values[kept].clone()) for layer in cache.layers]


def _causal(hidden: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """Positions (1, tokens) and causal mask (1, 1, tokens, tokens) of a right-padded batch."""
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
