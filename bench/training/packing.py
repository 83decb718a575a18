"""One step of many students as tensors: rows packed behind one another, and where attention finds each of them.

Every tensor has a size that `Sizes` states, so that steps can be given the same shapes: CUDA graphs replay those alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import accumulate, groupby
from typing import Any

import numpy as np
import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from bench.models.encode import Encoded
from bench.models.frozen_prefix import on_device
from bench.models.layout import within_window

# The names under which transformers knows `attend_rows` and `attend_packed`
ATTENTION, PACKED_ATTENTION = "sieve_rows", "sieve_packed"
AMPERE = (8, 0)  # the oldest GPUs that have flash attention
WIDEST = 256  # head that flash attention takes; its width is a multiple of 8
# PyTorch 2.11 lets heads share keys and values unasked, later versions want to be told.
SHARED = {"enable_gqa": True} if "enable_gqa" in signature(varlen_attn).parameters else {}
SHAPES = 3  # classes of steps by their length, where shapes are fixed
MULTIPLE = 8  # of tokens, which matrix units like best
Groups = Sequence[Sequence[Encoded]]  # the rows of each student


@dataclass(frozen=True)
class Sizes:
    """The sizes of a step's tensors.

    Attributes:
        rows: Of all students.
        length: Tokens of the student that has most of them.
        longest: Tokens of the longest row.
        targets: Completion tokens of all students.
    """

    rows: int
    length: int
    longest: int
    targets: int

    @classmethod
    def of(cls, groups: Groups) -> "Sizes":
        """Return the least sizes that hold a step."""
        rows = [row for group in groups for row in group]
        return cls(
            len(rows),
            max(sum(len(row.ids) for row in group) for group in groups),
            max(len(row.ids) for row in rows),
            sum(len(row.ids) - row.prompt_length for row in rows),
        )


def fixed_sizes(parts: Sequence[Groups]) -> list[Sizes]:
    """Return the sizes to give every step, of as few kinds as `SHAPES` for each number of rows."""
    least = [Sizes.of(groups) for groups in parts]
    found: dict[int, Sizes] = {}
    ordered = sorted(range(len(least)), key=lambda i: (least[i].rows, least[i].length))
    for rows, alike in groupby(ordered, key=lambda i: least[i].rows):
        numbers = list(alike)
        share = -(-len(numbers) // SHAPES)
        for start in range(0, len(numbers), share):
            part = numbers[start : start + share]
            length, longest, targets = (
                -(-max(getattr(least[i], name) for i in part) // MULTIPLE) * MULTIPLE
                for name in ("length", "longest", "targets")
            )
            found |= dict.fromkeys(part, Sizes(rows, length, longest, targets))
    return [found[i] for i in range(len(least))]


@dataclass(frozen=True)
class RowLayout:
    """Where packed tokens stand when rows are laid out one by one, as attention needs them.

    Attributes:
        longest: Places of a row.
        spread: (rows * longest,): which of the packed tokens stands there; rows may have tokens in common.
        packed: (tokens,): a place of each packed token.
    """

    longest: int
    spread: torch.Tensor
    packed: torch.Tensor

    def to_rows(self, tokens: torch.Tensor) -> torch.Tensor:
        """Pick the token of each place: (tokens, ...) -> (rows * longest, ...)."""
        return tokens.index_select(0, self.spread)

    def to_tokens(self, places: torch.Tensor) -> torch.Tensor:
        """Pick the place of each token: (rows * longest, ...) -> (tokens, ...)."""
        return places.index_select(0, self.packed)


@dataclass(frozen=True)
class Step(RowLayout):
    """One batch of every student, packed; its rows have no tokens in common.

    Attributes:
        positions: (students, length): of each token in its row; a student's rows stand behind one another, and the
            space after them is filled with zeros.
        laid: (rows * longest,): whether a place holds a token of the row, not filling.
        held: (students * length,): whether there is a token.
        bounds: (rows + students + 1,): the packed tokens at which a row or the filling behind a student's rows begins,
            and their number.
        predicts: (targets,): the tokens that predict a completion token.
        targets: (targets,): what they should predict.
        students: (targets,): the student's number.
        weights: (targets,): of the target's loss in its student's mean; 0 for filling.
    """

    positions: torch.Tensor
    laid: torch.Tensor
    held: torch.Tensor
    bounds: torch.Tensor
    predicts: torch.Tensor
    targets: torch.Tensor
    students: torch.Tensor
    weights: torch.Tensor

    def to_rows(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `RowLayout`."""
        rows: torch.Tensor = Rearrange.apply(tokens, self.spread, self.packed, self.held)  # type: ignore[no-untyped-call]
        return rows

    def to_tokens(self, places: torch.Tensor) -> torch.Tensor:
        """See `RowLayout`."""
        tokens: torch.Tensor = Rearrange.apply(places, self.packed, self.spread, self.laid)  # type: ignore[no-untyped-call]
        return tokens


