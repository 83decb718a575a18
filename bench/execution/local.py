"""Trials in this process: one after another, or many students at once where that is the path."""

from collections.abc import Sequence

from bench.execution.batched import train_and_ask_together
from bench.execution.executor import Task
from bench.execution.trials import Bench


class LocalExecutor:
    """Does tasks with the base model loaded once."""

    def __init__(self, students_at_once: int | None = None) -> None:
        """Say how many students share a group on the stacked path; None for as many as fit the device."""
        self._at_once = students_at_once

    def run(self, bench: Bench, tasks: Sequence[Task]) -> None:
        """Do what the store lacks; see `bench.execution.executor.Executor`."""
        many = bench.device != "cpu" if self._at_once is None else self._at_once > 1
        if many and bench.trainer.path == "stacked" and not bench.rejudging:
            train_and_ask_together(bench, tasks, self._at_once)
            return
        for task in tasks:
            task.result(bench)
