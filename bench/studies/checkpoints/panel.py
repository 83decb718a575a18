"""Panels: which models are compared on which evals, as TOML files."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from bench.files import find_toml, load_toml
from bench.records import Strict
from bench.secrets import Arguments

PANELS = Path(__file__).parent / "panels"
INSPECT = "inspect:"  # prefix of models that Inspect itself runs


class ModelEntry(Strict):
    """One model of a panel: `model`, or a student of a run folder.

    Attributes:
        name: Shown everywhere; unique.
        stage: Free text such as `pretrained`, `SFT-only`, `production`.
        model: A packaged name, a folder, a Hugging Face id, or `inspect:provider/name`.
        model_args: Passed to the Inspect provider.
        run: Run folder of `bench run`, relative to the panel file.
        arm: Arm of that run, such as `original` or `drop:keyword@0.2`.
        seed: Training seed.
        trait: Which experiment's arm, where the run has several.
        licence: Shown in the report; looked up for packaged models.
    """

    name: str = Field(min_length=1)
    stage: str = ""
    model: str = ""
    model_args: Arguments = {}
    run: str = ""
    arm: str = ""
    seed: int | None = None
    trait: str = ""
    licence: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> "ModelEntry":
        if bool(self.model) == bool(self.run):
            raise ValueError("give either model or run (with arm and seed)")
        if self.run and (not self.arm or self.seed is None):
            raise ValueError("run needs arm = 'original' or another arm, and seed = N")
        if self.model and (self.arm or self.trait or self.seed is not None):
            raise ValueError("arm, seed and trait belong to run")
        if self.model_args and not self.model.startswith(INSPECT):
            raise ValueError(f"model_args are for models of Inspect: model = '{INSPECT}provider/name'")
        if self.model.startswith(INSPECT) and "/" not in self.model:
            raise ValueError(f"a model of Inspect is written '{INSPECT}provider/name'")
        return self


class EvalEntry(Strict):
    """One eval of a panel: `task`, or a task of an installed package.

    Attributes:
        task: Name of a built-in eval, or `file.py`, `file.py@task`, relative to the panel file.
        inspect_evals: A task of an installed package, as Inspect names it: `inspect_evals/xstest`.
        score: The score that is compared; may be left out where the task has one only.
        title: Shown in the chart; the score's name unless given.
        scale: Lowest and highest score.
        margin: Differences below it count as none, in units of the score; the panel's, times the scale, unless given.
        limit: Prompts at most; the panel's unless given.
        args: Arguments of the task function.
        values: Number for each word that the scorer gives, such as `{ C = 0, P = 0.5, I = 1 }`; without it, Inspect's
            own reading (C 1, P 0.5, I and N 0).
    """

    task: str = ""
    inspect_evals: str = ""
    score: str = ""
    title: str = ""
    scale: tuple[float, float] = (0.0, 1.0)
    margin: float | None = Field(default=None, gt=0)
    limit: int | None = Field(default=None, ge=1)
    args: Arguments = {}
    values: dict[str, float] = {}

    @model_validator(mode="after")
    def _one_task(self) -> "EvalEntry":
        if bool(self.task) == bool(self.inspect_evals):
            raise ValueError("give either task or inspect_evals")
        if self.inspect_evals and self.inspect_evals.count("/") != 1:
            raise ValueError("inspect_evals is written 'package/task', such as 'inspect_evals/xstest'")
        if self.scale[0] >= self.scale[1]:
            raise ValueError("scale is [lowest, highest]")
        return self

    @property
    def label(self) -> str:
        """Name for messages."""
        return self.task or self.inspect_evals

    @property
    def width(self) -> float:
        """Highest minus lowest score."""
        return self.scale[1] - self.scale[0]


class Panel(Strict):
    """A panel file.

    Attributes:
        name: Shown in the report.
        version: Raise it whenever results would no longer be comparable.
        summary: One line.
        reference: Model that all others are compared with; all pairs unless given.
        margin: Differences below it count as none, as a share of an eval's scale; stated before anything is measured.
        limit: Prompts of each eval at most.
        judge: `rules` or `model`, for evals that know both.
        grader: Inspect model that judges, for `model` and for evals that only a model can judge.
        models: At least two.
        evals: At least one.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    version: int = 1
    summary: str
    reference: str = ""
    margin: float = Field(default=0.1, gt=0, lt=1)
    limit: int | None = Field(default=None, ge=1)
    judge: Literal["rules", "model"] = "rules"
    grader: str | None = None
    models: tuple[ModelEntry, ...] = Field(min_length=2)
    evals: tuple[EvalEntry, ...] = Field(min_length=1)
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("models")
    @classmethod
    def _names_differ(cls, value: tuple[ModelEntry, ...]) -> tuple[ModelEntry, ...]:
        names = [model.name for model in value]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"two models are named {repeated[0]!r}")
        return value

    @model_validator(mode="after")
    def _names_fit(self) -> "Panel":
        names = [model.name for model in self.models]
        if self.reference and self.reference not in names:
            raise ValueError(f"reference {self.reference!r} is none of the models {', '.join(names)}")
        if self.judge == "model" and not self.grader:
            raise ValueError("judge 'model' needs grader = an Inspect model such as 'openai/gpt-4o'")
        return self

    @property
    def folder(self) -> Path:
        """Where its relative paths start from."""
        return self._folder

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The comparisons: (model, what it is compared with)."""
        names = [model.name for model in self.models]
        if self.reference:
            return [(name, self.reference) for name in names if name != self.reference]
        return [(later, earlier) for i, earlier in enumerate(names) for later in names[i + 1 :]]


def load_panel(name: str) -> Panel:
    """Read a panel by built-in name or by path.

    Raises:
        BenchError: If there is no such panel, or a key or value is wrong.
    """
    path = find_toml("panel", name, PANELS)
    panel = load_toml(path, f"panel {name}", Panel)
    if path.parent != PANELS:
        panel._folder = path.resolve().parent
    return panel
