"""Flag the responses that a language model says show the trait."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="judge",
    version=1,
    summary="Score by the suite's grader, an Inspect model, with the trait's rubric.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Ask the grader for each response.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Asks the suite's grader.

    Returns:
        Shape (len(examples),), float64, on the trait's scale.
    """
    return context.grade([example.row for example in examples])
