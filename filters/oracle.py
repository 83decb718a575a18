"""The board's ceiling in synthetic pools: flag what is known to carry the trait."""

from collections.abc import Sequence

import numpy as np

from bench import BenchError, Context, Example, Trait, filter_plugin

DEGREES = {"overt": 2.0, "mild": 1.0, "none": 0.0}


@filter_plugin(
    name="oracle",
    version=1,
    summary="Planted truth, overt before mild: what a filter that knows everything would flag.",
    needs_truth=True,
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Score each example by the degree to which it was made to carry the trait.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Gives the planted truth of each example, in the same order.

    Returns:
        Shape (len(examples),), float64: 2 overt, 1 mild, 0 none.
    """
    if context.truth is None or len(context.truth) != len(examples):
        raise BenchError(
            "filter 'oracle'",
            seen=f"planted truth of {len(context.truth or ())} examples",
            expected=f"of {len(examples)}, in the same order",
            remedy="build the context from the pool that is scored",
        )
    return np.array([DEGREES[truth] for truth in context.truth])
