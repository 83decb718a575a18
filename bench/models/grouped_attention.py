"""Attention over shared key-value heads on a CPU, without copying a head for every query head that reads it.

transformers copies where there is a mask, as CUDA's kernels would fall back to a slow one. The CPU's kernel takes both,
and its result is the same to the last bit. For inference alone: gradients of shared heads are added in another order.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

GROUPED = "sieve_grouped"  # the name under which transformers knows `attend_grouped`


def attend_grouped(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention in the form that transformers' layers call.

    Args:
        module: The attention layer.
        query: Shape (rows, heads, tokens, head width).
        key: Shape (rows, key-value heads, all tokens, head width).
        value: As `key`.
        attention_mask: True where may be attended to, (rows or 1, 1, tokens, all tokens); None for a causal mask.
        dropout: Share of attention weights that are dropped.
        scaling: Of the products of queries and keys.
        more: What else transformers passes on.

    Returns:
        Shape (rows, tokens, heads, head width), and no attention weights.
    """
    if attention_mask is None or key.is_cuda or torch.is_grad_enabled():
        found = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return found[0], None
    shared = query.shape[1] != key.shape[1]
    rows = scaled_dot_product_attention(
        query, key, value, attn_mask=attention_mask, dropout_p=dropout, scale=scaling, enable_gqa=shared
    )
    return rows.transpose(1, 2).contiguous(), None


AttentionInterface.register(GROUPED, attend_grouped)
AttentionMaskInterface.register(GROUPED, sdpa_mask)
