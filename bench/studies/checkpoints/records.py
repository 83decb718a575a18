"""What `stages.json` holds: models, scores with intervals, comparisons, and where all of it comes from."""

from pathlib import Path

from pydantic import ValidationError

from bench.errors import BenchError, read_text, unwritable, validation_error
from bench.leaderboard.pages import STAGES
from bench.records import Estimate, Strict
from bench.stats.equivalence import Comparison

SCHEMA = 1  # raise it when a field changes its meaning


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
    """What one eval gave for one model.

    Attributes:
        model: Name in the panel.
        scores: Score -> mean over prompts with its 95 % interval, all scores that the eval reports.
        prompts: Score -> prompts to which it applies.
        seconds: Wall time of the evaluation, when it was done.
        log: Inspect log, relative to the folder of `stages.json`.
    """

    model: str
    scores: dict[str, Estimate]
    prompts: dict[str, int]
    seconds: float
    log: str


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


class StagesRecord(Strict):
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


def write_record(record: StagesRecord, folder: Path) -> None:
    """Write `stages.json`, complete or not at all.

    Raises:
        BenchError: If it cannot be written.
    """
    partial = folder / f"{STAGES.data}.partial"
    try:
        partial.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / STAGES.data)
    except OSError as error:
        raise unwritable(folder / STAGES.data, error) from error


def read_record(folder: Path) -> StagesRecord:
    """Read the `stages.json` of a folder.

    Raises:
        BenchError: If it is not there, or not of this schema.
    """
    file = folder / STAGES.data
    if not file.is_file():
        raise BenchError(str(file), seen="no such file", expected="a finished panel", remedy="run `bench stages` first")
    try:
        return StagesRecord.model_validate_json(read_text(file))
    except ValidationError as error:
        raise validation_error(str(file), error) from error
