"""Judge the answers in stored Inspect logs again, with the scorers of the tasks as they are now; no model answers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

from bench.data.trait import Measurement, evals_folder
from bench.errors import BenchError
from bench.evaluation.scores import collect
from bench.evaluation.stored_answers import read_log
from bench.evaluation.tasks import build_task, measurement_tasks
from bench.outcomes import SampleScores

SAME = 1e-6  # relative, between scores that two builds of a library compute from one answer

Tables = Mapping[str, Mapping[str, float | None]]  # score -> sample -> value; None where it does not apply


@dataclass(frozen=True)
class JudgedLogs:
    """What the logs of one evaluation give.

    Attributes:
        scores: By the present scorers; as the logs have them where a model would have to be asked.
        problems: In what the logs contradict the tasks or themselves.
        judged: How many samples were judged again.
    """

    scores: Tables
    problems: list[str]
    judged: int


def judge_logs(folder: Path, measurement: Measurement, others: Sequence[Path] = ()) -> JudgedLogs:
    """Score the answers of a stored evaluation again.

    Losses and margins are numbers of the student's provider; they are taken from the logs, as no answer gives them.
    What a model judged is not judged again.

    Args:
        folder: With the Inspect logs, one a task.
        measurement: What they should have measured.
        others: Folders for logs that it lacks: `bench rejudge` keeps those of other tasks than the trait's in one.

    Raises:
        BenchError: If a log is missing or damaged, or its task failed.
    """
    from inspect_ai import score

    logs = _read_logs([folder, *others])
    scores: dict[str, Mapping[str, float | None]] = {}
    problems, judged = [], 0
    for task in measurement_tasks(measurement):
        built = build_task(task)
        if built.name not in logs:
            raise _bad(folder, f"no log of task {built.name!r}", "the log of each task that was run")
        log = logs[built.name]
        found = list(_other_samples(log, built.dataset))
        own = logged = tables(collect([log], folder, 0.0, [task.score]))
        if not _asks_a_model(measurement, task.file):
            again = score(log, built.scorer, action="overwrite", display="none")
            own = tables(collect([again], folder, 0.0, [task.score]))
            found += differing(logged, own, "in the log", "judged again")
            judged += len(log.samples)
        problems += [f"{Path(log.location).name}: {what}" for what in found]
        scores |= own
    return JudgedLogs(scores, problems, judged)


def tables(scores: SampleScores) -> Tables:
    """Return scores by name and sample."""
    return {name: dict(zip(ids, scores.values[name], strict=True)) for name, ids in scores.ids.items()}


def differing(claimed: Tables, found: Tables, where: str, how: str) -> Iterator[str]:
    """Name every sample whose score is not the one that was found.

    Args:
        claimed: What is held against it.
        found: What the answers give.
        where: Where the claim stands, such as `in the log`.
        how: How the others were found, such as `judged again`.
    """
    for name, values in found.items():
        others = claimed.get(name, {})
        for sample in {**others, **values}:
            if sample not in others or sample not in values or not same(others[sample], values[sample]):
                yield f"sample {sample}: {name} {_shown(others, sample)} {where}, {_shown(values, sample)} {how}"


def same(one: float | None, other: float | None) -> bool:
    """Tell whether two scores are equal, or neither applies."""
    return one is other if one is None or other is None else isclose(one, other, rel_tol=SAME, abs_tol=SAME)


def _shown(values: Mapping[str, float | None], sample: str) -> str:
    if sample not in values:
        return "missing"
    value = values[sample]
    return "unscored" if value is None else f"{value:g}"


def _read_logs(folders: Sequence[Path]) -> dict[str, Any]:
    """Return the logs of folders by the names of their tasks, of an earlier folder before those of a later one."""
    logs: dict[str, Any] = {}
    for file in (file for folder in folders for file in sorted(folder.glob("*.eval"))):
        log = read_log(file)
        if log.status != "success" or not log.samples or any(not sample.scores for sample in log.samples):
            raise _bad(file, f"status {log.status!r}, or unscored samples", "a finished evaluation")
        logs.setdefault(log.eval.task, log)
    return logs


def _asks_a_model(measurement: Measurement, file: str) -> bool:
    """Tell whether scoring a task asks a grader: the trait's, where a model judges it or a task of the user's may."""
    trait = measurement.trait
    if file != trait.task_file:
        return False
    own = Path(file.partition("@")[0]).parent != evals_folder()
    return "model" in (measurement.judge, trait.eval.scorer) or (own and measurement.grader is not None)


def _other_samples(log: Any, dataset: Sequence[Any]) -> Iterator[str]:
    """Say where the samples of a log are not those of its task: ids, prompts, targets, and further columns."""
    expected = {str(sample.id): _asked(sample) for sample in dataset}
    seen = {str(sample.id): _asked(sample) for sample in log.samples}
    for sample in {**expected, **seen}:
        if sample not in seen or sample not in expected:
            yield f"sample {sample}: {'not answered' if sample in expected else 'not one of the task'}"
        elif seen[sample] != expected[sample]:
            yield f"sample {sample}: another prompt or target than the task's"


def _asked(sample: Any) -> tuple[Any, ...]:
    turns = sample.input if isinstance(sample.input, str) else [(turn.role, turn.text) for turn in sample.input]
    return turns, sample.target, json.dumps(sample.metadata or {}, sort_keys=True, default=str)


def _bad(path: Path, seen: str, expected: str) -> BenchError:
    return BenchError(str(path), seen=seen, expected=expected, remedy="take the run's folder as the run left it")
