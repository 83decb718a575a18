"""Measure a student with Inspect: tasks in, one table of per-sample scores out."""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data.trait import Measurement, evals_folder
from bench.errors import BenchError
from bench.evaluation.scores import check_names, collect
from bench.evaluation.tasks import EvalTask, build_task, measurement_tasks
from bench.models.engine import MOST_AT_ONCE
from bench.outcomes import SampleScores

LONGEST_NAME = 120  # bytes of a task's name, so that its log's is one that file systems take


@dataclass(frozen=True)
class EvalJob:
    """The evaluation of some students.

    Attributes:
        students: Name -> label, which goes into the student's logs as the model argument `arm`.
        tasks: What to measure.
        folder: Each student's logs are left in a folder of its name here.
        grader: Inspect model that judges.
    """

    students: Mapping[str, str]
    tasks: Sequence[EvalTask]
    folder: Path
    grader: str | None = None


def check_task(measurement: Measurement) -> None:
    """Try a task of the user's on a model that always says the same, one sample, before anything is trained.

    Those that are measured with it run beside it, as their names must differ.

    A task whose scorer may ask a grader is built but not run, as that would cost money.

    Raises:
        BenchError: If it cannot be built, does not run, lacks the trait's score, has a name that cannot be used, or
            asks for a grader where there is none.
    """
    task, *others = measurement_tasks(measurement)
    if Path(task.file.partition("@")[0]).parent == evals_folder():
        return
    built = build_task(task)
    if not built.name.isprintable() or len(built.name.encode()) > LONGEST_NAME:
        raise BenchError(
            f"eval {task.file}",
            seen=f"a task named {built.name[:LONGEST_NAME]!r}",
            expected=f"at most {LONGEST_NAME} bytes without control characters, as logs are files of this name",
            remedy="rename the task",
        )
    tasks = [built, *map(build_task, others)]
    check_names([each.name for each in tasks], "task")
    if measurement.grader:
        return
    scores = [each.score for each in (task, *others)]
    if _judges_itself(task, tasks, scores):  # Inspect lets the measured model play a role that no other has
        raise BenchError(
            f"eval {task.file}",
            seen="a task that asks the model role 'grader', which no model has: every student would judge itself",
            expected="a grader",
            remedy="add grader = 'openai/gpt-4o', say, to the suite file, or give --grader",
        )


def _judges_itself(task: EvalTask, built: Sequence[Any], scores: Sequence[str]) -> bool:
    """Run a task and those beside it, of one sample, and tell whether it asks the measured model for lack of a grader.

    Raises:
        BenchError: As `collect`.
    """
    from bench.evaluation.constant import CONSTANT, STAND_IN  # loads Inspect

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "logs"
        logs = run_tasks({CONSTANT: {}}, built, folder, limit=1)
        try:
            collect(logs, folder, 0.0, scores)
        except BenchError as error:
            if scratch in error.remedy:  # its log goes with the folder
                error.remedy = f"try it alone: inspect eval {task.file} --model mockllm/model --limit 1"
            raise
        again = run_tasks({CONSTANT: {}}, [build_task(task)], Path(scratch) / "again", grader=STAND_IN, limit=1)
        return _calls(again, STAND_IN) > 0 and _calls(logs[:1], CONSTANT) > _calls(again, CONSTANT)


def _calls(logs: Sequence[Any], model: str) -> int:
    """Count how often a model was asked for an answer."""
    events = [event for log in logs for sample in log.samples or () for event in sample.events]
    return sum(event.event == "model" and event.model == model for event in events)


def evaluate(
    model_name: str,
    tasks: Sequence[EvalTask],
    log_dir: Path,
    *,
    model_args: Mapping[str, Any] | None = None,
    grader: str | None = None,
    tags: Sequence[str] = (),
) -> SampleScores:
    """Run tasks on one model and collect every sample's scores.

    Args:
        model_name: Any Inspect model: `sieve/NAME` for a registered student, `hf/...`, `vllm/...`, an API model.
        tasks: What to run.
        log_dir: Where Inspect writes its logs.
        model_args: Passed to the provider.
        grader: Inspect model for the `grader` role, where a model judges.
        tags: Written into the logs.

    Raises:
        BenchError: If the model is not to be had, a task fails or a sample has no score; failed samples never leave a
            denominator silently.
    """
    start = time.perf_counter()
    built = [build_task(task) for task in tasks]
    logs = run_tasks({model_name: model_args or {}}, built, log_dir, grader=grader, tags=tags)
    return collect(logs, log_dir, time.perf_counter() - start, [task.score for task in tasks])


