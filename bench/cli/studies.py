"""The command `bench diff`."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.cli.options import execution_options
from bench.config.suite import load_suite
from bench.execution.progress import Progress
from bench.execution.session import Options
from bench.leaderboard.pages import DIFF
from bench.leaderboard.report import write_pages
from bench.studies.diff.page import terminal
from bench.studies.diff.run import diff as run_diff_of

console = Console()


@click.command()
@click.argument("suite")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder, shared with bench run; out/SUITE unless given."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--filter", "filters", multiple=True, help="A further filter: name or path of a .py file.")
@execution_options
def diff(suite: str, out: Path | None, **options: Any) -> None:
    """Interpolate between two SFT pipelines, and judge seven hypotheses on where a trait comes from."""
    loaded = load_suite(suite)
    folder = out or Path("out") / loaded.file.name
    command = shlex.join(["bench", *sys.argv[1:]])
    report = run_diff_of(Options(loaded, folder, command=command, **options), Progress(console))
    write_pages(folder)
    console.print(terminal(report))
    console.print(f"report: {folder / DIFF.file}", markup=False, soft_wrap=True)
