"""The evals of a panel: built-in, a file of the user's or of an installed package; run on a model, read as scores."""

import ast
import hashlib
import importlib.util
import inspect
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.trait import evals_folder
from bench.errors import BenchError, unknown
from bench.evaluation.evaluate import run_tasks
from bench.evaluation.scores import check_answered, collect, is_readable
from bench.evaluation.tasks import EvalTask, build_task
from bench.files import read_json, write_json
from bench.outcomes import SampleScores
from bench.secrets import without_secrets
from bench.studies.checkpoints.panel import EvalEntry, ModelEntry, Panel

if TYPE_CHECKING:
    from inspect_ai import Task

ENTRY_POINTS = "inspect_ai"  # the group under which packages announce their tasks to Inspect
MEASURED_FILE = "measured.json"


@dataclass(frozen=True)
class PanelTask:
    """One eval of a panel, found and built once.

    Attributes:
        entry: As in the panel.
        name: The task's name in Inspect.
        version: Of the task.
        code: SHA-256 of its code, or the package that it comes from.
        prompts_sha256: Of the prompts that it asks.
        prompts: How many there are.
        margin: Differences below it count as none, in units of the score.
        judge: `rules`, or `model` with the grader.
        build: Makes the task anew.
    """

    entry: EvalEntry
    name: str
    version: int | str
    code: str
    prompts_sha256: str
    prompts: int
    margin: float
    judge: str
    build: "Callable[[], Task]"

    def key(self) -> dict[str, Any]:
        """Return everything that determines the scores, besides the model and the machine."""
        return {
            "task": self.name,
            "version": self.version,
            "code": self.code,
            "prompts": self.prompts_sha256,
            "args": json.loads(json.dumps(without_secrets(self.entry.args), default=str)),
            "judge": self.judge,
        }


def find_task(entry: EvalEntry, panel: Panel, folder: Path) -> PanelTask:
    """Find and build an eval.

    Args:
        entry: From the panel.
        panel: Gives limit, margin, judge and grader where the entry does not.
        folder: Where its relative paths start from.

    Raises:
        BenchError: If it is not there, its package is not installed, it does not build, or an argument is unknown.
    """
    limit = entry.limit or panel.limit
    if entry.inspect_evals:
        make, code = _packaged(entry)
    else:
        make, code = _from_file(entry, {"judge": panel.judge, "limit": limit}, folder)
    takes_limit = not entry.inspect_evals and "limit" in _arguments(make())

    def build() -> "Task":
        task = make()
        if limit and not takes_limit:
            task.dataset = task.dataset[:limit]
        return task

    task = build()
    return PanelTask(
        entry=entry,
        name=str(task.name),
        version=task.version,
        code=code,
        prompts_sha256=_prompts_sha256(task),
        prompts=len(task.dataset),
        margin=entry.margin or panel.margin * entry.width,
        judge=f"model, grader {panel.grader}" if panel.judge == "model" else "rules",
        build=build,
    )


def _from_file(entry: EvalEntry, common: dict[str, Any], folder: Path) -> "tuple[Callable[[], Task], str]":
    path, _, function = entry.task.partition("@")
    if path.isidentifier():
        known = sorted(file.stem for file in evals_folder().glob("[a-z]*.py"))
        if path not in known:
            raise unknown("eval", path, known)
        file = evals_folder() / f"{path}.py"
    else:
        file = folder / path
    described = EvalTask(f"{file}@{function}" if function else str(file), common | entry.args)

    def make() -> "Task":
        task: Task = _built(entry, lambda: build_task(described))
        ignored = sorted(set(entry.args) - _arguments(task))
        if ignored:
            raise BenchError(
                f"eval {entry.label}",
                seen=f"args with {', '.join(ignored)}, which the task function does not take",
                expected="arguments of that function",
                remedy=f"fix args; the function is in {file}",
            )
        return task

    return make, _code_sha256(file) if file.is_file() else ""


