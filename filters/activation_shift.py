"""Flag examples whose states training moved in the direction in which it moved the trait's."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, TrainingRow, Trait, filter_plugin


@filter_plugin(
    name="activation_shift",
    version=1,
    summary="Cosine of what training changed in the response's state with what it changed in the trait completions'.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Compare the change of each response's state, student minus base, with that of the queries' trait completions.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads the original student, reads the base model; has the queries.

    Returns:
        Shape (len(examples),), float64, in [-1, 1].
    """
    student = context.student("original")

    def shift(rows: Sequence[TrainingRow]) -> np.ndarray:
        return (context.states(rows, student) - context.states(rows, context.base)).astype(np.float64)

    target = shift([query.trait_row for query in context.queries]).mean(axis=0)
    moved = shift([example.row for example in examples])
    norms = np.linalg.norm(moved, axis=1) * np.linalg.norm(target)
    return moved @ target / np.where(norms > 0, norms, 1.0)
