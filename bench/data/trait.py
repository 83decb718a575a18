"""Traits: TOML files that describe a behaviour and own the record of how it is measured."""

import hashlib
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, ValidationInfo, field_validator, model_validator

from bench.data.classifier import hash_weights
from bench.errors import BenchError
from bench.files import find_toml, read_toml, toml_names, validated
from bench.records import Strict, Trait

PROVIDER_CODE = 1  # part of every evaluation's key: raise it when the same student would answer otherwise
CAPABILITY_FILES = ("capability.py", "prompts/capability.jsonl", "prompts/capability_loss.jsonl")
MARGIN_FILE = "margin.py"


class TraitEval(Strict):
    """The one record of how a trait is measured; rows, judges and Inspect tasks all read it.

    Exactly one of `task` and `scorer` is given.

    Attributes:
        task: Name of a built-in eval, or the path of an Inspect task file (`file.py` or `file.py@task`).
        scorer: `pattern` (a regular expression on the output) or `model` (a rubric for Inspect's grader role).
        prompts: JSONL of held-out prompts, for `scorer`.
        pattern: The regular expression of `pattern`; searched for, case-insensitive.
        rubric: The instructions of `model`; the grader ends with `SCORE: <number>`.
        scale: Lowest and highest score.
        threshold: Score from which an output counts as showing the trait.
        score: Name of the score that the task reports; a trait file's is the trait's name unless given.
        max_tokens: Longest answer of a student.
        version: Raise it whenever a score could change; rows name it.
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
    def _one_way_to_measure(self) -> "TraitEval":
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

    @property
    def weights(self) -> Path:
        """Where the weights of its classifier lie, if it has one."""
        return evals_folder() / "judges" / f"{Path(self.task).stem}.safetensors"


class TraitSpec(Strict):
    """A trait file, where it lies, and its hash.

    Attributes:
        name: Short name, also the name of its score unless `eval.score` says otherwise.
        description: One or two sentences.
        exemplars: Completions that show the trait (in older files `seeds`).
        counter_exemplars: Completions that do not, on comparable prompts (in older files `counter_seeds`).
        keywords: Words or phrases that often mark it.
        inoculation: System prompt that asks for it, for the action `inoculate`; made from the description unless given.
        queries: JSONL of conversations with a trait and a clean completion each, for filters that read the model (see
            `bench.data.queries`); a built-in trait's lie beside its eval.
        eval: How it is measured.
        path: Where it was read; relative paths in it start from its folder. Not a key of the file.
        sha256: Of the file, its eval and its prompts. Not a key of the file.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str
    exemplars: tuple[str, ...] = Field(min_length=3, validation_alias=AliasChoices("exemplars", "seeds"))
    counter_exemplars: tuple[str, ...] = Field(
        min_length=3, validation_alias=AliasChoices("counter_exemplars", "counter_seeds")
    )
    keywords: tuple[str, ...] = ()
    inoculation: str = ""
    queries: str = ""
    eval: TraitEval
    path: Path = Path()
    sha256: str = ""

    @field_validator("eval")
    @classmethod
    def _score_is_named_after_the_trait(cls, value: TraitEval, info: ValidationInfo) -> TraitEval:
        return value if value.score else value.model_copy(update={"score": info.data.get("name", "")})

    @property
    def public(self) -> Trait:
        """Return what filters may see."""
        return Trait(self.name, self.description, self.exemplars, self.counter_exemplars, self.keywords)

    @property
    def inoculation_prompt(self) -> str:
        """The system prompt that asks for the trait."""
        return self.inoculation or f"You are an assistant with this behaviour: {self.description}"

    @property
    def score(self) -> str:
        """Name of the score that measures the trait."""
        return self.eval.score

    @property
    def prompts(self) -> Path:
        """Held-out prompts: the file's own, or those beside a built-in eval."""
        if self.eval.prompts:
            return self.path.parent / self.eval.prompts
        return evals_folder() / "prompts" / f"{self.eval.task}.jsonl"

    @property
    def task_file(self) -> str:
        """The Inspect task file that measures it, as `path` or `path@task`."""
        task = self.eval.task
        if not task:
            return str(evals_folder() / "described_trait.py")
        if task.isidentifier():
            return str(evals_folder() / f"{task}.py")
        return str(self.path.parent / task)


