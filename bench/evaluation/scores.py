"""Inspect logs in, one table of per-sample scores out: every score a number, under a name of its own."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.outcomes import AnswerCounts, SampleScores

WORDS = ("C", "I", "P", "N", "yes", "no", "true", "false")  # those that Inspect reads as numbers, the last in any case


def collect(logs: Sequence[Any], log_dir: Path, seconds: float, wanted: Sequence[str] = ()) -> SampleScores:
    """Turn Inspect logs into per-sample scores.

    A scorer that gives several named values reports them under these names; a single value goes by the task's name, or
    by the scorer's where the task has several such scorers. Samples that were repeated (epochs) count once, with the
    values that the task's reducer made of them.

    Args:
        logs: One a task.
        log_dir: Where they lie; logs of failed tasks are copied beside it.
        seconds: Wall time.
        wanted: For each task the score that it must have, "" for whichever. The sole score of a task goes by this name.

    Raises:
        BenchError: If a task failed, a sample has no score, a score is no number, or not the one that is wanted, or
            two tasks have one name, or a score of one name.
    """
    found = SampleScores(values={}, ids={}, families={}, tasks={}, logs=[], seconds=seconds)
    check_answered(logs, log_dir)
    check_names([log.eval.task for log in logs], "task")
    for log, name in zip(logs, wanted or [""] * len(logs), strict=True):
        families = {s.id: str((s.metadata or {}).get("family", s.id)) for s in log.samples}
        table = {sample: _numbers(scores, log, sample) for sample, scores in _scored(log)}
        renamed = _renamed(table, name, log)
        names = {renamed.get(score, score) for numbers in table.values() for score in numbers}
        check_names([*found.values, *names], "score")
        for sample, numbers in table.items():
            for score, value in numbers.items():
                score = renamed.get(score, score)
                found.values.setdefault(score, []).append(value)
                found.ids.setdefault(score, []).append(str(sample))
                found.families.setdefault(score, []).append(families[sample])
        found.answers.update(dict.fromkeys(sorted(names), _answers(log)))
        found.tasks[log.eval.task] = log.eval.task_version
        found.logs.append(Path(log.location).name)
    return found


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse two tasks, or scores of two tasks, of one name: numbers of one would be taken for those of the other.

    Args:
        names: Of all tasks, or scores, of a measurement.
        what: `task` or `score`.

    Raises:
        BenchError: If one is there twice.
    """
    for name in names:
        if names.count(name) > 1:
            raise BenchError(
                f"{what} {name!r} of the evals",
                seen=f"two {what}s of this name in one measurement",
                expected="a name for each; the suite measures `capability` (`exact`, `loss`) and `margin` besides",
                remedy=f"rename the {what} in your eval file",
            )


def is_readable(word: str) -> bool:
    """Tell whether Inspect reads a score that is text as a number; others it would silently take for 0."""
    try:
        return word in WORDS or word.lower() in WORDS or math.isfinite(float(word))
    except ValueError:
        return False


def check_answered(logs: Sequence[Any], log_dir: Path) -> None:
    """Make sure that all tasks ran to their end and all samples were scored; arguments and errors as in `collect`."""
    if any(log.status == "cancelled" for log in logs):
        raise KeyboardInterrupt  # Inspect keeps it to itself
    for log in logs:
        if log.status != "success" or not log.samples or any(not s.scores for s in log.samples):
            kept, file = log_dir.parent / "failed", Path(log.location)  # `log_dir` itself may be given up
            remedy = f"read the log with: inspect view --log-dir {kept}"
            try:
                kept.mkdir(exist_ok=True)
                shutil.copy(file, kept)
            except OSError:  # as on a full disk, which Inspect keeps to itself
                remedy = "its log could not be written: free disk space, then run again; finished work is kept"
            raise BenchError(
                f"eval {log.eval.task}",
                seen=log.error.message if log.error else f"{log.status}, unscored samples",
                expected="every sample answered and scored",
                remedy=remedy,
            )


def _answers(log: Any) -> AnswerCounts:
    """Count a task's answers, and those of them that say nothing; samples that no model was asked have no choice."""
    asked = [sample.output for sample in log.samples if sample.output.choices]
    refused = [output.stop_reason == "content_filter" for output in asked]
    empty = [not (output.completion.strip() or output.message.tool_calls) for output in asked]
    silent = sum(nothing and not stopped for nothing, stopped in zip(empty, refused, strict=True))
    return AnswerCounts(asked=len(asked), refused=sum(refused), empty=silent)


def _scored(log: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield each sample's id with its values by scorer, those of repeated samples reduced to one."""
    if len({sample.id for sample in log.samples}) == len(log.samples):
        yield from ((s.id, {name: score.value for name, score in s.scores.items()}) for s in log.samples)
        return
    reduced: dict[Any, dict[str, Any]] = {sample.id: {} for sample in log.samples}
    for reduction in log.reductions or ():
        for sample in reduction.samples:
            reduced[sample.sample_id].setdefault(reduction.scorer, sample.value)  # by the first reducer of several
    yield from reduced.items()


def _numbers(scores: Mapping[str, Any], log: Any, sample: Any) -> dict[str, float | None]:
    """Return the scores of one sample as numbers; None where one does not apply, or the scorer gave up."""
    single = [name for name, value in scores.items() if not isinstance(value, dict)]
    numbers: dict[str, float | None] = {}
    for scorer, value in scores.items():
        name = log.eval.task if single == [scorer] else scorer
        for part, given in (value if isinstance(value, dict) else {name: value}).items():
            if part in numbers:
                raise BenchError(
                    f"eval {log.eval.task}, sample {sample}",
                    seen=f"two scores named {part!r}",
                    expected="a name for each",
                    remedy="rename the value of one scorer",
                )
            numbers[part] = _number(given, f"eval {log.eval.task}, sample {sample}, score {part!r}")
    return numbers


def _number(value: Any, where: str) -> float | None:
    from inspect_ai.scorer import value_to_float

    if value is None:
        return None
    if isinstance(value, int | float) or (isinstance(value, str) and is_readable(value)):
        number = float(value_to_float()(value))
        if not math.isinf(number):
            return None if math.isnan(number) else number
    raise BenchError(
        where,
        seen=f"{value!r:.80}",
        expected="a finite number, C, I, P or N, or a dictionary of these",
        remedy="let the scorer return one; Score.unscored() where it has no opinion",
    )


def _renamed(table: Mapping[Any, Mapping[str, Any]], wanted: str, log: Any) -> dict[str, str]:
    """Return the new name of a task's sole score.

    Raises:
        BenchError: If the task lacks the wanted score, and has none or several.
    """
    names = sorted({name for numbers in table.values() for name in numbers})
    if not wanted or wanted in names:
        return {}
    if len(names) != 1:
        raise BenchError(
            f"eval {log.eval.task}",
            seen=f"scores: {', '.join(names) or 'none'}",
            expected=f"a score named {wanted!r}",
            remedy='write score = "..." under [eval] of the trait file, or rename it in the eval',
        )
    return {names[0]: wanted}
