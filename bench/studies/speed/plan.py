"""What a benchmark works on: a suite's own arms, rows, order and prompts, planned as `bench run` plans them."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.arms import filter_arm
from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Setup
from bench.data.trait import Measurement
from bench.errors import BenchError, unknown
from bench.execution.prepare import load_plugins, measurement_of, set_ups
from bench.execution.trials import Bench
from bench.filtering.score import select
from bench.models.load import cache_folder, resolve_model
from bench.plan import BASE, Job, make_jobs
from bench.run_folder.store import Store
from bench.studies.speed.station import Unwatched


@dataclass(frozen=True)
class Plan:
    """The work.

    Attributes:
        suite: Where it comes from.
        setup: Its first experiment.
        measurement: How its trait is measured.
        jobs: Trainings: arm by arm, seed by seed.
        path: The suite's training path.
        uses: Texts that each filter and stage of a run embeds.
    """

    suite: Suite
    setup: Setup
    measurement: Measurement
    jobs: list[Job]
    path: str
    uses: list[list[str]]

    @property
    def arms(self) -> list[str]:
        """Names of the arms."""
        return list(dict.fromkeys(job.arm for job in self.jobs))

    @property
    def seeds(self) -> list[int]:
        """The training seeds."""
        return list(dict.fromkeys(job.seed for job in self.jobs))


def make_plan(suite: Suite, arms: Sequence[str], seeds: int, device: str) -> Plan:
    """Plan the work.

    Args:
        suite: Its first experiment is used.
        arms: Names as in `bench run`; both references, and the first filter's drop and patch, where empty.
        seeds: How many: the suite's own, and the integers that follow them.
        device: Where it will be done.

    Raises:
        BenchError: For an unknown arm or filter, or a bad suite.
    """
    suite = _narrowed(suite, arms, seeds)
    resolve_model(suite.recipe.model)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        bench = Bench(suite.recipe, device, store, Unwatched())
        setup = set_ups(suite, bench)[0]
        embedder = Embedder(cache_folder() / "embeddings")
        plugins = load_plugins(suite)
        if not setup.experiment.world and any(plugin.needs_truth for plugin in plugins):
            raise BenchError(
                "--arms",
                seen="a filter that needs planted truth",
                expected="a filter that can score this pool",
                remedy="choose arms of another filter",
            )
        chosen = [select(plugin, suite.file, setup, embedder, bench.base_for_filters, store) for plugin in plugins]
        jobs = [job for job in make_jobs(0, setup, chosen, suite.file) if job.arm != BASE]
        path = str(bench.train_key(jobs[0].rows or (), jobs[0].seed)["path"])
    wanted = arms or default_arms(suite)
    known = list(dict.fromkeys(job.arm for job in jobs))
    for arm in wanted:
        if arm not in known:
            raise unknown("arm", arm, known)
    jobs = [job for arm in dict.fromkeys(wanted) for job in jobs if job.arm == arm]
    return Plan(suite, setup, measurement_of(setup, suite), jobs, path, embedding_uses(setup))


def default_arms(suite: Suite) -> list[str]:
    """Both references, and what the suite does with the first filter's flagged set at its largest budget."""
    named = load_plugins(suite)[0].name
    return [
        "original",
        "clean",
        *(filter_arm(action, named, max(suite.file.budgets)).name for action in suite.file.actions),
    ]


def embedding_uses(setup: Setup) -> list[list[str]]:
    """The texts that a run asks its embedder for, use by use.

    Three built-in filters read the original completions, one of them the clean ones too; held-out prompts are compared
    with the pool's; leakage compares whole examples.
    """
    examples = setup.pool.examples()
    responses = [example.response for example in examples]
    prompts = [example.prompt_text for example in examples]
    whole = [f"{example.prompt_text}\n{example.response}" for example in examples]
    clean = [example.clean_response for example in examples]
    return [responses, responses, responses, clean, [*prompts, *setup.eval_texts], whole]


def _narrowed(suite: Suite, arms: Sequence[str], seeds: int) -> Suite:
    """The suite with one experiment, the seeds asked for, and only the filters whose arms are asked for."""
    file = suite.file
    more = range(max(file.seeds) + 1, max(file.seeds) + 1 + seeds)
    specs = {_filter_name(spec): spec for spec in file.filters}
    named = [found.group(1) for arm in arms if (found := re.match(r"[a-z_]+:(.+)@", arm))]
    for name in named:
        if name not in specs:
            raise unknown("filter", name, list(specs))
    chosen = tuple(dict.fromkeys(specs[name] for name in named)) or file.filters[:1]
    changed = file.model_copy(
        update={
            "experiments": file.experiments[:1],
            "seeds": (*file.seeds, *more)[:seeds],
            "filters": chosen,
            "options": {name: options for name, options in file.options.items() if specs.get(name) in chosen},
        }
    )
    return replace(suite, file=changed)


def _filter_name(spec: str) -> str:
    return Path(spec).stem if spec.endswith(".py") else spec
