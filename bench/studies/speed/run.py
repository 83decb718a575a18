"""The order of work: plan, train, compare the students, generate, embed, search; one record at the end."""

import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.arms import filter_arm
from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Setup
from bench.errors import unknown
from bench.evaluation.evaluate import evaluate, judge_of
from bench.evaluation.measurement import Measurement
from bench.execution.prepare import Say, load_plugins, measurement_of, set_ups, usable
from bench.filtering.plugins import FilterPlugin
from bench.filtering.selection import select
from bench.models.load import cache_folder, pick_device, resolve_model
from bench.plan import BASE, Job, make_jobs
from bench.run_folder.provenance import source_commit
from bench.stats import effects
from bench.stats.equivalence import Comparison, compare
from bench.studies.speed import cases
from bench.studies.speed.cases import FUNCTIONS, PLAIN_BATCH, Planned, Questions, Students
from bench.studies.speed.records import SIDES, Agreement, Case, Pair, Side, SpeedRecord, counted
from bench.studies.speed.workers import (
    Processes,
    Worker,
    call,
    describe_machine,
    dtype_of,
    measure,
    peak_flops,
    start_workers,
)

LOSS_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # nats a token, by the precision that either side computes in
MARGIN = 0.5  # of the suite's preregistered gap: a difference of trait scores below it counts as none
Take = Callable[[Sequence[Planned]], dict[Side, Any]]


def run_speed(suite: Suite, arms: Sequence[str], seeds: int, repeats: int, device: str, say: Say) -> SpeedRecord:
    """Measure both sides; nothing but temporary files is written.

    Args:
        suite: Its first experiment's arms, rows, order and prompts are used.
        arms: Names as in `bench run`; both references, and the first filter's drop and patch, where empty.
        seeds: Training seeds of each arm: the suite's own, and the integers that follow them.
        repeats: Measurements of each main case and side.
        device: `auto`, `cpu` or `cuda`.
        say: Called with a sentence after each case.

    Raises:
        BenchError: For anything that the user can fix.
    """
    device = pick_device(device)
    setup, jobs, path = _plan(suite, arms, seeds, device, say)
    say(f"{counted(len(jobs), 'training')} a side and repeat: {', '.join(job.label for job in jobs)}")
    measured: list[Case] = []
    with start_workers(suite.recipe, device) as processes:

        def take(planned: Sequence[Planned]) -> dict[Side, Any]:
            return _take(processes, planned, repeats, measured, say)

        before = call(processes["suite"], peak_flops)
        agreement = _measure_all(processes, take, suite, setup, jobs, LOSS_TOLERANCE[dtype_of(device)])
        machine = call(processes["suite"], describe_machine, before)
    return SpeedRecord(
        suite=suite.file.name,
        suite_version=suite.file.version,
        pool_rows=len(setup.pool.rows),
        pool_sha256=setup.pool.sha256,
        trait=setup.trait.file.name,
        recipe=suite.recipe,
        path=path,
        arms=list(dict.fromkeys(job.arm for job in jobs)),
        seeds=list(dict.fromkeys(job.seed for job in jobs)),
        repeats=repeats,
        plain_batch=PLAIN_BATCH,
        machine=machine,
        measured_on=datetime.now(UTC).date().isoformat(),
        command=shlex.join(["bench", *sys.argv[1:]]),
        commit=source_commit(),
        cases=measured,
        agreement=agreement,
    )


def _plan(suite: Suite, arms: Sequence[str], seeds: int, device: str, say: Say) -> tuple[Setup, list[Job], str]:
    """Set up the first experiment and its trainings, arm by arm and seed by seed, as `bench run` does.

    Returns:
        The experiment, the trainings, and the suite's training path.
    """
    more = range(max(suite.file.seeds) + 1, max(suite.file.seeds) + 1 + seeds)
    changes = {"experiments": suite.file.experiments[:1], "seeds": (*suite.file.seeds, *more)[:seeds]}
    suite = replace(suite, file=suite.file.model_copy(update=changes))
    plugins = _filters_of(suite, arms)
    resolve_model(suite.recipe.model)
    with tempfile.TemporaryDirectory() as folder:
        bench = Worker(suite.recipe, device, Path(folder)).bench
        setup = set_ups(suite, bench)[0]
        plugins = usable(plugins, setup, say)
        embedder = Embedder(cache_folder() / "embeddings")
        selections = [
            select(each, suite.file, setup, embedder, bench.base_for_filters, bench.store) for each in plugins
        ]
        path = bench.trainer.path
    jobs = [job for job in make_jobs(0, setup, selections, suite.file) if job.arm != BASE]
    largest = max(suite.file.budgets)
    of_filter = [filter_arm(action, each.name, largest).name for each in plugins[:1] for action in suite.file.actions]
    known = list(dict.fromkeys(job.arm for job in jobs))
    wanted = dict.fromkeys(arms or ["original", "clean", *of_filter])
    for arm in wanted:
        if arm not in known:
            raise unknown("arm", arm, known)
    return setup, [job for arm in wanted for job in jobs if job.arm == arm], path


def _filters_of(suite: Suite, arms: Sequence[str]) -> list[FilterPlugin]:
    """Return the filters whose arms are asked for; the suite's first where there are none."""
    plugins = {plugin.name: plugin for plugin in load_plugins(suite)}
    named = [found.group(1) for arm in arms if (found := re.match(r"[a-z_]+:(.+)@", arm))]
    for name in named:
        if name not in plugins:
            raise unknown("filter", name, list(plugins))
    return [plugins[name] for name in dict.fromkeys(named)] or list(plugins.values())[:1]


