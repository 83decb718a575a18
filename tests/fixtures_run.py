"""Runs without a terminal, and what they log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.config.schema import ExperimentSettings
from bench.config.suite import Suite
from bench.data.experiment import Experiment
from bench.data.trait import Measurement, TraitSpec
from bench.execution.progress import Progress, log
from bench.execution.session import Options
from bench.leaderboard.row import Row
from bench.records import Pool
from bench.run import run

# A suite of few small trainings, and its recipe, which is to lie beside it as lora.toml.
TOGETHER = """
name = "together"
summary = "for tests"
recipe = "lora.toml"
seeds = [1]
budgets = [0.1]
filters = ["oracle"]
oracle_actions = []

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = 24
minimum_gap = 0.2
eval_prompts = 8
capability_prompts = 4
"""
LORA = 'name = "t"\nmodel = "tiny-llama"\nmethod = "lora"\nepochs = 1\nlearning_rate = 3e-3\nbatch_size = 8\n'


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect what the suite reports while it works."""
    handler, level = _Lines(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def run_quietly(suite: Suite, out: Path, **options: Any) -> tuple[list[Row], list[str]]:
    """Run a suite on the CPU; its rows, and what it reported."""
    with logged() as lines:
        results = run(Options(suite, out, "cpu", **options), Progress())
    return results.rows, lines


def experiment_on(pool: Pool, trait: TraitSpec, **settings: Any) -> Experiment:
    """An experiment on a pool that a test made, without prompts of its own."""
    source = {} if "world" in settings else {"pool": {"path": "pool.jsonl"}}
    keys = {"trait": trait.name, "minimum_gap": 0.2, **source, **settings}
    return Experiment(ExperimentSettings.model_validate(keys), pool, trait, Measurement(trait, "rules"))
