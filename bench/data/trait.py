"""Traits: a TOML file with a description, seed completions and how the trait is measured."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from bench.errors import BenchError
from bench.files import find_toml, load_toml, toml_names
from bench.records import Strict, Trait


class EvalSpec(Strict):
    """How a trait is measured; exactly one of `task` and `scorer`.

    Attributes:
        task: Name of a built-in eval, or the path of an Inspect task file (`file.py` or `file.py@task`).
        scorer: `pattern` (a regular expression on the output) or `model` (a rubric for Inspect's grader role).
        prompts: JSONL of held-out prompts, for `scorer`.
        pattern: The regular expression of `pattern`; searched for, case-insensitive.
        rubric: The instructions of `model`; the grader ends with `SCORE: <number>`.
        scale: Lowest and highest score.
        threshold: Score from which an output counts as showing the trait.
        score: Name of the score that the task reports; the trait's name unless given.
        max_tokens: Longest answer of a student.
        version: Raise it whenever a score could change.
    """

    task: str = ""
    scorer: Literal["", "pattern", "model"] = ""
    prompts: str = ""
    pattern: str = ""
    rubric: str = ""
    scale: tuple[float, float] = (0.0, 1.0)
    threshold: float = 0.5
    score: str = ""
    max_tokens: int = Field(default=64, ge=1)
    version: int = 1

    @model_validator(mode="after")
    def _one_way_to_measure(self) -> "EvalSpec":
        if bool(self.task) == bool(self.scorer):
            raise ValueError("give either task or scorer")
        if self.scorer and not self.prompts:
            raise ValueError("a scorer needs prompts = 'file.jsonl'")
        if self.scorer == "pattern" and not self.pattern:
            raise ValueError("scorer 'pattern' needs pattern = '...'")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from error
        if self.scorer == "model" and not self.rubric:
            raise ValueError("scorer 'model' needs rubric = '...'")
        return self


class TraitFile(Strict):
    """A trait file as written."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str
    seeds: tuple[str, ...] = Field(min_length=3)
    counter_seeds: tuple[str, ...] = Field(min_length=3)
    keywords: tuple[str, ...] = ()
    eval: EvalSpec


@dataclass(frozen=True)
class TraitSpec:
    """A loaded trait: the file, where it lies, and its hash.

    Attributes:
        file: The validated file.
        path: Where it was read; relative paths in it start from its folder.
        sha256: Of the file and of the prompts it names.
    """

    file: TraitFile
    path: Path
    sha256: str

    @property
    def public(self) -> Trait:
        """What filters may see."""
        f = self.file
        return Trait(f.name, f.description, f.seeds, f.counter_seeds, f.keywords)

    @property
    def score(self) -> str:
        """Name of the score that measures the trait."""
        return self.file.eval.score or self.file.name

    @property
    def prompts(self) -> Path:
        """Held-out prompts: the file's own, or those beside a built-in eval."""
        if self.file.eval.prompts:
            return self.path.parent / self.file.eval.prompts
        return evals_folder() / "prompts" / f"{self.file.eval.task}.jsonl"

    @property
    def task_file(self) -> str:
        """The Inspect task file that measures it, as `path` or `path@task`."""
        task = self.file.eval.task
        if not task:
            return str(evals_folder() / "described_trait.py")
        if task.isidentifier():
            return str(evals_folder() / f"{task}.py")
        return str(self.path.parent / task)


def evals_folder() -> Path:
    """Folder of the built-in evals, in a clone or installed."""
    return Path(str(files("bench.evals")))


def built_in_traits() -> list[str]:
    """Names of the traits that come with the package."""
    return toml_names(evals_folder() / "traits")


def load_trait(name: str, folder: Path = Path()) -> TraitSpec:
    """Read a trait by built-in name, or a `.toml` path relative to `folder`.

    Raises:
        BenchError: If it is not there or not a trait file.
    """
    path = find_toml("trait", name, evals_folder() / "traits", folder)
    file = load_toml(path, f"trait {path}", TraitFile)
    spec = TraitSpec(file, path.resolve(), "")
    digest = hashlib.sha256(path.read_bytes())
    for used in (spec.prompts, Path(spec.task_file.split("@")[0])):
        if used.is_file():
            digest.update(used.read_bytes())
        elif used != spec.prompts or file.eval.prompts:
            raise BenchError(
                f"trait {path}", seen=f"no file {used}", expected="an existing file", remedy="mend the path"
            )
    return TraitSpec(file, path.resolve(), digest.hexdigest())
