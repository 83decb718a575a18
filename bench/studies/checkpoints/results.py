"""From scores per sample to the record in `stages.json`: means with intervals, comparisons, provenance.

Models are paired by prompt: a table of shape (1, prompts) each, over the prompts that any of them was asked.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from bench.errors import unknown
from bench.files import read_record
from bench.leaderboard.pages import CHECKPOINTS
from bench.outcomes import AnswerCounts, Estimate, SampleScores
from bench.records import Strict
from bench.stats import effects
from bench.stats.equivalence import Comparison, compare
from bench.studies.checkpoints.panel import Panel
from bench.studies.checkpoints.tasks import PanelTask

SCHEMA = 1  # raise it when a field changes its meaning
NOTE = (
    "Intervals cover the choice of prompts. Every model is one checkpoint, taken as it is: another training by the "
    "same recipe could give other figures."
)


class ModelRecord(Strict):
    """One model, exactly.

    Attributes:
        name: As in the panel.
        stage: As in the panel.
        source: The model's name, or run folder, arm and seed.
        identity: SHA-256 of local weights, with the student's key for a student; else the name that a service knows.
        licence: Of the weights; "" where it is not known.
        template: How prompts were rendered.
    """

    name: str
    stage: str
    source: str
    identity: str
    licence: str
    template: str


class ModelScores(Strict):
    """Scores of one model on one eval.

    Attributes:
        model: Name in the panel.
        scores: Score -> mean over prompts with its 95 % interval, all scores that the eval reports.
        prompts: Score -> prompts to which it applies.
        seconds: Wall time of the evaluation, when it was done.
        log: Inspect log, relative to the folder of `stages.json`.
        answers: How many it gave, and how many of them say nothing; None where they were not counted.
    """

    model: str
    scores: dict[str, Estimate]
    prompts: dict[str, int]
    seconds: float
    log: str
    answers: AnswerCounts | None = None


class EvalRecord(Strict):
    """One eval of the panel.

    Attributes:
        title: Shown in the chart.
        task: The eval as the panel names it.
        version: Of the task.
        code: SHA-256 of the eval's code, or the package that it comes from.
        prompts_sha256: Of the prompts that were asked.
        judge: `rules`, or `model` with the grader.
        score: The score that is compared.
        scale: Its lowest and highest value.
        margin: Differences below it count as none, in units of the score.
        models: In the panel's order.
        comparisons: `MODEL - OTHER` for each pair of the panel.
    """

    title: str
    task: str
    version: int | str
    code: str
    prompts_sha256: str
    judge: str
    score: str
    scale: tuple[float, float]
    margin: float
    models: list[ModelScores]
    comparisons: list[Comparison]


class PanelRecord(Strict):
    """A finished panel."""

    schema_version: int = SCHEMA
    panel: str
    panel_version: int
    summary: str
    models: list[ModelRecord]
    pairs: list[tuple[str, str]]  # (model, what it is compared with), in the order of every eval's comparisons
    evals: list[EvalRecord]
    device: str
    command: str
    versions: dict[str, str]
    commit: str
    notes: list[str] = []

    @model_validator(mode="after")
    def _agree(self) -> "PanelRecord":
        names = [model.name for model in self.models]
        unknown = sorted({name for pair in self.pairs for name in pair} - {*names})
        if unknown:
            raise ValueError(f"pairs: {', '.join(unknown)} is none of the models {', '.join(names)}")
        for number, one in enumerate(self.evals):
            _check_eval(f"evals.{number}", one, names, len(self.pairs))
        return self


def _check_eval(where: str, one: EvalRecord, names: Sequence[str], pairs: int) -> None:
    """Check that an eval has what the page shows: the panel's models, each with the same scores, and its pairs.

    Raises:
        ValueError: If not; it names the key.
    """
    if [scores.model for scores in one.models] != list(names):
        raise ValueError(f"{where}.models: expected {', '.join(names)}, in this order")
    if len(one.comparisons) != pairs:
        raise ValueError(f"{where}.comparisons: {len(one.comparisons)}, expected one for each of {pairs} pairs")
    if not one.scale[0] < one.scale[1]:
        raise ValueError(f"{where}.scale: expected the lowest value before the highest")
    known = {name for scores in one.models for name in scores.scores}
    for scores in one.models:
        missing = sorted((known | {one.score}) - (scores.scores.keys() & scores.prompts.keys()))
        if missing:
            raise ValueError(f"{where}.models: {scores.model} lacks scores or prompts of {', '.join(missing)}")


def read_panel_record(folder: Path) -> PanelRecord:
    """Read the `stages.json` of a folder.

    Raises:
        BenchError: If it is not there, or not of this schema.
    """
    return read_record(folder / CHECKPOINTS.data, PanelRecord, "a finished panel", "run `bench checkpoints` first")


def eval_record(task: PanelTask, panel: Panel, scores: Sequence[SampleScores], out: Path) -> EvalRecord:
    """Summarise one eval.

    Args:
        task: The eval.
        panel: Names the models and the pairs.
        scores: Of each model, in the panel's order, with the path of its log.
        out: Folder that logs are named relative to.

    Raises:
        BenchError: If the score to compare is not reported.
    """
    by_model = {model.name: one for model, one in zip(panel.models, scores, strict=True)}
    names = score_names(by_model)
    score = chosen_score(task.entry.score, names, task.entry.label)
    means = {name: model_means(by_model, name, task.entry.scale if name == score else None) for name in names}
    models = [
        ModelScores(
            model=name,
            scores={each: effects.mean(means[each], name) for each in means},
            prompts={each: means[each].extent[name].prompts for each in means},
            seconds=one.seconds,
            log=str(Path(one.logs[0]).relative_to(out)),
            answers=one.answers.get(score),
        )
        for name, one in by_model.items()
    ]
    return EvalRecord(
        title=task.entry.title or score,
        task=task.entry.label,
        version=task.version,
        code=task.code,
        prompts_sha256=task.prompts_sha256,
        judge=task.judge,
        score=score,
        scale=task.entry.scale,
        margin=task.margin,
        models=models,
        comparisons=[compare(means[score], *pair, task.margin) for pair in panel.pairs],
    )


def score_names(scores: Mapping[str, SampleScores]) -> list[str]:
    """Return all scores that an eval reports, for whichever model, in the order of the first."""
    return list(dict.fromkeys(name for one in scores.values() for name in one.values))


def chosen_score(wanted: str, names: Sequence[str], task: str) -> str:
    """Return the score to compare: the wanted one, or the only one.

    Raises:
        BenchError: If it is not reported, or none is wanted where there are several.
    """
    if wanted in names:
        return wanted
    if not wanted and len(names) == 1:
        return names[0]
    raise unknown(f"score of eval {task}", wanted, list(names))


def model_means(scores: Mapping[str, SampleScores], score: str, scale: tuple[float, float] | None) -> effects.Means:
    """Compute the mean of one score for every model, and how it varies over prompts.

    Args:
        scores: Model -> its scores on one eval.
        score: Which one. A sample asked several times (epochs) counts as its mean.
        scale: Lowest and highest possible score, None where it is not known.
    """
    families: dict[str, str] = {}
    for one in scores.values():
        families |= dict(zip(one.ids.get(score, []), one.families.get(score, []), strict=True))
    ids = list(families)
    tables = {model: _table(one, score, ids) for model, one in scores.items()}
    clusters = np.unique([families[identity] for identity in ids], return_inverse=True)[1].astype(np.int64)
    return effects.arm_means(tables, clusters, scale, fixed=True)


def _table(scores: SampleScores, score: str, ids: Sequence[str]) -> NDArray[np.float64]:
    given: dict[str, list[float]] = {}
    for identity, value in zip(scores.ids.get(score, []), scores.values.get(score, []), strict=True):
        if value is not None:
            given.setdefault(identity, []).append(value)
    return np.array([[float(np.mean(given[i])) if i in given else np.nan for i in ids]])
