"""Rows of a finished run: one per filter and budget, with what it cost, what a reader must know, and its evidence."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bench.data.embedding import Embedder
from bench.data.experiment import Experiment, identical_completions, near_copies
from bench.evaluation.judging import score_answers
from bench.execution.session import Session
from bench.leaderboard.examples import with_examples
from bench.leaderboard.numbers import corrected, read
from bench.leaderboard.results import evidence_of, trait_results
from bench.leaderboard.row import Cost, Row, TraitResult, write_rows
from bench.outcomes import Arm, Selection, Trial
from bench.run_folder.provenance import package_versions, source_commit


def make_rows(session: Session, experiments: Sequence[Experiment]) -> list[Row]:
    """Make and write the rows of a finished run, with the results of all experiments side by side."""
    suite = session.suite
    evidence = {experiment.name: evidence_of(experiment, suite) for experiment in experiments}
    readings = {trait: read(scores) for trait, scores in evidence.items()}
    p_holm = corrected(readings)
    results = [trait_results(readings[e.name], e, suite, session.embedder, p_holm) for e in experiments]
    trials = [entry for experiment in experiments for entry in experiment.trials.items()]
    notes = [note for experiment in experiments for note in pool_notes(experiment, session.embedder)]
    notes += _memory_notes(suite.recipe.batch_size, trials) + _training_notes(trials)
    versions, commit = package_versions(), source_commit()
    rows = []
    for name, budget in dict.fromkeys(key for result in results for key in result):
        having = [each for each in zip(experiments, results, strict=True) if (name, budget) in each[1]]
        parts = [result[name, budget] for _, result in having]
        own = [s for experiment, _ in having for s in experiment.selections if s.filter.name == name]
        row = Row(
            filter=own[0].filter,
            suite=suite.file.name,
            suite_version=suite.file.version,
            budget=budget,
            seeds=list(suite.file.seeds),
            recipe=suite.recipe,
            traits={part.trait: part for part in parts},
            cost=_cost(own, budget, parts, trials, session.device),
            command=session.options.command,
            versions=versions,
            commit=commit,
            notes=notes,
        )
        rows.append(row)
    return write_rows(with_examples(session, experiments, rows), evidence, session.options.results)


def pool_notes(experiment: Experiment, embedder: Embedder) -> list[str]:
    """Say what a reader must know of a pool: cuts, near copies, how often each teacher shows the trait."""
    pool, trait = experiment.pool, experiment.trait
    notes = [*pool.notes, *experiment.notes, near_copies(experiment, embedder)]
    if same := identical_completions(pool):
        notes.append(f"{experiment.name}: {same}")
    if not pool.card.clean:
        notes.append(
            f"{experiment.name}: the pool has one teacher, so nothing can be patched and the untrained model stands in "
            "for `clean`; answer its prompts with another teacher (bench rollouts) to compare dropping with patching"
        )
    shares = []
    for teacher in pool.card.teachers:
        answers = [(row.prompt_text, row.completions[teacher]) for row in pool.rows]
        scores = score_answers(trait, answers, experiment.measurement.judge)
        if scores is not None:
            shown = np.mean(np.array(scores) >= trait.eval.threshold)
            shares.append(f"{100 * shown:.0f} % by {teacher}")
    if shares:
        notes.append(f"{experiment.name}: completions in the pool that show it, judged offline: {', '.join(shares)}")
    return [note for note in notes if note]


Entries = Sequence[tuple[tuple[Arm, int], Trial]]


def _cost(
    selections: Sequence[Selection], budget: float, parts: Sequence[TraitResult], trials: Entries, device: str
) -> Cost:
    """Add up what a row cost: the filter's own scoring, and its own arms; reference arms and controls are shared."""
    name = selections[0].filter.name
    own = [trial for (arm, _), trial in trials if arm.filter == name and arm.budget == budget]
    return Cost(
        share_flagged=sum(p.flagged for p in parts) / sum(p.pool_rows for p in parts),
        filter_seconds=sum(s.seconds for s in selections),
        train_seconds=sum(trial.train_seconds for trial in own),
        eval_seconds=sum(trial.scores.seconds for trial in own),
        device=device,
        memory_estimated=max((t.memory_estimated for _, t in trials if t.memory_estimated), default=None),
        memory_peak=max((t.memory_peak for _, t in trials if t.memory_peak), default=None),
    )


def _training_notes(trials: Entries) -> list[str]:
    """Say which arms were trained without what had failed."""
    arms = defaultdict(set)
    for (arm, _), trial in trials:
        if trial.note:
            arms[trial.note].add(arm.name)
    return [f"{note}; for {', '.join(sorted(names))}" for note, names in sorted(arms.items())]


def _memory_notes(batch_size: int, trials: Entries) -> list[str]:
    """Say which arms were trained or evaluated in smaller parts because memory ran out."""
    trained, answered = defaultdict(set), defaultdict(set)
    for (arm, _), trial in trials:
        if trial.rows_at_once:
            trained[trial.rows_at_once].add(arm.name)
        if trial.scores.answers_at_once:
            answered[trial.scores.answers_at_once].add(arm.name)
    return [
        f"memory did not suffice for a batch of {batch_size}: {rows} rows at a time, with gradients added up to those "
        f"of the batch, for {', '.join(sorted(arms))}"
        for rows, arms in sorted(trained.items())
    ] + [
        f"memory did not suffice for all prompts at once: answered {rows} at a time by {', '.join(sorted(arms))}"
        for rows, arms in sorted(answered.items())
    ]
