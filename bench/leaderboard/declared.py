"""What a built-in suite fixes, held against a row and its evidence: settings, pool, prompts. Nothing is trained.

A pool that was drawn from a secret is held against its row once the secret is told: the row has the pool's hash.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.config.suite import Suite, built_in_suites, load_suite
from bench.data.experiment import HIDDEN_SEED, Experiment, load_experiment
from bench.data.prompts import read_prompts
from bench.leaderboard.evidence import Evidence
from bench.leaderboard.row import Row, TraitResult


@dataclass(frozen=True)
class Declared:
    """A built-in suite, and its experiments by trait."""

    suite: Suite
    experiments: dict[str, Experiment]

    @property
    def label(self) -> str:
        """Name and version."""
        return f"suite {self.suite.file.name} v{self.suite.file.version}"


def declared_by(row: Row) -> Declared | None:
    """Return the suite that a row names; None where it is not installed in that version, or has pools of its own."""
    found = _declared(row.suite)
    return found if found and found.suite.file.version == row.suite_version else None


@cache
def _declared(name: str) -> Declared | None:
    suite = load_suite(name) if name in built_in_suites() else None
    if suite is None or any(not each.world for each in suite.file.experiments):
        return None
    return Declared(suite, _drawn(suite))


def _drawn(suite: Suite) -> dict[str, Experiment]:
    """Draw the synthetic pools of a suite; their experiments by trait."""

    def no_tokenizer() -> Any:
        raise AssertionError("a synthetic pool needs no tokenizer")

    experiments = (load_experiment(each, suite, no_tokenizer) for each in suite.file.experiments if each.world)
    return {experiment.name: experiment for experiment in experiments}


def was_hidden(result: TraitResult) -> bool:
    """Tell whether a row says that its synthetic pool was drawn from a secret."""
    return result.found is not None and result.pool.endswith(f" world, {HIDDEN_SEED}")


def against_secret(rows: Mapping[str, Row], suite: Suite) -> dict[str, list[str]]:
    """Draw pools again from a secret that was told, and say which rows were not measured on them.

    Args:
        rows: By name.
        suite: The rows' suite, from `bench.config.suite.with_pool_seed`.

    Returns:
        Name of the row -> what differs; empty where hash and sizes of every synthetic pool are the row's.
    """
    drawn, label = _drawn(suite), f"suite {suite.file.name} v{suite.file.version}"
    found: dict[str, list[str]] = {}
    for name, row in rows.items():
        told: dict[str, object] = {"suite": f"suite {row.suite} v{row.suite_version}"}
        found[name] = list(_differing(told, {"suite": label}, "", "the secret's"))
        if not row.traits.keys() & drawn.keys():
            found[name].append(
                f"traits: none of the row's has a synthetic pool in {label}, whose are {', '.join(drawn)}"
            )
        for trait, result in row.traits.items():
            if trait in drawn:
                pool = drawn[trait].pool
                fixed = {"pool": pool.card.name, **_pool_of(drawn[trait])}
                told = {"pool": result.pool, **_pool_told(result)}
                found[name] += _differing(told, fixed, f"traits.{trait}.", "the pool of this secret")
    return found


def _pool_of(experiment: Experiment) -> dict[str, object]:
    pool = experiment.pool
    return {"pool_sha256": pool.sha256, "pool_rows": len(pool.rows), "reserve_rows": len(pool.reserve)}


def _pool_told(result: TraitResult) -> dict[str, object]:
    return {name: getattr(result, name) for name in ("pool_sha256", "pool_rows", "reserve_rows")}


def against_suite(row: Row, evidence: Mapping[str, Evidence]) -> Iterator[str]:
    """Say where a row or its evidence has other settings than the built-in suite that it names."""
    found = declared_by(row)
    if found is None:
        return
    file = found.suite.file
    told = {"recipe": row.recipe, "seeds": row.seeds}
    fixed = {"recipe": found.suite.recipe, "seeds": list(file.seeds)}
    yield from _differing(told, fixed, "", found.label)
    if row.budget not in file.budgets:
        yield f"budget: {row.budget:g} in the row, {', '.join(f'{each:g}' for each in file.budgets)} in {found.label}"
    for trait, result in row.traits.items():
        experiment = found.experiments.get(trait)
        if experiment is None:
            yield f"traits.{trait}: {found.label} does not measure it"
        elif trait in evidence:
            yield from _measured_otherwise(result, evidence[trait], experiment, found)


def _measured_otherwise(
    result: TraitResult, evidence: Evidence, experiment: Experiment, found: Declared
) -> Iterator[str]:
    path, pool, trait = f"traits.{result.trait}.", experiment.pool, experiment.trait
    told: dict[str, object] = {"controls": result.controls, "minimum_gap": result.minimum_gap}
    fixed: dict[str, object] = {
        "controls": found.suite.file.controls,
        "minimum_gap": experiment.settings.minimum_gap,
    }
    if result.pool == pool.card.name:  # else it is a row of `--pool` or `--pool-seed`, which boards show apart
        told |= _pool_told(result)
        fixed |= _pool_of(experiment)
    elif result.pool_sha256 == pool.sha256:
        yield f"{path}pool: {result.pool!a:.80} in the row, and its rows are those of {pool.card.name!r}"
    if result.eval_version == trait.eval.version:  # prompts and scale are known of the installed version alone
        prompts = read_prompts(trait.prompts, experiment.settings.eval_prompts)
        told |= {"score": evidence.score, "scale": evidence.scale, "prompts and families": _families(evidence)}
        fixed |= {
            "score": trait.score,
            "scale": trait.eval.scale,
            "prompts and families": {prompt["id"]: prompt.get("family", prompt["id"]) for prompt in prompts},
        }
    yield from _differing(told, fixed, path, found.label)


def _families(evidence: Evidence) -> dict[str, str]:
    return dict(zip(evidence.ids[evidence.score], evidence.families[evidence.score], strict=True))


def _differing(told: Mapping[str, object], fixed: Mapping[str, object], path: str, label: str) -> Iterator[str]:
    for name, value in fixed.items():
        if told[name] != value:
            short = isinstance(value, int | float | str | list | tuple)
            yield f"{path}{name}: {f'{told[name]} in the row, {value} in' if short else 'not those of'} {label}"
