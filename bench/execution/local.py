"""Trials one after another in this process."""

from collections.abc import Sequence

from bench.execution.tasks import Task
from bench.trials import Bench


class LocalExecutor:
    """Does tasks in their order, with the base model loaded once."""

    def run(self, bench: Bench, tasks: Sequence[Task]) -> None:
        """Do what the store lacks; see `bench.execution.tasks.Executor`."""
        for task in tasks:
            task.result(bench)
