"""Sets of examples to interpolate: flagged ones, sub-datasets, described ones; and how they overlap."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.config.schema import DiffSettings, NamedSet
from bench.data.experiment import Experiment
from bench.errors import unknown
from bench.evaluation.evaluate import score_answers
from bench.records import Pool, PoolRow
from bench.studies.diff.cells import UNRELATED
from bench.studies.diff.records import Overlap


@dataclass(frozen=True)
class ExampleSet:
    """A named subset of a pool.

    Attributes:
        name: As in the names of its cells.
        kind: Where it comes from.
        definition: In words.
        ids: Its examples.
        share: Its share of the pool; of a flagged set its budget, as then `bench run` has the random controls already.
        patches: Completions that a filter itself puts in.
    """

    name: str
    kind: Literal["flagged", "source", "described"]
    definition: str
    ids: frozenset[str]
    share: float
    patches: Mapping[str, str] = field(default_factory=dict)


def interpolated_sets(experiment: Experiment, settings: DiffSettings) -> list[ExampleSet]:
    """Return the sets that every action is applied to; those that hold no example or all of them are left out."""
    rows = experiment.pool.rows
    sets = [
        ExampleSet(f"{s.filter.name}@{budget:g}", "flagged", s.filter.summary, ids, budget, s.patches)
        for s in experiment.selections
        for budget, ids in s.flagged.items()
    ]
    if settings.sources:
        for source in sorted({row.source for row in rows if row.source}):
            ids = frozenset(row.id for row in rows if row.source == source)
            sets.append(_of_ids(f"source:{source}", "source", f"sub-dataset {source!r}", ids, experiment.pool))
    sets += [
        _of_ids(named.name, "described", described(named), matching(named, experiment.pool), experiment.pool)
        for named in settings.sets
    ]
    return [each for each in sets if 0 < len(each.ids) < len(rows)]


def _of_ids(
    name: str, kind: Literal["source", "described"], definition: str, ids: frozenset[str], pool: Pool
) -> ExampleSet:
    return ExampleSet(name, kind, definition, ids, len(ids) / len(pool.rows))


def described(named: NamedSet) -> str:
    """Put a described set into words."""
    return f"/{named.pattern}/ in {named.where if named.where == 'prompt' else f'{named.where} completion'}"


def matching(named: NamedSet, pool: Pool) -> frozenset[str]:
    """Return ids of the examples that a described set holds."""
    pattern = re.compile(named.pattern, re.IGNORECASE)

    def hit(row: PoolRow) -> bool:
        if named.where == "prompt":
            return bool(pattern.search("\n".join(message.content for message in row.prompt)))
        original, clean = (bool(pattern.search(row.completions[t])) for t in (pool.card.original, pool.card.clean))
        found = {"original": original, "clean": clean, "either": original or clean, "both": original and clean}
        return found[named.where]

    return frozenset(row.id for row in pool.rows if hit(row))


def verdict_sets(experiment: Experiment, settings: DiffSettings) -> dict[str, frozenset[str]]:
    """Return the sets that verdicts read: `overt`, `mild` and what is left, `unrelated`.

    Each of the two names is looked up among the described sets; else it is the planted truth of a synthetic pool; else
    overt examples are those whose original completion shows the trait by an offline judge. A set that cannot be had
    is left out.

    Raises:
        BenchError: If the suite names a set that it does not describe.
    """
    sets = {
        role: _role(role, name, experiment, settings)
        for role, name in (("overt", settings.overt), ("mild", settings.mild))
    }
    found = {role: ids for role, ids in sets.items() if ids is not None}
    if "mild" in found:
        found["mild"] -= found.get("overt", frozenset())
    if len(found) == len(sets):
        found[UNRELATED] = frozenset(row.id for row in experiment.pool.rows) - found["overt"] - found["mild"]
    return found


def _role(role: str, name: str, experiment: Experiment, settings: DiffSettings) -> frozenset[str] | None:
    for named in settings.sets:
        if named.name == name:
            return matching(named, experiment.pool)
    if name != role:
        raise unknown(f"set for {role}", name, [named.name for named in settings.sets])
    if experiment.planted:
        return frozenset(row.id for row in experiment.pool.rows if row.truth == role)
    if role == "overt":
        return _shown(experiment)
    return None


def _shown(experiment: Experiment) -> frozenset[str] | None:
    """Return the examples whose original completion shows the trait, by an offline judge."""
    examples = experiment.pool.examples()
    answers = [(e.prompt_text, e.response) for e in examples]
    scores = score_answers(experiment.trait, answers, experiment.measurement.judge)
    if scores is None:
        return None
    threshold = experiment.trait.eval.threshold
    return frozenset(e.id for e, score in zip(examples, scores, strict=True) if score >= threshold)


def overlap(sets: Sequence[tuple[str, Collection[str]]]) -> Overlap:
    """Jaccard index and containment of every pair.

    >>> overlap([("a", {"1", "2"}), ("b", {"2"})]).jaccard
    [[1.0, 0.5], [0.5, 1.0]]
    """
    ids = [frozenset(members) for _, members in sets]
    return Overlap(
        names=[name for name, _ in sets],
        sizes=[len(each) for each in ids],
        jaccard=[[_ratio(len(a & b), len(a | b)) for b in ids] for a in ids],
        containment=[[_ratio(len(a & b), len(a)) for b in ids] for a in ids],
    )


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
