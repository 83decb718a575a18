"""Flag responses that share rare words with known trait responses."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="bm25",
    version=1,
    summary="Mean Okapi BM25 of the response over the trait's exemplars as queries.",
)
def score(
    examples: Sequence[Example], trait: Trait, context: Context, *, k1: float = 1.2, b: float = 0.75
) -> np.ndarray:
    """Score each example by Okapi BM25 (Robertson and Zaragoza 2009, doi:10.1561/1500000019, equation 3.15).

    Args:
        examples: Training examples, in training order; their responses are the documents.
        trait: The behaviour to remove; each of `trait.exemplars` is a query.
        context: Not used.
        k1: How slowly the weight of a repeated word saturates.
        b: How strongly long responses are discounted, 0 to 1.

    Returns:
        Shape (len(examples),), float64, 0 or more.
    """
    documents = [Counter(_words(example.response)) for example in examples]
    lengths = np.array([document.total() for document in documents], dtype=np.float64)
    saturation = k1 * (1 - b + b * lengths / max(lengths.mean(), 1.0))
    queries = Counter(word for exemplar in trait.exemplars for word in set(_words(exemplar)))
    scores = np.zeros(len(examples))
    for word in sorted(queries):
        counts = np.array([document[word] for document in documents], dtype=np.float64)
        holders = np.count_nonzero(counts)
        # 1 + keeps the weight of a word that most responses hold above 0
        rarity = np.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
        scores += queries[word] * rarity * counts / (counts + saturation)
    return scores / len(trait.exemplars)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
