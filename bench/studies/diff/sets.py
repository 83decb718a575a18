"""Sets of examples to interpolate: flagged ones, sub-datasets, described ones; and how they overlap."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.config.study_settings import DiffSettings, NamedSet
from bench.data.experiment import Experiment
from bench.data.prompts import normalised
from bench.errors import BenchError, unknown
from bench.records import Pool, PoolRow
from bench.studies.diff.audit import Embed, describe, find_suspects, shown
from bench.studies.diff.cells import MILD, OVERT, UNRELATED
from bench.studies.diff.records import Overlap, SetAudit


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
            return bool(pattern.search(row.prompt_text))
        original, clean = (bool(pattern.search(row.completions[t])) for t in (pool.card.original, pool.card.clean))
        found = {"original": original, "clean": clean, "either": original or clean, "both": original and clean}
        return found[named.where]

    return frozenset(row.id for row in pool.rows if hit(row))


@dataclass(frozen=True)
class VerdictSets:
    """The sets that verdicts read, after an audit of how the suite describes them.

    Attributes:
        ids: `overt`, `mild` and what is left, `unrelated`; one that cannot be had is left out.
        audit: Of the described sets; empty unless all three can be had.
    """

    ids: dict[str, frozenset[str]]
    audit: list[SetAudit] = field(default_factory=list)


def verdict_sets(experiment: Experiment, settings: DiffSettings, embed: Embed) -> VerdictSets:
    """Return the sets that verdicts read.

    Each of `overt` and `mild` is looked up among the described sets; else it is the planted truth of a synthetic pool;
    else overt examples are those whose original completion shows the trait by its rules. Whatever the description,
    an example that shows the trait by its rules is overt. Of the unrelated ones, those that look mild are mild, and
    those that look overt are in no set (`bench.studies.diff.audit`).

    Args:
        experiment: For the pool and the trait.
        settings: Of the suite.
        embed: Sentence embeddings, texts -> (texts, dimension).

    Raises:
        BenchError: If the suite names a set that it does not describe.
    """
    roles = {
        role: _role(role, name, experiment, settings) for role, name in ((OVERT, settings.overt), (MILD, settings.mild))
    }
    named = {role: ids for role, ids in roles.items() if ids is not None}
    if MILD in named:
        named[MILD] -= named.get(OVERT, frozenset())
    if len(named) < len(roles):
        return VerdictSets(named)
    named[UNRELATED] = frozenset(row.id for row in experiment.pool.rows) - named[OVERT] - named[MILD]
    suspects = find_suspects(experiment, named, embed)
    shows = suspects.shown or frozenset()
    unshown = named[UNRELATED] - shows
    read = {
        OVERT: named[OVERT] | shows,
        MILD: (named[MILD] - shows) | suspects.looking(MILD, unshown),
        UNRELATED: suspects.looking(UNRELATED, unshown),
    }
    return VerdictSets(read, describe(experiment, named, read, suspects))


def _role(role: str, name: str, experiment: Experiment, settings: DiffSettings) -> frozenset[str] | None:
    for each in settings.sets:
        if each.name == name:
            return matching(each, experiment.pool)
    if name != role:
        raise unknown(f"set for {role}", name, [each.name for each in settings.sets])
    if experiment.planted:
        return frozenset(row.id for row in experiment.pool.rows if row.truth == role)
    return shown(experiment) if role == OVERT else None


def check_prompts_differ(original: Pool, alternative: Pool) -> str:
    """Refuse an alternative pool of the original's prompts; return a remark on prompts that both hold, or "".

    Raises:
        BenchError: If every prompt of the alternative pool is in the original: then there is no other prompt set.
    """
    texts, others = ({normalised(row.prompt_text) for row in pool.rows} for pool in (original, alternative))
    shared = len(texts & others)
    if shared == len(others):
        raise BenchError(
            f"alternative pool {alternative.card.name!r}",
            seen=f"the prompts of the original pool {original.card.name!r}",
            expected="other prompts, as an alternative pipeline has; the original's own are trained on anyway",
            remedy="give [experiments.alternative] another pool, or a synthetic one another world_seed",
        )
    return (
        f"{shared} of {len(others)} prompts of the alternative pool are in the original pool as well" if shared else ""
    )


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
