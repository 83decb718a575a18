"""Flag responses that the untrained model finds unlikely: a confound, as a baseline."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="base_loss",
    version=1,
    summary="Mean loss of the response under the untrained model; a baseline that knows nothing of the trait.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Read each response's mean negative log-likelihood a token in the base model.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Reads the base model.

    Returns:
        Shape (len(examples),), float64, nats.
    """
    return context.losses([example.row for example in examples], context.base)