def _take(
    processes: Processes, planned: Sequence[Planned], repeats: int, measured: list[Case], say: Say
) -> dict[Side, Any]:
    """Measure all cases of a kind; growth is measured once, but for the search, which takes no time.

    Returns:
        Result of each side in the main case.
    """
    results = []
    for number, (case, arguments) in enumerate(planned):
        once = number == 0 or (case.axis and case.kind != "search")
        results.append(measure(processes, case, FUNCTIONS[case.kind], arguments, 1 if once else repeats))
        if number == 0:
            continue  # the warm-up
        measured.append(case)
        seconds = f"plain {case.median('plain'):.3g} s, suite {case.median('suite'):.3g} s, ratio {case.ratio:.2f}"
        say(f"{case.kind}{f' by {case.axis}' if case.axis else ''}, {case.what}: {seconds}")
    return results[1]


def _measure_all(
    processes: Processes, take: Take, suite: Suite, setup: Setup, jobs: Sequence[Job], loss_tolerance: float
) -> Agreement:
    """Measure every kind of work, and compare the results of both sides."""
    trained = take(cases.training_cases(jobs, suite.recipe.batch_size))
    measurement = measurement_of(setup, suite)
    pairs, prompts, families, questions = call(processes["suite"], compare_students, jobs, trained, measurement)
    answers = take(cases.generation_cases(trained["suite"][0], questions))
    same = [a == b for ours, theirs in zip(*answers.values(), strict=True) for a, b in zip(ours, theirs, strict=True)]
    vectors = take(cases.embedding_cases(_embedded_texts(setup)))
    similarities = take(cases.search_cases())
    return Agreement(
        pairs=pairs,
        loss_tolerance=loss_tolerance,
        prompts=prompts,
        families=families,
        trait=_compare_scores(pairs, families, setup),
        same_texts=(sum(same), len(same)),
        vector_difference=float(np.abs(vectors["suite"] - vectors["plain"]).max()),
        similarity_difference=float(np.abs(similarities["suite"] - similarities["plain"]).max()),
    )


def _embedded_texts(setup: Setup) -> list[list[str]]:
    """Return the texts that a run embeds, use by use.

    Three built-in filters read the original completions, one of them the clean ones too; held-out prompts are compared
    with the pool's; leakage compares whole examples.
    """
    examples = setup.pool.examples()
    responses = [example.response for example in examples]
    prompts = [example.prompt_text for example in examples]
    whole = [f"{example.prompt_text}\n{example.response}" for example in examples]
    clean = [example.clean_response for example in examples]
    return [responses, responses, responses, clean, [*prompts, *setup.eval_texts], whole]


def compare_students(
    worker: Worker, jobs: Sequence[Job], trained: dict[Side, Students], measurement: Measurement
) -> tuple[list[Pair], list[str], list[str], Questions]:
    """Compare both sides' students: losses, trained tensors, and trait scores, all measured as `bench run` does.

    Returns:
        A pair per job; ids and families of the held-out prompts; the prompts as the students read them.
    """
    trainer = worker.fresh_bench().trainer  # not the worker's own, which must not keep prefix states
    scored = {
        side: [_score(worker, trainer, student, measurement) for student in trained[side][0]] for side in SIDES[::-1]
    }
    pairs = []
    for number, job in enumerate(jobs):
        answers = [[sample.output.completion for sample in scored[side][number][1].samples] for side in SIDES]
        pairs.append(
            Pair(
                arm=job.arm,
                seed=job.seed,
                losses={side: trained[side][1][number] for side in SIDES},
                tensor_difference=_tensor_difference(*(trained[side][0][number] for side in SIDES)),
                scores={side: scored[side][number][0].values[measurement.trait.score] for side in SIDES},
                same_answers=sum(a == b for a, b in zip(*answers, strict=True)),
            )
        )
    scores, log = scored["suite"][0]
    chats = [[{"role": m.role, "content": m.text} for m in sample.messages[:-1]] for sample in log.samples]
    template = worker.base()[1].apply_chat_template
    texts = [template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    name = measurement.trait.score
    return pairs, scores.ids[name], scores.families[name], (texts, log.plan.config.max_tokens or 64)


def _score(worker: Worker, trainer: Any, student: Path, measurement: Measurement) -> tuple[Any, Any]:
    """Evaluate one student on the trait; return its scores and Inspect's log."""
    from inspect_ai.log import read_eval_log

    from bench.evaluation.provider import answering

    folder = worker.new_folder()
    engine = trainer.engine([student], [folder.name])
    with answering(engine, [folder.name], trainer.base()[1]) as (name,):
        scores = evaluate(name, measurement.tasks()[:1], folder, grader=measurement.grader)
    return scores, read_eval_log(str(folder / scores.logs[0]))


def _tensor_difference(plain: Path, suite: Path) -> float:
    from safetensors.torch import load_file

    theirs, ours = (load_file(folder / "student.safetensors") for folder in (plain, suite))
    return max(float((ours[name] - theirs[name]).norm() / (theirs[name].norm() or 1.0)) for name in theirs)


def _compare_scores(pairs: Sequence[Pair], families: Sequence[str], setup: Setup) -> Comparison:
    """Test suite minus plain for equivalence; each student is a row of the two-level bootstrap."""
    tables: dict[str, Any] = {side: np.array([pair.scores[side] for pair in pairs], dtype=np.float64) for side in SIDES}
    means = effects.resample_means(tables, np.unique(np.array(families), return_inverse=True)[1])
    judge = judge_of(setup.trait)
    low, high = judge.scale if judge else setup.trait.file.eval.scale
    return compare(means, "suite", "plain", MARGIN * setup.experiment.minimum_gap, high - low)
