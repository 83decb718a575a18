"""The `bench` command: what runs a suite and shows its board; the other `cli_` files add what goes beyond it."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.cli.causes import causes
from bench.cli.models import LARGE
from bench.cli.options import execution_options
from bench.cli.speed import old_speed, speed
from bench.cli.stages import stages
from bench.cli.studies import diff
from bench.cli.tools import TOOLS
from bench.config.suite import Suite
from bench.errors import BenchError, unwritable
from bench.leaderboard.row import Row

console = Console()

OUT = click.option("--out", type=click.Path(path_type=Path), help="Run folder; out/SUITE unless given.")
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
FILTERS = click.option("--filter", "filters", multiple=True, help="A further filter: name or path of a .py file.")
POOL = click.option(
    "--pool", type=click.Path(path_type=Path), help="Pool file to use in place of the one that the suite file names."
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
        except KeyboardInterrupt:
            errors.print("stopped; run the same command again to go on", style="yellow")
            ctx.exit(130)


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
@execution_options
def run(suite: str, pool: Path | None, **options: Any) -> None:
    """Run a suite (name, or path of a .toml file) and write its leaderboard."""
    _run(_suite(suite, pool), **options, rejudging=False)


@main.command()
@click.argument("suite")
@click.option("--judge", required=True, help="rules or model.")
@click.option("--grader", help="Inspect model that judges, for --judge model: openai/gpt-4o, hf/org/model, ...")
@OUT
@DEVICE
@FILTERS
@POOL
def rejudge(suite: str, pool: Path | None, judge: str, grader: str | None, **options: Any) -> None:
    """Score a finished run's stored outputs with another judge; no student answers again."""
    from bench.config.suite import with_judge

    _run(with_judge(_suite(suite, pool), judge, grader), **options, rejudging=True)


@main.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the report goes; the first folder unless given.")
def board(folders: tuple[Path, ...], out: Path | None) -> None:
    """Render the pages of a run folder again, or one board of several folders to compare their filters."""
    from bench.leaderboard.render import write_report
    from bench.leaderboard.report import write_pages
    from bench.leaderboard.row import read_rows

    target = out or folders[0]
    rows = [row for folder in folders for row in read_rows(folder)]
    if folders == (target,):
        write_pages(target)
    else:
        try:
            write_report(rows, target)
        except OSError as error:
            raise unwritable(target, error) from error
    _print_board(rows, target)


@main.command()
@DEVICE
def suites(device: str) -> None:
    """List the built-in suites and what they should cost on this machine."""
    from bench.config.suite import built_in_suites, load_suite
    from bench.execution.cost import suite_seconds
    from bench.execution.memory import GIB, suite_memory
    from bench.models.load import pick_device

    place = pick_device(device)
    table = Table("suite", "trainings at most", f"estimated on {place}", "memory", "what it is")
    for name in built_in_suites():
        loaded = load_suite(name)
        cost = _duration(suite_seconds(loaded, place)), f"{suite_memory(loaded, place) / GIB:.1f} GiB"
        table.add_row(name, f"{loaded.trainings:,}", *cost, loaded.file.summary)
    console.print(table)


def _suite(name: str, pool: Path | None) -> Suite:
    from bench.config.suite import load_suite, with_pool

    suite = load_suite(name)
    return with_pool(suite, pool) if pool else suite


def _run(suite: Suite, *, out: Path | None, rejudging: bool, **options: Any) -> None:
    from bench.execution.progress import Meter
    from bench.leaderboard.report import write_pages
    from bench.run import RunOptions
    from bench.run import run as run_suite

    folder = out or Path("out") / suite.file.name
    command = shlex.join(["bench", *sys.argv[1:]])
    settings = RunOptions(suite, folder, command=command, rejudging=rejudging, **options)
    with Meter(console) as meter:
        rows = run_suite(settings, meter, lambda text: console.print(text, markup=False, highlight=False))
    write_pages(settings.results)
    _print_board(rows, settings.results)


def _print_board(rows: list[Row], folder: Path) -> None:
    from bench.leaderboard.board import board_view
    from bench.leaderboard.render import terminal_table

    console.print(terminal_table(board_view(rows)))
    console.print(f"report: {folder / 'report.html'}", markup=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


for tool in (diff, causes, stages, speed, old_speed, *LARGE, *TOOLS):
    main.add_command(tool)

if __name__ == "__main__":
    main()
