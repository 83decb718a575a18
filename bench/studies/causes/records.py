"""What `causes.json` holds: every world's verdicts beside its planted cause, and the matrix of both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from bench.errors import BenchError, read_text, unwritable, validation_error
from bench.leaderboard.pages import CAUSES
from bench.records import Strict
from bench.studies.diff.verdicts import RULES, Verdict

SCHEMA = 1  # raise it when a field changes its meaning
Found = Literal["supported", "ruled out", "undetermined"]


class WorldRecord(Strict):
    """One planted world and what the verdicts made of it.

    Attributes:
        planted: Name of the planted cause.
        hypothesis: The one that is true in it.
        seed: World seed.
        met: Whether the prerequisites of the diff were met; without that there are no verdicts.
        cells: Cell -> its trait score.
        rows: Cell -> examples trained on.
        verdicts: As the diff gave them, with all comparisons; empty where the prerequisites were not met.
        seconds: Wall time of making the world and of the diff, when it was done.
        folder: Of the world, relative to that of `causes.json`.
    """

    planted: str
    hypothesis: str
    seed: int
    met: bool
    cells: dict[str, float | None]
    rows: dict[str, float]
    verdicts: list[Verdict]
    seconds: float
    folder: str

    def verdict(self, hypothesis: str) -> Found:
        """The verdict on one hypothesis; undetermined where there is none."""
        return next((v.verdict for v in self.verdicts if v.hypothesis == hypothesis), "undetermined")

    @property
    def exact(self) -> bool:
        """Whether the planted hypothesis, and no other, was supported."""
        return [v.hypothesis for v in self.verdicts if v.verdict == "supported"] == [self.hypothesis]


class MatrixRow(Strict):
    """Verdicts on all hypotheses in the worlds of one planted cause.

    Attributes:
        planted: Name of the planted cause.
        hypothesis: The one that is true.
        how: How it was planted.
        worlds: Number of worlds.
        exact: Worlds in which it alone was supported.
        counts: Hypothesis -> verdict -> number of worlds.
    """

    planted: str
    hypothesis: str
    how: str
    worlds: int
    exact: int
    counts: dict[str, dict[Found, int]]


class CausesRecord(Strict):
    """All planted worlds of a run."""

    schema_version: int = SCHEMA
    matrix: list[MatrixRow]
    worlds: list[WorldRecord]
    settings: dict[str, Any]
    corpora: dict[str, Any]
    device: str
    command: str
    versions: dict[str, str]
    commit: str
    seconds: float


def matrix_row(planted: str, hypothesis: str, how: str, worlds: Sequence[WorldRecord]) -> MatrixRow:
    """Count the verdicts of the worlds of one planted cause."""
    answers: tuple[Found, ...] = ("supported", "ruled out", "undetermined")
    counts: dict[str, dict[Found, int]] = {
        rule.hypothesis: {answer: sum(w.verdict(rule.hypothesis) == answer for w in worlds) for answer in answers}
        for rule in RULES
    }
    exact = sum(world.exact for world in worlds)
    return MatrixRow(planted=planted, hypothesis=hypothesis, how=how, worlds=len(worlds), exact=exact, counts=counts)


def write_record(record: CausesRecord, folder: Path) -> None:
    """Write `causes.json`, complete or not at all.

    Raises:
        BenchError: If it cannot be written.
    """
    partial = folder / f"{CAUSES.data}.partial"
    try:
        partial.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / CAUSES.data)
    except OSError as error:
        raise unwritable(folder / CAUSES.data, error) from error


def read_record(folder: Path) -> CausesRecord:
    """Read the `causes.json` of a folder.

    Raises:
        BenchError: If it is not there, or not of this schema.
    """
    file = folder / CAUSES.data
    if not file.is_file():
        raise BenchError(str(file), seen="no such file", expected="a finished run", remedy="run `bench causes` first")
    try:
        return CausesRecord.model_validate_json(read_text(file))
    except ValidationError as error:
        raise validation_error(str(file), error) from error
