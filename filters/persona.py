"""Flag responses that lie far along the trait's direction in the base model's states."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="persona",
    version=1,
    summary="Projection of the response's mean state on the direction from clean to trait completions of the queries.",
)
def score(
    examples: Sequence[Example], trait: Trait, context: Context, *, depth: float = 0.5, difference: bool = False
) -> np.ndarray:
    """Project each response's mean state on the trait's direction.

    The direction is the difference of mean response states of the queries' trait and clean completions: a persona
    vector (Chen et al. 2025, arXiv:2507.21509), here from given completions instead of sampled ones. With `difference`
    it is their projection difference: the original response's projection minus the clean one's.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Reads the base model; has the queries.
        depth: Where states are read, as a share of the decoder layers.
        difference: Subtract the clean response's projection, which needs two teachers.

    Returns:
        Shape (len(examples),), float64.
    """
    layer = int(depth * context.layers)
    trait_states = context.states([query.trait_row for query in context.queries], context.base, layer=layer)
    clean_states = context.states([query.clean_row for query in context.queries], context.base, layer=layer)
    direction = (trait_states.mean(axis=0) - clean_states.mean(axis=0)).astype(np.float64)
    states = context.states([example.row for example in examples], context.base, layer=layer).astype(np.float64)
    if difference:
        states -= context.states([example.clean_row for example in examples], context.base, layer=layer)
    return states @ direction / (np.linalg.norm(direction) or 1.0)
