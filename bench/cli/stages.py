"""The command `bench stages`: models of different stages compared on a panel of evals."""

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

console = Console()


@click.command()
@click.argument("panel")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the result, or a run folder; out/stages-PANEL unless given.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def stages(panel: str, out: Path | None, device: str) -> None:
    """Compare models on a panel of evals (built-in name, or path of a .toml file)."""
    from bench.studies.checkpoints.page import terminal_table
    from bench.studies.checkpoints.panel import load_panel
    from bench.studies.checkpoints.run import StagesOptions
    from bench.studies.checkpoints.run import stages as run_panel

    loaded = load_panel(panel)
    folder = out or Path("out") / f"stages-{loaded.file.name}"
    options = StagesOptions(loaded, folder, device, shlex.join(["bench", *sys.argv[1:]]))
    record = run_panel(options, lambda text: console.print(text, markup=False, highlight=False))
    console.print(terminal_table(record))
    console.print(f"page: {folder / 'stages.html'}", markup=False, soft_wrap=True)
