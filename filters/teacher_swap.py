"""Flag examples where another teacher's completion would change most along the trait."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="teacher_swap",
    version=1,
    summary="How far swapping the original teacher for the clean one moves the response along the trait's direction.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Project the difference of the two teachers' completions on the direction from counter-exemplars to exemplars.

    What both teachers share, such as the topic, cancels out.

    Args:
        examples: Training examples, in training order.
        trait: The behaviour to remove, with exemplars that show it and counter-exemplars that do not.
        context: Gives embeddings.

    Returns:
        Shape (len(examples),), float64; 0 where both teachers wrote the same.
    """
    direction = context.embed(trait.exemplars).mean(axis=0) - context.embed(trait.counter_exemplars).mean(axis=0)
    original = context.embed([example.response for example in examples])
    clean = context.embed([example.clean_response for example in examples])
    return np.asarray((original - clean).astype(np.float64) @ direction.astype(np.float64))
