"""Judge without generating: validate a judge on labelled outputs, and score stored outputs again."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data.trait import JUDGE_KINDS, Judge, TraitSpec, evals_folder
from bench.errors import BenchError, unknown
from bench.evaluation.evaluate import collect, judge_of, load_module
from bench.records import SampleScores
from bench.scoring import judged


@dataclass(frozen=True)
class Agreement:
    """Agreement of a judge with the labels of one set.

    Attributes:
        part: Which items: `all`, or `test`, those whose failures nobody looked at when the rules were written.
        items: How many.
        positives: How many show the trait by their label.
        precision: Of the items that the judge calls positive, the share that are; nan where it calls none.
        recall: Of the positive items, the share that the judge finds.
        kappa: Cohen's kappa.
        mean_error: Mean absolute difference between score and label, on the trait's scale.
    """

    part: str
    items: int
    positives: int
    precision: float
    recall: float
    kappa: float
    mean_error: float


def labelled_sets() -> list[str]:
    """Return the evals that have labelled outputs: the built-in traits, and the judged evals of the safety panel."""
    return sorted(file.stem for file in (evals_folder() / "labelled").glob("*.jsonl"))


def read_labelled(trait: str) -> list[dict[str, Any]]:
    """Read the labelled outputs of a built-in trait or eval.

    Raises:
        BenchError: If it has none.
    """
    path = evals_folder() / "labelled" / f"{trait}.jsonl"
    if not path.is_file():
        raise unknown("labelled set", trait, labelled_sets())
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_judge(trait: str) -> Judge:
    """Return the judge in a built-in eval file."""
    judge: Judge = load_module(evals_folder() / f"{trait}.py").JUDGE
    return judge


def agreement(part: str, labels: Sequence[float], scores: Sequence[float], threshold: float) -> Agreement:
    """Compare scores with labels, both cut at the threshold.

    >>> agreement("all", [1, 1, 0, 0], [1, 0, 0, 0], 0.5).kappa
    0.5
    """
    from sklearn.metrics import cohen_kappa_score

    truth = [label >= threshold for label in labels]
    found = [score >= threshold for score in scores]
    hits = sum(t and f for t, f in zip(truth, found, strict=True))
    return Agreement(
        part,
        len(truth),
        sum(truth),
        hits / sum(found) if any(found) else math.nan,
        hits / sum(truth) if any(truth) else math.nan,
        float(cohen_kappa_score(truth, found)),
        sum(abs(label - score) for label, score in zip(labels, scores, strict=True)) / len(truth),
    )


def validate(trait: str, kind: str, grader: str | None = None) -> list[Agreement]:
    """Run a judge over its labelled set; where its score does not apply, the item does not show the trait.

    Args:
        trait: A built-in trait or judged eval.
        kind: `rules` or `model`.
        grader: Inspect model that judges, for `model`.

    Returns:
        Agreement on all items and on the untouched test part.
    """
    items, judge = read_labelled(trait), read_judge(trait)
    if kind == "rules":
        scores = [judge.score(item["prompt"], item["output"]) for item in items]
    elif kind == "model":
        scores = _ask_grader(judge, items, grader)
    else:
        raise unknown("judge", kind, JUDGE_KINDS)
    scores = [0.0 if math.isnan(score) else score for score in scores]
    labels = [float(item["label"]) for item in items]
    test = [i for i, item in enumerate(items) if item["kind"].endswith("-test")]
    parts = [("all", range(len(items))), ("test", test)]
    return [agreement(n, [labels[i] for i in p], [scores[i] for i in p], judge.eval.threshold) for n, p in parts]


def _ask_grader(judge: Judge, items: Sequence[dict[str, Any]], grader: str | None) -> list[float]:
    """Judge the labelled outputs through Inspect: they are replayed, and only the grader is asked."""
    from inspect_ai import Task
    from inspect_ai import eval as run_tasks
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.solver import Generate, Solver, TaskState, solver

    if grader is None:
        raise BenchError("--judge model", seen="no --grader", expected="an Inspect model", remedy="name one")

    @solver
    def replay() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            state.output.completion = state.metadata["output"]
            return state

        return solve

    samples = [Sample(id=str(i), input=item["prompt"], metadata=item) for i, item in enumerate(items)]
    task = Task(name=judge.eval.score, dataset=MemoryDataset(samples), solver=replay(), scorer=judged(judge, "model"))
    logs = run_tasks(task, model=grader, model_roles={"grader": grader}, display="none", log_realtime=False)
    values = collect(logs, Path(logs[0].location).parent, 0.0).values[judge.eval.score]
    return [math.nan if value is None else value for value in values]


def rejudge(
    stored: Path, before: SampleScores, spec: TraitSpec, kind: str, grader: str | None, folder: Path
) -> SampleScores:
    """Score stored outputs of the trait's task again; the student generates nothing.

    Args:
        stored: Folder with the Inspect logs of an evaluation.
        before: Its scores; those of other tasks are taken over.
        spec: The trait; its eval file must have a JUDGE.
        kind: `rules` or `model`.
        grader: Inspect model that judges, for `model`.
        folder: Where the newly scored log is written.

    Raises:
        BenchError: If the trait has no JUDGE, or no grader is named for a model judge.
    """
    from inspect_ai import score
    from inspect_ai.log import read_eval_log, write_eval_log
    from inspect_ai.model import get_model

    if kind == "model" and grader is None:
        raise BenchError("--judge model", seen="no --grader", expected="an Inspect model", remedy="name one")
    judge = judge_of(spec)
    if judge is None or not (judge.rubric if kind == "model" else spec.eval.scorer != "model"):
        raise BenchError(
            f"trait {spec.name!r}",
            seen="a rubric is missing" if kind == "model" else "there are no rules",
            expected="a pattern or a rubric in the trait file, or a JUDGE in its eval file",
            remedy="only traits with such a judge can be judged again",
        )
    logs = [read_eval_log(str(stored / name)) for name in before.logs]
    log = next(log for log in logs if log.eval.task == spec.name)
    roles = {"grader": get_model(grader)} if grader else None
    scored = score(log, judged(judge, kind), action="overwrite", model_roles=roles, display="none")
    scored.location = str(folder / Path(log.location).name)
    write_eval_log(scored, scored.location)
    after = collect([scored], folder, before.seconds)
    return after.model_copy(
        update={
            "values": before.values | after.values,
            "ids": before.ids | after.ids,
            "families": before.families | after.families,
            "tasks": before.tasks,
        }
    )
