"""The order of work: plan, train, compare the students, generate, embed, search; one record at the end."""

import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bench.arms import CLEAN, ORIGINAL, filter_arm, make_jobs
from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment, load_experiments
from bench.data.trait import Measurement
from bench.errors import BenchError, unknown
from bench.evaluation.evaluate import evaluate
from bench.evaluation.tasks import measurement_tasks
from bench.execution.job import Job
from bench.execution.progress import log
from bench.filtering.plugin import FilterPlugin
from bench.filtering.select import Resources, select_all, suite_filters
from bench.models.load import cache_folder, pick_device, resolve_model
from bench.records import Action
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


def run_speed(suite: Suite, arms: Sequence[str], seeds: int, repeats: int, device: str) -> SpeedRecord:
    """Measure both sides; nothing but temporary files is written.

    Args:
        suite: Its first experiment's arms, rows, order and prompts are used.
        arms: Names as in `bench run`; both references, and the first filter's drop and patch, where empty.
        seeds: Training seeds of each arm: the suite's own, and the integers that follow them.
        repeats: Measurements of each main case and side.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        BenchError: For anything that the user can fix.
    """
    device = pick_device(device)
    experiment, jobs, path = _plan(suite, arms, seeds, device)
    log.info(f"{counted(len(jobs), 'training')} a side and repeat: {', '.join(job.label for job in jobs)}")
    measured: list[Case] = []
    with start_workers(suite.recipe, device) as processes:

        def take(planned: Sequence[Planned]) -> dict[Side, Any]:
            return _take(processes, planned, repeats, measured)

        before = call(processes["suite"], peak_flops)
        agreement = _measure_all(processes, take, experiment, jobs, LOSS_TOLERANCE[dtype_of(device)])
        machine = call(processes["suite"], describe_machine, before)
    return SpeedRecord(
        suite=suite.file.name,
        suite_version=suite.file.version,
        pool_rows=len(experiment.pool.rows),
        pool_sha256=experiment.pool.sha256,
        trait=experiment.name,
        recipe=suite.recipe,
        path=path,
        arms=list(dict.fromkeys(job.arm.name for job in jobs)),
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


def _plan(suite: Suite, arms: Sequence[str], seeds: int, device: str) -> tuple[Experiment, list[Job], str]:
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
        trials = Worker(suite.recipe, device, Path(folder)).trials
        experiment = load_experiments(suite, lambda: trials.trainer.base()[1])[0]
        if not experiment.planted and any(plugin.needs_truth for plugin in plugins):
            raise BenchError(
                "--arms",
                seen="a filter that needs planted truth",
                expected="a filter that can score this pool",
                remedy="choose arms of another filter",
            )
        embedder = Embedder(cache_folder() / "embeddings")
        select_all(plugins, experiment, suite, Resources(embedder, trials.base_for_filters), trials.store)
        path = trials.trainer.path
    jobs = [job for job in make_jobs(experiment, suite) if job.rows is not None]
    largest = max(suite.file.budgets)
    of_filter = [filter_arm(action, plugins[0].name, largest).name for action in suite.file.actions]
    known = list(dict.fromkeys(job.arm.name for job in jobs))
    wanted = dict.fromkeys(arms or [ORIGINAL.name, CLEAN.name, *of_filter])
    for arm in wanted:
        if arm not in known:
            raise unknown("arm", arm, known)
    return experiment, [job for arm in wanted for job in jobs if job.arm.name == arm], path


def _filters_of(suite: Suite, arms: Sequence[str]) -> list[FilterPlugin]:
    """Return the filters whose arms are asked for; the suite's first where there are none."""
    plugins = suite_filters(suite)
    names = {
        plugin.name: {filter_arm(a, plugin.name, b).name for a in get_args(Action) for b in suite.file.budgets}
        for plugin in plugins
    }
    return [plugin for plugin in plugins if names[plugin.name].intersection(arms)] or plugins[:1]


def _take(processes: Processes, planned: Sequence[Planned], repeats: int, measured: list[Case]) -> dict[Side, Any]:
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
        log.info(f"{case.kind}{f' by {case.axis}' if case.axis else ''}, {case.what}: {seconds}")
    return results[1]


def _measure_all(
    processes: Processes, take: Take, experiment: Experiment, jobs: Sequence[Job], loss_tolerance: float
) -> Agreement:
    """Measure every kind of work, and compare the results of both sides."""
    trained = take(cases.training_cases(jobs, jobs[0].recipe.batch_size))
    pairs, prompts, families, questions = call(
        processes["suite"], compare_students, jobs, trained, experiment.measurement
    )
    answers = take(cases.generation_cases(trained["suite"][0], questions))
    same = [a == b for ours, theirs in zip(*answers.values(), strict=True) for a, b in zip(ours, theirs, strict=True)]
    vectors = take(cases.embedding_cases(embedded_texts(experiment)))
    similarities = take(cases.search_cases())
    return Agreement(
        pairs=pairs,
        loss_tolerance=loss_tolerance,
        prompts=prompts,
        families=families,
        trait=_compare_scores(pairs, families, experiment),
        same_texts=(sum(same), len(same)),
        vector_difference=float(np.abs(vectors["suite"] - vectors["plain"]).max()),
        similarity_difference=float(np.abs(similarities["suite"] - similarities["plain"]).max()),
    )


def embedded_texts(experiment: Experiment) -> list[list[str]]:
    """Return the texts that a run embeds, use by use.

    Three built-in filters read the original completions, one of them the clean ones too; held-out prompts are compared
    with the pool's; leakage compares whole examples.
    """
    examples = experiment.pool.examples()
    responses = [example.response for example in examples]
    prompts = [example.prompt_text for example in examples]
    whole = [f"{example.prompt_text}\n{example.response}" for example in examples]
    clean = [example.clean_response for example in examples]
    return [responses, responses, responses, clean, [*prompts, *experiment.eval_texts], whole]


def compare_students(
    worker: Worker, jobs: Sequence[Job], trained: dict[Side, Students], measurement: Measurement
) -> tuple[list[Pair], list[str], list[str], Questions]:
    """Compare both sides' students: losses, trained tensors, and trait scores, all measured as `bench run` does.

    Returns:
        A pair per job; ids and families of the held-out prompts; the prompts as the students read them.
    """
    trainer = worker.fresh_trials().trainer  # not the worker's own, which must not keep prefix states
    scored = {
        side: [_score(worker, trainer, student, measurement) for student in trained[side][0]] for side in SIDES[::-1]
    }
    pairs = []
    for number, job in enumerate(jobs):
        answers = [[sample.output.completion for sample in scored[side][number][1].samples] for side in SIDES]
        pairs.append(
            Pair(
                arm=job.arm.name,
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

    from bench.evaluation.provider import answering  # loads Inspect

    folder = worker.new_folder()
    engine = trainer.engine([student], [folder.name])
    with answering(engine, [folder.name], trainer.base()[1]) as (name,):
        scores = evaluate(name, measurement_tasks(measurement)[:1], folder, grader=measurement.grader)
    return scores, read_eval_log(str(folder / scores.logs[0]))


def _tensor_difference(plain: Path, suite: Path) -> float:
    from safetensors.torch import load_file

    theirs, ours = (load_file(folder / "student.safetensors") for folder in (plain, suite))
    return max(float((ours[name] - theirs[name]).norm() / (theirs[name].norm() or 1.0)) for name in theirs)


def _compare_scores(pairs: Sequence[Pair], families: Sequence[str], experiment: Experiment) -> Comparison:
    """Test suite minus plain for equivalence; each student is a training seed."""
    tables: dict[str, Any] = {side: np.array([pair.scores[side] for pair in pairs], dtype=np.float64) for side in SIDES}
    clusters = np.unique(np.array(families), return_inverse=True)[1]
    means = effects.arm_means(tables, clusters, experiment.trait.eval.scale)
    return compare(means, "suite", "plain", MARGIN * experiment.settings.minimum_gap)
