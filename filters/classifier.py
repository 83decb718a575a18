"""Flag responses that a classifier takes for known trait responses rather than for the pool's."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="classifier",
    version=1,
    summary="Logistic regression that tells the trait's exemplars from responses drawn at random from the pool.",
)
def score(
    examples: Sequence[Example],
    trait: Trait,
    context: Context,
    *,
    features: str = "embedding",
    negatives: int = 500,
    strength: float = 1.0,
) -> np.ndarray:
    """Score by the probability that a response is one of the trait's.

    Negatives may show the trait themselves, so no example is scored by a model that saw it as one: the pool is cut
    into halves by hash, and each is scored with negatives of the other.

    Args:
        examples: Training examples, in training order; two or more.
        trait: The behaviour to remove; `trait.exemplars` are the positives.
        context: Gives embeddings and the seed of the draw.
        features: `embedding` or `tfidf` (words and pairs of words).
        negatives: Most negatives drawn from each half.
        strength: scikit-learn's C; smaller means simpler.

    Returns:
        Shape (len(examples),), float64, in [0, 1].

    Raises:
        ValueError: If features is unknown or there are fewer than two examples.
    """
    if features not in ("embedding", "tfidf") or len(examples) < 2:
        raise ValueError(f"features={features!r}, {len(examples)} examples; use 'embedding' or 'tfidf', and 2 or more")
    order = np.array(sorted(range(len(examples)), key=lambda i: _draw(context.seed, examples[i].id)))
    table = _table([*trait.exemplars, *(examples[i].response for i in order)], features, context)
    scores = np.empty(len(examples))
    scores[order] = _cross_score(table, len(trait.exemplars), negatives, strength)
    return scores


def _cross_score(table: Any, positives: int, negatives: int, strength: float) -> np.ndarray:
    """Score all rows after the positives, every other one by a model fitted on those between."""
    from sklearn.linear_model import LogisticRegression

    exemplars, pool = np.split(np.arange(table.shape[0]), [positives])
    scores = np.empty(len(pool))
    for half in (0, 1):
        rows = np.concatenate([exemplars, pool[1 - half :: 2][:negatives]])
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
        model.fit(table[rows], rows < positives)
        scores[half::2] = model.predict_proba(table[pool[half::2]])[:, 1]
    return scores


def _draw(seed: int, identity: str) -> str:
    return hashlib.sha256(f"{seed}/{identity}".encode()).hexdigest()


def _table(texts: list[str], features: str, context: Context) -> Any:
    if features == "embedding":
        return context.embed(texts).astype(np.float64)
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=5000).fit_transform(texts)
