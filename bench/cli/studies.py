"""The commands that go beyond a suite: diff, lds, causes, checkpoints, speed and calibrate."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bench.cli.options import DEVICE, FILTERS, OUT, command_line, console, execution_options, renamed, say
from bench.config.suite import load_suite
from bench.execution.progress import shown_on
from bench.execution.session import Options
from bench.leaderboard.pages import CALIBRATION, CAUSES, CHECKPOINTS, DIFF, LDS, linked_pages
from bench.models.load import pick_device
from bench.run import run
from bench.studies.calibration.run import run_calibration
from bench.studies.causes.page import terminal_table as causes_table
from bench.studies.causes.plans import CAUSES as KNOWN
from bench.studies.causes.run import Place, run_causes
from bench.studies.causes.worlds import SETTINGS
from bench.studies.checkpoints.page import terminal_table as panel_table
from bench.studies.checkpoints.panel import load_panel
from bench.studies.checkpoints.run import run_panel
from bench.studies.diff.page import terminal
from bench.studies.diff.run import diff as run_diff
from bench.studies.index import folders_of, write_index
from bench.studies.lds.page import terminal_table as lds_table
from bench.studies.lds.run import run_lds
from bench.studies.pages import write_pages
from bench.studies.speed.page import terminal_table as speed_table
from bench.studies.speed.page import write as write_speed_page
from bench.studies.speed.page import write_record
from bench.studies.speed.records import check_writable, read_record
from bench.studies.speed.run import run_speed
from bench.studies.speed.throughput import run_throughput
from bench.studies.speed.throughput import table as throughput_table


@click.command()
@click.argument("suite")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder, shared with bench run; out/SUITE unless given."
)
@DEVICE
@FILTERS
@execution_options
def diff(suite: str, out: Path | None, **options: Any) -> None:
    """Interpolate between two SFT pipelines, and judge seven hypotheses on where a trait comes from."""
    loaded = load_suite(suite)
    folder = out or Path("out") / loaded.file.name
    with shown_on(console) as progress:
        report = run_diff(Options(loaded, folder, command=command_line(), **options), progress)
    write_pages(folder)
    console.print(terminal(report))
    say(f"report: {folder / DIFF.file}")


@click.command()
@click.argument("suite")
@OUT
@DEVICE
@FILTERS
@execution_options
def lds(suite: str, out: Path | None, **options: Any) -> None:
    """Judge filters as attributions: do their scores predict the margins of students retrained on random halves?"""
    loaded = load_suite(suite)
    folder = out or Path("out") / loaded.file.name
    with shown_on(console) as progress:
        report = run_lds(Options(loaded, folder, command=command_line(), **options), progress)
    write_pages(folder)
    console.print(lds_table(report))
    say(f"page: {folder / LDS.file}")


@click.command()
@click.argument("panel")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the result, or a run folder; out/stages-PANEL unless given.",
)
@DEVICE
def checkpoints(panel: str, out: Path | None, device: str) -> None:
    """Compare models on a panel of evals (built-in name, or path of a .toml file)."""
    loaded = load_panel(panel)
    folder = out or Path("out") / f"stages-{loaded.name}"  # the command's former name: unfinished panels lie there
    with shown_on(console):
        record = run_panel(loaded, folder, device=device, command=command_line())
    console.print(panel_table(record))
    say(f"page: {folder / CHECKPOINTS.file}")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/causes"), show_default=True)
@click.option("--cause", "causes", multiple=True, help="Plant only this cause; may be repeated.")
@click.option("--seeds", default="40,41,42", show_default=True, help="Seeds of the pools, with commas between.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Worlds at a time, each on one core."
)
@click.option(
    "--trainings", type=click.IntRange(min=1), default=3, show_default=True, help="Training seeds of every cell."
)
@DEVICE
def causes(out: Path, causes: tuple[str, ...], seeds: str, jobs: int, trainings: int, device: str) -> None:
    """Plant each cause in synthetic pools of a tiny language, diff them, and see whether the verdicts find it.

    Finished worlds are kept in results/ of the folder: a further call adds to them.
    """
    try:
        numbers = tuple(dict.fromkeys(int(seed) for seed in seeds.split(",")))
    except ValueError as error:
        raise click.BadParameter("whole numbers with commas between, such as 40,41,42", param_hint="--seeds") from error
    planted = [(cause, seed) for seed in numbers for cause in dict.fromkeys(causes or KNOWN)]
    with shown_on(console) as progress:
        place = Place(out, pick_device(device), replace(SETTINGS, seeds=tuple(range(1, trainings + 1))))
        record = run_causes(place, planted, jobs=jobs, command=command_line(), progress=progress)
    console.print(causes_table(record))
    say(f"page: {out / CAUSES.file}")


@click.command()
@click.argument("suite", required=False)
@click.option(
    "--throughput/--plain-loops",
    default=None,
    help="Tables of training, answering and a suite's phases in four minutes (what a GPU gets unless told otherwise), "
    "or a comparison with plain loops.",
)
@click.option(
    "--timed", default="quick", show_default=True, help="With --throughput: the suite whose phases are timed."
)
@click.option("--arms", default="", help="Arms to train, named as in `bench run`, with commas between them.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Training seeds of each arm.")
@click.option("--repeats", type=click.IntRange(min=1), default=2, show_default=True, help="Of each main case and side.")
@DEVICE
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("benchmarks"),
    show_default=True,
    help="Folder of the result, DEVICE-SUITE.json and its page.",
)
@click.option("--render", type=click.Path(path_type=Path), help="Make the page of a measured file again, nothing else.")
def speed(
    out: Path, render: Path | None, suite: str | None, throughput: bool | None, timed: str, **options: Any
) -> None:
    """Measure how fast this machine works: beside plain loops, with a page, or as tables of throughput.

    SUITE is quick beside plain loops, and standard for throughput, unless given.
    """
    if throughput or (throughput is None and not render and pick_device(options["device"]) != "cpu"):
        _measure_throughput(out, suite or "standard", timed, options["device"])
        return
    options["suite"] = suite or "quick"
    file = render or _measure(out, **options)
    page = write_speed_page(file, linked_pages(file.parent))
    console.print(speed_table(read_record(file)))
    say(f"measurements: {file}")
    say(f"page: {page}")


def _measure_throughput(out: Path, suite: str, timed: str, device: str) -> None:
    """Measure part by part; print each part's table, and end with 1 where one failed."""
    place = pick_device(device)
    file = out / f"throughput-{place.replace(':', '')}-{Path(suite).stem}.json"
    check_writable(file)
    parts = []
    with shown_on(console):
        for part in run_throughput(place, load_suite(suite), load_suite(timed), run, file):
            console.print(throughput_table(part))
            parts.append(part)
    say(str(file))
    if any(part.ended.startswith("failed") for part in parts):
        raise SystemExit(1)


