"""Commands for contributors and data teams: filters, their check, and how far a judge can be trusted."""

import math
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from bench.cli.options import console
from bench.errors import BenchError
from bench.filtering.check import KINDS, CheckLine, check_filter
from bench.filtering.check import new_filter as write_file
from bench.filtering.plugins import list_filters
from bench.leaderboard.pages import visible


@click.command()
def filters() -> None:
    """List the filters that can be found: built in and installed."""
    table = Table("filter", "version", "from", "what it does")
    for plugin in list_filters(_warn):
        table.add_row(plugin.name, str(plugin.version), plugin.origin, plugin.summary)
    console.print(table)


@click.command()
@click.argument("filter_", metavar="FILTER")
def check(filter_: str) -> None:
    """Hold a filter (name, or path of a .py file) to the plugin contract on a toy pool."""
    report = check_filter(filter_)
    print_lines(report.lines)
    if report.seconds == report.seconds:  # not nan
        console.print(f"{report.seconds:.2f} s and {report.megabytes:.0f} MB per 1,000 examples")
    if not report.passed:
        raise SystemExit(1)


def print_lines(lines: Sequence[CheckLine]) -> None:
    """Print what was checked, and what to do where a check failed."""
    for line in lines:
        colour, mark = ("green", "passed") if line.passed else ("red", "FAILED")
        console.print(f"[{colour}]{mark}[/] {line.name}: ", end="")
        detail = " ".join(visible(line.detail).split())  # a file's name may hold line ends and worse
        console.print(detail, markup=False, highlight=False, soft_wrap=True)
        if not line.passed:
            console.print(f"       to do: {line.remedy}", markup=False, highlight=False, soft_wrap=True)


@click.command("new-filter")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Where the file goes.")
@click.option("--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="What the filter reads.")
def new_filter(name: str, folder: Path, kind: str) -> None:
    """Write a working filter file to start from."""
    path = write_file(name, folder, kind)
    console.print(f"wrote {path}", markup=False, soft_wrap=True)
    console.print(f"next: edit it, then `bench check {path}`", markup=False, soft_wrap=True)


@click.command()
@click.argument("traits", nargs=-1)
@click.option("--judge", "kinds", multiple=True, help="rules, classifier or model; the offline ones unless given.")
@click.option("--grader", help="Inspect model that judges, for --judge model.")
def judge(traits: tuple[str, ...], kinds: tuple[str, ...], grader: str | None) -> None:
    """Validate judges against labelled outputs, of built-in traits and evals (all of them unless named).

    `shown` counts the items that show the trait by their labels. Intervals are at 95 %. A star marks items that the
    judge was made with.
    """
    from bench.data.judge import classified
    from bench.evaluation.validate_judge import labelled_sets, validate  # loads Inspect

    for trait in traits or labelled_sets():
        for kind in kinds or ("rules", *(["classifier"] if trait in classified() else [])):
            table = Table("items", "n", "shown", "precision", "recall", "kappa", title=f"{trait}, judge {kind}")
            for part in validate(trait, kind, grader):
                ranges = (part.precision_interval, part.recall_interval, part.kappa_interval)
                values = (part.precision, part.recall, part.kappa)
                numbers = [_with_range(value, *ends) for value, ends in zip(values, ranges, strict=True)]
                where = part.part + (" *" if part.shaped else "")
                table.add_row(where, str(part.items), str(part.positives), *numbers)
            console.print(table)


def _with_range(value: float, low: float, high: float) -> str:
    """Write a figure with its interval below; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.2f}\n\\[{low:.2f}, {high:.2f}]"


def _warn(error: BenchError) -> None:
    console.print(f"left out: {error}", style="yellow", markup=False, highlight=False)


TOOLS = (filters, check, new_filter, judge)
