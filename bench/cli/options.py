"""What commands share: the console, common options, and those about where trainings and evaluations run."""

import functools
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from bench.config.suite import Suite, load_suite, with_pool, with_pool_seed
from bench.execution.executor import Execution
from bench.secrets import REDACTED, SECRET
from bench.training.served import ENGINES

console = Console()

OUT = click.option("--out", type=click.Path(path_type=Path), help="Run folder; out/SUITE unless given.")
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
FILTERS = click.option("--filter", "filters", multiple=True, help="A further filter: name or path of a .py file.")
POOL = click.option(
    "--pool",
    type=click.Path(path_type=Path),
    help="Pool file or folder to use in place of the one that the suite file names.",
)
POOL_SEED = click.option(
    "--pool-seed",
    metavar="SECRET",
    envvar="SIEVEBENCH_POOL_SEED",
    show_envvar=True,
    help="Draw synthetic pools from this secret, so that no filter's author can draw them too (docs/security.md). "
    "Better as a variable: other users of this machine see command lines.",
)
EXECUTION = (
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
        help="LoRA students trained and evaluated side by side by --executor local; on a GPU as many as fit, else 1.",
    ),
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=ENGINES[0],
        show_default=True,
        help="What answers eval prompts. vllm: LoRA students as adapters of one vLLM in this process.",
    ),
    click.option(
        "--compile/--no-compile",
        "compiled",
        default=None,
        help="Train LoRA students with compiled layers and recorded steps; on a GPU unless --no-compile is given, "
        "layers where the work is worth it.",
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
        compiled: bool | None,
        engine: str,
        **others: Any,
    ) -> None:
        execution = Execution(
            executor, address, cpus_per_task, gpus_per_task, students_at_once, compiled=compiled, engine=engine
        )
        command(execution=execution, **others)

    for option in reversed(EXECUTION):
        with_execution = option(with_execution)
    return with_execution


def suite_on(name: str, pool: Path | None, secret: str | None = None) -> Suite:
    """Load a suite on another pool, or on synthetic pools drawn from a secret, where one is given."""
    suite = load_suite(name)
    suite = with_pool_seed(suite, secret) if secret is not None else suite
    return with_pool(suite, pool) if pool else suite


def command_line() -> str:
    """Return the command as it was typed, for the records, without secrets and the output folder, a path of here."""
    words, kept = iter(sys.argv[1:]), ["bench"]
    for word in words:
        name, equals, _ = word.partition("=")
        if name in ("--out", "--pool-seed") and not equals:
            next(words, None)
        if name == "--pool-seed":
            kept.append(f"{name}={REDACTED}")
        elif name != "--out":
            kept.append(f"{name}={REDACTED}" if equals and SECRET.search(name) else word)
    context = click.get_current_context(silent=True)
    if context and context.get_parameter_source("pool_seed") is ParameterSource.ENVIRONMENT:
        kept.append(f"--pool-seed={REDACTED}")
    return shlex.join(kept)


def say(text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def renamed(command: click.Command, old: str) -> click.Command:
    """Return a command under its former name, which runs it and says what it is called now."""

    @click.pass_context
    def run(context: click.Context, /, **_: Any) -> None:
        click.echo(f"`bench {old}` is now `bench {command.name}`", err=True)
        context.forward(command)

    return click.Command(old, callback=run, params=command.params, help=command.help, hidden=True)
