"""Rows that are longer than the recipe allows: all of them are named before anything is scored or trained."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.config.recipe import Recipe
from bench.config.schema import SuiteFile
from bench.data.edit import edit_of, with_system
from bench.data.experiment import Experiment
from bench.data.pool_summary import TokenSummary
from bench.errors import BenchError
from bench.execution.job import Job
from bench.models.encode import encode, too_long
from bench.records import Pool, PoolRow, TrainingRow
from bench.training.steering import NO_PROMPT

AT_ONCE = 2000  # rows that are rendered together
SHOWN = 5
Labelled = Iterable[tuple[str, TrainingRow]]  # rows, each with what an error calls it


@dataclass(frozen=True)
class Remedy:
    """What to change where rows are too long.

    Attributes:
        rows: Of a user's pool, whose texts the suite file can cut; none for a synthetic pool.
        table: Of the suite file that cuts them.
        system: The longest system message that an action puts before them.
        otherwise: What else there is to do.
        bound: Whether the run folder keeps its recipe, as students are stored in it.
    """

    rows: Sequence[PoolRow] = ()
    table: str = "[experiments.pool]"
    system: str = ""
    otherwise: str = ""
    bound: bool = False


def pool_texts(pool: Pool, teachers: Iterable[str]) -> Iterator[tuple[str, TrainingRow]]:
    """Yield every row of a pool and its reserve with the completion of each of these teachers that answered it."""
    for teacher in dict.fromkeys(teachers):
        for row in pool.candidates:
            if teacher in row.completions:
                yield f"{row.id} ({teacher})", TrainingRow(row.id, row.prompt, row.completions[teacher])


def experiment_texts(experiment: Experiment, file: SuiteFile) -> Iterator[tuple[str, TrainingRow]]:
    """Yield every text that an action may train on, whatever is flagged; what filters put in themselves is not known.

    Args:
        experiment: Its pool and trait.
        file: For its actions: some add a system message, or are steered by exemplars.
    """
    pool, options = experiment.pool, file.action_options
    other = [options.regenerate] if "regenerate" in file.every_action else []
    yield from pool_texts(pool, [*pool.card.teachers, *other])
    for action in sorted(file.every_action):
        edit = edit_of(action, {row.id for row in pool.rows}, experiment.trait, options)
        if edit.system:
            for row in pool.rows:
                bare = TrainingRow(row.id, row.prompt, row.completions[pool.card.original])
                yield f"{row.id} ({action})", edit(bare)
        if edit.steering:
            for text in (*edit.steering.exemplars, *edit.steering.counter_exemplars):
                yield f"exemplar {text[:20]!r}", TrainingRow("an exemplar of the trait", NO_PROMPT, text)


def job_texts(jobs: Iterable[Job]) -> Iterator[tuple[str, TrainingRow]]:
    """Yield the rows of jobs, those that several share once."""
    for rows, name in {id(job.rows): (job.rows, job.arm.name) for job in jobs}.values():
        for row in rows or ():
            yield f"{row.id} in {name}", row


def remedy_of(experiment: Experiment, file: SuiteFile) -> Remedy:
    """Say what to change where rows of an experiment are too long."""
    edits = [edit_of(action, (), experiment.trait, file.action_options) for action in file.every_action]
    rows = () if experiment.settings.world else experiment.pool.candidates
    return Remedy(rows, system=max((edit.system for edit in edits), key=len, default=""))


class RowLengths:
    """The rows that are known to fit a recipe."""

    def __init__(self, recipe: Recipe, tokenizer: Any) -> None:
        """Start with no row known to fit."""
        self._recipe, self._tokenizer = recipe, tokenizer
        self._fitting: set[int] = set()

    def check(self, where: str, texts: Labelled, remedy: Remedy = Remedy()) -> None:
        """Refuse rows that are longer than the recipe's `max_length`, all at once.

        Args:
            where: What the error is about.
            texts: The rows.
            remedy: What the error advises.

        Raises:
            BenchError: If there are such rows, or the chat template cannot render one.
        """
        found: dict[str, int] = {}
        fresh: dict[int, tuple[str, TrainingRow]] = {}
        for label, row in texts:
            key = hash((row.prompt, row.completion))
            if key not in self._fitting:
                fresh.setdefault(key, (label, row))
            if len(fresh) == AT_ONCE:
                found |= self._long(fresh)
                fresh = {}
        found |= self._long(fresh)
        if found:
            raise self._error(where, found, remedy)

    def _long(self, fresh: Mapping[int, tuple[str, TrainingRow]]) -> dict[str, int]:
        rows = list(fresh.values())
        found = too_long(self._tokenizer, [row for _, row in rows], self._recipe.max_length)
        self._fitting |= {key for i, key in enumerate(fresh) if i not in found}
        return {rows[i][0]: tokens for i, tokens in found.items()}

    def _added(self, remedy: Remedy) -> int:
        """Return the tokens that the system message of an action adds to a row."""
        prompt = next((row.prompt for row in remedy.rows if row.prompt[0].role != "system"), remedy.rows[0].prompt)
        both = [TrainingRow("", turns, "a") for turns in (with_system(prompt, remedy.system), prompt)]
        longer, bare = (len(encode(self._tokenizer, row, sys.maxsize).ids) for row in both)
        return longer - bare

    def _error(self, where: str, found: Mapping[str, int], remedy: Remedy) -> BenchError:
        limit, longest = self._recipe.max_length, max(found.values())
        shown = ", ".join(f"{label} {tokens:,} tokens" for label, tokens in list(found.items())[:SHOWN])
        more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        many = f"{len(found):,} rows are" if len(found) > 1 else "1 row is"
        recipe = f"set max_length = {longest} in a recipe of your own"
        advice = [f"{recipe}, with another --out" if remedy.bound else recipe]
        if remedy.rows:
            cut = TokenSummary.of(remedy.rows, self._tokenizer, limit - self._added(remedy))
            if cut.completion_tokens:
                keys = [f"completion_tokens = {cut.completion_tokens}"]
                keys += [f"max_prompt_tokens = {cut.max_prompt_tokens}"] if cut.max_prompt_tokens else []
                advice.append(f"{' and '.join(keys)} under {remedy.table}, which cut or leave out what is longer")
        if remedy.otherwise:
            advice.insert(0, remedy.otherwise)
        return BenchError(
            where,
            seen=f"{many} too long: {shown}{more}; the longest has {longest:,} tokens",
            expected=f"at most {limit:,} tokens with the chat template (max_length of recipe {self._recipe.name!r})",
            remedy="; or ".join(advice),
        )
