"""The commands `bench diff`, `bench checkpoints` and `bench causes`."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.cli.options import execution_options
from bench.config.suite import load_suite
from bench.execution.progress import Meter
from bench.leaderboard.pages import CAUSES, CHECKPOINTS, DIFF
from bench.leaderboard.report import write_pages
from bench.studies.causes.page import terminal_table as causes_table
from bench.studies.causes.plans import CAUSES as PLANTED
from bench.studies.causes.run import run_causes
from bench.studies.checkpoints.page import terminal_table as checkpoints_table
from bench.studies.checkpoints.panel import load_panel
from bench.studies.checkpoints.run import run_panel
from bench.studies.diff.page import terminal
from bench.studies.diff.run import DiffOptions, run_diff

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
    with Meter(console) as meter:
        settings = DiffOptions(loaded, folder, command=command, **options)
        report = run_diff(settings, meter, _say)
    write_pages(folder)
    console.print(terminal(report))
    console.print(f"report: {folder / DIFF.file}", markup=False, soft_wrap=True)


@click.command()
@click.argument("panel")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the result, or a run folder; out/stages-PANEL unless given.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def checkpoints(panel: str, out: Path | None, device: str) -> None:
    """Compare models on a panel of evals (built-in name, or path of a .toml file)."""
    loaded = load_panel(panel)
    folder = out or Path("out") / f"stages-{loaded.name}"  # the command's former name: unfinished panels lie there
    command = shlex.join(["bench", *sys.argv[1:]])
    record = run_panel(loaded, folder, device=device, command=command, say=_say)
    console.print(checkpoints_table(record))
    console.print(f"page: {folder / CHECKPOINTS.file}", markup=False, soft_wrap=True)


@click.command(hidden=True, params=checkpoints.params, help=checkpoints.help)
@click.pass_context
def stages(context: click.Context, /, **_: Any) -> None:
    """Run `bench checkpoints` under its former name."""
    click.echo("`bench stages` is now `bench checkpoints`", err=True)
    context.forward(checkpoints)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/causes"), show_default=True)
@click.option("--cause", "causes", multiple=True, help="Plant only this cause; may be repeated.")
@click.option("--seeds", default="10,11,12", show_default=True, help="World seeds, with commas between.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def causes(out: Path, causes: tuple[str, ...], seeds: str, device: str) -> None:
    """Plant each cause in worlds of a tiny language, diff them, and see whether the verdicts find it."""
    try:
        numbers = tuple(dict.fromkeys(int(seed) for seed in seeds.split(",")))
    except ValueError as error:
        raise click.BadParameter("whole numbers with commas between, such as 10,11,12", param_hint="--seeds") from error
    record = run_causes(
        out,
        [(cause, seed) for seed in numbers for cause in dict.fromkeys(causes or PLANTED)],
        device=device,
        command=shlex.join(["bench", *sys.argv[1:]]),
        meters=lambda: Meter(console),
        say=_say,
    )
    console.print(causes_table(record))
    console.print(f"page: {out / CAUSES.file}", markup=False, soft_wrap=True)


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False)
