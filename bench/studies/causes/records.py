"""The schema of `causes.json`: every world's verdicts beside its planted cause, and the matrix of both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from bench.files import read_record
from bench.leaderboard.pages import CAUSES
from bench.records import Strict
from bench.studies.diff.verdicts import RULES, Verdict

SCHEMA = 1  # raise it when a field changes its meaning
Found = Literal["supported", "ruled out", "undetermined"]
FOUND: tuple[Found, ...] = ("supported", "ruled out", "undetermined")


class WorldRecord(Strict):
    """One planted world and the verdicts on it.

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
        """Return the verdict on one hypothesis; undetermined where there is none."""
        return next((v.verdict for v in self.verdicts if v.hypothesis == hypothesis), "undetermined")

    @property
    def supported(self) -> list[str]:
        """The hypotheses that were supported."""
        return [v.hypothesis for v in self.verdicts if v.verdict == "supported"]

    @property
    def exact(self) -> bool:
        """Whether the planted hypothesis, and no other, was supported."""
        return self.supported == [self.hypothesis]


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
    """Count the verdicts in the worlds of one planted cause."""
    counts: dict[str, dict[Found, int]] = {
        rule.hypothesis: {found: sum(w.verdict(rule.hypothesis) == found for w in worlds) for found in FOUND}
        for rule in RULES
    }
    exact = sum(world.exact for world in worlds)
    return MatrixRow(planted=planted, hypothesis=hypothesis, how=how, worlds=len(worlds), exact=exact, counts=counts)


def read_causes(folder: Path) -> CausesRecord:
    """Read the `causes.json` of a folder.

    Raises:
        BenchError: If it is not there, or not of this schema.
    """
    return read_record(folder / CAUSES.data, CausesRecord, "a finished run", "run `bench causes` first")
