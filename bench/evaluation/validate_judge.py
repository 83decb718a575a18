"""Judge without generating: validate a judge on labelled outputs, and score stored outputs again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data.judge import JUDGE_KINDS, Judge
from bench.data.trait import TraitSpec, evals_folder
from bench.errors import BenchError, unknown
from bench.evaluation.judging import judge_of
from bench.evaluation.scores import collect
from bench.evaluation.stored_answers import read_log
from bench.evaluation.tasks import build_task, load_module, trait_task
from bench.files import json_lines
from bench.outcomes import SampleScores
from bench.scoring import judged

Interval = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """Agreement of a judge with the labels of one set, with 95 % intervals.

    Attributes:
        part: Which items.
        shaped: Whether the judge was made with these items in view; figures on such items flatter it.
        items: How many.
        positives: How many show the trait by their label.
        precision: Of the items that the judge calls positive, the share that are; nan where it calls none.
        recall: Of the positive items, the share that the judge finds.
        kappa: Cohen's kappa; nan where judge or labels do not vary.
        mean_error: Mean absolute difference between score and label, on the trait's scale.
        precision_interval: Wilson's.
        recall_interval: Wilson's.
        kappa_interval: From the asymptotic variance (Fleiss, Cohen and Everitt 1969).
    """

    part: str
    shaped: bool
    items: int
    positives: int
    precision: float
    recall: float
    kappa: float
    mean_error: float
    precision_interval: Interval
    recall_interval: Interval
    kappa_interval: Interval


def labelled_sets() -> list[str]:
    """Return the evals that have labelled outputs: the built-in traits, and the judged evals of the safety panel."""
    return sorted(file.stem for file in (evals_folder() / "labelled").glob("*.jsonl"))


def read_labelled(trait: str, kind: str = "") -> list[dict[str, Any]]:
    """Read labelled outputs of a built-in trait or eval.

    Args:
        trait: Its name.
        kind: "" for the set that the rules were written with, `natural` for cases written without a look at any
            judge (with `author` and `split`), `student_outputs` for answers of trained students (with `arm`, `seed`
            and `labeller`).

    Returns:
        The items; none where the trait has no set of that kind.

    Raises:
        BenchError: If the trait has no labelled outputs at all.
    """
    if trait not in labelled_sets():
        raise unknown("labelled set", trait, labelled_sets())
    path = evals_folder() / "labelled" / kind / f"{trait}.jsonl"
    return [item for _, item in json_lines(path, "labelled outputs", "a labelled output")] if path.is_file() else []


def read_judge(trait: str) -> Judge:
    """Return the judge in a built-in eval file."""
    judge: Judge = load_module(evals_folder() / f"{trait}.py").JUDGE
    return judge


def agreement(
    part: str, labels: Sequence[float], scores: Sequence[float], threshold: float, shaped: bool = False
) -> Agreement:
    """Compare scores with labels, both cut at the threshold.

    >>> agreement("all", [1, 1, 0, 0], [1, 0, 0, 0], 0.5).kappa
    0.5
    """
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa
    from statsmodels.stats.proportion import proportion_confint

    truth = np.asarray(labels) >= threshold
    found = np.asarray(scores) >= threshold
    hits, called, positives = int(np.sum(truth & found)), int(found.sum()), int(truth.sum())
    table = np.array([[np.sum((truth == t) & (found == f)) for f in (False, True)] for t in (False, True)])
    varies = 0 < called < len(truth) and 0 < positives < len(truth)
    kappa = cohens_kappa(table) if varies else None
    nothing = (math.nan, math.nan)

    def wilson(of: int) -> Interval:
        low, high = proportion_confint(hits, of, method="wilson") if of else nothing
        return float(low), float(high)

    return Agreement(
        part=part,
        shaped=shaped,
        items=len(truth),
        positives=positives,
        precision=hits / called if called else math.nan,
        recall=hits / positives if positives else math.nan,
        kappa=float(kappa.kappa) if kappa else math.nan,
        mean_error=float(np.mean(np.abs(np.asarray(labels) - np.asarray(scores)))),
        precision_interval=wilson(called),
        recall_interval=wilson(positives),
        kappa_interval=(max(-1.0, float(kappa.kappa_low)), min(1.0, float(kappa.kappa_upp))) if kappa else nothing,
    )


def validate(trait: str, kind: str, grader: str | None = None) -> list[Agreement]:
    """Run a judge over labelled outputs; where its score does not apply, the item does not show the trait.

    Args:
        trait: A built-in trait or judged eval.
        kind: `rules`, `classifier` or `model`.
        grader: Inspect model that judges, for `model`.

    Returns:
        Agreement on the set of the rules and on its untouched test half, then on natural cases by author, on student
        outputs, and on these by arm; the last three where the trait has such sets.
    """
    if kind not in JUDGE_KINDS:
        raise unknown("judge", kind, JUDGE_KINDS)
    sets = _parts(trait, kind)
    judge = read_judge(trait)
    items = [item for part, _, own in sets for item in own]
    pairs = [(item["prompt"], item["output"]) for item in items]
    scores = ask_grader(judge, pairs, grader) if kind == "model" else judge.scores(kind, pairs)
    by_item = {id(item): 0.0 if math.isnan(score) else score for item, score in zip(items, scores, strict=True)}
    threshold = judge.eval.threshold
    return [
        agreement(part, [float(i["label"]) for i in own], [by_item[id(i)] for i in own], threshold, shaped)
        for part, shaped, own in sets
    ]


def _parts(trait: str, kind: str) -> list[tuple[str, bool, list[dict[str, Any]]]]:
    """Return the sets to report: name, whether they shaped that kind of judge, and items."""
    own, natural, students = (read_labelled(trait, which) for which in ("", "natural", "student_outputs"))
    offline = kind != "model"
    parts = [
        ("labelled", offline, own),
        ("labelled, test half", False, [item for item in own if item["kind"].endswith("-test")]),
    ]
    for author in dict.fromkeys(item["author"] for item in natural):
        by_author = [item for item in natural if item["author"] == author]
        shaped = kind == "classifier" and any(item["split"] == "train" for item in by_author)
        parts.append((f"natural, {author}", shaped, by_author))
    if students:
        parts.append(("student outputs", False, students))
    for arm in sorted({item["arm"] for item in students}):
        parts.append((f"student outputs, {arm}", False, [item for item in students if item["arm"] == arm]))
    return parts


def ask_grader(judge: Judge, pairs: Sequence[tuple[str, str]], grader: str | None) -> list[float]:
    """Judge (prompt, output) pairs through Inspect: the outputs are replayed, and only the grader is asked.

    Args:
        judge: With a rubric.
        pairs: The outputs.
        grader: Inspect model that judges.

    Returns:
        A score for each; nan where none applies.

    Raises:
        BenchError: If no grader is named.
    """
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

    samples = [Sample(id=str(i), input=prompt, metadata={"output": output}) for i, (prompt, output) in enumerate(pairs)]
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
        kind: `rules`, `classifier` or `model`.
        grader: Inspect model that judges, for `model`.
        folder: Where the newly scored log is written.

    Raises:
        BenchError: If the trait has no JUDGE or no classifier, or no grader is named for a model judge.
    """
    from inspect_ai import score
    from inspect_ai.log import write_eval_log
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
    logs = [read_log(stored / name) for name in before.logs]
    name = build_task(trait_task(spec, kind, None)).name
    log = next((log for log in logs if log.eval.task == name), None)
    if log is None:
        raise BenchError(
            str(stored),
            seen=f"no log of task {name!r}",
            expected="the log of the trait's task",
            remedy="run the suite again where the task was renamed",
        )
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
            "answers": before.answers | after.answers,
            "tasks": before.tasks,
        }
    )
