"""Files of finished work in the run store: the facts of a training, the scores of an evaluation."""

from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files import read_json, read_record
from bench.outcomes import SampleScores

FACTS = "training.json"


def training_facts(student: Path) -> dict[str, Any]:
    """Read the facts of a training."""
    return read_json(student / FACTS, "the facts of a training", f"delete {student}, run again")


def read_scores(folder: Path) -> SampleScores:
    """Read the scores of an evaluation."""
    return read_record(
        folder / "scores.json", SampleScores, "the scores of an evaluation", f"delete {folder}, run again"
    )


def write_scores(scores: SampleScores, folder: Path) -> None:
    """Write the scores of an evaluation."""
    (folder / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")


def nothing_stored(root: Path, what: str) -> BenchError:
    """Return the error of a run folder that lacks what is to be read from it."""
    return BenchError(
        f"run folder {root.parent}",
        seen=f"it lacks {what}",
        expected="a finished run of the same suite and filters",
        remedy="finish it with `bench run` first; judging again generates nothing",
    )
