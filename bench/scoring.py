"""Judges: how a student's output becomes a score, offline by rules or through Inspect's grader role.

The only module of `bench` that eval files import. A judge's outputs are dictionaries: the trait's own score under the
trait's name, and any side scores beside it. `nan` means "does not apply to this sample".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

JudgeKind = Literal["rules", "model"]
Rules = Callable[[str, str], Mapping[str, float]]


@dataclass(frozen=True)
class Judge:
    """How one trait is judged.

    Attributes:
        trait: Name of the trait, and of the main score.
        version: Raise it whenever a judgement could change; rows name it.
        scale: Lowest and highest score.
        threshold: Score from which an output counts as showing the trait (for precision, recall and kappa).
        rules: (prompt text, output) -> scores; offline and deterministic.
        rubric: Instructions for the model judge; it must answer with `SCORE: <number>` on the scale.
    """

    trait: str
    version: int
    scale: tuple[float, float]
    threshold: float
    rules: Rules
    rubric: str


def read_prompts(eval_file: str, trait: str) -> Path:
    """Path of a trait's held-out prompts, beside the eval file that asks (`prompts/TRAIT.jsonl`)."""
    return Path(eval_file).parent / "prompts" / f"{trait}.jsonl"
