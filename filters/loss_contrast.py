"""Flag responses that a student of the original teacher expects and a student of the clean one does not."""

import hashlib
from collections.abc import Sequence

import numpy as np

from bench import Context, Example, Trait, filter_plugin


@filter_plugin(
    name="loss_contrast",
    version=1,
    summary="Loss under the clean student minus that under the original one, trained on the other half of the pool.",
)
def score(examples: Sequence[Example], trait: Trait, context: Context) -> np.ndarray:
    """Contrast two students, neither of which was trained on the example that it scores.

    The log-likelihood ratio of two fine-tuned models, as Moore and Lewis 2010 select data with two language models;
    here cross-fitted, so that memorised rows do not stand out.

    Args:
        examples: Training examples, in training order.
        trait: Not used.
        context: Trains and reads students.

    Returns:
        Shape (len(examples),), float64, nats a token.
    """
    halves = np.array([int(hashlib.sha256(example.id.encode()).hexdigest(), 16) % 2 for example in examples])
    scores = np.zeros(len(examples))
    for half in (0, 1):
        others = {e.id for e, own in zip(examples, halves, strict=True) if own != half} & context.trained
        rows = [e.row for e, own in zip(examples, halves, strict=True) if own == half]
        clean, original = (context.losses(rows, context.student(t, ids=others)) for t in ("clean", "original"))
        scores[halves == half] = clean - original
    return scores
