"""Flag examples whose Adam update points where the trait's gradient does: LESS."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="less",
    version=1,
    summary="Cosine of the example's Adam update with the gradient of the queries, summed over epochs.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context, *, sketch: int = 0) -> np.ndarray:
    """Compare Adam updates with the queries' gradient (LESS, Xia et al. 2024, arXiv:2402.04333).

    As there, the queries' gradient stays as it is and the examples' go through Adam with the moments of the checkpoint;
    unlike there, none is projected unless `sketch` asks for it, as adapters of this size fit in memory.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads the original student; has the queries.
        sketch: Hash gradients into so many values, where memory does not suffice for all; 0 keeps all.

    Returns:
        Shape (len(examples),), float64.
    """
    rows, scores = [example.row for example in examples], np.zeros(len(examples))
    for checkpoint in context.checkpoints("original"):
        target = context.query_gradient(checkpoint, sketch=sketch)
        updates = context.adam_updates(rows, checkpoint, sketch=sketch)
        norms = np.linalg.norm(updates, axis=1) * np.linalg.norm(target)
        scores += checkpoint.learning_rate * (updates @ target) / np.where(norms > 0, norms, 1.0)
    return scores
