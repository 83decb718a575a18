"""Estimate seconds on this machine: floating-point operations divided by the measured matrix-product speed."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.config.recipe import Recipe
from bench.config.schema import ExperimentSettings
from bench.config.suite import Suite
from bench.data.trait import Measurement
from bench.execution.job import MOST_AT_ONCE, Job
from bench.models.load import known_config
from bench.models.shape import ModelShape
from bench.records import PoolRow, TrainingRow
from bench.training.lengths import CHARACTERS_PER_TOKEN, TEMPLATE_TOKENS
from bench.training.methods import training_path
from bench.training.task import COMPILED_FROM, TrainingInput
from bench.worlds import WORLDS
from bench.worlds.grammar import ORIGINAL, build_rows

PROMPT_TOKENS = 50  # of an eval prompt with its template, on average
NEW_TOKENS = 20  # of an eval answer, on average
SETUP_SECONDS = {"trl": 1.3}  # of each training by this path
ALL_PROMPTS = 64  # of an eval that is not cut short, about
ATTEMPTS = 6  # at the matrix product; a busy core spoils some


@dataclass(frozen=True)
class Pace:
    """What a kind of device reaches.

    Attributes:
        training: Share of the peak that training reaches.
        compiled: The same where layers are compiled.
        step: Seconds that a step takes at least, of however many students at once.
        frozen: Share of the peak for the frozen layers, which every row and prompt passes once a run.
        reading: The same for eval prompts and given completions.
        decoding: The same for answers, which come token by token.
        sample: Seconds of Inspect for a sample.
        evaluation: Seconds of Inspect for a student.
        start: Seconds of the first evaluation, which loads Inspect.
    """

    training: float
    compiled: float
    step: float
    frozen: float
    reading: float
    decoding: float
    sample: float
    evaluation: float
    start: float


PACES = {
    # Measured on two cores; `quick`, `smoke` and the first 32 students of `laptop` took what was announced within 5 %.
    "cpu": Pace(0.42, 0.42, 0.0, 0.5, 0.6, 0.2, sample=0.008, evaluation=0.25, start=4.0),
    # From one H200: 64 students reached 11 % of the peak, 20 % with compiled layers; the 40 steps of 7 students of
    # `quick` took 4.0 s, set-up included; 1,024 prompts were answered at 44,000 tokens a second; 8 evaluations of
    # `quick` took 14.9 s. How these fall into parts, and the shares of frozen layers and of reading, are estimates.
    "cuda": Pace(0.11, 0.19, 0.1, 0.09, 0.09, 0.014, sample=0.0011, evaluation=0.6, start=9.0),
    # Students that train and answer one by one, in this process alone: an estimate; `smoke` took 49 s in all.
    "cuda, one by one": Pace(0.09, 0.09, 0.2, 0.09, 0.09, 0.003, sample=0.008, evaluation=0.25, start=4.0),
}


def _pace(recipe: Recipe, device: str) -> Pace:
    kind = device.partition(":")[0]
    return PACES[kind if kind == "cpu" or recipe.method == "lora" else f"{kind}, one by one"]


@cache
def matmul_flops(device: str) -> float:
    """Measure the matrix-product speed in operations a second: of float32 on a CPU, of bfloat16 on a GPU."""
    return matrix_product_speed(device, *(("float32", 1024) if device == "cpu" else ("bfloat16", 8192)))


def matrix_product_speed(device: str, dtype: str, size: int) -> float:
    """Measure a square matrix product in operations a second, the best of some attempts.

    Args:
        device: `cpu` or `cuda`.
        dtype: Name of a torch dtype.
        size: Rows and columns.
    """
    import torch

    from bench.models.packed_linear import pack_linears  # loads torch

    kind = {"device": device, "dtype": getattr(torch, dtype)}
    a = torch.randn(size, size, **kind)
    layer = pack_linears(torch.nn.Linear(size, size, bias=False, **kind).requires_grad_(False))  # as students have
    best = 0.0
    for _ in range(ATTEMPTS):
        start = time.perf_counter()
        layer(layer(a)).sum().item()
        best = max(best, 2 * 2 * size**3 / (time.perf_counter() - start))
    return best


def row_tokens(rows: Sequence[TrainingRow]) -> tuple[float, float]:
    """Estimate the tokens of some rows: all of them, and those of the completions."""
    prompt = sum(len(m.content) for row in rows for m in row.prompt) / CHARACTERS_PER_TOKEN
    completion = sum(len(row.completion) for row in rows) / CHARACTERS_PER_TOKEN
    return prompt + completion + TEMPLATE_TOKENS * len(rows), completion


def training_seconds(
    student: TrainingInput, recipe: Recipe, shape: ModelShape, device: str, trainings: int = 1
) -> float:
    """Estimate the seconds of one training, a share of its group's where several students of a run train at once."""
    rows = student.rows
    tokens, completion = row_tokens(rows)
    layers = shape.trained_layers(recipe)
    per_weight = 4 if recipe.method == "lora" else 6  # forward and backward, plus weight gradients
    per_weight += 2 * recipe.gradient_checkpointing  # forward once more
    work = tokens * layers * shape.layer * per_weight + completion * shape.head * 4
    pace, epochs = _pace(recipe, device), student.visits / len(rows)
    together = min(trainings, MOST_AT_ONCE) if recipe.method == "lora" else 1
    share = pace.compiled if epochs * tokens * together >= COMPILED_FROM else pace.training
    seconds = epochs * work / (share * matmul_flops(device))
    return max(seconds, -(-student.visits // recipe.batch_size) * pace.step / together)


def eval_seconds(prompts: ExperimentSettings | Measurement, recipe: Recipe, shape: ModelShape, device: str) -> float:
    """Estimate the seconds of one evaluation: the trait's prompts and pairs, exact answers, and held-out losses."""
    capability = prompts.capability_prompts or ALL_PROMPTS
    pairs = prompts.eval_prompts or ALL_PROMPTS
    answers = pairs + capability
    own_layers, pace = shape.trained_layers(recipe), _pace(recipe, device)  # those below are read once for all students
    tokens = _read_tokens(prompts)
    reading = (tokens * own_layers * shape.layer + 2 * pairs * NEW_TOKENS * shape.head) * 2 / pace.reading
    decoding = answers * NEW_TOKENS * (shape.layers * shape.layer + shape.head) * 2 / pace.decoding
    waiting = pace.evaluation + (answers + capability + pairs) * pace.sample
    return waiting + (reading + decoding) / matmul_flops(device)


def _read_tokens(prompts: ExperimentSettings | Measurement) -> float:
    """Estimate the tokens of prompts and given completions that an evaluation reads."""
    capability = prompts.capability_prompts or ALL_PROMPTS
    pairs = prompts.eval_prompts or ALL_PROMPTS
    return (pairs + 2 * capability) * PROMPT_TOKENS + pairs * (PROMPT_TOKENS + 2 * NEW_TOKENS)


def frozen_seconds(tokens: float, recipe: Recipe, shape: ModelShape, device: str) -> float:
    """Estimate the seconds of the frozen layers over tokens that no student has read before."""
    frozen = shape.layers - shape.trained_layers(recipe)
    return 2 * tokens * frozen * shape.layer / (_pace(recipe, device).frozen * matmul_flops(device))


def job_costs(
    jobs: Sequence[Job], config: dict[str, Any], device: str, todo: Sequence[tuple[bool, bool]]
) -> list[tuple[float, float]]:
    """Estimate the seconds of training and evaluation of each job; 0 for what is `todo` no more.

    Args:
        jobs: Jobs of one base model.
        config: The model's config.json.
        device: `cpu` or `cuda`.
        todo: For each job whether its training and its evaluation are to be done.
    """
    if not any(train or evaluation for train, evaluation in todo):
        return [(0.0, 0.0)] * len(jobs)  # nothing is measured, and torch stays unloaded
    shape = ModelShape.of(config)
    costs = []
    read: set[tuple[str, str]] = set()
    measured: set[str] = set()
    for job, (train, evaluation) in zip(jobs, todo, strict=True):
        training = answering = 0.0
        if train and job.rows:
            training = training_seconds(job.student, job.recipe, shape, device, sum(train for train, _ in todo))
            fresh = {(row.id, row.completion): row for row in job.rows if (row.id, row.completion) not in read}
            read.update(fresh)
            training += SETUP_SECONDS.get(training_path(job.recipe, config, device != "cpu"), 0.0)
            training += frozen_seconds(row_tokens(list(fresh.values()))[0], job.recipe, shape, device)
        if evaluation:
            answering = eval_seconds(job.measurement, job.recipe, shape, device)
            key = json.dumps(job.measurement.key(), sort_keys=True)
            if key not in measured:
                answering += first_eval_seconds(job.measurement, job.recipe, shape, device)
            measured.add(key)
        costs.append((training, answering))
    return costs


def first_eval_seconds(
    prompts: ExperimentSettings | Measurement, recipe: Recipe, shape: ModelShape, device: str
) -> float:
    """Estimate the further seconds of a run's first evaluation: libraries, and the prompts' frozen layers."""
    return _pace(recipe, device).start + frozen_seconds(_read_tokens(prompts), recipe, shape, device)


def announcement(costs: Sequence[tuple[float, float]], device: str) -> str:
    """Say in one sentence what is to be done and how long it should take."""
    trainings = sum(train > 0 for train, _ in costs)
    evaluations = sum(evaluation > 0 for _, evaluation in costs)
    if not trainings + evaluations:
        return f"all {len(costs)} trials are in the store; nothing to train"
    kept = len(costs) - sum(any(cost) for cost in costs)
    return (
        f"{trainings} trainings and {evaluations} evaluations to do, {kept} trials already done or shared; "
        f"about {sum(map(sum, costs)) / 60:.1f} minutes on {device}"
    )


def planted_rows(experiment: ExperimentSettings) -> list[PoolRow]:
    """Return the rows of an experiment's synthetic pool."""
    return build_rows(WORLDS[experiment.world], experiment.rows, experiment.world_seed, shares=experiment.shares)


def suite_seconds(suite: Suite, device: str) -> float:
    """Estimate the seconds of a whole suite of synthetic pools on this machine, from an empty run folder."""
    config = known_config(suite.recipe.model)
    shape = ModelShape.of(config)
    total = 0.0
    for experiment in suite.file.experiments:
        rows = [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in planted_rows(experiment)]
        student = TrainingInput(rows, 0, len(rows) * suite.recipe.epochs)
        seconds = training_seconds(student, suite.recipe, shape, device, suite.trainings)
        seconds += SETUP_SECONDS.get(training_path(suite.recipe, config, device != "cpu"), 0.0)
        seconds += eval_seconds(experiment, suite.recipe, shape, device)
        total += suite.trainings / len(suite.file.experiments) * seconds
        total += first_eval_seconds(experiment, suite.recipe, shape, device)
        total += frozen_seconds(2 * row_tokens(rows)[0], suite.recipe, shape, device)  # both completions
    return total
