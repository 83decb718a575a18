"""What is measured of a student: which trait, by whom, on how many prompts."""

import hashlib
from dataclasses import dataclass
from typing import Any

from bench.data.trait import TraitSpec, evals_folder
from bench.evaluation.evaluate import PROVIDER_CODE, EvalTask, capability_task, trait_task

CAPABILITY_FILES = ("capability.py", "prompts/capability.jsonl", "prompts/capability_loss.jsonl")


@dataclass(frozen=True)
class Measurement:
    """What is measured of a student, and how.

    Attributes:
        trait: The behaviour.
        judge: `rules` or `model`.
        grader: Inspect model that judges, for `model`.
        eval_prompts: Use the first so many held-out prompts; all if None.
        capability_prompts: The same for the capability eval.
    """

    trait: TraitSpec
    judge: str
    grader: str | None = None
    eval_prompts: int | None = None
    capability_prompts: int | None = None

    def tasks(self) -> list[EvalTask]:
        """The Inspect tasks to run."""
        return [trait_task(self.trait, self.judge, self.eval_prompts), capability_task(self.capability_prompts)]

    def key(self) -> dict[str, Any]:
        """Everything that determines the scores, besides the student."""
        capability = hashlib.sha256()
        for file in CAPABILITY_FILES:
            capability.update((evals_folder() / file).read_bytes())
        return {
            "trait_name": self.trait.file.name,
            "trait": self.trait.sha256,
            "judge": self.judge,
            "grader": self.grader,
            "eval_prompts": self.eval_prompts,
            "capability_prompts": self.capability_prompts,
            "capability": capability.hexdigest(),
            "code": PROVIDER_CODE,
        }
