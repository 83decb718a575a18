"""`bench verify`: rows held against their evidence."""

from pathlib import Path

import click

from bench.cli.options import say
from bench.leaderboard.verify import NOT_RECOMPUTED, verify_files, verify_rows


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def verify(paths: tuple[Path, ...]) -> None:
    """Compute every number of rows again from their evidence, without models; exit with 1 where one differs.

    PATHS are row files, folders of rows, or the folders of boards and runs.
    """
    wrong = 0
    for path in paths:
        found = verify_files([path], str(path)) if path.is_file() else verify_rows(path)
        for name, problems in found.items():
            say(f"{'DIFFERS ' if problems else 'verified'}  {name}" + (f", {path}" if len(paths) > 1 else ""))
            for problem in problems:
                say(f"    {problem}")
            wrong += bool(problems)
    say(NOT_RECOMPUTED)
    if wrong:
        raise SystemExit(1)


ROWS = (verify,)
