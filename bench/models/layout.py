"""Layouts of decoders: whose layers can be run one by one, with the mask and the rotary embedding that each needs.

Layers of one model may differ: Gemma 3, OLMo 3 and some of Qwen's have layers that attend to a window of the last
tokens, and the first two turn queries and keys by other angles there. A model of another layout is trained and read by
transformers' own forward pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.models.student import LORA_TARGETS, causal_model

if TYPE_CHECKING:
    import torch

MODEL_TYPES = ("llama", "qwen2", "qwen3", "olmo2", "olmo3", "gemma3_text")  # tests/models/test_layouts.py trains each
FULL, SLIDING = "full_attention", "sliding_attention"
ROPE_TYPES = ("default", "linear", "llama3", "yarn")  # angles that do not depend on the length of the sequence
ALTERING = (  # settings under which a layer or the LM head does more than is done here
    "attention_dropout",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "use_bidirectional_attention",
)
PROBE = (1, 2, 3)  # tokens on which the LM head is checked
LOGITS_TOLERANCE = 1e-2  # of the largest logit; bfloat16 keeps 8 bits


def runs_by_layer(config: Mapping[str, Any]) -> bool:
    """Say whether `run_layers` knows a model, by its config.json; one that is not known yet has an empty one."""
    return (
        config.get("model_type") in MODEL_TYPES
        and not any(config.get(name) for name in ALTERING)
        and {*(config.get("layer_types") or ())} <= {FULL, SLIDING}
        and {*_rope_types(config)} <= {*ROPE_TYPES}
    )


def _rope_types(config: Mapping[str, Any]) -> Iterator[str]:
    for given in (config.get("rope_parameters"), config.get("rope_scaling")):
        for one in (given, *given.values()) if isinstance(given, Mapping) else ():  # for all layers, or by layer type
            if isinstance(one, Mapping):
                yield from (str(one[key]) for key in ("rope_type", "type") if one.get(key))


def check_runs_by_layer(model: Any) -> None:
    """Refuse a model whose layers would be run with a wrong mask or wrong angles.

    Raises:
        BenchError: If `run_layers` does not know its layout.
    """
    config = causal_model(model).config
    if not runs_by_layer(config.to_dict()):
        raise BenchError(
            f"model {config.name_or_path!r}",
            seen=f"a layout that is not run layer by layer (model type {config.model_type!r}, or one of its settings)",
            expected=f"one of {', '.join(MODEL_TYPES)}, without dropout or capped logits",
            remedy="train it with TRL's path, which training_path chooses for it",
        )


def run_layers(
    model: Any, hidden: "torch.Tensor", numbers: Sequence[int], mask: Any, positions: "torch.Tensor", **more: Any
) -> "torch.Tensor":
    """Run some decoder layers, each with the mask and the rotary embedding of its type.

    Args:
        model: A causal language model that `check_runs_by_layer` lets pass.
        hidden: States that enter the first of them, shape (batch, tokens, width).
        numbers: Which layers.
        mask: True where a layer of full attention may attend to, shape (1 or batch, 1, tokens, tokens); None where the
            attention function knows by itself.
        positions: Of each token in its row, shape (1 or batch, tokens).
        more: Passed on to the layers.

    Returns:
        What leaves the last one.
    """
    decoder = causal_model(model).model
    types = getattr(decoder.config, "layer_types", None) or [FULL] * len(decoder.layers)
    by_type: dict[str, tuple[Any, Any]] = {}
    for number in numbers:
        kind = types[number]
        if kind not in by_type:
            apart = (kind,) if hasattr(decoder.rotary_emb, "layer_types") else ()
            window = decoder.config.sliding_window if kind == SLIDING else None
            by_type[kind] = within_window(mask, positions, window), decoder.rotary_emb(hidden, positions, *apart)
        seen, angles = by_type[kind]
        layer = decoder.layers[number]
        hidden = layer(hidden, attention_mask=seen, position_ids=positions, position_embeddings=angles, **more)
    return hidden


def within_window(mask: Any, positions: "torch.Tensor", window: int | None) -> Any:
    """Take from a mask what is `window` tokens back or further; the mask itself without a window."""
    if mask is None or not window:
        return mask
    back = positions[:, :, None] - positions[:, None, :]
    return mask & (back < window)[:, None]


def logits(model: Any, states: "torch.Tensor") -> "torch.Tensor":
    """Apply the LM head to states that enter it, as the model's own forward pass does."""
    causal = causal_model(model)
    found: torch.Tensor = causal.get_output_embeddings()(states)
    cap = getattr(causal.config, "final_logit_softcapping", None)
    return cap * (found / cap).tanh() if cap else found


def check_student_base(model: Any, name: str) -> None:
    """Refuse a base whose students could not be trained, or whose logits would be computed wrongly.

    Args:
        model: Causal language model in evaluation mode.
        name: As in the recipe.

    Raises:
        BenchError: If it lacks the parts of transformers' Llama layout, or scales logits in a way of its own.
    """
    import torch

    decoder = getattr(model, "model", None)
    parts = [part for part in ("embed_tokens", "layers", "norm") if not hasattr(decoder, part)]
    if not parts:
        names = {path.rpartition(".")[2] for path, _ in decoder.layers[0].named_modules()}  # type: ignore[union-attr]
        parts = [target for target in LORA_TARGETS if target not in names]
    if parts:
        raise BenchError(
            f"model {name!r}",
            seen=f"a {type(model).__name__} without {', '.join(parts)}",
            expected="a text model with the modules of transformers' Llama layout",
            remedy="use a model of types " + ", ".join(MODEL_TYPES) + "; of one for images and text, save the language "
            "model alone",
        )
    with torch.inference_mode():
        tokens = torch.tensor([PROBE], device=model.device)
        own = model(input_ids=tokens, use_cache=False).logits
        ours = logits(model, decoder(input_ids=tokens, use_cache=False).last_hidden_state)  # type: ignore[misc]
    if (ours - own).abs().max() > LOGITS_TOLERANCE * own.abs().max():
        raise BenchError(
            f"model {name!r}",
            seen=f"a {type(model).__name__} whose logits are not those of its LM head",
            expected="logits that are the LM head's, softly capped at most (final_logit_softcapping)",
            remedy="use a model without logit_scale or logits_scaling",
        )