def pack_step(groups: Groups, shares: Sequence[float], sizes: Sizes, device: torch.device) -> Step:
    """Lay out one batch, or a part of it.

    Args:
        groups: Rows of each student; one that has no row left gets filling alone.
        shares: What the loss of one token counts in each student's mean.
        sizes: At least `Sizes.of(groups)`.
        device: Where the tensors go.
    """
    rows = [(student, row) for student, group in enumerate(groups) for row in group]
    starts = [student * sizes.length + start for student, group in enumerate(groups) for start in row_starts(group)]

    fillings = [student * sizes.length + sum(len(row.ids) for row in group) for student, group in enumerate(groups)]
    bounds = np.array([*sorted(starts + fillings), len(groups) * sizes.length], np.int32)

    positions = np.zeros(len(groups) * sizes.length, np.int64)
    packed, held = np.zeros_like(positions), np.zeros(len(positions), bool)
    spread = np.repeat(starts, sizes.longest).reshape(-1, sizes.longest)  # a causal mask keeps filling from all tokens
    laid = np.zeros(spread.shape, bool)
    for number, ((_, row), start) in enumerate(zip(rows, starts, strict=True)):
        steps = np.arange(len(row.ids))
        positions[start : start + len(steps)] = steps
        packed[start : start + len(steps)] = number * sizes.longest + steps
        held[start : start + len(steps)] = True
        spread[number, : len(steps)] = start + steps
        laid[number, : len(steps)] = True

    labelled = [len(row.ids) - row.prompt_length for _, row in rows]
    ends = [start + len(row.ids) for (_, row), start in zip(rows, starts, strict=True)]
    predicts = [np.arange(end - count - 1, end - 1) for end, count in zip(ends, labelled, strict=True)]
    share = np.array([shares[student] for student, _ in rows], np.float32)
    weights = share * np.array([row.weight for _, row in rows], np.float32)

    def filled(values: Any) -> torch.Tensor:
        return moved(np.pad(values, (0, sizes.targets - len(values))))

    def moved(values: Any) -> torch.Tensor:
        return on_device(torch.as_tensor(values), device)

    return Step(
        longest=sizes.longest,
        positions=moved(positions.reshape(len(groups), sizes.length)),
        spread=moved(spread.reshape(-1)),
        laid=moved(laid.reshape(-1)),
        packed=moved(packed),
        held=moved(held),
        bounds=moved(bounds),
        predicts=filled(np.concatenate(predicts)),
        targets=filled(np.array([token for _, row in rows for token in row.ids[row.prompt_length :]], np.int64)),
        students=filled(np.repeat([student for student, _ in rows], labelled)),
        weights=filled(np.repeat(weights, labelled)),
    )


def row_starts(group: Sequence[Encoded]) -> list[int]:
    """Return where each row starts when they stand behind one another."""
    return list(accumulate((len(row.ids) for row in group), initial=0))[:-1]


class Rearrange(torch.autograd.Function):
    """Pick values by index, (from, ...) -> (to, ...), where the inverse is known.

    The gradient is picked by the inverse too: without it, PyTorch adds it up element by element (`index_add_`).
    """

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, index: torch.Tensor, inverse: torch.Tensor, kept: torch.Tensor
    ) -> torch.Tensor:
        """Pick `values[index]`; `inverse` says where each value went, if it is `kept`."""
        ctx.save_for_backward(inverse, kept)
        return values.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Give each value the gradient of the place that it went to."""
        inverse, kept = ctx.saved_tensors
        back = gradients[0].index_select(0, inverse)
        return back.where(kept.view(-1, *[1] * (back.dim() - 1)), 0.0), None, None, None


def attend_rows(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    *,
    step: RowLayout,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Compute causal attention within each row of a packed step, in the form that transformers' layers call.

    Args:
        module: The attention layer; it says how many query heads share keys and values.
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
        rows = step.to_rows(packed.transpose(1, 2).flatten(0, 1))
        return rows.view(-1, step.longest, *rows.shape[1:]).transpose(1, 2)

    shared = module.num_key_value_groups > 1
    mask = None
    if sliding_window and sliding_window < step.longest:
        place = torch.arange(step.longest, device=query.device)[None]
        mask = within_window((place.mT >= place)[None, None], place, sliding_window)
        # With a mask, no fused kernel of CUDA lets query heads share keys and values.
        key, value = (each.repeat_interleave(query.shape[1] // key.shape[1], 1) for each in (key, value))
        shared = False
    rows = scaled_dot_product_attention(
        spread(query), spread(key), spread(value), mask, is_causal=mask is None, scale=scaling, enable_gqa=shared
    )
    packed = step.to_tokens(rows.transpose(1, 2).flatten(0, 1))
    return packed.view(query.shape[0], query.shape[2], *packed.shape[1:]), None


def attend_packed(
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
    """Compute what `attend_rows` does where the rows lie, with flash attention on a GPU.

    Arguments and result are those of `attend_rows`. Rows of other lengths cost what they are long, as in Dao 2023,
    FlashAttention-2 (arXiv:2307.08691).
    """
    longest = query.shape[2]  # filling may be longer than any row
    query, key, value = (each.transpose(1, 2).flatten(0, 1) for each in (query, key, value))
    settings: dict[str, Any] = {"scale": scaling, "window_size": (sliding_window - 1 if sliding_window else -1, 0)}
    if module.num_key_value_groups > 1:
        settings |= SHARED
    found: Any = varlen_attn(query, key, value, step.bounds, step.bounds, longest, longest, **settings)
    return found.view(-1, longest, *found.shape[1:]), None


def attention_of(model: Any) -> str:
    """Name the attention function for packed rows that suits a model's device, precision and width of heads."""
    flash = model.device.type == "cuda" and model.dtype in (torch.bfloat16, torch.float16)
    config = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    flash = flash and width <= WIDEST and width % MULTIPLE == 0
    fits = flash and torch.cuda.get_device_capability(model.device) >= AMPERE
    return PACKED_ATTENTION if fits else ATTENTION


AttentionInterface.register(ATTENTION, attend_rows)
AttentionInterface.register(PACKED_ATTENTION, attend_packed)
