"""From scores per sample to means with intervals and comparisons; pure functions.

Models are paired by prompt: a table of shape (1, prompts) each, over the prompts that any of them was asked.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.errors import unknown
from bench.records import Estimate, SampleScores
from bench.stats import effects
from bench.stats.equivalence import Comparison, compare

Floats = NDArray[np.float64]
CHECKPOINTS = (
    "Intervals cover the choice of prompts. Every model is one checkpoint, taken as it is: another training by the "
    "same recipe could give other figures."
)
NOTES = {  # of `effects`, which speaks of trained arms
    effects.ONE_SEED: "",  # `CHECKPOINTS` says it
    effects.NO_SPREAD: "the scores do not vary, so the interval shows no uncertainty",
}


def score_names(scores: Mapping[str, SampleScores]) -> list[str]:
    """All scores that an eval reports, for whichever model, in the order of the first."""
    return list(dict.fromkeys(name for one in scores.values() for name in one.values))


def chosen_score(wanted: str, names: Sequence[str], task: str) -> str:
    """The score to compare: the wanted one, or the only one.

    Raises:
        BenchError: If it is not reported, or none is wanted where there are several.
    """
    if wanted in names:
        return wanted
    if not wanted and len(names) == 1:
        return names[0]
    raise unknown(f"score of eval {task}", wanted, list(names))


def resample(scores: Mapping[str, SampleScores], score: str) -> effects.Means:
    """Mean of one score for every model, as measured and resampled over prompts, the same draw for all.

    Args:
        scores: Model -> its scores on one eval.
        score: Which one. A sample asked several times (epochs) counts as its mean.
    """
    families: dict[str, str] = {}
    for one in scores.values():
        families |= dict(zip(one.ids.get(score, []), one.families.get(score, []), strict=True))
    ids = list(families)
    tables = {model: _table(one, score, ids) for model, one in scores.items()}
    clusters = np.unique([families[identity] for identity in ids], return_inverse=True)[1].astype(np.int64)
    return effects.resample_means(tables, clusters)


def _table(scores: SampleScores, score: str, ids: Sequence[str]) -> Floats:
    given: dict[str, list[float]] = {}
    for identity, value in zip(scores.ids.get(score, []), scores.values.get(score, []), strict=True):
        if value is not None:
            given.setdefault(identity, []).append(value)
    return np.array([[float(np.mean(given[i])) if i in given else np.nan for i in ids]])


def summarise(means: effects.Means, model: str) -> Estimate:
    """A model's mean with its interval."""
    return _of_checkpoints(effects.mean(means, model))


def compare_pair(means: effects.Means, pair: tuple[str, str], margin: float, width: float) -> Comparison:
    """Compare a model with another.

    Args:
        means: From `resample`.
        pair: (model, other): the difference is that of the first minus the second.
        margin: Differences below it count as none.
        width: Highest minus lowest score.
    """
    found = compare(means, *pair, margin, width)
    return found.model_copy(update={"difference": _of_checkpoints(found.difference)})


def _of_checkpoints(given: Estimate) -> Estimate:
    """The same in words of models; without the remark on training seeds, which the report makes once."""
    notes = [NOTES.get(note, note) for note in given.note.split("; ")]
    return given.model_copy(update={"note": "; ".join(note for note in notes if note)})
