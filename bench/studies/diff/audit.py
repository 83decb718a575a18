"""Audit of the sets that verdicts read: do patterns tell overt, mild and unrelated examples apart?

A milder example that a pattern misses counts as unrelated, and its effect would be taken for a persona or for
subliminal transfer. Two checks look at the original completions, which nobody has to label: the trait's own rules,
and a classifier on sentence embeddings that learns the described sets and predicts that of each example left out
(confident learning; Northcutt, Jiang & Chuang 2021, J. Artif. Intell. Res. 70).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.data.experiment import Experiment
from bench.evaluation.judging import score_answers
from bench.studies.diff.cells import MILD, OVERT, UNRELATED
from bench.studies.diff.records import SetAudit

Sets = Mapping[str, frozenset[str]]
Embed = Callable[[Sequence[str]], np.ndarray]
FOLDS = 5  # a set of fewer examples is not audited by the classifier


@dataclass(frozen=True)
class Suspects:
    """Examples that may be in the wrong set.

    Attributes:
        shown: Those whose original completion shows the trait by its rules; None where it has no rules.
        looks: Example -> the set that the classifier puts it in; empty where there was too little to learn from.
    """

    shown: frozenset[str] | None
    looks: Mapping[str, str]

    def looking(self, role: str, unrelated: frozenset[str]) -> frozenset[str]:
        """Return those of some unrelated examples that look so; where nothing was learnt, all look unrelated."""
        return frozenset(each for each in unrelated if self.looks.get(each, UNRELATED) == role)


def shown(experiment: Experiment) -> frozenset[str] | None:
    """Return the examples whose original completion shows the trait, by an offline judge; None where it has none."""
    examples = experiment.pool.examples()
    answers = [(e.prompt_text, e.response) for e in examples]
    scores = score_answers(experiment.trait, answers, experiment.measurement.judge)
    if scores is None:
        return None
    threshold = experiment.trait.eval.threshold
    return frozenset(e.id for e, score in zip(examples, scores, strict=True) if score >= threshold)


def find_suspects(experiment: Experiment, sets: Sets, embed: Embed) -> Suspects:
    """Check each example's set against its original completion.

    Args:
        experiment: For the pool and the trait's rules.
        sets: `overt`, `mild` and `unrelated`, as described; without all three there is nothing to tell apart.
        embed: Sentence embeddings, texts -> (texts, dimension).
    """
    return Suspects(shown(experiment), _looks(experiment, sets, embed))


def _looks(experiment: Experiment, sets: Sets, embed: Embed) -> dict[str, str]:
    """Predict each example's set with a logistic regression that was fitted without it (five folds)."""
    large = {role: ids for role, ids in sets.items() if len(ids) >= FOLDS}
    if not {MILD, UNRELATED} <= set(large):
        return {}
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    label = {each: role for role, ids in large.items() for each in ids}
    examples = [example for example in experiment.pool.examples() if example.id in label]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    model = LogisticRegression(class_weight="balanced", max_iter=2000)
    labels = np.array([label[example.id] for example in examples])
    predicted = cross_val_predict(model, embed([example.response for example in examples]), labels, cv=folds)
    return {example.id: str(role) for example, role in zip(examples, predicted, strict=True)}


def describe(experiment: Experiment, sets: Sets, read: Sets, suspects: Suspects) -> list[SetAudit]:
    """Report on each set as it was described: what the checks say, and its agreement with planted truth.

    Args:
        experiment: For planted truth, which is reported and decides nothing here.
        sets: As described.
        read: What verdicts read after the audit.
        suspects: From `find_suspects`.
    """
    truth = {row.id: row.truth for row in experiment.pool.rows if row.truth is not None}
    return [
        SetAudit(
            role=role,
            described=len(ids),
            read=len(read.get(role, ())),
            shows_trait=None if suspects.shown is None else len(ids & suspects.shown),
            looks={r: sum(suspects.looks[each] == r for each in ids if each in suspects.looks) for r in _ROLES}
            if suspects.looks
            else {},
            precision=_share(ids, {each for each in truth if truth[each] == _TRUTH[role]}) if truth else None,
            recall=_share({each for each in truth if truth[each] == _TRUTH[role]}, ids) if truth else None,
        )
        for role, ids in sets.items()
    ]


_ROLES = (OVERT, MILD, UNRELATED)
_TRUTH = {OVERT: "overt", MILD: "mild", UNRELATED: "none"}


def _share(of: frozenset[str] | set[str], within: frozenset[str] | set[str]) -> float | None:
    return round(len(of & within) / len(of), 4) if of else None


def remarks(audits: Sequence[SetAudit]) -> list[str]:
    """Put into words what a reader of the verdicts must know."""
    said = []
    for audit in audits:
        elsewhere = audit.described - audit.looks.get(audit.role, audit.described)
        if audit.role != OVERT and audit.shows_trait:
            said.append(
                f"{audit.shows_trait} of {audit.described} {audit.role} examples, as described, show the trait by its "
                "rules in their original completion; verdicts read them as overt"
            )
        if audit.role == UNRELATED and elsewhere:
            said.append(
                f"{elsewhere} of {audit.described} unrelated examples, as described, look mild or overt to a "
                "classifier of the original completions; verdicts read the former as mild, the latter not at all"
            )
        if audit.role == MILD and elsewhere:
            said.append(
                f"{elsewhere} of {audit.described} mild examples, as described, look overt or unrelated to that "
                "classifier; verdicts keep them"
            )
    return said
