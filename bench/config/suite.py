"""Suites: which pools, traits, filters, budgets, seeds and recipe are run, as TOML files."""

import tomllib
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.config.recipe import Recipe, load_recipe
from bench.config.schema import SuiteFile
from bench.errors import BenchError, read_text, unknown, validation_error


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
        controls = len({*f.actions, *(f.oracle_actions if "oracle" in f.filters else ())})
        own = len(f.filters) * len(f.actions) + ("oracle" in f.filters) * len(set(f.oracle_actions) - set(f.actions))
        arms = 2 + len(f.mixes) + len(f.budgets) * (controls + own)
        return arms * len(f.seeds) * len(f.experiments)


def built_in_suites() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(
        f.name.removesuffix(".toml")
        for f in files("bench.config").joinpath("suites").iterdir()
        if f.name.endswith(".toml")
    )


def load_suite(name: str) -> Suite:
    """Read a suite by built-in name or by path.

    Raises:
        BenchError: If there is no such suite, or a key or value is wrong.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise BenchError(f"suite {name}", seen="no such file", expected="a suite file", remedy="mend the path")
        text, folder = read_text(path), path.resolve().parent
    elif name in built_in_suites():
        text, folder = files("bench.config").joinpath("suites", f"{name}.toml").read_text(encoding="utf-8"), Path()
    else:
        raise unknown("suite", name, built_in_suites())
    try:
        keys = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"suite {name}", seen=str(error), expected="valid TOML", remedy="mend that line") from error
    file = _validated(f"suite {name}", keys)
    return Suite(file, load_recipe(file.recipe, folder), folder)


def with_judge(suite: Suite, judge: str, grader: str | None) -> Suite:
    """The same suite under another judge.

    Raises:
        BenchError: If there is no such judge, or it needs a grader and none is named.
    """
    keys = suite.file.model_dump(mode="json") | {"judge": judge, "grader": grader}
    return replace(suite, file=_validated(f"suite {suite.file.name} under judge {judge!r}", keys))


def with_pool(suite: Suite, path: Path) -> Suite:
    """The same suite on another pool file.

    Raises:
        BenchError: If the suite has more than one experiment, or plants a world instead of reading a pool.
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
    source["path"] = str(path.resolve())
    if source["card"]:
        source["card"] |= {"rows": None, "sha256": None}  # those of the suite's own pool
    return replace(suite, file=_validated(f"suite {suite.file.name}", keys))


def _validated(where: str, keys: dict[str, Any]) -> SuiteFile:
    try:
        return SuiteFile.model_validate(keys)
    except ValidationError as error:
        raise validation_error(where, error) from error
