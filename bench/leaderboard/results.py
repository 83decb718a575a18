"""From an experiment's trials to its evidence, and from evidence to a trait's part of a row."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from bench.arms import BASE, CLEAN, ORIGINAL
from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment
from bench.evaluation.judging import judge_label, score_answers
from bench.leaderboard.evidence import Evidence, gather
from bench.leaderboard.numbers import TESTED, Hypothesis, Reading, find_winner, numbers
from bench.leaderboard.row import Found, TraitResult
from bench.outcomes import SampleScores, Selection
from bench.records import Pool
from bench.stats.attribution import average_precision, mean_rank
from bench.stats.leakage import Leakage, LeakPool, find_leaks

TEACHER = "teacher:"  # before a teacher's name, for its own scores


def evidence_of(experiment: Experiment, suite: Suite) -> Evidence:
    """Gather an experiment's scores, those of its teachers included, and what the suite fixed."""
    scores = experiment.scores()
    if not experiment.pool.card.clean:  # the untrained model stands in for the clean arm, and a note says so
        scores[CLEAN.name] = scores[BASE.name]
    teachers = teacher_scores(experiment, scores[ORIGINAL.name][0])
    tables = gather(scores | teachers, experiment.trait.score, experiment.trait.eval.scale)
    return Evidence(
        **tables.model_dump(),
        seeds=list(suite.file.seeds),
        controls=suite.file.controls,
        minimum_gap=experiment.settings.minimum_gap,
    )


def teacher_scores(experiment: Experiment, reference: SampleScores) -> dict[str, list[SampleScores]]:
    """Judge each teacher's own answers to the held-out prompts offline, in the order of the students'.

    A teacher that did not answer every prompt is left out, and all are where a model judges the students.
    """
    score = experiment.trait.score
    ids = reference.ids[score]
    scores = {}
    for teacher, answers in experiment.answers.items():
        if experiment.measurement.judge == "model" or not set(ids) <= set(answers):
            continue
        judge = experiment.measurement.judge
        values = score_answers(experiment.trait, [answers[identity] for identity in ids], judge)
        if values is not None:
            own = {"values": {score: list(values)}, "tasks": {}, "logs": [], "seconds": 0.0, "answers": {}}
            scores[TEACHER + teacher] = [reference.model_copy(update=own)]
    return scores


def trait_results(
    reading: Reading,
    experiment: Experiment,
    suite: Suite,
    embedder: Embedder,
    p_holm: Mapping[Hypothesis, float | None],
) -> dict[tuple[str, float], TraitResult]:
    """Return one experiment's part of every row, by filter and budget; `p_holm` is of the whole run."""
    neighbours = find_neighbours(experiment, embedder)
    results = {}
    for budget in suite.file.budgets:
        best = find_winner(reading, budget)
        for selection in experiment.selections:
            key = selection.filter.name, budget
            if {*TESTED} & {*reading.actions(*key)}:  # else a note says why
                found = numbers(reading, *key, best, p_holm.get(Hypothesis(key[0], f"{budget:g}", experiment.name)))
                results[key] = trait_result(experiment, selection, budget, neighbours[key], found)
    return results


def find_neighbours(experiment: Experiment, embedder: Embedder) -> dict[tuple[str, float], Leakage]:
    """Find the nearest kept neighbours of what each filter drops."""
    examples = experiment.pool.examples()
    texts = [f"{e.prompt_text}\n{e.response}" for e in examples]
    answers = [(e.prompt_text, e.response) for e in examples]
    judged = score_answers(experiment.trait, answers, experiment.measurement.judge)
    pool = LeakPool(
        ids=[e.id for e in examples],
        texts=texts,
        vectors=embedder.embed(texts),
        truth=experiment.truth(experiment.pool.rows),
        judge_scores=None if judged is None else np.array(judged),
        threshold=experiment.trait.eval.threshold,
    )
    return {
        (s.filter.name, budget): find_leaks(pool, np.array([i for i, e in enumerate(examples) if e.id in flagged]))
        for s in experiment.selections
        for budget, flagged in s.flagged.items()
    }


def trait_result(
    experiment: Experiment, selection: Selection, budget: float, neighbours: Leakage | None, found: Mapping[str, Any]
) -> TraitResult:
    """Return one filter's result at one budget; `found` are the numbers that follow from the evidence."""
    spec, pool, flagged = experiment.trait, experiment.pool, selection.flagged[budget]
    return TraitResult(
        trait=spec.name,
        description=spec.description,
        eval_version=spec.eval.version,
        judge=judge_label(spec, experiment.measurement.judge, experiment.measurement.grader),
        pool=pool.card.name,
        pool_sha256=pool.sha256,
        pool_rows=len(pool.rows),
        reserve_rows=len(pool.reserve),
        flagged=len(flagged),
        found=agreement(pool, flagged, selection.scores) if experiment.planted else None,
        neighbours=neighbours,
        overlaps=selection.overlaps.get(budget, ()),
        **found,
    )


def agreement(pool: Pool, flagged: Collection[str], scores: Mapping[str, float]) -> Found | None:
    """Compare a flagged set and the scores that it was cut from with planted truth; None where nothing was planted."""
    overt = {row.id for row in pool.rows if row.truth == "overt"}
    either = overt | {row.id for row in pool.rows if row.truth == "mild"}
    if not overt:
        return None
    hits, all_hits = len(overt & set(flagged)), len(either & set(flagged))
    ranking = np.array([scores[row.id] for row in pool.rows])
    is_overt, is_either = (np.array([row.id in ids for row in pool.rows]) for ids in (overt, either))
    return Found(
        precision=hits / len(flagged),
        recall=hits / len(overt),
        precision_any=all_hits / len(flagged),
        recall_any=all_hits / len(either),
        auprc=average_precision(ranking, is_overt),
        auprc_any=average_precision(ranking, is_either),
        mean_rank=mean_rank(ranking, is_overt),
    )
