"""Pick the examples of each row of a finished run: what was flagged and missed, and the students' answers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import get_args

import numpy as np

from bench.arms import ORIGINAL, filter_arm
from bench.data.experiment import Experiment
from bench.evaluation.judging import score_answers
from bench.evaluation.stored_answers import StoredAnswer, read_answers
from bench.execution.session import Session
from bench.execution.stored import EVALS
from bench.filtering.plugins import built_in_files
from bench.filtering.select import resolved
from bench.leaderboard.example_files import (
    ANSWER_BYTES,
    GROUP_BYTES,
    KINDS,
    MOST,
    SOURCE_BYTES,
    Answer,
    Excerpt,
    FilterSource,
    Group,
    Kind,
    Label,
    PromptAnswers,
    RowExamples,
    ScoreCounts,
    Text,
    TraitExamples,
    fitting,
    write_examples,
)
from bench.leaderboard.row import Row, row_file
from bench.outcomes import FilterCard, Selection, Trial
from bench.records import Action, PoolRow

ACTED: tuple[Action, ...] = ("drop", "drop_refill", "patch")  # whose students' answers are kept, where they were run
BINS = 48  # of the distribution of scores
PROMPTS = 1_000  # held-out prompts; in practice the size in bytes decides
stored_answers = cache(read_answers)  # all rows of a run show those of `original`


def with_examples(session: Session, experiments: Sequence[Experiment], rows: Sequence[Row]) -> list[Row]:
    """Write the examples of each row beside it, unless the user wants none, and let the row name its file.

    Args:
        session: For the run folder and its store of logs.
        experiments: Finished.
        rows: Of these experiments.

    Raises:
        BenchError: If a file cannot be written.
    """
    excerpts = [Excerpts(session, experiment) for experiment in experiments]
    named = []
    for row in rows:
        file = f"examples/{row_file(row)}"
        if not session.options.examples:
            (session.options.results / file).unlink(missing_ok=True)
            named.append(row)
            continue
        traits = {e.experiment.name: e.of_row(row) for e in excerpts if e.experiment.name in row.traits}
        record = RowExamples(source=filter_source(session, row.filter), traits=traits)
        digest = write_examples(session.options.results / file, record)
        named.append(row.model_copy(update={"examples": {file: digest}}))
    return named


def filter_source(session: Session, card: FilterCard) -> FilterSource:
    """Return the file that a card has the hash of, with its text where that is short; nothing is executed.

    Of a filter that an installed package brings, only the package is named.
    """
    specs = [*resolved(session.suite, session.suite.file.filters), *session.options.filters]
    for path in [*built_in_files(), *(Path(spec).expanduser() for spec in specs if spec.endswith(".py"))]:
        source = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(source).hexdigest() == card.sha256:
            text = source.decode(errors="replace") if len(source) <= SOURCE_BYTES else ""
            return FilterSource(file=path.name, text=text)
    return FilterSource(file=Path(card.origin).name)


@dataclass
class Excerpts:
    """Texts of one experiment; what all of its rows share is worked out once."""

    session: Session
    experiment: Experiment

    def of_row(self, row: Row) -> TraitExamples:
        """Gather one row's examples."""
        experiment = self.experiment
        selection = next(s for s in experiment.selections if s.filter.name == row.filter.name)
        flagged = selection.flagged[row.budget]
        runs = self._runs(row)
        prompts, answers = self._answers(runs)
        return TraitExamples(
            by="planted truth" if experiment.planted else "judge" if self._judged else "not judged",
            rows=len(experiment.pool.rows),
            flagged=len(flagged),
            groups=self._groups(selection, flagged),
            scores=score_counts(self._labels, selection.scores, flagged),
            threshold=experiment.trait.eval.threshold,
            prompts=prompts,
            answers=answers,
            seeds=row.seeds,
            logs={arm: [self._log_folder(trial) for trial in trials] for arm, trials in runs.items()},
        )

    @cached_property
    def _judged(self) -> dict[str, float]:
        """Scores of an offline judge by id, where the truth is not planted and there is such a judge; not nan."""
        if self.experiment.planted:
            return {}
        pool, trait = self.experiment.pool, self.experiment.trait
        answers = [(example.prompt_text, example.response) for example in pool.examples()]
        scores = score_answers(trait, answers, self.experiment.measurement.judge) or []
        return {row.id: score for row, score in zip(pool.rows, scores, strict=False) if np.isfinite(score)}

    @cached_property
    def _labels(self) -> dict[str, Label]:
        """Say of each row of the pool whether it carries the trait, by planted truth or by the judge."""
        rows, threshold = self.experiment.pool.rows, self.experiment.trait.eval.threshold
        truth = self.experiment.truth(rows)
        if truth is not None:
            return {row.id: label for row, label in zip(rows, truth, strict=True)}
        if not self._judged:
            return {row.id: "unknown" for row in rows}
        return {row.id: "overt" if self._judged.get(row.id, -np.inf) >= threshold else "none" for row in rows}

    def _groups(self, selection: Selection, flagged: frozenset[str]) -> dict[Kind, Group]:
        rows = self.experiment.pool.rows
        descending = np.sort([-selection.scores[row.id] for row in rows])
        members: dict[Kind, list[Excerpt]] = {}
        for row in sorted(rows, key=lambda row: (-selection.scores[row.id], row.id)):
            kind = KINDS.get((row.id in flagged, self._labels[row.id]))
            if kind:
                rank = 1 + int(np.searchsorted(descending, -selection.scores[row.id]))
                members.setdefault(kind, []).append(self._excerpt(row, selection, rank))
        return {
            kind: Group(total=len(members[kind]), shown=fitting(members[kind], MOST, GROUP_BYTES))
            for kind in KINDS.values()
            if kind in members
        }

    def _excerpt(self, row: PoolRow, selection: Selection, rank: int) -> Excerpt:
        card = self.experiment.pool.card
        patch = selection.patches.get(row.id) or (row.completions[card.clean] if card.clean else None)
        return Excerpt(
            id=row.id,
            prompt=Text.of(row.prompt_text),
            original=Text.of(row.completions[card.original]),
            patch=None if patch is None else Text.of(patch),
            score=selection.scores[row.id],
            rank=rank,
            judged=self._judged.get(row.id),
        )

    def _runs(self, row: Row) -> dict[str, list[Trial]]:
        """Return the trials of `original` and of the row's own arms in order of training seeds."""
        trials = {(arm.name, seed): trial for (arm, seed), trial in self.experiment.trials.items()}
        own = [filter_arm(action, row.filter.name, row.budget).name for action in ACTED]
        return {
            arm: [trials[arm, seed] for seed in row.seeds]
            for arm in (ORIGINAL.name, *own)
            if (arm, row.seeds[0]) in trials
        }

    def _answers(self, runs: Mapping[str, Sequence[Trial]]) -> tuple[int, list[PromptAnswers]]:
        """Return the number of held-out prompts, and the answers to the first of them."""
        score = self.experiment.trait.score
        texts = {arm: self._texts(trials[0]) for arm, trials in runs.items()}
        scores = {arm: [_by_id(trial, score) for trial in trials] for arm, trials in runs.items()}
        ids = list(scores[ORIGINAL.name][0])
        prompts = [
            PromptAnswers(
                id=identity,
                prompt=Text.of(texts[ORIGINAL.name][identity].prompt),
                answers={
                    arm: Answer(text=Text.of(found[identity].text), scores=[own.get(identity) for own in scores[arm]])
                    for arm, found in texts.items()
                    if identity in found
                },
            )
            for identity in ids
            if identity in texts[ORIGINAL.name]
        ]
        return len(ids), fitting(prompts, PROMPTS, ANSWER_BYTES)

    def _texts(self, trial: Trial) -> dict[str, StoredAnswer]:
        return stored_answers(self.session.options.out / self._log_folder(trial) / trial.scores.logs[0])

    def _log_folder(self, trial: Trial) -> str:
        """Return where an evaluation's logs lie, from the run folder on."""
        key = self.session.main.eval_key(trial.student, self.experiment.measurement)
        return self.session.store.folder(EVALS, key).relative_to(self.session.options.out).as_posix()


def score_counts(labels: Mapping[str, Label], scores: Mapping[str, float], flagged: frozenset[str]) -> ScoreCounts:
    """Count the scores of a pool's rows in bins, by label.

    Args:
        labels: Id of each row of the pool -> its label.
        scores: Id -> score, of these rows and possibly others.
        flagged: Ids of the flagged rows, at least one.
    """
    values = np.array([scores[identity] for identity in labels])
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    of_rows = np.array(list(labels.values()))
    present: list[Label] = [label for label in get_args(Label) if label in labels.values()]
    cut = min(scores[identity] for identity in flagged)
    return ScoreCounts(
        low=low,
        high=high,
        counts={label: np.histogram(values[of_rows == label], BINS, (low, high))[0].tolist() for label in present},
        cut=cut,
        at_cut=int(np.sum(values == cut)),
        flagged_at_cut=sum(scores[identity] == cut for identity in flagged),
    )


def _by_id(trial: Trial, score: str) -> dict[str, float | None]:
    """Return the scores of a trial by sample."""
    return dict(zip(trial.scores.ids[score], trial.scores.values[score], strict=True))
