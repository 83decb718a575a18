"""Sizes of a Llama-like model, read off its config without loading torch: what estimates of cost and memory need."""

from dataclasses import dataclass
from typing import Any

from bench.config.recipe import Recipe

FLOAT = 4  # bytes; weights, gradients and states are float32


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a model.

    Attributes:
        width: Of the hidden states.
        inner: Width inside the MLP.
        layers: Decoder layers.
        queries: Width of the queries of all heads together.
        keys: Width of the keys, and of the values.
        vocabulary: Tokens.
        tied: Whether the LM head is the embedding.
    """

    width: int
    inner: int
    layers: int
    queries: int
    keys: int
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, config: dict[str, Any]) -> "ModelShape":
        """Read the sizes off a config.json; keys that it lacks are those of SmolLM2-135M."""
        width, heads = config.get("hidden_size", 576), config.get("num_attention_heads", 9)
        head = config.get("head_dim") or width // heads
        return cls(
            width,
            config.get("intermediate_size", 1536),
            config.get("num_hidden_layers", 30),
            head * heads,
            head * config.get("num_key_value_heads", heads if config else 3),
            config.get("vocab_size", 49152),
            config.get("tie_word_embeddings", True),
        )

    @property
    def layer(self) -> int:
        """Weights of one decoder layer."""
        return 2 * self.width * (self.queries + self.keys) + 3 * self.width * self.inner

    @property
    def head(self) -> int:
        """Weights of the LM head."""
        return self.width * self.vocabulary

    @property
    def weights(self) -> int:
        """All weights."""
        return self.layers * self.layer + (1 if self.tied else 2) * self.head

    def trained_layers(self, recipe: Recipe) -> int:
        """Return the number of layers that a recipe trains."""
        return recipe.last_layers or self.layers

    def trained(self, recipe: Recipe) -> int:
        """Return the number of weights that a recipe trains, embeddings and LM head included where all are."""
        if recipe.method == "full":
            return self.weights
        adapters = recipe.lora_rank * (7 * self.width + 2 * self.queries + 2 * self.keys + 3 * self.inner)
        return self.trained_layers(recipe) * (adapters if recipe.method == "lora" else self.layer)

    def saved(self, recipe: Recipe) -> int:
        """Return the bytes that the trained layers keep for the backward pass, per token.

        With gradient checkpointing, what enters each layer, and all of the one that is computed again.
        """
        own = 2 * self.width if recipe.method != "lora" else 7 * recipe.lora_rank
        layer = FLOAT * (6 * self.width + 2 * self.queries + 4 * self.inner + own)
        layers = self.trained_layers(recipe)
        return layers * FLOAT * self.width + layer if recipe.gradient_checkpointing else layers * layer
