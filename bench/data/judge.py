"""Judges: rules, an offline classifier and a rubric for a model, and where each may be used."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data.classifier import load_classifier, read_card
from bench.data.trait import TraitEval, TraitSpec, built_in_traits, evals_folder
from bench.errors import BenchError

JUDGE_KINDS = ["rules", "classifier", "model"]
Rules = Callable[[str, str], Mapping[str, float]]


@dataclass(frozen=True, init=False)
class Judge:
    """How outputs are judged, offline and by a model.

    Attributes:
        eval: The record that names the score and owns scale, threshold and version.
        rules: (prompt text, output) -> scores; offline and deterministic.
        rubric: Instructions for the model judge; it must answer with `SCORE: <number>` on the scale.
    """

    eval: TraitEval
    rules: Rules
    rubric: str

    def __init__(self, eval: TraitEval | None = None, *, rules: Rules, rubric: str, **former: Any) -> None:
        """Take the record; `trait`, `version`, `scale` and `threshold` in its place work for one release."""
        if eval is None:
            eval = _former_record(former)
        elif former:
            raise TypeError(f"Judge takes its record, rules and rubric; it got {', '.join(former)} as well")
        for name, value in (("eval", eval), ("rules", rules), ("rubric", rubric)):
            object.__setattr__(self, name, value)

    def score(self, prompt: str, output: str) -> float:
        """Return the main score of an output by the rules; nan where it does not apply."""
        return float(self.rules(prompt, output)[self.eval.score])

    def scores(self, kind: str, answers: Sequence[tuple[str, str]]) -> list[float]:
        """Return the main score of each (prompt, output) pair by an offline judge; nan where it does not apply.

        Args:
            kind: `rules` or `classifier`.
            answers: The pairs.

        Raises:
            BenchError: If the eval has no classifier.
        """
        by_rules = [self.score(prompt, output) for prompt, output in answers]
        if kind == "classifier":
            return load_classifier(weights_of(self.eval)).scores(answers, by_rules)
        return by_rules


def _former_record(stated: Mapping[str, Any]) -> TraitEval:
    """Make the record of a judge that states it by keywords, as in version 0.1."""
    known = {"trait", "version", "scale", "threshold"}
    if "trait" not in stated or stated.keys() - known:
        raise TypeError(f"Judge(record, rules=, rubric=) needs a TraitEval first; it got {', '.join(stated) or 'none'}")
    message = "Judge(trait=, version=, ...) is now Judge(TraitEval(...), ...)"
    warnings.warn(message, FutureWarning, stacklevel=3)
    return TraitEval.model_validate(
        {"task": stated["trait"], "score": stated["trait"], **{k: v for k, v in stated.items() if k != "trait"}}
    )


def described_judge(spec: TraitSpec) -> Judge:
    """Make the judge of a trait whose file describes it by a pattern, a rubric or both."""
    pattern = re.compile(spec.eval.pattern, re.IGNORECASE)
    return Judge(
        eval=spec.eval,
        rules=lambda prompt, output: {spec.score: float(bool(pattern.search(output)))},
        rubric=spec.eval.rubric,
    )


def classified() -> list[str]:
    """Return the names of the built-in evals that have a classifier."""
    return sorted(file.stem for file in (evals_folder() / "judges").glob("*.safetensors"))


def weights_of(eval: TraitEval) -> Path:
    """Return the weights file of an eval's classifier.

    Raises:
        BenchError: If it has none.
    """
    if eval.task not in classified():
        raise BenchError(
            "judge = 'classifier'",
            seen=f"the eval of {eval.score!r}, which has no classifier",
            expected=f"one of {', '.join(classified())}",
            remedy="use judge = 'rules' where a pattern or rules of your own define the trait, "
            "or judge = 'model' with a grader",
        )
    return eval.weights


def classifier_label(eval: TraitEval) -> str:
    """Name an eval's classifier with the version of its weights: `classifier v1`."""
    return f"classifier v{read_card(weights_of(eval)).version}"


def check_scope(spec: TraitSpec, kind: str, synthetic: bool) -> None:
    """Refuse a judge that was not made for the texts at hand.

    The rules of the built-in traits were written with the texts of the synthetic pools in view and miss most other
    wordings. A pattern, or an eval file of the user's, defines the trait and may judge anything.

    Args:
        spec: The trait.
        kind: The judge that the suite names.
        synthetic: Whether the pool is synthetic.

    Raises:
        BenchError: With the judge to use instead.
    """
    if spec.eval.scorer == "model":
        return  # its rubric is its only judge
    if kind == "classifier":
        weights_of(spec.eval)
    elif kind == "rules" and not synthetic and spec.eval.task in built_in_traits():
        raise BenchError(
            f"judge = 'rules' for trait {spec.name!r}",
            seen="a pool that is not synthetic",
            expected="a judge for natural text: the rules know the wordings of the synthetic pools and few others",
            remedy="use judge = 'classifier' (offline), or judge = 'model' with grader = an Inspect model; "
            "`bench judge` measures each",
        )
