"""One eval on one model with Inspect, as scores per sample; words that a scorer gives become numbers or an error."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.evaluation.evaluate import collect, run_tasks
from bench.records import SampleScores, Strict

if TYPE_CHECKING:
    from inspect_ai import Task

READABLE = ("C", "I", "P", "N", "yes", "no", "true", "false")  # words that Inspect reads as 1, 0.5 or 0
MEASURED_FILE = "measured.json"


class Measured(Strict):
    """What the store keeps of one eval on one model, beside Inspect's log of it.

    Attributes:
        log: File name of the log.
        template: How prompts were rendered.
        seconds: Wall time.
    """

    log: str
    template: str
    seconds: float


def measure(
    folder: Path,
    *,
    model: str,
    model_args: Mapping[str, Any],
    task: "Task",
    template: str,
    grader: str | None = None,
    tags: Sequence[str] = (),
) -> None:
    """Run a task on a model and leave its log and `measured.json` in a folder.

    Args:
        folder: Where they go.
        model: Any Inspect model.
        model_args: Passed to its provider.
        task: What to run.
        template: How the model's prompts are rendered, in words.
        grader: Inspect model for the `grader` role.
        tags: Written into the log.

    Raises:
        BenchError: If the model is not to be had, or a sample fails or has no score.
    """
    scores = run_tasks(model, [task], folder, model_args=model_args, grader=grader, tags=tags)
    measured = Measured(log=scores.logs[0], template=template, seconds=scores.seconds)
    (folder / MEASURED_FILE).write_text(measured.model_dump_json(), encoding="utf-8")


def read_measured(folder: Path, values: Mapping[str, float]) -> tuple[Measured, SampleScores]:
    """Read what `measure` left: the scores are made from the log, so that words can be given other numbers later.

    Args:
        folder: In the store.
        values: Number for each word that the scorer gives.

    Raises:
        BenchError: If a score cannot be read as a number.
    """
    from inspect_ai.log import read_eval_log

    measured = Measured.model_validate_json((folder / MEASURED_FILE).read_text(encoding="utf-8"))
    log = read_eval_log(str(folder / measured.log))
    for sample in log.samples or []:
        for score in (sample.scores or {}).values():
            score.value = _numbers(score.value, values, log.eval.task)
    return measured, collect([log], folder, measured.seconds)


def _numbers(value: Any, values: Mapping[str, float], task: str) -> Any:
    """The value with the words that the panel knows as numbers; Inspect itself would take an unknown word for 0."""
    if isinstance(value, dict):
        return {name: _numbers(part, values, task) for name, part in value.items()}
    if not isinstance(value, str):
        return value
    if value in values:
        return values[value]
    if value in READABLE or value.lower() in READABLE or _is_number(value):
        return value
    raise BenchError(
        f"eval {task}",
        seen=f"a score of {value!r}",
        expected="a number, or one of the words C, I, P, N",
        remedy=f'say what it is worth in the panel: values = {{ "{value}" = 1.0 }}',
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
