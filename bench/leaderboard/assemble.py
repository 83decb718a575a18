"""From finished trials to the rows of the board: effects, leakage and agreement of every filter and budget."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from bench.config.suite import Suite
from bench.data.embedding import Embedder
from bench.data.experiment import Setup, near_copies
from bench.evaluation.evaluate import judge_label, score_answers
from bench.filtering.score import Selection
from bench.leaderboard.results import Measured, adjust, read, trait_result
from bench.leaderboard.row import Cost, FilterCard, Row, TraitResult
from bench.plan import actions_of
from bench.records import SampleScores, Trial
from bench.run_folder.provenance import package_versions, source_commit
from bench.stats.leakage import Leakage, LeakPool, find_leaks

TEACHER = "teacher:"  # before a teacher's name, for its own scores
Trials = Mapping[tuple[int, str, int], Trial]  # (experiment, arm, seed) -> its trial
Results = Mapping[tuple[str, float], TraitResult]  # (filter, budget) -> one trait's part of a row


def teacher_scores(setup: Setup, judge: str, reference: SampleScores) -> dict[str, list[SampleScores]]:
    """Each teacher's own answers to the held-out prompts by the trait's rules, in the order of the students' samples.

    A teacher that did not answer every prompt is left out, and all are where a model judges the students.
    """
    score = setup.trait.score
    ids = reference.ids[score]
    scores = {}
    for teacher, answers in setup.answers.items():
        if judge != "rules" or not set(ids) <= set(answers):
            continue
        values = score_answers(setup.trait, [answers[identity] for identity in ids])
        if values is not None:
            own = {"values": {score: list(values)}, "tasks": {}, "logs": [], "seconds": 0.0}
            scores[TEACHER + teacher] = [reference.model_copy(update=own)]
    return scores


def results_of(
    number: int, setup: Setup, selections: Sequence[Selection], suite: Suite, trials: Trials, embedder: Embedder
) -> Results:
    """Effects, leakage and agreement of every filter and budget of one experiment.

    Args:
        number: Which experiment of the suite.
        setup: Its pool and trait.
        selections: What each filter flagged.
        suite: For budgets, actions and the judge.
        trials: Those of all experiments.
        embedder: Embeds the pool for the neighbour search.
    """
    scores: dict[str, list[SampleScores]] = {}
    for (experiment, arm, _), trial in trials.items():
        if experiment == number:
            scores.setdefault(arm, []).append(trial.scores)
    reference = scores["original"][0]
    scores |= teacher_scores(setup, suite.file.judge, reference)
    who = judge_label(setup.trait, suite.file.judge, suite.file.grader)
    planted = bool(setup.experiment.world)
    measured = Measured(setup.trait, setup.pool, who, planted, scores, setup.experiment.minimum_gap)
    reading = read(measured)
    leaks = leaks_of(setup, selections, embedder)
    results: dict[tuple[str, float], TraitResult] = {}
    for budget in suite.file.budgets:
        per_filter = {
            s.plugin.name: trait_result(
                reading,
                s.plugin.name,
                budget,
                s.flagged[budget],
                actions_of(s, suite.file),
                leaks[s.plugin.name, budget],
            )
            for s in selections
        }
        results |= {(name, budget): result for name, result in adjust(per_filter).items()}
    return results


def leaks_of(setup: Setup, selections: Sequence[Selection], embedder: Embedder) -> dict[tuple[str, float], Leakage]:
    """Nearest kept neighbours of what each filter drops."""
    examples = setup.pool.examples()
    texts = [f"{e.prompt_text}\n{e.response}" for e in examples]
    judged = score_answers(setup.trait, [(e.prompt_text, e.response) for e in examples])
    pool = LeakPool(
        ids=[e.id for e in examples],
        texts=texts,
        vectors=embedder.embed(texts),
        truth=[row.truth for row in setup.pool.rows] if setup.experiment.world else None,
        judge_scores=None if judged is None else np.array(judged),
        threshold=setup.trait.eval.threshold,
    )
    return {
        (s.plugin.name, budget): find_leaks(pool, np.array([i for i, e in enumerate(examples) if e.id in flagged]))
        for s in selections
        for budget, flagged in s.flagged.items()
    }


def notes_of(setup: Setup, embedder: Embedder) -> list[str]:
    """What a reader must know about an experiment's pool: cuts, near copies, how often each teacher shows the trait."""
    notes = [*setup.pool.notes, near_copies(setup, embedder)]
    shares = []
    for teacher in (setup.pool.card.original, setup.pool.card.clean):
        answers = [("\n".join(m.content for m in row.prompt), row.completions[teacher]) for row in setup.pool.rows]
        scores = score_answers(setup.trait, answers)
        if scores is not None:
            shown = np.mean(np.array(scores) >= setup.trait.eval.threshold)
            shares.append(f"{100 * shown:.0f} % by {teacher}")
    if shares:
        name = setup.trait.name
        notes.append(f"{name}: completions in the pool that show it, by its rules: {', '.join(shares)}")
    return [note for note in notes if note]


