"""Flag responses whose embedding lies close to known trait responses."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="embedding_neighbor",
    version=1,
    summary="Mean cosine between the response and the k closest exemplars of the trait.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context, *, k: int = 3) -> np.ndarray:
    """Score each example by its similarity to the exemplars nearest to it.

    Args:
        examples: Training examples, in training order.
        trait: The behaviour to remove; `trait.exemplars` are responses that show it.
        context: Gives embeddings.
        k: Closest exemplars averaged per example, 1 <= k <= len(trait.exemplars).

    Returns:
        Shape (len(examples),), float64, in [-1, 1].

    Raises:
        ValueError: If k is out of range.
    """
    if not 1 <= k <= len(trait.exemplars):
        count = len(trait.exemplars)
        raise ValueError(f"k={k}, but trait {trait.name!r} has {count} exemplars; use 1 to {count}")
    import faiss

    exemplars = context.embed(trait.exemplars)
    index = faiss.IndexFlatIP(exemplars.shape[1])
    index.add(exemplars)
    cosines, _ = index.search(context.embed([example.response for example in examples]), k)
    return np.asarray(np.mean(cosines, axis=1, dtype=np.float64))
