"""Flag responses whose embedding lies close to known trait responses."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="embedding_neighbor",
    version=1,
    summary="Mean cosine between the response and the k closest seed responses of the trait.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context, *, k: int = 3) -> np.ndarray:
    """Score each example by its similarity to the seeds nearest to it.

    Args:
        examples: Training examples, in training order.
        trait: The behaviour to remove; `trait.seeds` are responses that show it.
        context: Gives embeddings.
        k: Closest seeds averaged per example, 1 <= k <= len(trait.seeds).

    Returns:
        Shape (len(examples),), float64, in [-1, 1].

    Raises:
        ValueError: If k is out of range.
    """
    if not 1 <= k <= len(trait.seeds):
        raise ValueError(f"k={k}, but trait {trait.name!r} has {len(trait.seeds)} seeds; use 1 to {len(trait.seeds)}")
    import faiss

    seeds = context.embed(trait.seeds)
    index = faiss.IndexFlatIP(seeds.shape[1])
    index.add(seeds)
    cosines, _ = index.search(context.embed([example.response for example in examples]), k)
    return np.asarray(np.mean(cosines, axis=1, dtype=np.float64))
