"""Measure a student with Inspect: tasks in, one table of per-sample scores out."""

import importlib.util
import inspect
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.data.judge import Judge, classified, classifier_label, described_judge
from bench.data.prompts import read_prompts
from bench.data.trait import MARGIN_FILE, Measurement, TraitSpec, evals_folder
from bench.errors import BenchError
from bench.evaluation.scores import collect
from bench.models.engine import MOST_AT_ONCE
from bench.outcomes import SampleScores

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class EvalTask:
    """One Inspect task to run; it goes to worker processes, which Inspect's own `Task` cannot.

    Attributes:
        file: `path` or `path@function`.
        args: Those of its arguments that it takes.
        score: The score that it must have, and that its sole score is called; "" for whichever.
    """

    file: str
    args: Mapping[str, Any]
    score: str = ""


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


def trait_task(spec: TraitSpec, judge: str, limit: int | None) -> EvalTask:
    """Return the task that measures a trait."""
    args: dict[str, Any] = {"judge": "model" if spec.eval.scorer == "model" else judge, "limit": limit}
    return EvalTask(spec.task_file, args if spec.eval.task else args | {"trait": str(spec.path)}, spec.score)


def capability_task(limit: int | None) -> EvalTask:
    """Return the task that measures what training may have broken."""
    return EvalTask(str(evals_folder() / "capability.py"), {"limit": limit})


def margin_tasks(spec: TraitSpec, limit: int | None) -> list[EvalTask]:
    """Return the task of the log-likelihood margin; none where no held-out prompt of the trait has a pair."""
    if not spec.prompts.is_file() or not any("pair" in prompt for prompt in read_prompts(spec.prompts, limit)):
        return []
    return [EvalTask(str(evals_folder() / MARGIN_FILE), {"trait": str(spec.path), "limit": limit})]


def measurement_tasks(measurement: Measurement) -> list[EvalTask]:
    """Return the tasks of a measurement: of the trait, of capability, and of the margin where prompts have pairs."""
    return [
        trait_task(measurement.trait, measurement.judge, measurement.eval_prompts),
        capability_task(measurement.capability_prompts),
        *margin_tasks(measurement.trait, measurement.eval_prompts),
    ]


def load_module(path: Path) -> ModuleType:
    """Import an eval file by path.

    Raises:
        BenchError: If it is missing or does not import.
    """
    if not path.is_file():
        raise BenchError(f"eval {path}", seen="no such file", expected="an Inspect task file", remedy="fix the path")
    name = f"bench_eval_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BenchError(f"eval {path}", seen="not a Python file", expected="a .py file", remedy="fix the path")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BenchError:
        raise
    except Exception as error:
        raise BenchError(
            f"eval {path}",
            seen=f"{type(error).__name__}: {error}",
            expected="a file that imports without error",
            remedy=f"try: python {path}",
        ) from error
    module.__spec__ = None  # else Inspect searches all installed packages for this file at every eval, 0.3 s each
    return module


def build_task(task: EvalTask) -> Any:
    """Call a task function with those of the arguments that it takes."""
    file, _, wanted = task.file.partition("@")
    module = load_module(Path(file))
    functions = {
        name: value for name, value in vars(module).items() if hasattr(value, "__registry_info__") and callable(value)
    }
    tasks = {name: f for name, f in functions.items() if f.__registry_info__.type == "task"}
    wanted = wanted or (Path(file).stem if Path(file).stem in tasks else "")
    if not wanted and len(tasks) == 1:
        wanted = next(iter(tasks))
    if wanted not in tasks:
        raise BenchError(
            f"eval {task.file}",
            seen=f"tasks: {', '.join(tasks) or 'none'}",
            expected="one @task function, or file.py@function",
            remedy="name the function after an @",
        )
    takes = inspect.signature(tasks[wanted]).parameters
    lacking = [name for name, each in takes.items() if each.default is each.empty and each.kind not in _VARIADIC]
    if lacking := [name for name in lacking if name not in task.args]:
        raise BenchError(
            f"eval {task.file}",
            seen=f"task {wanted} requires {', '.join(lacking)}",
            expected=f"defaults for all arguments but {', '.join(task.args)}",
            remedy="give each a default",
        )
    return tasks[wanted](**{key: value for key, value in task.args.items() if key in takes})


