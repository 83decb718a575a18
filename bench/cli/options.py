"""The options of `bench run` and `bench diff` about where trainings and evaluations run."""

import functools
from collections.abc import Callable
from typing import Any

import click

OPTIONS = (
    click.option(
        "--executor",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="local: one after another in this process. ray: each training and each evaluation a Ray task.",
    ),
    click.option("--address", help="Ray cluster to join, host:port or auto; without it Ray is started here."),
    click.option(
        "--cpus-per-task",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="CPU cores and torch threads of a Ray task.",
    ),
    click.option(
        "--gpus-per-task", type=float, help="Share of a GPU that a Ray task takes; 1 unless given, where there is one."
    ),
    click.option(
        "--students-at-once",
        type=click.IntRange(min=1),
        help="LoRA students trained and asked together by --executor local; on a GPU as many as fit, else 1.",
    ),
)


def execution_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add these options to a command, which gets them as one argument `execution`."""

    @functools.wraps(command)
    def with_execution(
        *,
        executor: str,
        address: str | None,
        cpus_per_task: int,
        gpus_per_task: float | None,
        students_at_once: int | None,
        **others: Any,
    ) -> None:
        from bench.execution.executor import Execution

        execution = Execution(executor, address, cpus_per_task, gpus_per_task, students_at_once)
        command(execution=execution, **others)

    for option in reversed(OPTIONS):
        with_execution = option(with_execution)
    return with_execution
