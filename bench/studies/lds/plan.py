"""What `bench lds` trains: students of random halves of the pool, some of them twice; and the queries of the trait."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from bench.arms import ORIGINAL, build_arm
from bench.config.study_settings import LdsSettings
from bench.config.suite import Suite
from bench.data.experiment import Experiment
from bench.data.prompts import normalised
from bench.errors import BenchError
from bench.execution.job import Job
from bench.outcomes import Arm
from bench.records import NoCleanTeacher, Pool, Query


@dataclass(frozen=True)
class Plan:
    """One experiment on its way.

    Attributes:
        experiment: The pool, and the trait with its queries; filters' scores are entered here.
        subsets: Ids of the rows that keep their original completions, half of the pool each.
        first: A training on each subset.
        second: Trainings on the first subsets with another seed.
        original: A training on the original pool, from which single steps start; None where none are taken.
    """

    experiment: Experiment
    subsets: list[frozenset[str]]
    first: list[Job]
    second: list[Job]
    original: Job | None

    @property
    def jobs(self) -> list[Job]:
        """Everything that is trained."""
        return [*self.first, *self.second, *([self.original] if self.original else [])]


def make_plan(experiment: Experiment, suite: Suite) -> Plan:
    """Draw the subsets and plan their trainings.

    Raises:
        BenchError: If the trait has no queries, one of them is among the pool's prompts, or the pool has one teacher.
    """
    pool, settings = experiment.pool, suite.file.lds
    _check_queries(experiment)
    if not pool.card.clean:
        raise NoCleanTeacher(f"pool {pool.card.name!r}")
    subsets = random_halves(pool, settings)
    first = [_job(experiment, suite, n, ids, settings.seed) for n, ids in enumerate(subsets, start=1)]
    twice = enumerate(subsets[: settings.ceiling_subsets], start=1)
    second = [_job(experiment, suite, n, ids, settings.seed + 1) for n, ids in twice]
    original = None
    if settings.tail_patch:
        seed, rows = suite.file.seeds[0], build_arm(ORIGINAL, pool, ())
        original = Job(ORIGINAL, seed, rows, experiment.measurement, suite.recipe, evaluated=False)
    return Plan(experiment, subsets, first, second, original)


def random_halves(pool: Pool, settings: LdsSettings) -> list[frozenset[str]]:
    """Draw the rows that keep their original completions: half of the pool, each row with equal probability.

    Subsets of one size, as in Park et al. (2023): what a constant adds to all scores cancels out.
    """

    def place(number: int, identity: str) -> bytes:
        return hashlib.sha256(f"lds/{settings.seed}/{number}/{identity}".encode()).digest()

    ids = [row.id for row in pool.rows]
    return [
        frozenset(sorted(ids, key=lambda identity, n=number: place(n, identity))[: len(ids) // 2])  # type: ignore[misc]
        for number in range(1, settings.subsets + 1)
    ]


def _job(experiment: Experiment, suite: Suite, number: int, ids: frozenset[str], seed: int) -> Job:
    """Plan a training on the whole pool in which these rows have original completions and the others clean ones."""
    arm = Arm(f"lds{number}", "mix", share=0.5, completions=f"lds{number}")
    rows = build_arm(arm, experiment.pool, ids)
    return Job(arm, seed, rows, experiment.measurement, suite.recipe, evaluated=False)


def _check_queries(experiment: Experiment) -> None:
    """Refuse a trait without queries, and queries that are trained on; loading refused those that are eval prompts."""
    trait, pool, queries = experiment.trait, experiment.pool, experiment.queries
    if not queries:
        raise BenchError(
            f"trait {trait.name!r}",
            seen="no queries",
            expected="prompts with a trait completion and a clean one each, on which the margin of students is read",
            remedy='write them as JSONL ({"prompt", "trait", "clean"}); the trait names it: queries = "file.jsonl"',
        )
    asked = {normalised(query.prompt_text) for query in queries}
    found = [e.id for e in pool.as_examples(pool.candidates) if normalised(e.prompt_text) in asked]
    if found:
        raise BenchError(
            f"pool {pool.card.name!r}",
            seen=f"queries of trait {trait.name!r} among its rows: {', '.join(found[:10])}",
            expected="queries that no student is trained on",
            remedy="take those rows out of the pool, or those prompts out of the queries",
        )


def queries_sha256(queries: Sequence[Query]) -> str:
    """Return the SHA-256 of some queries, in order."""
    return hashlib.sha256("\n".join(query.model_dump_json() for query in queries).encode()).hexdigest()
