"""Read from stored Inspect logs what a student answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.evaluation.evaluate import sample_numbers


@dataclass(frozen=True)
class StoredAnswer:
    """A held-out prompt, a turn a line, and what a student answered."""

    prompt: str
    text: str


def read_answers(folder: Path, logs: Sequence[str], score: str) -> dict[str, StoredAnswer]:
    """Read the answers that a score was given for.

    Args:
        folder: Of a finished evaluation.
        logs: File names of its Inspect logs, see `SampleScores.logs`.
        score: Name of the score; logs of other tasks are passed over.

    Returns:
        Sample id -> answer, of the first epoch; empty where the log is no longer there.
    """
    from inspect_ai.log import read_eval_log

    answers: dict[str, StoredAnswer] = {}
    for name in logs:
        if not (folder / name).is_file():
            continue
        log = read_eval_log(str(folder / name))
        for sample in log.samples or []:
            if score in sample_numbers(sample.scores or {}, log.eval.task):
                turns = [sample.input] if isinstance(sample.input, str) else [m.text for m in sample.input]
                answers.setdefault(str(sample.id), StoredAnswer("\n".join(turns), sample.output.completion))
        if answers:
            break
    return answers
