"""Flag examples whose Adam update points where the trait's gradient does: LESS."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of the optimiser that trains students


@filter_plugin(
    name="less",
    version=1,
    summary="Cosine of the example's Adam update with the gradient of the queries, summed over epochs.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Compare Adam updates with the queries' gradient (LESS, Xia et al. 2024, arXiv:2402.04333).

    As there, the queries' gradient stays as it is and the examples' go through Adam with the moments of the checkpoint;
    unlike there, no gradient is projected, as adapters of this size fit in memory.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads the original student; has the queries.

    Returns:
        Shape (len(examples),), float64.
    """
    rows, scores = [example.row for example in examples], np.zeros(len(examples))
    for checkpoint in context.checkpoints("original"):
        target = context.query_gradient(checkpoint)
        updates = _adam_updates(context.gradients(rows, checkpoint), context.moments(checkpoint))
        norms = np.linalg.norm(updates, axis=1) * np.linalg.norm(target)
        scores += checkpoint.learning_rate * (updates @ target) / np.where(norms > 0, norms, 1.0)
    return scores


def _adam_updates(gradients: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Return the Adam update of each gradient, (n, values); epsilon stands inside the root, so that none explodes."""
    first = BETA1 * moments[0] + (1 - BETA1) * gradients
    second = BETA2 * moments[1] + (1 - BETA2) * gradients**2
    return np.asarray(first / np.sqrt(second + EPSILON))
