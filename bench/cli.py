"""The `bench` command."""

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.errors import BenchError

console = Console()


class _Group(click.Group):
    """Prints a user's mistake without a traceback, unless --debug is given, and exits with 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            if ctx.params.get("debug"):
                raise
            Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
            ctx.exit(2)
        except KeyboardInterrupt:
            Console(stderr=True).print("stopped; run the same command again to go on", style="yellow")
            ctx.exit(130)


@click.group(cls=_Group)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="sievebench")
def main(debug: bool) -> None:
    """Do SFT data filters remove unwanted traits? Train, measure, compare dropping with patching."""


@main.command()
@click.argument("suite")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; out/SUITE unless given.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--filter", "filters", multiple=True, help="A further filter: name or path of a .py file (repeatable).")
def run(suite: str, out: Path | None, device: str, filters: tuple[str, ...]) -> None:
    """Run a suite (name, or path of a .toml file) and write its leaderboard."""
    from bench.board import board_view
    from bench.board_render import terminal_table, write_report
    from bench.progress import Meter
    from bench.run import RunOptions
    from bench.run import run as run_suite
    from bench.suites import load_suite

    loaded = load_suite(suite)
    folder = out or Path("out") / loaded.file.name
    command = shlex.join(["bench", *sys.argv[1:]])
    options = RunOptions(loaded, folder, device, filters, command)
    with Meter(console) as meter:
        rows = run_suite(options, meter, lambda text: console.print(text, markup=False, highlight=False))
    write_report(rows, folder)
    console.print(terminal_table(board_view(rows)))
    console.print(f"report: {folder / 'report.html'}", markup=False)


@main.command()
def suites() -> None:
    """List the built-in suites and what they cost."""
    from bench.suites import built_in_suites, load_suite

    table = Table("suite", "trainings", "what it is")
    for name in built_in_suites():
        loaded = load_suite(name)
        table.add_row(name, f"up to {loaded.trainings}", loaded.file.summary)
    console.print(table)


if __name__ == "__main__":
    main()