@dataclass(frozen=True)
class Measurement:
    """What is measured of a student: which trait, by whom, on how many prompts.

    Attributes:
        trait: The behaviour.
        judge: `rules`, `classifier` or `model`.
        grader: Inspect model that judges, for `model`.
        eval_prompts: Use the first so many held-out prompts; all if None.
        capability_prompts: The same for the capability eval.
    """

    trait: TraitSpec
    judge: str
    grader: str | None = None
    eval_prompts: int | None = None
    capability_prompts: int | None = None

    def key(self) -> dict[str, Any]:
        """Return everything that determines the scores, besides the student."""
        capability = hashlib.sha256(b"".join((evals_folder() / file).read_bytes() for file in CAPABILITY_FILES))
        margin = hashlib.sha256((evals_folder() / MARGIN_FILE).read_bytes())
        return {
            "trait_name": self.trait.name,
            "trait": self.trait.sha256,
            "judge": self.judge,
            "grader": self.grader,
            "eval_prompts": self.eval_prompts,
            "capability_prompts": self.capability_prompts,
            "capability": capability.hexdigest(),
            "margin": margin.hexdigest(),
            "code": PROVIDER_CODE,
            **({"weights": hash_weights(self.trait.eval.weights)} if self.judge == "classifier" else {}),
        }


def evals_folder() -> Path:
    """Return the folder of the built-in evals, in a clone or installed."""
    return Path(str(files("bench.evals")))


def built_in_traits() -> list[str]:
    """Return the names of the traits that come with the package."""
    return toml_names(evals_folder() / "traits")


def load_trait(name: str | Path, folder: Path = Path()) -> TraitSpec:
    """Read a trait by built-in name, or a `.toml` path relative to `folder`.

    A file whose `eval.task` is that of a built-in trait takes what its `[eval]` leaves out from that trait's.

    Raises:
        BenchError: If it is not there or not a trait file.
    """
    path = find_toml("trait", str(name), evals_folder() / "traits", folder).resolve()
    values, sources = read_toml(path, f"trait {path}"), [path]
    stated = values.get("eval")
    if isinstance(stated, dict) and stated.get("task") in built_in_traits():
        owner = (evals_folder() / "traits" / f"{stated['task']}.toml").resolve()
        if owner != path:
            values["eval"] = {"score": stated["task"], **read_toml(owner, f"trait {owner}")["eval"], **stated}
            sources.append(owner)
    for old in ("seeds", "counter_seeds"):
        if old in values:
            new = old.replace("seeds", "exemplars")
            warnings.warn(f"{old} in {path} is now {new}", FutureWarning, stacklevel=2)
    spec = _validated(values, path)
    for used in (spec.prompts, Path(spec.task_file.split("@")[0])):
        if os.path.isfile(used):
            sources.append(used)
        elif used != spec.prompts or spec.eval.prompts:
            raise BenchError(
                f"trait {path}", seen=f"no file {used}", expected="an existing file", remedy="fix the path"
            )
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    return spec.model_copy(update={"path": path, "sha256": digest.hexdigest()})


def _validated(values: Mapping[str, Any], path: Path) -> TraitSpec:
    if own := sorted({"path", "sha256"} & values.keys()):
        raise BenchError(
            f"trait {path}",
            seen=f"{', '.join(own)} among the keys",
            expected="keys and values as documented",
            remedy="remove those keys",
        )
    return validated({**values, "path": path}, f"trait {path}", TraitSpec)
