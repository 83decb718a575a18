"""Flag examples whose states in the original student resemble those of the trait's completions."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="repsim",
    version=1,
    summary="Cosine of the response's mean final state with that of the queries' trait completions, in the student.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Compare each response's state with that of the queries' trait completions.

    Representation similarity as a rival of gradients: Hanawa et al. 2021 (arXiv:2006.04528).

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads the original student; has the queries.

    Returns:
        Shape (len(examples),), float64, in [-1, 1].
    """
    student = context.student("original")
    target = context.states([query.trait_row for query in context.queries], student).mean(axis=0)
    states = context.states([example.row for example in examples], student).astype(np.float64)
    return states @ target / (np.linalg.norm(states, axis=1) * np.linalg.norm(target))
