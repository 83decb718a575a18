"""One eval on one model with Inspect, as scores per sample; words that a scorer gives become numbers or an error."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.evaluation import SampleScores, collect
from bench.records import Strict

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
    from inspect_ai import eval as run_task

    start = time.perf_counter()
    logs = run_task(
        task,
        model=_model(model, model_args),
        model_roles={"grader": grader} if grader else None,
        display="none",
        log_dir=str(folder),
        log_realtime=False,
        log_format="eval",
        fail_on_error=True,
        tags=list(tags),
        score_display=False,
    )
    scores = collect(logs, folder, time.perf_counter() - start)
    measured = Measured(log=scores.logs[0], template=template, seconds=scores.seconds)
    (folder / MEASURED_FILE).write_text(measured.model_dump_json(), encoding="utf-8")


def _model(name: str, arguments: Mapping[str, Any]) -> Any:
    from inspect_ai.model import get_model

    # transformers refuses a temperature of 0 unless told not to sample
    greedy: dict[str, Any] = {"do_sample": False} if name.startswith("hf/") else {}
    try:
        return get_model(name, memoize=False, **greedy, **arguments)
    except Exception as error:  # each provider has its own
        raise BenchError(
            f"model {name}",
            seen=f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}",
            expected="an Inspect model that can be reached, with its package installed and its key set",
            remedy="see Inspect's page on this provider; what is measured already is kept",
        ) from error


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
