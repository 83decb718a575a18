"""`bench verify`: rows held against their evidence, and against the run folder that they came from."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from bench.cli.options import FILTERS, POOL, console, say, suite_on
from bench.config.suite import Suite, built_in_suites
from bench.errors import BenchError
from bench.execution.progress import shown_on
from bench.leaderboard.declared import against_secret, was_hidden
from bench.leaderboard.retrain import Sample, retrain_arms
from bench.leaderboard.row import Row, read_row, row_files
from bench.leaderboard.verify import NOT_RECOMPUTED, verify_files
from bench.leaderboard.verify_run import claims, verify_logs


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--run",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Run folder that the rows came from: judge its stored answers again too. It is only read.",
)
@click.option(
    "--retrain",
    type=click.IntRange(min=1),
    help="Also train so many randomly chosen arms of --run again, elsewhere, and compare weights and scores.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the choice of arms.")
@click.option("--suite", help="The rows' suite, if it is not a built-in one; needed with --pool.")
@FILTERS
@POOL
@click.option(
    "--pool-seed",
    metavar="SECRET",
    help="The secret that the rows' synthetic pools were drawn from, once it is told. A variable is not read.",
)
def verify(
    paths: tuple[Path, ...],
    folder: Path | None,
    retrain: int | None,
    seed: int,
    suite: str | None,
    filters: tuple[str, ...],
    pool: Path | None,
    pool_seed: str | None,
) -> None:
    """Compute every number of rows again from their evidence, without models; exit with 1 where one differs.

    PATHS are row files, folders of rows, or the folders of boards and runs. With --run, the evidence is held against
    the Inspect logs of the run, and with --retrain against trainings. With --pool-seed, synthetic pools are drawn
    again from the secret, which the rows' pools must equal.
    """
    for option, given in (("--retrain", retrain), ("--suite", suite and not pool_seed)):
        if given and folder is None:
            raise click.UsageError(f"{option} needs --run, the folder that the rows came from")
    if pool and not suite:
        raise click.UsageError("--pool needs --suite, the suite of the rows")
    files = [file for path in paths for file in ([path] if path.is_file() else row_files(path))]
    wrong = _against_evidence(paths)
    rows = _readable(files)
    name = suite or (_suite_of(rows) if pool_seed else None)
    loaded = suite_on(name, pool, pool_seed) if name else None
    if loaded is not None and pool_seed:
        wrong += _against_secret(rows, loaded)
    elif any(was_hidden(result) for row in rows.values() for result in row.traits.values()):
        say("drawn from a hidden seed: once the secret is told, --pool-seed SECRET draws pools and compares hashes")
    if folder is not None:
        wrong += _against_run(files, loaded, folder, Sample(retrain or 0, seed, filters))
    say(NOT_RECOMPUTED)
    if wrong:
        raise SystemExit(1)


def _against_evidence(paths: Sequence[Path]) -> int:
    """Verify rows, say what is wrong with them, and return how many are wrong."""
    wrong = 0
    for path in paths:
        found = verify_files([path] if path.is_file() else row_files(path), str(path))
        for name, problems in found.items():
            say(f"{'DIFFERS ' if problems else 'verified'}  {name}" + (f", {path}" if len(paths) > 1 else ""))
            for problem in problems:
                say(f"    {problem}")
            wrong += bool(problems)
    return wrong


def _readable(files: Sequence[Path]) -> dict[str, Row]:
    """Read rows, by file; those that cannot be read were named before."""
    found = {}
    for file in files:
        with suppress(BenchError):
            found[str(file)] = read_row(file)
    return found


def _suite_of(rows: Mapping[str, Row]) -> str:
    """Return the one built-in suite that rows are of.

    Raises:
        click.UsageError: If they are of several, or of another.
    """
    names = sorted({row.suite for row in rows.values()})
    if len(names) != 1 or names[0] not in built_in_suites():
        raise click.UsageError(f"--pool-seed needs --suite: rows are of {', '.join(names) or 'no suite'}")
    return names[0]


def _against_secret(rows: Mapping[str, Row], suite: Suite) -> int:
    """Hold the pools of rows against those of a secret, say what differs, and return how many rows do."""
    found = against_secret(rows, suite)
    for name, problems in found.items():
        say(f"{'DIFFERS ' if problems else 'verified'}  pool of {name}, drawn again from the secret")
        for problem in problems:
            say(f"    {problem}")
    return sum(map(bool, found.values()))


def _against_run(files: Sequence[Path], suite: Suite | None, run: Path, sample: Sample) -> int:
    """Hold the evidence of rows against a run folder, say what differs, and return how much does."""
    wrong = 0
    for claim in claims(files, suite):
        findings = {"logs": verify_logs(claim, run)}
        if sample.count:
            with shown_on(console) as progress:
                findings["retrained"] = retrain_arms(claim, run, sample, progress)
        for what, found in findings.items():
            say(f"{'DIFFERS ' if found.problems else 'verified'}  {what} of {run}")
            for line in (*found.problems, *found.remarks):
                say(f"    {line}")
            wrong += len(found.problems)
    return wrong


ROWS = (verify,)
