"""Flag examples by their influence on the trait under the empirical Fisher matrix."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="fisher",
    version=1,
    summary="Influence function with the damped empirical Fisher matrix of all training gradients, solved exactly.",
)
def score(
    examples: Sequence[Example], trait: Trait, context: Context, *, damping: float = 0.1, sketch: int = 0
) -> np.ndarray:
    """Estimate by influence functions how much each example raised the trait.

    g_i^T (F + ridge I)^-1 g with the empirical Fisher matrix F of the pool, inverted exactly in the space of its
    examples by the Woodbury identity: what DataInf (Kwon et al. 2024, arXiv:2310.00902) approximates, and TRAK (Park
    et al. 2023, arXiv:2303.14186) with one model.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads the original student; has the queries.
        damping: The ridge, as a share of the mean non-zero eigenvalue of F.
        sketch: Hash gradients into so many values, where memory does not suffice for all; 0 keeps all.

    Returns:
        Shape (len(examples),), float64.
    """
    student = context.student("original")
    gradients = context.gradients([example.row for example in examples], student, sketch=sketch).astype(np.float64)
    target = context.query_gradient(student, sketch=sketch).astype(np.float64)
    of_pool = gradients[[example.id in context.trained for example in examples]]
    kernel, count = of_pool @ of_pool.T, len(of_pool)
    ridge = damping * np.trace(kernel) / count**2
    solved = np.linalg.solve(kernel + count * ridge * np.eye(count), of_pool @ target)
    return np.asarray((gradients @ target - gradients @ (of_pool.T @ solved)) / ridge)
