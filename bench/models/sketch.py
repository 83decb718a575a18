"""Flat gradients after they are computed: the update that Adam makes of one, and sketches that fit in memory."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError

SKETCH_SEED = 0
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # those of the optimiser that trains students


def sketch_size(size: int, sketch: int) -> int:
    """Return how many values a gradient of `size` values has once it is sketched.

    Raises:
        BenchError: For a negative sketch.
    """
    if sketch < 0:
        raise BenchError(
            "sketch of gradients",
            seen=f"sketch = {sketch}",
            expected="a number of buckets; 0 for none, which keeps all values",
            remedy="choose one such as 8192",
        )
    return sketch or size


def sketched(values: NDArray[np.floating], sketch: int) -> NDArray[np.float32]:
    """Sum values into buckets with random signs (Weinberger et al. 2009, feature hashing); all are kept if 0.

    Args:
        values: A gradient, shape (size,).
        sketch: Number of buckets.

    Returns:
        Shape (sketch or size,), float32.
    """
    if not sketch:
        return values.astype(np.float32)
    buckets, signs = _buckets(len(values), sketch_size(len(values), sketch))
    return np.bincount(buckets, values * signs, minlength=sketch).astype(np.float32)


def adam_update(gradient: NDArray[np.float32], moments: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the direction of Adam's step; epsilon stands inside the root, so that no rare value explodes.

    Args:
        gradient: Shape (size,).
        moments: Adam's moving averages before the step, shape (2, size).
    """
    first = BETA1 * moments[0] + (1 - BETA1) * gradient
    second = BETA2 * moments[1] + (1 - BETA2) * gradient**2
    return np.asarray(first / np.sqrt(second + EPSILON), dtype=np.float32)


@lru_cache(maxsize=1)
def _buckets(size: int, sketch: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draw the bucket and the sign of each value."""
    rng = np.random.default_rng(SKETCH_SEED)
    buckets = rng.integers(sketch, size=size)
    return buckets, rng.integers(2, size=size).astype(np.float32) * 2 - 1