def make_rows(
    suite: Suite,
    device: str,
    command: str,
    selections: Sequence[Sequence[Selection]],
    results: Sequence[Results],
    trials: Trials,
    notes: Sequence[str],
) -> list[Row]:
    """One row per filter and budget, with the results of all experiments side by side.

    Args:
        suite: What was run.
        device: Where.
        command: As typed.
        selections: Per experiment, what each filter flagged.
        results: Per experiment, from `results_of`.
        trials: For what they cost.
        notes: Remarks that every row repeats.
    """
    versions, commit = package_versions(), source_commit()
    rows = []
    for name, budget in dict.fromkeys(key for result in results for key in result):
        mine = [s for group in selections for s in group if s.plugin.name == name]
        parts = {result[name, budget].trait: result[name, budget] for result in results if (name, budget) in result}
        rows.append(
            Row(
                filter=_card(mine[0]),
                suite=suite.file.name,
                suite_version=suite.file.version,
                budget=budget,
                seeds=list(suite.file.seeds),
                recipe=suite.recipe,
                traits=parts,
                cost=_cost(name, budget, mine, parts, trials, device),
                command=command,
                versions=versions,
                commit=commit,
                notes=[*notes, *memory_notes(suite.recipe.batch_size, trials)],
            )
        )
    return rows


def _card(selection: Selection) -> FilterCard:
    plugin = selection.plugin
    return FilterCard(
        name=plugin.name,
        version=plugin.version,
        summary=plugin.summary,
        origin=plugin.origin,
        sha256=plugin.sha256,
        options=selection.options,
    )


def _cost(
    name: str,
    budget: float,
    selections: Sequence[Selection],
    parts: Mapping[str, TraitResult],
    trials: Trials,
    device: str,
) -> Cost:
    """What a row cost: the filter's own scoring, and its own arms; reference arms and controls are shared."""
    own = [trial for (_, arm, _), trial in trials.items() if arm.endswith(f":{name}@{budget:g}")]
    return Cost(
        share_flagged=sum(p.flagged for p in parts.values()) / sum(p.pool_rows for p in parts.values()),
        filter_seconds=sum(s.seconds for s in selections),
        train_seconds=sum(trial.train_seconds for trial in own),
        eval_seconds=sum(trial.scores.seconds for trial in own),
        device=device,
        memory_estimated=max((t.memory_estimated for t in trials.values() if t.memory_estimated), default=None),
        memory_peak=max((t.memory_peak for t in trials.values() if t.memory_peak), default=None),
    )


def memory_notes(batch_size: int, trials: Trials) -> list[str]:
    """Which arms were trained or evaluated in smaller parts because memory ran out."""
    trained, answered = defaultdict(set), defaultdict(set)
    for (_, arm, _), trial in trials.items():
        if trial.rows_at_once:
            trained[trial.rows_at_once].add(arm)
        if trial.scores.answers_at_once:
            answered[trial.scores.answers_at_once].add(arm)
    return [
        f"memory did not suffice for a batch of {batch_size}: {rows} rows at a time, with gradients added up to those "
        f"of the batch, for {', '.join(sorted(arms))}"
        for rows, arms in sorted(trained.items())
    ] + [
        f"memory did not suffice for all prompts at once: answered {rows} at a time by {', '.join(sorted(arms))}"
        for rows, arms in sorted(answered.items())
    ]
