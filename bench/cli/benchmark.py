"""The command `bench bench`: where time goes, measured beside a plain loop on the same work."""

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

console = Console()


@click.command("bench")
@click.argument("suite", default="quick")
@click.option("--arms", default="", help="Arms to train, named as in `bench run`, with commas between them.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Training seeds of each arm.")
@click.option("--repeats", type=click.IntRange(min=1), default=2, show_default=True, help="Of each main case and side.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("benchmarks"),
    show_default=True,
    help="Folder of the result, DEVICE-SUITE.json and its page.",
)
@click.option("--render", type=click.Path(path_type=Path), help="Make the page of a measured file again, nothing else.")
def benchmark(suite: str, arms: str, seeds: int, repeats: int, device: str, out: Path, render: Path | None) -> None:
    """Measure training, generation, embedding and search of a suite beside plain loops, and write a page."""
    from bench.studies.speed.file import read_record
    from bench.studies.speed.page import terminal_table, write_pages

    file = render or _measured(suite, tuple(filter(None, arms.split(","))), seeds, repeats, device, out)
    pages = write_pages(file)
    console.print(terminal_table(read_record(file)))
    for made in (file, *pages):
        console.print(str(made), markup=False, soft_wrap=True)


def _measured(suite: str, arms: tuple[str, ...], seeds: int, repeats: int, device: str, out: Path) -> Path:
    """Measure, and give the file that holds the result."""
    from bench.config.suite import load_suite
    from bench.models.load import pick_device
    from bench.studies.speed.file import claim, write_record
    from bench.studies.speed.run import BenchmarkOptions, run_benchmark

    loaded, place = load_suite(suite), pick_device(device)
    file = out / f"{place.replace(':', '')}-{loaded.file.name}.json"
    claim(file)
    command = shlex.join(["bench", *sys.argv[1:]])
    options = BenchmarkOptions(loaded, arms, seeds, repeats, place, command)
    record = run_benchmark(options, lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))
    write_record(record, file)
    return file
