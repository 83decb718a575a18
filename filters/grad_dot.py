"""Flag examples whose training steps made the trait more likely: TracIn."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="grad_dot",
    version=1,
    summary="Product of the example's gradient with that of the queries, summed over epochs with their learning rates.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Trace the trait back through the checkpoints of a training (TracInCP, Pruthi et al. 2020, arXiv:2002.08484).

    The products come from a finite difference along the queries' gradient, two forward passes a checkpoint.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads the original student; has the queries.

    Returns:
        Shape (len(examples),), float64, nats.
    """
    rows, scores = [example.row for example in examples], np.zeros(len(examples))
    for checkpoint in context.checkpoints("original"):
        direction = context.query_gradient(checkpoint)
        scores += checkpoint.learning_rate * context.gradient_products(rows, checkpoint, direction)
    return scores
