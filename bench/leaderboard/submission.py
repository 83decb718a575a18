"""A submission: one filter's rows, evidence, source and card in a folder that is ready for a pull request."""

import ast
import hashlib
import inspect
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from bench.arms import CLEAN, ORIGINAL, filter_arm
from bench.errors import BenchError, unwritable
from bench.files import read_text, replacing, write_text
from bench.leaderboard import format as words
from bench.leaderboard.pages import environment
from bench.leaderboard.row import Row, read_rows, row_file
from bench.records import Action

CARD = "card.md"
NOT_NAMED = "not named"


@dataclass(frozen=True)
class Credits:
    """Who wrote a filter, and under which licence its source may be used."""

    authors: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class Submission:
    """A submission as it lies in its folder.

    Attributes:
        folder: Named like the filter.
        rows: One per budget.
    """

    folder: Path
    rows: list[Row]

    @property
    def name(self) -> str:
        """The filter's name."""
        return self.rows[0].filter.name

    @property
    def source(self) -> Path:
        """The filter's source file."""
        return self.folder / f"{self.name}.py"

    def expected_files(self) -> set[str]:
        """Return the names that the folder must hold, relative to it."""
        rows = {f"rows/{row_file(row)}" for row in self.rows}
        return {self.source.name, CARD, *rows, *(file for row in self.rows for file in (*row.evidence, *row.examples))}


def write_submission(rows: Sequence[Row], source: Path, results: Path, folder: Path, credits: Credits) -> Submission:
    """Copy what a pull request needs out of a run's results, and write the card.

    Args:
        rows: Of one filter, one per budget.
        source: The filter's source file.
        results: Folder with `rows/` and what the rows name.
        folder: The new folder, which takes the place of an older one.
        credits: For the card.

    Raises:
        BenchError: If the source is no longer the one that was run, or the folder cannot be written.
    """
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if digest != rows[0].filter.sha256:
        raise BenchError(
            f"filter {source}",
            seen=f"SHA-256 {digest[:12]}, while its rows are of {rows[0].filter.sha256[:12]}",
            expected="the file that was run",
            remedy="it was changed meanwhile: run the same command again",
        )
    made = Submission(folder, list(rows))
    with replacing(folder) as partial:
        partial.mkdir()
        shutil.copyfile(source, partial / made.source.name)
        for file in sorted(made.expected_files() - {made.source.name, CARD}):
            (partial / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(results / file, partial / file)
        write_text(partial / CARD, card(rows, read_text(source), credits))
    return made


def read_submission(folder: Path) -> Submission:
    """Read a submission's rows; nothing else of it is looked at.

    Raises:
        BenchError: If there are none, one is damaged, or they are of several filters or suites.
    """
    try:
        made = Submission(folder, read_rows(folder / "rows"))
    except OSError as error:
        raise unwritable(folder, error) from error
    if len({(row.filter.model_dump_json(), row.suite) for row in made.rows}) > 1:
        raise BenchError(
            str(folder),
            seen=f"rows of {', '.join(sorted({f'{row.filter.name} in {row.suite}' for row in made.rows}))}",
            expected="one filter in one suite, with the same options at every budget",
            remedy="submit each filter in a folder of its own, as `bench submit` writes it",
        )
    return made


def card(rows: Sequence[Row], source: str, credits: Credits) -> str:
    """Write the card of a filter, in Markdown, from its rows and its source.

    Args:
        rows: One per budget.
        source: Text of the filter's file, which is parsed and not executed.
        credits: Who wrote it.

    Raises:
        BenchError: If the source is not Python.
    """
    template = environment(html=False).get_template("card.md.j2")
    return template.render(
        filter=rows[0].filter,
        row=rows[0],
        words=words,
        authors=credits.authors or (NOT_NAMED,),
        licence=credits.licence,
        documentation=_indented(documentation(source)),
        lines=[line for row in rows for line in _measured(row)],
        closed=list(dict.fromkeys((t.trait, t.reason) for row in rows for t in row.traits.values() if not t.scored)),
    )


def documentation(source: str) -> str:
    """Return the docstrings of a filter file and of its scoring function, without executing it.

    Raises:
        BenchError: If it is not Python.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise BenchError(
            "source of the filter", seen=str(error), expected="a Python file", remedy="run `bench check` on it"
        ) from error
    marked = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and any("filter_plugin" in ast.dump(mark) for mark in node.decorator_list)
    ]
    documented: list[ast.Module | ast.FunctionDef] = [tree, *marked]
    texts = [ast.get_docstring(node) for node in documented]
    return inspect.cleandoc("\n\n".join(text for text in texts if text))


def _indented(text: str) -> str:
    """Return a Markdown code block, whatever the text holds."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _measured(row: Row) -> Iterator[tuple[str, ...]]:
    """Yield the table lines of a row: reference arms, then what was done with the flagged set."""
    for name, result in row.traits.items():
        start = (name, words.percent(row.budget))
        for arm in (ORIGINAL.name, CLEAN.name):
            yield (*start, arm, words.estimate(result.arms[arm].trait).text, "", "", "")
        for action in get_args(Action):
            arm, effect = filter_arm(action, row.filter.name, row.budget).name, result.effects.get(action)
            if arm not in result.arms:
                continue
            numbers = [words.estimate(effect.removal).text, words.optional(effect.lift).text] if effect else ["", ""]
            p = words.tested(effect.p) if effect else ""
            yield (*start, action, words.estimate(result.arms[arm].trait).text, *numbers, p)
