"""Flag examples with a large gradient: a confound, as a baseline of the gradient methods."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="grad_norm",
    version=1,
    summary="Norm of the example's gradient in the original student; a baseline that knows nothing of the trait.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Take the norm of each example's gradient in the student of all of them.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads students.

    Returns:
        Shape (len(examples),), float64.
    """
    return context.gradient_norms([example.row for example in examples], context.student("original"))
