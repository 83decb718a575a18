"""Experiments: a pool and a trait, with the proof that eval prompts are held out."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.config.schema import DataSource, ExperimentSettings, SuiteFile
from bench.config.suite import HIDDEN, Suite
from bench.data.embedding import Embedder
from bench.data.judge import check_scope
from bench.data.pool import clip_completions, hash_rows, load_pool
from bench.data.pool_files import format_of
from bench.data.prompts import normalised, read_prompts
from bench.data.queries import load_queries
from bench.data.reserve import with_reserve
from bench.data.trait import Measurement, TraitSpec, load_trait
from bench.errors import BenchError, unknown
from bench.outcomes import SampleScores, Selection, Trial, TrialKey
from bench.records import Pool, PoolCard, PoolRow, Query, Truth
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

HIDDEN_SEED = "a hidden seed"  # in the name of a pool that was drawn from a secret
NEAR_COPY = 0.95  # cosine similarity of prompts from which a pool prompt is called a near copy of an eval prompt


@dataclass
class Experiment:
    """One trait on one pool, and what a run adds to it: flagged sets, then finished trials.

    Attributes:
        settings: The suite's entry.
        pool: The examples.
        trait: The behaviour.
        measurement: What is measured of every student.
        eval_texts: Texts of the held-out prompts.
        answers: Teacher -> prompt id -> (prompt, its answer), for held-out prompts that come with answers.
        queries: The trait's queries, which filters that read the model may see.
        selections: What each filter flagged.
        trials: Arm and seed -> finished trial.
        notes: What a reader must know of what could not be done, such as a filter that was left out.
    """

    settings: ExperimentSettings
    pool: Pool
    trait: TraitSpec
    measurement: Measurement
    eval_texts: tuple[str, ...] = ()
    answers: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    queries: tuple[Query, ...] = ()
    selections: list[Selection] = field(default_factory=list)
    trials: dict[TrialKey, Trial] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The trait's name, which is unique within a suite."""
        return self.trait.name

    @property
    def planted(self) -> bool:
        """Whether the pool's truth labels were planted by a generator."""
        return bool(self.settings.world)

    def truth(self, rows: Sequence[PoolRow]) -> tuple[Truth, ...] | None:
        """Return the planted truth of rows, or None for a pool without."""
        return tuple(row.truth or "none" for row in rows) if self.planted else None

    def scores(self) -> dict[str, list[SampleScores]]:
        """Return the scores of each arm by name, one entry a training seed."""
        found: dict[str, list[SampleScores]] = {}
        for (arm, _), trial in self.trials.items():
            found.setdefault(arm.name, []).append(trial.scores)
        return found


def load_experiments(suite: Suite, tokenizer: Callable[[], Any]) -> list[Experiment]:
    """Load every experiment of a suite.

    Raises:
        BenchError: From `load_experiment`, or if two experiments are about one trait.
    """
    experiments = [load_experiment(settings, suite, tokenizer) for settings in suite.file.experiments]
    names = [experiment.name for experiment in experiments]
    if len(set(names)) < len(names):
        raise BenchError(
            "suite",
            seen=f"traits named {', '.join(names)}",
            expected="a name for each, as rows hold one result a trait",
            remedy="rename one in its trait file",
        )
    return experiments


def load_experiment(settings: ExperimentSettings, suite: Suite, tokenizer: Callable[[], Any]) -> Experiment:
    """Load one experiment's trait and pool, and refuse a pool that holds an eval prompt.

    Args:
        settings: The suite's entry.
        suite: For its folder, from which relative paths start, and its judge.
        tokenizer: Loads the student's tokenizer; called only where texts are measured in tokens.

    Raises:
        BenchError: For a bad pool, an unknown synthetic pool, an eval prompt that occurs in the pool, or a judge
            that was not made for the pool's texts.
    """
    trait, file = load_trait(settings.trait, suite.folder), suite.file
    if trait.eval.scorer == "model" and not file.grader:
        raise BenchError(
            f"suite {file.name!r}",
            seen=f"no grader, though trait {trait.name!r} is judged by a model",
            expected="grader = an Inspect model such as 'openai/gpt-4o' or 'hf/org/model'",
            remedy="add it to the suite file",
        )
    check_scope(trait, file.judge, synthetic=bool(settings.world))
    # A task of the user's that keeps its own prompts has none to compare.
    prompts = read_prompts(trait.prompts, settings.eval_prompts) if os.path.isfile(trait.prompts) else []
    texts = tuple(_text(prompt["input"]) for prompt in prompts)
    pool = with_reserve(read_source(settings, suite, tokenizer, trait, texts), settings, suite, texts)
    _check_held_out(pool, trait, texts)
    if not pool.card.clean and "drop" not in file.actions:
        raise BenchError(
            f"suite {file.name!r}",
            seen=f"actions {', '.join(file.actions)} on pool {pool.card.name!r}, which has one teacher",
            expected="'drop' among the actions, which needs no clean completions",
            remedy="add it, or answer the pool's prompts with another teacher: bench rollouts",
        )
    answers: dict[str, dict[str, tuple[str, str]]] = {}
    for text, prompt in zip(texts, prompts, strict=True):
        for teacher, answer in (prompt.get("answers") or {}).items():
            answers.setdefault(teacher, {})[prompt["id"]] = (text, answer)
    measurement = measurement_of(trait, settings, file)
    queries = load_queries(trait, {normalised(text) for text in texts})
    return Experiment(settings, pool, trait, measurement, texts, answers, queries)


