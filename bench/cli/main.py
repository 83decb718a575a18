"""The `bench` command: what runs a suite and shows its board; the files beside this one add what goes beyond it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.cli import signals
from bench.cli.models import MODELS
from bench.cli.options import (
    DEVICE,
    FILTERS,
    OUT,
    POOL,
    POOL_SEED,
    command_line,
    console,
    execution_options,
    say,
    suite_on,
)
from bench.cli.pools import POOLS
from bench.cli.rows import ROWS
from bench.cli.studies import STUDIES
from bench.cli.submit import SUBMISSIONS
from bench.cli.tools import TOOLS
from bench.config.suite import Suite, built_in_suites, load_suite, with_judge
from bench.errors import BenchError
from bench.execution.cost import suite_seconds
from bench.execution.memory import GIB, suite_memory
from bench.execution.progress import shown_on
from bench.execution.session import Options
from bench.leaderboard.board import board_view
from bench.leaderboard.pages import BOARD, pages_of
from bench.leaderboard.paired import read_scores
from bench.leaderboard.row import Row, read_rows
from bench.leaderboard.terminal import terminal_table
from bench.leaderboard.verify import wrong_rows
from bench.models.load import pick_device
from bench.run import run as run_options
from bench.stats.inference import BOUNDS, smallest_detectable_lift
from bench.studies.pages import write_board, write_pages

PROMPTS = 48  # assumed where a suite asks all of an eval's prompts
EXAMPLES = click.option(
    "--no-examples",
    "examples",
    flag_value=False,
    is_flag=True,
    default=True,
    help="Write no texts of pool and students beside the rows, so that the filters' pages show none.",
)


class _Group(click.Group):
    """Prints a user's mistake without a traceback, unless --debug is given, and exits with 2."""

    def invoke(self, ctx: click.Context) -> object:
        errors = Console(stderr=True, soft_wrap=True)
        try:
            return super().invoke(ctx)
        except BenchError as error:
            if ctx.params.get("debug"):
                raise
            errors.print(f"error: {error}", style="red", markup=False, highlight=False)
            ctx.exit(2)
        except (OSError, RecursionError, UnicodeError) as error:
            if ctx.params.get("debug"):
                raise
            errors.print(f"error: {error}; bench --debug shows where", style="red", markup=False, highlight=False)
            ctx.exit(2)
        except KeyboardInterrupt:
            status = signals.stop()
            errors.print(signals.STOPPED, style="yellow")
            ctx.exit(status)


@click.group(cls=_Group)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="sievebench")
def main(debug: bool) -> None:
    """Do SFT data filters remove unwanted traits? Train, measure, compare dropping with patching."""


@main.command()
@click.argument("suite")
@OUT
@DEVICE
@FILTERS
@POOL
@POOL_SEED
@EXAMPLES
@execution_options
def run(suite: str, pool: Path | None, pool_seed: str | None, **options: Any) -> None:
    """Run a suite (name, or path of a .toml file) and write its leaderboard."""
    _run(suite_on(suite, pool, pool_seed), **options)


@main.command()
@click.argument("suite")
@click.option("--judge", required=True, help="rules, classifier or model.")
@click.option("--grader", help="Inspect model that judges, for --judge model: openai/gpt-4o, hf/org/model, ...")
@OUT
@DEVICE
@FILTERS
@POOL
@POOL_SEED
@EXAMPLES
def rejudge(
    suite: str, pool: Path | None, pool_seed: str | None, judge: str, grader: str | None, **options: Any
) -> None:
    """Score a finished run's stored outputs with another judge; no student answers again."""
    _run(with_judge(suite_on(suite, pool, pool_seed), judge, grader), rejudging=True, **options)


@main.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the report goes; the first folder unless given.")
def board(folders: tuple[Path, ...], out: Path | None) -> None:
    """Render the pages of a run folder again, or one board of several folders to compare their filters."""
    target = out or folders[0]
    made = write_pages(target) if folders == (target,) else []
    if made and BOARD not in pages_of(target):  # a study's folder, without rows
        for page in made:
            say(f"page: {page}")
        return
    rows = [row for folder in folders for row in read_rows(folder)]
    problems = wrong_rows(folders)
    if not made:
        write_board(rows, target, problems, folders)
    _print_board(rows, target, folders, problems)


@main.command()
@DEVICE
def suites(device: str) -> None:
    """List the built-in suites, what they should cost on this machine, and the smallest lift that they can detect."""
    place = pick_device(device)
    table = Table("suite", "trainings at most", f"estimated on {place}", "memory", "detects a lift of", "what it is")
    for name in built_in_suites():
        loaded = load_suite(name)
        cost = _duration(suite_seconds(loaded, place)), f"{suite_memory(loaded, place) / GIB:.1f} GiB"
        table.add_row(name, f"{loaded.trainings:,}", *cost, _detectable(loaded), loaded.file.summary)
    console.print(table)


def _detectable(suite: Suite) -> str:
    """Say which lift the suite's primary contrasts find in 4 of 5 runs, or that it supports no claim."""
    file = suite.file
    filters = [name for name in file.filters if name not in BOUNDS]
    tests = len(filters) * len(file.budgets) * len(file.experiments)
    prompts = min(each.eval_prompts or PROMPTS for each in file.experiments)
    groups = len({"drop", "drop_refill", "patch"} & {*(file.control_actions or file.actions)})
    lift = smallest_detectable_lift(len(file.seeds), file.controls, prompts, max(tests, 1), groups=max(groups, 1))
    return "none" if lift is None else f"{lift:.2f}"


def _run(suite: Suite, *, out: Path | None, **options: Any) -> None:
    folder = out or Path("out") / suite.file.name
    with shown_on(console) as progress:
        results = run_options(Options(suite, folder, command=command_line(), **options), progress)
    _print_board(results.rows, results.folder, [results.folder])


def _print_board(
    rows: list[Row], folder: Path, beside: Sequence[Path], problems: Mapping[str, Sequence[str]] | None = None
) -> None:
    view = board_view(rows, problems=problems, scores=read_scores(rows, beside))
    console.print(terminal_table(view, console.width))
    say(f"report: {folder / 'report.html'}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


for tool in (*STUDIES, *MODELS, *POOLS, *ROWS, *TOOLS, *SUBMISSIONS):
    main.add_command(tool)
