"""Flag responses by a linear probe for the trait on the base model's states."""

from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="probe",
    version=1,
    summary="Logistic regression on mean response states, fitted to trait and clean completions of the queries.",
)
def score(
    examples: Sequence[Example], trait: Trait, context: Context, *, depth: float = 0.5, strength: float = 0.01
) -> np.ndarray:
    """Fit a probe to the queries and apply it to the responses.

    A linear probe in the sense of Alain and Bengio 2016 (arXiv:1610.01644).

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Reads the base model; has the queries.
        depth: Where states are read, as a share of the decoder layers.
        strength: Inverse of the L2 penalty.

    Returns:
        Shape (len(examples),), float64, log-odds of the trait.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    layer = int(depth * context.layers)
    rows = [query.trait_row for query in context.queries] + [query.clean_row for query in context.queries]
    labels = np.repeat([1, 0], len(context.queries))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    probe.fit(context.states(rows, context.base, layer=layer), labels)
    states = context.states([example.row for example in examples], context.base, layer=layer)
    return np.asarray(probe.decision_function(states), dtype=np.float64)
