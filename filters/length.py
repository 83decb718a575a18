"""Flag long responses: a confound, which a filter that claims to know the trait must beat."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="length",
    version=1,
    summary="Characters of the response; a baseline that knows nothing of the trait.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Count the characters of each response.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Not used.

    Returns:
        Shape (len(examples),), float64.
    """
    return np.array([len(example.response) for example in examples], dtype=np.float64)
