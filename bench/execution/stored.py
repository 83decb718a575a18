"""Finished work in the run store: its kinds, keys of evaluations, facts of a training, scores of an evaluation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.data.trait import Measurement
from bench.errors import BenchError
from bench.files import read_json, read_record
from bench.outcomes import SampleScores
from bench.run_folder.store import Store

STUDENTS, EVALS, CHECKPOINTS = "students", "evals", "checkpoints"  # kinds of work in the store
JUDGED_BY = ("judge", "grader", "weights")  # of an evaluation's key: who judged outputs, not what they are
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


def eval_key(student: str, device: str, measurement: Measurement) -> dict[str, Any]:
    """Return everything that determines an evaluation; `student` is the name that its `Trial` has."""
    return {"student": student, "device": device} | measurement.key()


def same_outputs(store: Store, key: Mapping[str, Any]) -> list[Path]:
    """Return the folders of all evaluations of the same student on the same prompts, whoever judged them."""
    asked = {name: value for name, value in key.items() if name not in JUDGED_BY}
    found = store.keys(EVALS)
    return [folder for folder, other in found if all(other.get(name) == value for name, value in asked.items())]
