"""How wall time grows: a power of the size, and what one unit more costs."""

from collections.abc import Sequence

import numpy as np


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float | None:
    """Slope of log(seconds) over log(size) by least squares: 0 = no growth, 1 = in proportion; None for one size.

    >>> round(exponent([10, 20, 40], [1.0, 2.0, 4.0]), 6)
    1.0
    """
    if len(set(sizes)) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def per_unit(sizes: Sequence[int], seconds: Sequence[float]) -> float | None:
    """Slope of seconds over size by least squares: seconds that one unit more takes; None for one size.

    >>> round(per_unit([10, 20, 40], [6.0, 11.0, 21.0]), 6)
    0.5
    """
    if len(set(sizes)) < 2:
        return None
    return float(np.polyfit(sizes, seconds, 1)[0])
