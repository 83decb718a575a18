"""What every number of a record must be, wherever in the record it stands."""

import math
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from bench.outcomes import Estimate

LARGEST = 2**53  # whole numbers beyond it are none that were counted
SLACK = 1e-9  # of floating-point sums


def wrong_numbers(value: object, path: str = "") -> Iterator[str]:
    """Name every number of a record that is not finite, absurdly large, or outside of its own interval."""
    if isinstance(value, Estimate):
        yield from _outside(value, path)
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from wrong_numbers(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from wrong_numbers(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from wrong_numbers(item, f"{path}.{i}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value}, expected a finite number"
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield f"{path}: a whole number of {value.bit_length()} bits, expected at most {LARGEST.bit_length()}"


def _outside(estimate: Estimate, path: str) -> Iterator[str]:
    value, low, high = estimate.value, estimate.low, estimate.high
    if (low is None) != (high is None) or (value is None and low is not None):
        yield f"{path}: an interval has two ends and a value"
    elif value is not None and low is not None and high is not None and not math.isnan(value + low + high):
        slack = SLACK * max(1.0, abs(value))
        if not low - slack <= value <= high + slack:
            yield f"{path}: {value:g} lies outside of its interval [{low:g}, {high:g}]"
