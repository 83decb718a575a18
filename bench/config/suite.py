"""Suites: which pools, traits, filters, budgets, seeds and recipe are run, as TOML files."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.config.recipe import Recipe, load_recipe
from bench.config.schema import SuiteFile
from bench.errors import BenchError, validation_error
from bench.files import find_toml, load_toml, toml_names

SUITES = Path(__file__).parent / "suites"
MIN_SECRET = 16
HIDDEN = 2**32  # seeds from here on are derived from a secret, and neither shown nor written


@dataclass(frozen=True)
class Suite:
    """A loaded suite: the file, its recipe, and the folder that relative paths start from."""

    file: SuiteFile
    recipe: Recipe
    folder: Path

    @property
    def trainings(self) -> int:
        """Trainings at most; arms with the same rows share one."""
        f = self.file
        extra = len(set(f.oracle_actions) - set(f.actions)) if "oracle" in f.filters else 0
        controls = f.controls * (len(f.control_actions) or len(f.actions) + extra) + f.length_control * len(f.actions)
        own = len(f.filters) * len(f.actions) + extra
        arms = 2 + len(f.mixes) + len(f.budgets) * (controls + own)
        return arms * len(f.seeds) * len(f.experiments)


def built_in_suites() -> list[str]:
    """Return the names of the suites that come with the package."""
    return toml_names(SUITES)


def load_suite(name: str | Path) -> Suite:
    """Read a suite by built-in name or by path.

    Raises:
        BenchError: If there is no such suite, or a key or value is wrong.
    """
    name = str(name)
    path = find_toml("suite", name, SUITES)
    file = load_toml(path, f"suite {name}", SuiteFile)
    folder = Path() if path.parent == SUITES else path.resolve().parent
    suite = Suite(file, load_recipe(file.recipe, folder), folder)
    _check_steering(suite)
    return suite


def _check_steering(suite: Suite) -> None:
    """Refuse to steer what enters the lowest layer: the direction of a trait is not to be found in token embeddings.

    Raises:
        BenchError: If the suite steers and its recipe trains every layer.
    """
    file = suite.file
    if "steer" in file.every_action and not suite.recipe.last_layers:
        raise BenchError(
            f"suite {file.name!r}",
            seen=f"action 'steer', and recipe {suite.recipe.name!r} trains every layer",
            expected="a recipe with last_layers, which keeps lower layers as they are; steering is added above them",
            remedy="set last_layers in the recipe, or leave 'steer' out",
        )


def with_judge(suite: Suite, judge: str, grader: str | None) -> Suite:
    """Return the same suite under another judge.

    Raises:
        BenchError: If there is no such judge, or it needs a grader and none is named.
    """
    keys = suite.file.model_dump(mode="json") | {"judge": judge, "grader": grader}
    return replace(suite, file=_validated(f"suite {suite.file.name} under judge {judge!r}", keys))


def with_pool(suite: Suite, path: Path) -> Suite:
    """Return the same suite on another pool file.

    Raises:
        BenchError: If the suite has more than one experiment, or draws a synthetic pool instead of reading one.
    """
    sources = [experiment.pool for experiment in suite.file.experiments]
    if len(sources) != 1 or sources[0] is None:
        raise BenchError(
            f"--pool {path}",
            seen=f"suite {suite.file.name!r} does not read exactly one pool",
            expected="a suite with one experiment and its [experiments.pool]",
            remedy="write a suite file for this pool; docs/bring_your_own/ shows one",
        )
    keys = suite.file.model_dump(mode="json")
    source = keys["experiments"][0]["pool"]
    source |= {"path": str(path.resolve()), "split": "train", "config": ""}
    if source["card"]:
        source["card"] |= {"rows": None, "sha256": None}  # those of the suite's own pool
    return replace(suite, file=_validated(f"suite {suite.file.name}", keys))


def with_pool_seed(suite: Suite, secret: str) -> Suite:
    """Return the same suite with its synthetic pools drawn from seeds that only those who hold a secret can know.

    A filter whose author knows the seed could draw the pool again and read which rows carry the trait. Rows name the
    pool by its hash; whoever is told the secret later draws the same pool.

    Args:
        suite: The suite.
        secret: At least 16 characters, such as `python -c "import secrets; print(secrets.token_hex(16))"` prints.

    Raises:
        BenchError: If the secret is shorter, or the suite draws no synthetic pool.
    """
    keys = suite.file.model_dump(mode="json")
    drawn = [each for entry in keys["experiments"] for each in (entry, entry["alternative"]) if each and each["world"]]
    if len(secret) < MIN_SECRET or not drawn:
        raise BenchError(
            "--pool-seed",
            seen=f"{len(secret)} characters" if drawn else f"suite {suite.file.name!r} reads its pools from files",
            expected=f"at least {MIN_SECRET} characters that cannot be guessed, for a suite with synthetic pools",
            remedy='take what `python -c "import secrets; print(secrets.token_hex(16))"` prints',
        )
    for source in drawn:
        text = f"{secret}/{source['world']}/{source['world_seed']}"
        source["world_seed"] = HIDDEN + int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])
    return replace(suite, file=_validated(f"suite {suite.file.name}", keys))


def _validated(where: str, keys: dict[str, Any]) -> SuiteFile:
    try:
        return SuiteFile.model_validate(keys)
    except ValidationError as error:
        raise validation_error(where, error) from error
