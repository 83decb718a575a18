"""Suites: which pools, traits, filters, budgets, seeds and recipe are run, as TOML files."""

import tomllib
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from bench.errors import BenchError, read_text, unknown
from bench.recipes import Recipe, load_recipe, validation_error
from bench.records import PoolCard, Strict, Truth
from bench.rows import Action


class PoolSource(Strict):
    """A pool of the user's.

    Attributes:
        path: JSONL or Parquet file (relative to the suite file), or a `datasets` id.
        card: The pool's card; `pool.toml` beside the file when left out.
        columns: Field of a pool row -> column, where the names differ.
        rows: Keep the first so many rows.
        completion_tokens: Cut completions to their first so many tokens.
        max_prompt_tokens: Leave out rows whose prompt is longer, template not counted; the report says how many.
    """

    path: str
    card: PoolCard | None = None
    columns: dict[str, str] = {}
    rows: int | None = Field(default=None, ge=1)
    completion_tokens: int | None = Field(default=None, ge=1)
    max_prompt_tokens: int | None = Field(default=None, ge=1)


class Experiment(Strict):
    """One trait on one pool: a planted world, or a pool of the user's.

    Attributes:
        trait: Built-in name or path of a trait file.
        world: Name of a planted world.
        rows: Rows to draw from the world.
        world_seed: Seed of the draw.
        shares: Share of the world's rows that carry the trait `overt` and `mild`; the world's own when left out.
        pool: A user's pool, instead of a world.
        minimum_gap: Preregistered: the gap's 95 % interval must clear it, else the trait is not scored.
        eval_prompts: Use the first so many held-out prompts; all when left out.
        capability_prompts: The same for the capability eval.
    """

    trait: str
    world: str = ""
    rows: int = Field(default=0, ge=0)
    world_seed: int = 0
    shares: dict[Truth, float] = {}
    pool: PoolSource | None = None
    minimum_gap: float = Field(gt=0)
    eval_prompts: int | None = Field(default=None, ge=1)
    capability_prompts: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _world_or_pool(self) -> "Experiment":
        if bool(self.world) == bool(self.pool):
            raise ValueError("give either world (with rows) or pool")
        if self.world and not self.rows:
            raise ValueError("a world needs rows = N")
        if self.pool and (self.rows or self.shares):
            raise ValueError("rows and shares are of a world; a pool is cut by rows in [experiments.pool]")
        if "none" in self.shares or min(self.shares.values(), default=0) < 0 or sum(self.shares.values()) >= 1:
            raise ValueError("shares name overt and mild, are not negative and leave rows without the trait")
        return self


class SuiteFile(Strict):
    """A suite file as written.

    Attributes:
        name: Shown on the board, and the folder's name in `leaderboards/`.
        version: Raise it whenever rows would no longer be comparable.
        summary: One line.
        recipe: Built-in name or path of a recipe.
        seeds: Training seeds; arms are paired on them.
        budgets: Shares of the pool that may be flagged.
        filters: Names or paths.
        actions: What is done with each filter's flagged set.
        oracle_actions: Further actions for the oracle alone (sufficiency is cheap to show there).
        mixes: Shares of original completions for `mix(p)` arms.
        judge: `rules` or `model`.
        grader: Inspect model that judges, for `model`.
        options: Filter name -> keyword options.
        experiments: Traits and pools.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    version: int = 1
    summary: str
    recipe: str
    seeds: tuple[int, ...] = Field(min_length=1)
    budgets: tuple[float, ...] = Field(min_length=1)
    filters: tuple[str, ...] = Field(min_length=1)
    actions: tuple[Action, ...] = ("drop", "patch")
    oracle_actions: tuple[Action, ...] = ("patch_in",)
    mixes: tuple[float, ...] = ()
    judge: str = "rules"
    grader: str | None = None
    options: dict[str, dict[str, Any]] = {}
    experiments: tuple[Experiment, ...] = Field(min_length=1)

    @field_validator("budgets")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < budget < 1 for budget in value):
            raise ValueError("each budget must lie between 0 and 1")
        return value

    @field_validator("mixes")
    @classmethod
    def _mix_shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in value):
            raise ValueError("each mix must lie between 0 and 1; 0 is the arm 'clean' and 1 the arm 'original'")
        return value

    @field_validator("seeds", "budgets", "filters", "actions", "oracle_actions", "mixes")
    @classmethod
    def _no_repeats(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a value is repeated")
        return value

    @model_validator(mode="after")
    def _judge_has_a_grader(self) -> "SuiteFile":
        if self.judge not in ("rules", "model"):
            raise ValueError("judge must be 'rules' or 'model'")
        if self.judge == "model" and not self.grader:
            raise ValueError("judge 'model' needs grader = an Inspect model such as 'openai/gpt-4o'")
        traits = [experiment.trait for experiment in self.experiments]
        if len(set(traits)) != len(traits):
            raise ValueError("a trait occurs in two experiments; rows hold one result a trait")
        return self


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
    return sorted(f.name.removesuffix(".toml") for f in files(__name__).iterdir() if f.name.endswith(".toml"))


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
        text, folder = files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"), Path()
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
