"""Read from stored Inspect logs what a student answered."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StoredAnswer:
    """A held-out prompt, a turn a line, and what a student answered."""

    prompt: str
    text: str


def read_answers(log: Path) -> dict[str, StoredAnswer]:
    """Read the answers of an Inspect log.

    Args:
        log: Its file; that of the trait's task is the first of `SampleScores.logs`.

    Returns:
        Sample id -> answer, of the first epoch; empty where the file is no longer there.
    """
    from inspect_ai.log import read_eval_log

    answers: dict[str, StoredAnswer] = {}
    if log.is_file():
        for sample in read_eval_log(str(log)).samples or []:
            turns = [sample.input] if isinstance(sample.input, str) else [m.text for m in sample.input]
            answers.setdefault(str(sample.id), StoredAnswer("\n".join(turns), sample.output.completion))
    return answers
