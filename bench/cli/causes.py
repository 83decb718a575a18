"""The command `bench causes`: verdicts tried on worlds whose cause is planted."""

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

console = Console()


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/causes"), show_default=True)
@click.option("--cause", "causes", multiple=True, help="Plant only this cause; may be repeated.")
@click.option("--seeds", default="10,11,12", show_default=True, help="World seeds, with commas between.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def causes(out: Path, causes: tuple[str, ...], seeds: str, device: str) -> None:
    """Plant each cause in worlds of a tiny language, diff them, and see whether the verdicts find it."""
    from bench.execution.progress import Progress
    from bench.studies.causes.page import terminal_table
    from bench.studies.causes.plans import CAUSES
    from bench.studies.causes.run import CausesOptions, run_causes

    try:
        numbers = tuple(dict.fromkeys(int(seed) for seed in seeds.split(",")))
    except ValueError as error:
        raise click.BadParameter("whole numbers with commas between, such as 10,11,12", param_hint="--seeds") from error
    command = shlex.join(["bench", *sys.argv[1:]])
    options = CausesOptions(out, causes or tuple(CAUSES), numbers, device, command)
    record = run_causes(options, Progress(console))
    console.print(terminal_table(record))
    console.print(f"page: {out / 'causes.html'}", markup=False, soft_wrap=True)
