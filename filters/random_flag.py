"""The board's floor: flag examples at random."""

import hashlib
from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="random_flag",
    version=1,
    summary="A uniform draw per example, which knows nothing of the trait: the floor of the board.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Score each example by a hash of the seed and its id, so that the order of examples does not matter.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Gives the seed.

    Returns:
        Shape (len(examples),), float64, in [0, 1).
    """
    digests = [hashlib.sha256(f"{context.seed}/{example.id}".encode()).digest() for example in examples]
    return np.array([int.from_bytes(digest[:6]) / 2**48 for digest in digests], dtype=np.float64)
