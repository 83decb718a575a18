"""Read from stored Inspect logs what a student answered."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError


@dataclass(frozen=True)
class StoredAnswer:
    """A held-out prompt, a turn a line, and what a student answered."""

    prompt: str
    text: str


def read_log(file: Path) -> Any:
    """Read an Inspect log.

    Raises:
        BenchError: If it is not there, or damaged.
    """
    from inspect_ai.log import read_eval_log

    try:
        return read_eval_log(str(file))
    except Exception as error:  # of the file, of zip, JSON or pydantic
        raise BenchError(
            str(file),
            seen=f"damaged: {type(error).__name__}: {error}"[:200],
            expected="an Inspect log",
            remedy=f"delete {file.parent}, run again",
        ) from error


def read_answers(log: Path) -> dict[str, StoredAnswer]:
    """Read the answers of an Inspect log.

    Args:
        log: Its file; that of the trait's task is the first of `SampleScores.logs`.

    Returns:
        Sample id -> answer, of the first epoch; empty where the file is no longer there.

    Raises:
        BenchError: If it is damaged.
    """
    answers: dict[str, StoredAnswer] = {}
    if log.is_file():
        for sample in read_log(log).samples or []:
            turns = [sample.input] if isinstance(sample.input, str) else [m.text for m in sample.input]
            answers.setdefault(str(sample.id), StoredAnswer("\n".join(turns), sample.output.completion))
    return answers