def _packaged(entry: EvalEntry) -> "tuple[Callable[[], Task], str]":
    package, _, name = entry.inspect_evals.partition("/")
    found = [point for point in entry_points(group=ENTRY_POINTS) if point.name == package]
    if not found or found[0].dist is None:
        raise BenchError(
            f"eval {entry.inspect_evals}",
            seen=f"no installed package announces Inspect tasks as {package!r}",
            expected=f"the package {package!r} in this environment",
            remedy=f"pip install {package.replace('_', '-')}",
        )
    module = _built(entry, found[0].load)
    tasks = {key: value for key, value in vars(module).items() if _is_task(value)}
    if name not in tasks:
        raise unknown(f"task of {package}", name, sorted(tasks))
    takes = list(inspect.signature(tasks[name]).parameters)
    for argument in entry.args:
        if argument not in takes:
            raise unknown(f"argument of eval {entry.label}", argument, takes)
    return lambda: _built(entry, lambda: tasks[name](**entry.args)), f"{found[0].dist.name} {found[0].dist.version}"


def _is_task(value: Any) -> bool:
    return callable(value) and getattr(getattr(value, "__registry_info__", None), "type", "") == "task"


def _arguments(task: "Task") -> set[str]:
    """Return those of the offered arguments that the task function took."""
    return set(getattr(task, "__registry_params__", {}))


def _built(entry: EvalEntry, build: Callable[[], Any]) -> Any:
    """Run other people's code; whatever it raises becomes a BenchError."""
    try:
        return build()
    except BenchError:
        raise
    except Exception as error:
        raise BenchError(
            f"eval {entry.label}",
            seen=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
            expected="a task that builds: its packages installed, its data set within reach",
            remedy="see the eval's own documentation; a data set from a hub needs a network once",
        ) from error


def _code_sha256(file: Path) -> str:
    """Return the SHA-256 of an eval file and of the modules of `bench` that it imports."""
    source = file.read_bytes()
    digest = hashlib.sha256(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bench."):
            spec = importlib.util.find_spec(node.module)
            if spec and spec.origin:
                digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()


def _prompts_sha256(task: "Task") -> str:
    digest = hashlib.sha256()
    for sample in task.dataset:
        asked = sample.input if isinstance(sample.input, str) else [(turn.role, turn.text) for turn in sample.input]
        line = [sample.id, asked, sample.target, sample.choices, sample.metadata, sample.files, sample.setup]
        digest.update(json.dumps(line, default=str, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def measure(
    folder: Path, task: PanelTask, *, model: str, entry: ModelEntry, template: str, grader: str | None = None
) -> None:
    """Run an eval on a model and leave its log and `measured.json` in a folder.

    Args:
        folder: Where they go.
        task: The eval.
        model: Any Inspect model.
        entry: The model in the panel.
        template: How the model's prompts are rendered, in words.
        grader: Inspect model for the `grader` role.

    Raises:
        BenchError: If the model is not to be had, or a sample fails or has no score.
    """
    tags = [entry.name.replace(" ", "_")]
    start = time.perf_counter()
    logs = run_tasks({model: entry.model_args}, [task.build()], folder, grader=grader, tags=tags)
    check_answered(logs, folder)
    facts = {"log": Path(logs[0].location).name, "template": template, "seconds": time.perf_counter() - start}
    write_json(folder / MEASURED_FILE, facts)


def read_measured(folder: Path, values: Mapping[str, float]) -> tuple[SampleScores, str]:
    """Read what `measure` left.

    The scores are made from the log, so that words can be given other numbers later.

    Args:
        folder: In the store.
        values: Number for each word that the scorer gives.

    Returns:
        The scores, with the path of the log, and how the model's prompts were rendered.

    Raises:
        BenchError: If a score cannot be read as a number.
    """
    from inspect_ai.log import read_eval_log

    facts = read_json(folder / MEASURED_FILE, "a finished measurement", f"delete {folder} and run again")
    path = folder / facts["log"]
    log = read_eval_log(str(path))
    for sample in log.samples or []:
        for score in (sample.scores or {}).values():
            score.value = _numbers(score.value, values, log.eval.task)
    scores = collect([log], folder, facts["seconds"])
    return scores.model_copy(update={"logs": [str(path)]}), facts["template"]


def _numbers(value: Any, values: Mapping[str, float], task: str) -> Any:
    """Replace the words that the panel knows by numbers; Inspect itself would take an unknown word for 0."""
    if isinstance(value, dict):
        return {name: _numbers(part, values, task) for name, part in value.items()}
    if not isinstance(value, str):
        return value
    if value in values:
        return values[value]
    if is_readable(value):
        return value
    raise BenchError(
        f"eval {task}",
        seen=f"a score of {value!r}",
        expected="a number, or one of the words C, I, P, N",
        remedy=f'say what it is worth in the panel: values = {{ "{value}" = 1.0 }}',
    )