def measurement_of(trait: TraitSpec, settings: ExperimentSettings, file: SuiteFile) -> Measurement:
    """Return what a suite measures of an experiment's students."""
    return Measurement(trait, file.judge, file.grader, settings.eval_prompts, settings.capability_prompts)


def read_source(
    source: DataSource, suite: Suite, tokenizer: Callable[[], Any], trait: TraitSpec, held_out: tuple[str, ...]
) -> Pool:
    """Read or draw a pool, and refuse one that holds an eval prompt; `held_out` are their texts, the rest as above."""
    pool = _world_pool(source, held_out) if source.world else _user_pool(source, suite, tokenizer)
    _check_held_out(pool, trait, held_out)
    return pool


def _check_held_out(pool: Pool, trait: TraitSpec, held_out: tuple[str, ...]) -> None:
    texts = {normalised(text) for text in held_out}
    found = [row.id for row in pool.candidates if normalised(row.prompt_text) in texts]
    if found:
        raise BenchError(
            f"pool {pool.card.name!r}",
            seen=f"eval prompts of trait {trait.name!r} among its rows: {', '.join(found[:10])}",
            expected="held-out eval prompts",
            remedy="take those rows out of the pool, or those prompts out of the eval",
        )


def _text(turns: str | list[dict[str, str]]) -> str:
    return turns if isinstance(turns, str) else "\n".join(turn["content"] for turn in turns)


def identical_completions(pool: Pool) -> str:
    """Return a remark on rows for which both teachers gave the same completion, or "" where there are none."""
    card = pool.card
    same = sum(row.completions[card.original] == row.completions[card.clean] for row in pool.rows) if card.clean else 0
    if not same:
        return ""
    said = f"{same} of {len(pool.rows)} rows have identical completions by {card.original} and {card.clean}"
    return said if same < len(pool.rows) else f"{said}: original and clean are the same training, so nothing can differ"


def near_copies(experiment: Experiment, embedder: Embedder) -> str:
    """Return a remark on pool prompts that nearly equal an eval prompt, or "" where there are none."""
    import numpy as np

    if not experiment.eval_texts:
        return ""
    pool = embedder.embed([row.prompt_text for row in experiment.pool.candidates])
    closest = (embedder.embed(list(experiment.eval_texts)) @ pool.T).max(axis=1)
    count = int(np.sum(closest >= NEAR_COPY))
    if not count:
        return ""
    return (
        f"{count} of {len(closest)} eval prompts have a near copy in the pool (cosine similarity {NEAR_COPY} or more)"
    )


def _world_pool(source: DataSource, held_out: tuple[str, ...]) -> Pool:
    if source.world not in WORLDS:
        raise unknown("synthetic pool", source.world, list(WORLDS))
    world = WORLDS[source.world]
    rows = tuple(build_rows(world, source.rows, source.world_seed, held_out, source.shares))
    seed = HIDDEN_SEED if source.world_seed >= HIDDEN else f"seed {source.world_seed}"
    card = PoolCard(
        name=f"{source.world} world, {seed}",
        licence="Apache-2.0",
        original=ORIGINAL,
        clean=CLEAN,
    )
    return Pool(card, rows, hash_rows(rows))


def _user_pool(data: DataSource, suite: Suite, tokenizer: Any) -> Pool:
    source = data.pool
    assert source is not None  # the suite file has either world or pool
    path: str | dict[str, str]
    if isinstance(source.path, str):
        path = _located(source.path, suite.folder)
    else:
        path = {teacher: _located(file, suite.folder) for teacher, file in source.path.items()}
    pool = load_pool(path, source.card, source.columns, source.rows, source.split, source.config)
    if source.max_prompt_tokens:
        pool = _without_long_prompts(pool, tokenizer(), source.max_prompt_tokens)
    if source.completion_tokens:
        pool = clip_completions(pool, tokenizer(), source.completion_tokens)
    return pool


def _located(path: str, folder: Path) -> str:
    """Return a path from the suite's folder on; what is neither a data file nor there is a dataset id."""
    local = folder / Path(path).expanduser()
    return str(local) if format_of(local)[0] or os.path.exists(local) else path


def _without_long_prompts(pool: Pool, tokenizer: Any, limit: int) -> Pool:
    def length(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    rows = tuple(row for row in pool.rows if sum(length(m.content) for m in row.prompt) <= limit)
    if not rows:
        raise BenchError(
            f"pool {pool.card.name!r}",
            seen=f"every prompt is longer than max_prompt_tokens = {limit}",
            expected="some that are not",
            remedy="raise max_prompt_tokens",
        )
    left_out = len(pool.rows) - len(rows)
    note = f"{left_out} of {len(pool.rows)} rows left out: prompts of more than {limit} tokens, as the suite asks"
    return replace(pool, rows=rows, sha256=hash_rows(rows), notes=(*pool.notes, note))