def check_task(measurement: Measurement) -> None:
    """Try a task of the user's on a model that always says the same, one sample, before anything is trained.

    A task whose scorer may ask a grader is built but not run, as that would cost money.

    Raises:
        BenchError: If it cannot be built, does not run, or lacks the trait's score.
    """
    task = trait_task(measurement.trait, measurement.judge, measurement.eval_prompts)
    if Path(task.file.partition("@")[0]).parent == evals_folder():
        return
    built = build_task(task)
    if measurement.grader:
        return
    from bench.evaluation.constant import CONSTANT  # loads Inspect

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "logs"
        collect(run_tasks({CONSTANT: {}}, [built], folder, limit=1), folder, 0.0, [task.score])


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
    logs = run_tasks(models, [build_task(task) for task in job.tasks], job.folder, grader=job.grader)
    seconds = (time.perf_counter() - start) / len(job.students)
    found: dict[str, SampleScores | BenchError] = {}
    for name in job.students:
        own = [log for log in logs if log.eval.model == f"sieve/{name}"]
        try:
            found[name] = collect(own, job.folder, seconds, [task.score for task in job.tasks])
        except BenchError as error:
            found[name] = error
        (job.folder / name).mkdir()
        for log in own:
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
        tasks: Each is run on every model; the logs come model by model, in the order of the tasks.
        log_dir: As in `evaluate`, like the rest.
        grader: Judges.
        tags: Go into the logs.
        limit: Samples of a task.
    """
    from inspect_ai import eval as run

    logs = run(
        list(tasks),
        model=[inspect_model(name, arguments) for name, arguments in models.items()],
        model_roles={"grader": inspect_model(grader, {}, greedy=False, keep=True)} if grader else None,
        display="none",
        log_dir=str(log_dir),
        log_realtime=False,
        log_format="eval",
        limit=limit,
        max_tasks=len(models) * len(tasks),
        fail_on_error=True,
        tags=list(tags),
        score_display=False,
    )
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


def judge_of(spec: TraitSpec) -> Judge | None:
    """Return the judge of a trait, with the record of its file; None where its eval file has no JUDGE.

    Raises:
        BenchError: If the JUDGE of the eval file has another scale, threshold or version than the trait file states.
    """
    if spec.eval.scorer:
        return described_judge(spec)
    file = Path(spec.task_file.split("@")[0])
    judge: Judge | None = getattr(load_module(file), "JUDGE", None)
    if judge is None:
        return None
    own = file.parent != evals_folder()  # the record of a built-in eval is a trait file, which another may override
    stated = ("scale", "threshold", "version") if own else ("scale",)
    for key in stated if judge.eval.score == spec.score else ():
        here, there = getattr(spec.eval, key), getattr(judge.eval, key)
        if here != there:
            value = list(there) if isinstance(there, tuple) else there
            raise BenchError(
                f"trait {spec.path}",
                seen=f"{key} = {list(here) if isinstance(here, tuple) else here}, but the judge in {file} has {value}",
                expected="one value, which the trait file states",
                remedy=f"write {key} = {value} under [eval]" + (", and its threshold" if key == "scale" else ""),
            )
    return replace(judge, eval=spec.eval)


def judge_label(spec: TraitSpec, kind: str, grader: str | None) -> str:
    """Say who judges a trait: `rules v1`, `classifier v1`, or `model v1, grader openai/...`.

    The version is that of the trait's record, and for a classifier that of its weights.
    """
    version = f" v{spec.eval.version}" if judge_of(spec) else ""
    if spec.eval.scorer == "model" or kind == "model":
        return f"model{version}, grader {grader}"
    return classifier_label(spec.eval) if kind == "classifier" else f"rules{version}"


def score_answers(spec: TraitSpec, answers: Sequence[tuple[str, str]], kind: str = "rules") -> list[float] | None:
    """Judge (prompt, output) pairs offline, without any model that answers.

    Args:
        spec: The trait.
        answers: The pairs.
        kind: The judge of the students. Where that is `model`, the trait's classifier stands in for it, or its rules
            if it has no classifier.

    Returns:
        A score for each pair; None for a trait that only a model can judge.
    """
    judge = judge_of(spec)
    if judge is None or spec.eval.scorer == "model":
        return None
    if kind == "model":
        kind = "classifier" if spec.eval.task in classified() else "rules"
    return judge.scores(kind, answers)