def evaluate_students(job: EvalJob) -> "dict[str, SampleScores | BenchError]":
    """Run tasks on several registered students at once, so that they share the batches of their engine.

    Returns:
        For each student its scores, with its share of the wall time, or the error of its own evaluation.
    """
    start = time.perf_counter()
    models = {f"sieve/{name}": {"arm": label} for name, label in job.students.items()}
    # Each student's tasks are built by themselves: what a user's scorer or module remembers is of one student.
    built = [build_task(task) for _ in models for task in job.tasks]
    logs = run_tasks(models, built, job.folder, grader=job.grader)
    seconds = (time.perf_counter() - start) / len(job.students)
    found: dict[str, SampleScores | BenchError] = {}
    for name, label in job.students.items():
        own = [log for log in logs if log.eval.model == f"sieve/{name}"]
        try:
            found[name] = collect(own, job.folder, seconds, [task.score for task in job.tasks])
        except BenchError as error:
            error.where = f"{label}, {error.where}"
            found[name] = error
        (job.folder / name).mkdir()
        for log in own:
            if os.path.isfile(log.location):  # a full disk keeps it from being written, which `collect` has told
                shutil.move(log.location, job.folder / name)
    return found


def run_tasks(
    models: Mapping[str, Mapping[str, Any]],
    tasks: Sequence[Any],
    log_dir: Path,
    *,
    grader: str | None = None,
    tags: Sequence[str] = (),
    limit: int | None = None,
) -> list[Any]:
    """Run Inspect tasks that are already built, all at once, and return their logs.

    Args:
        models: Inspect models with what is passed to their providers.
        tasks: Those of the first model, then as many of the next one, and so on; the logs come in this order.
        log_dir: Where Inspect writes its logs.
        grader: Inspect model for the `grader` role.
        tags: Written into the logs.
        limit: Most samples of each task; all if None.

    Raises:
        KeyboardInterrupt: If the user stopped it.
    """
    from inspect_ai import eval as run

    loaded = [inspect_model(name, arguments) for name, arguments in models.items()]
    each = len(tasks) // len(loaded)
    for number, task in enumerate(tasks):
        task.model = loaded[number // each]
    logs = run(
        list(tasks),
        model=loaded[0],  # of tasks without one, which these are not
        model_roles={"grader": inspect_model(grader, {}, greedy=False, keep=True)} if grader else None,
        display="none",
        log_dir=str(log_dir),
        log_realtime=False,
        log_format="eval",
        limit=limit,
        max_tasks=len(tasks),
        fail_on_error=True,
        tags=list(tags),
        score_display=False,
    )
    statuses = {log.status for log in logs}
    if "error" not in statuses and ("cancelled" in statuses or len(logs) < len(tasks)):
        raise KeyboardInterrupt  # Inspect takes Ctrl-C for itself, and returns what was done by then
    order = [task.name for task in tasks]
    return sorted(logs, key=lambda log: (list(models).index(log.eval.model), order.index(log.eval.task)))


def inspect_model(name: str, arguments: Mapping[str, Any], *, greedy: bool = True, keep: bool = False) -> Any:
    """Load one of Inspect's models.

    Args:
        name: With its provider, such as `openai/...`.
        arguments: Passed to the provider.
        greedy: Whether it will be asked at a temperature of 0.
        keep: Whether the same instance serves the next call of this name.

    Raises:
        BenchError: If the model is not to be had.
    """
    from inspect_ai.model import GenerateConfig, get_model

    # transformers refuses a temperature of 0 unless told not to sample
    unsampled = {"do_sample": False} if greedy and name.startswith("hf/") else {}
    # Left to itself, Inspect lets 20 prompts through at first and takes more as answers come.
    config = GenerateConfig(max_connections=MOST_AT_ONCE) if name.startswith("sieve/") else GenerateConfig()
    try:
        return get_model(name, config=config, memoize=keep, **(unsampled | dict(arguments)))
    except BenchError:
        raise
    except Exception as error:  # each provider has its own
        raise BenchError(
            f"model {name}",
            seen=f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}",
            expected="an Inspect model that can be reached, with its package installed and its key set",
            remedy="see Inspect's page on this provider; what is measured already is kept",
        ) from error
