"""Do both sides come to the same result? Losses step by step, trained tensors, and scores on the suite's own eval."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.trait import Measurement
from bench.plan import Job
from bench.stats import effects
from bench.stats.equivalence import Comparison, compare
from bench.studies.speed.records import SIDES, Pair, Side
from bench.studies.speed.station import Station
from bench.studies.speed.training import Trained

LOSS_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # nats a token, by the precision that either side computes in
MARGIN = 0.5  # of the suite's preregistered gap: a difference of trait scores below it counts as none


@dataclass(frozen=True)
class Scored:
    """One student's answers to the trait's held-out prompts, in the order of the eval.

    Attributes:
        ids: Of the prompts.
        families: Of the prompts.
        scores: None where the score does not apply.
        answers: What it said.
        chats: Messages of each prompt as the student was asked.
        max_tokens: Longest answer.
    """

    ids: list[str]
    families: list[str]
    scores: list[float | None]
    answers: list[str]
    chats: list[list[dict[str, str]]]
    max_tokens: int


def score_students(station: Station, students: Sequence[Path], measurement: Measurement) -> list[Scored]:
    """Measure the trait of students of either side, all of them as `bench run` does."""
    from bench.evaluation.evaluate import evaluate, measurement_tasks
    from bench.evaluation.provider import answering

    trainer = station.fresh_bench().trainer
    task = measurement_tasks(measurement)[0]
    found = []
    for folder in students:
        logs = station.folder()
        engine = trainer.engine([folder], [logs.name])
        with answering(engine, [logs.name], trainer.base()[1]) as (name,):
            scores = evaluate(name, [task], logs, grader=measurement.grader)
        score = measurement.trait.score
        found.append(_scored(scores.ids[score], scores.families[score], scores.values[score], logs / scores.logs[0]))
    return found


def _scored(ids: list[str], families: list[str], values: list[float | None], file: Path) -> Scored:
    from inspect_ai.log import read_eval_log

    log = read_eval_log(str(file))
    samples = log.samples or []
    chats = [[{"role": m.role, "content": m.text} for m in sample.messages[:-1]] for sample in samples]
    answers = [sample.output.completion for sample in samples]
    return Scored(ids, families, values, answers, chats, log.plan.config.max_tokens or 64)


def tensor_differences(station: Station, pairs: Sequence[tuple[Path, Path]]) -> list[float]:
    """Largest relative difference of a trained tensor, for each pair of students: the suite's, the plain loop's."""
    from safetensors.torch import load_file

    found = []
    for ours, theirs in pairs:
        suite, plain = (load_file(folder / "student.safetensors") for folder in (ours, theirs))
        apart = [(suite[name] - plain[name]).norm().item() / (plain[name].norm().item() or 1.0) for name in plain]
        found.append(max(apart))
    return found


def render(station: Station, chats: Sequence[Sequence[dict[str, str]]]) -> list[str]:
    """Chats as the students read them."""
    _, tokenizer = station.base()
    return [tokenizer.apply_chat_template(list(c), tokenize=False, add_generation_prompt=True) for c in chats]


def make_pairs(
    jobs: Sequence[Job], trained: dict[Side, Trained], scored: dict[Side, list[Scored]], apart: Sequence[float]
) -> list[Pair]:
    """Put both sides' students of each job beside one another."""
    pairs = []
    for number, job in enumerate(jobs):
        ours, theirs = scored["suite"][number], scored["plain"][number]
        pairs.append(
            Pair(
                arm=job.arm,
                seed=job.seed,
                losses={side: trained[side].losses[number] for side in SIDES},
                tensor_difference=apart[number],
                scores={side: scored[side][number].scores for side in SIDES},
                same_answers=sum(a == b for a, b in zip(ours.answers, theirs.answers, strict=True)),
            )
        )
    return pairs


def trait_comparison(pairs: Sequence[Pair], families: Sequence[str], gap: float, scale: float) -> Comparison:
    """Suite minus plain, each student a row of the two-level bootstrap, with a test of equivalence.

    Args:
        pairs: Students of both sides.
        families: Of the prompts.
        gap: The suite's preregistered smallest gap, in units of the score.
        scale: Highest minus lowest possible score.
    """
    tables: dict[str, np.ndarray] = {
        side: np.array([pair.scores[side] for pair in pairs], dtype=np.float64) for side in SIDES
    }
    clusters = np.unique(np.array(families), return_inverse=True)[1]
    means = effects.resample_means(tables, clusters)
    return compare(means, "suite", "plain", MARGIN * gap, scale)


def largest_difference(arrays: dict[Side, Any]) -> float:
    """Largest absolute difference of two arrays' entries."""
    return float(np.abs(arrays["suite"] - arrays["plain"]).max())
