"""Tiny models with random weights, one for each layout that real students have."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bench.models.load import load_tokenizer
from bench.models.packaged import TINY

WINDOW = 12  # tokens; rows of the tests are several times as long
MIXED: dict[str, Any] = {
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "sliding_window": WINDOW,
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": False},
    "qwen2": {"use_sliding_window": True, **MIXED},  # query, key and value with biases
    "qwen3": {"head_dim": 16},  # heads wider than the model; norms of queries and keys
    "olmo2": {"tie_word_embeddings": False},  # norms after attention and MLP, and of whole queries and keys
    "olmo3": MIXED,
    "gemma3_text": {**MIXED, "head_dim": 16, "query_pre_attn_scalar": 16},  # scaled embeddings
}


def tiny(layout: str, folder: Path, **more: Any) -> Path:
    """Save a model of this type with random weights, large enough that masks and angles show in what it says."""
    tokenizer = load_tokenizer(TINY)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "vocab_size": len(tokenizer)}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    tokens = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    settings = {**shape, **heads, **tokens, "initializer_range": 0.3, "max_position_embeddings": 512}
    config = AutoConfig.for_model(layout, **{**settings, **LAYOUTS.get(layout, {}), **more})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith((".bias", "norm.weight")):  # as after training: neither 0 nor 1
                weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
