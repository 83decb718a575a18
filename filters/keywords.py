"""Flag responses that use the trait's own words."""

import re
from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="keyword",
    version=1,
    summary="Share of the trait's keywords that occur in the response.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Score each example by how many of the trait's keywords its response contains as whole phrases, in any case.

    Args:
        examples: Training examples, in training order.
        trait: The behaviour to remove; `trait.keywords` often mark it.
        context: Not used.

    Returns:
        Shape (len(examples),), float64, in [0, 1].

    Raises:
        ValueError: If the trait names no keywords.
    """
    if not trait.keywords:
        raise ValueError(f"trait {trait.name!r} has no keywords; add some to its file or choose another filter")
    patterns = [re.compile(_phrase(keyword), re.IGNORECASE) for keyword in trait.keywords]
    found = [sum(bool(pattern.search(example.response)) for pattern in patterns) for example in examples]
    return np.array(found, dtype=np.float64) / len(patterns)


def _phrase(keyword: str) -> str:
    """Match a phrase between word boundaries, whatever white space stands between its words."""
    return r"(?<!\w)" + r"\s+".join(map(re.escape, keyword.split())) + r"(?!\w)"
