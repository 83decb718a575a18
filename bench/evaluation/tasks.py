"""Inspect tasks: which of them measure a trait, and how one is built from its file."""

import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.data.prompts import read_prompts
from bench.data.trait import MARGIN_FILE, Measurement, TraitSpec, evals_folder
from bench.errors import BenchError

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


def trait_task(spec: TraitSpec, judge: str, limit: int | None) -> EvalTask:
    """Return the task that measures a trait."""
    args: dict[str, Any] = {"judge": "model" if spec.eval.scorer == "model" else judge, "limit": limit}
    return EvalTask(spec.task_file, args if spec.eval.task else args | {"trait": str(spec.path)}, spec.score)


def capability_task(limit: int | None) -> EvalTask:
    """Return the task that measures what training may have broken."""
    return EvalTask(str(evals_folder() / "capability.py"), {"limit": limit})


def margin_tasks(spec: TraitSpec, limit: int | None) -> list[EvalTask]:
    """Return the task of the log-likelihood margin; none where no held-out prompt of the trait has a pair."""
    if not os.path.isfile(spec.prompts) or not any("pair" in prompt for prompt in read_prompts(spec.prompts, limit)):
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
    if not os.path.isfile(path):
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
