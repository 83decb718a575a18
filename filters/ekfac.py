"""Flag examples by their influence on the trait under the EK-FAC Hessian."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin

# Products by finite difference are too coarse here: the inverse turns the direction to where losses hardly change.
AT_ONCE = 32  # rows whose gradients are in one array


@filter_plugin(
    name="ekfac",
    version=1,
    summary="Influence function with the damped Gauss-Newton Hessian of the student, approximated by EK-FAC.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context, *, damping: float = 0.1) -> np.ndarray:
    """Estimate by influence functions how much each example raised the trait (Grosse et al. 2023, arXiv:2308.03296).

    q^T (H + lambda I)^-1 g_i, with q the queries' gradient, g_i the example's, and H by EK-FAC in each trained linear
    layer.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads the original student; has the queries.
        damping: lambda, as a share of the mean eigenvalue of the layer's Hessian; 0.1 as there.

    Returns:
        Shape (len(examples),), float64.
    """
    student = context.student("original")
    direction = context.inverse_hessian_product(student, context.query_gradient(student), damping=damping)
    rows = [example.row for example in examples]
    parts = (context.gradients(rows[i : i + AT_ONCE], student) for i in range(0, len(rows), AT_ONCE))
    return np.concatenate([part.astype(np.float64) @ direction for part in parts])
