"""The command `bench speed`: a suite's wall time and memory, measured beside plain loops over the same work."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.config.suite import load_suite
from bench.models.load import pick_device
from bench.studies.speed.page import terminal_table, write_pages, write_record
from bench.studies.speed.records import check_writable, read_record
from bench.studies.speed.run import run_speed

console = Console()


@click.command("speed")
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
def speed(out: Path, render: Path | None, **options: Any) -> None:
    """Measure training, generation, embedding and search of a suite beside plain loops, and write a page."""
    file = render or _measure(out, **options)
    record = read_record(file)
    pages = write_pages(record, file)
    console.print(terminal_table(record))
    for made in (file, *pages):
        console.print(str(made), markup=False, soft_wrap=True)


def _measure(out: Path, suite: str, arms: str, seeds: int, repeats: int, device: str) -> Path:
    """Measure a suite and write the result; return its file."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    loaded, place = load_suite(suite), pick_device(device)
    file = out / f"{place.replace(':', '')}-{loaded.file.name}.json"
    check_writable(file)
    named = tuple(filter(None, arms.split(",")))
    write_record(run_speed(loaded, named, seeds, repeats, place, say), file)
    return file


def _old_name(**options: Any) -> None:
    click.echo("`bench bench` is now `bench speed`", err=True)
    click.get_current_context().invoke(speed, **options)


old_speed = click.Command("bench", params=speed.params, callback=_old_name, help=speed.help, hidden=True)
