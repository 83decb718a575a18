"""From a filter's file to a folder for a pull request, and the check of such a folder."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bench.cli.options import DEVICE, OUT, console, execution_options, say
from bench.cli.tools import print_lines
from bench.config.suite import Suite, built_in_suites, load_suite
from bench.errors import BenchError, unknown
from bench.execution.cost import suite_seconds
from bench.execution.progress import shown_on
from bench.execution.session import Options
from bench.filtering.check import CheckLine, check_filter
from bench.filtering.plugin import BUILT_IN, FilterPlugin
from bench.leaderboard.board import board_view
from bench.leaderboard.format import duration
from bench.leaderboard.paired import read_scores
from bench.leaderboard.submission import Credits, read_submission, write_submission
from bench.leaderboard.submission_check import check_plan, check_submission
from bench.leaderboard.terminal import terminal_table
from bench.models.load import pick_device
from bench.run import Results, run

BOARD = click.option(
    "--board",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the board that the row is to join; leaderboards/SUITE unless given, where there is one.",
)


@click.command()
@click.argument("filter_", metavar="FILTER.py", type=click.Path(path_type=Path))
@click.option("--suite", "name", required=True, help="Built-in suite whose board the filter is to join.")
@OUT
@DEVICE
@BOARD
@click.option("--author", "authors", multiple=True, help="Who wrote the filter, for its card; may be repeated.")
@click.option("--licence", default="Apache-2.0", show_default=True, help="Of the filter's source, for its card.")
@execution_options
def submit(filter_: Path, name: str, out: Path | None, board: Path | None, **options: Any) -> None:
    """Check a filter, run a suite with it alone, and write a folder that is ready for a pull request.

    Reference arms and random sets are trained beside the filter, arms of the suite's other filters are not. What the
    run folder holds is used again: an interrupted call goes on, and after `bench run SUITE` only the filter's own arms
    are trained.
    """
    if name not in built_in_suites():
        raise unknown("suite", name, built_in_suites())
    credits = Credits(options.pop("authors"), options.pop("licence"))
    suite, board, out = load_suite(name), board or _board_of(name), out or Path("out") / name
    plugin = _checked(filter_)
    place = pick_device(options["device"])
    _must_pass(check_plan(filter_, plugin.name, suite, place, board))
    say(_work(suite, plugin.name, out, place))
    command = shlex.join(["bench", "submit", filter_.name, "--suite", name])
    with shown_on(console) as progress:
        run_options = Options(suite, out, filters=(str(filter_),), only=plugin.name, command=command, **options)
        results = run(run_options, progress)
    _must_have_rows(results, plugin)
    scores = read_scores(results.rows, [results.folder])
    console.print(terminal_table(board_view(results.rows, scores=scores), console.width))
    folder = out / "submission" / plugin.name
    write_submission(results.rows, filter_, results.folder, folder, credits)
    _must_pass(check_submission(folder, board))
    _say_what_is_next(folder, name, results)


@click.command("check-submission")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@BOARD
def check(folder: Path, board: Path | None) -> None:
    """Check a folder that `bench submit` wrote: numbers, source, card, suite, and the filter, which is executed.

    The filter runs in a process of its own, which docs/security.md describes: read its source first all the same.
    """
    suite = read_submission(folder).rows[0].suite
    _must_pass(check_submission(folder, board or _board_of(suite)))


def _board_of(suite: str) -> Path | None:
    """Return the folder of a suite's committed board, where the command is called in a clone that has one."""
    folder = Path("leaderboards") / suite
    return folder if (folder / "rows").is_dir() else None


def _checked(path: Path) -> FilterPlugin:
    """Hold a filter's file to the contract; one that is built in has its row already."""
    report = check_filter(path)
    print_lines(report.lines)
    if not report.passed or report.plugin is None:
        raise SystemExit(1)
    if report.plugin.origin == BUILT_IN or path.suffix != ".py":
        raise BenchError(
            f"filter {path}",
            seen=f"{report.plugin.name}, {report.plugin.origin}",
            expected="the path of a .py file outside filters/",
            remedy="copy the file, give the filter a name of its own in @filter_plugin, and name the copy",
        )
    return report.plugin


def _work(suite: Suite, name: str, out: Path, device: str) -> str:
    """Say before anything is run what a filter's row takes, and how long that should be on this machine."""
    alone = replace(suite, file=suite.file.model_copy(update={"filters": [name]}))
    seeds = len(suite.file.seeds)
    return (
        f"to do: score the pool, then at most {alone.trainings} trainings and evaluations of {seeds} "
        f"seed{'s' if seeds > 1 else ''}, about {duration(suite_seconds(alone, device))} on {device}; "
        f"what {out} holds already is not done again, and a stopped call goes on"
    )


def _must_pass(lines: Sequence[CheckLine]) -> None:
    print_lines(lines)
    if not all(line.passed for line in lines):
        raise SystemExit(1)


def _must_have_rows(results: Results, plugin: FilterPlugin) -> None:
    if not results.rows:
        raise BenchError(
            f"filter {plugin.name}",
            seen="it was left out, see above",
            expected="a filter that needs only what the suite has",
            remedy="choose another suite, or do not ask for what this one lacks",
        )


def _say_what_is_next(folder: Path, suite: str, results: Results) -> None:
    name, home = folder.name, f"leaderboards/{suite}/submissions"
    say(f"report: {results.report}")
    say(f"submission: {folder}")
    say("next, in a clone of the project:")
    say(f"  1. read {folder / 'card.md'}, and write below its last line what a reader should know")
    say(f"  2. make a branch:        git switch -c {name}")
    say(f"  3. copy the folder:      mkdir -p {home} && cp -r {folder} {home}/")
    say(f"  4. commit it:            git add {home}/{name} && git commit -m 'Filter {name} on {suite}'")
    say("  5. push the branch to your fork, and open a pull request; leaderboards/README.md says what happens then")


SUBMISSIONS = (submit, check)
