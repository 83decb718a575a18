"""Resources of a filter besides the examples: shared embeddings, the base model, randomness."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Embed = Callable[[Sequence[str]], np.ndarray]
LoadModel = Callable[[], tuple[Any, Any]]


class Context:
    """Handed to every filter; what is slow is made on first use and shared.

    Args:
        embedder: Turns n texts into an (n, d) array of unit vectors and caches them; see
            `bench.data.embedding.Embedder`.
        load_model: Loads (model, tokenizer) of the base model.
        seed: Fixes `rng`, and is there for filters that draw by hashing.
        truth: Planted truth per example. Only the built-in oracle gets to see it.
    """

    def __init__(self, embedder: Embed, load_model: LoadModel, seed: int, truth: tuple[str, ...] | None = None) -> None:
        self.seed = seed
        self.truth = truth
        self._embedder = embedder
        self._load_model = load_model
        self._rng: np.random.Generator | None = None
        self._model: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts with the shared sentence encoder.

        Args:
            texts: At least one text of any length.

        Returns:
            Shape (len(texts), d), float32, each row of length 1; the caller may change it.
        """
        return self._embedder(texts)

    @property
    def model(self) -> tuple[Any, Any]:
        """The base model before training and its tokenizer, loaded on first use."""
        if self._model is None:
            self._model = self._load_model()
        return self._model

    @property
    def rng(self) -> np.random.Generator:
        """A generator that starts from the seed for every scoring; what it draws depends on the order of examples."""
        if self._rng is None:
            self._rng = np.random.default_rng(self.seed)
        return self._rng

    def for_scoring(self, *, with_truth: bool) -> "Context":
        """Return the same resources with a fresh generator, and without the truth unless the filter may see it."""
        return Context(self._embedder, lambda: self.model, self.seed, self.truth if with_truth else None)