def _measure(out: Path, suite: str, arms: str, seeds: int, repeats: int, device: str) -> Path:
    """Measure a suite and write the result; return its file."""
    loaded, place = load_suite(suite), pick_device(device)
    file = out / f"{place.replace(':', '')}-{loaded.file.name}.json"
    check_writable(file)
    named = tuple(filter(None, arms.split(",")))
    with shown_on(console):
        write_record(run_speed(loaded, named, seeds, repeats, place), file)
    return file


@click.command()
@click.option("--fast", is_flag=True, help="A few cells with few boards: a look in seconds, not the committed table.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at a time.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/calibration"), show_default=True
)
def calibrate(fast: bool, workers: int, out: Path) -> None:
    """Simulate boards with known effects, and measure what the suite's intervals and tests are worth."""
    with shown_on(console):
        run_calibration(out, fast=fast, workers=workers, command=command_line())
    say(f"page: {out / CALIBRATION.file}")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("leaderboards"))
def index(folder: Path) -> None:
    """Write index.html over the boards and studies in the folders of FOLDER, and render their pages again.

    Timings in the folder benchmarks beside FOLDER are listed and rendered, too.
    """
    made = write_index(folder)
    for inner in folders_of(folder):
        write_pages(inner)
    say(f"index: {made}")


RENAMED = (renamed(checkpoints, "stages"), renamed(speed, "bench"))
STUDIES = (index, diff, lds, causes, calibrate, checkpoints, speed, *RENAMED)
