"""The schema of `causes.json`: every world's verdicts beside its planted cause, and the matrix of both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from bench.files import read_record
from bench.leaderboard.pages import CAUSES
from bench.records import Strict
from bench.studies.causes.plans import CAUSES as PLANTED
from bench.studies.causes.worlds import PATTERNS, Patterns
from bench.studies.diff.records import SetAudit
from bench.studies.diff.rules import RULES
from bench.studies.diff.verdicts import Verdict

SCHEMA = 2  # raise it when a field changes its meaning
Found = Literal["supported", "ruled out", "undetermined"]
KNOWN = {rule.hypothesis for rule in RULES}
FOUND: tuple[Found, ...] = ("supported", "ruled out", "undetermined")


class Share(Strict):
    """A count of worlds, with the exact 95 % interval of their share (Clopper & Pearson 1934, Biometrika 26)."""

    count: int
    total: int
    low: float
    high: float


def share(count: int, total: int) -> Share:
    """Return a share with its interval; of no worlds, anything from 0 to 1."""
    from scipy.stats import binomtest

    if not total:
        return Share(count=0, total=0, low=0.0, high=1.0)
    interval = binomtest(count, total).proportion_ci(0.95, method="exact")
    return Share(count=count, total=total, low=float(interval.low), high=float(interval.high))


class WorldRecord(Strict):
    """One planted world under one description of its sets, and the verdicts on it.

    Attributes:
        planted: Name of the planted cause.
        hypothesis: The one that is true in it.
        seed: World seed.
        patterns: Whether the pattern of milder examples holds them all and no others.
        met: Whether the prerequisites of the diff were met; without that there are no verdicts.
        cells: Cell -> its trait score.
        rows: Cell -> examples trained on.
        audit: Of the described sets, as the diff gave it.
        verdicts: As the diff gave them, with all comparisons; empty where the prerequisites were not met.
        seconds: Wall time of the diff when it was done, with making the world's files in that of perfect patterns. What
            both diffs train counts in that of perfect patterns, which comes first.
    """

    planted: str
    hypothesis: str
    seed: int
    patterns: Patterns
    met: bool
    cells: dict[str, float | None]
    rows: dict[str, float]
    audit: list[SetAudit]
    verdicts: list[Verdict]
    seconds: float

    @model_validator(mode="after")
    def _known(self) -> "WorldRecord":
        _check_known([self.hypothesis, *(verdict.hypothesis for verdict in self.verdicts)])
        return self

    def verdict(self, hypothesis: str) -> Found:
        """Return the verdict on one hypothesis; undetermined where there is none."""
        return next((v.verdict for v in self.verdicts if v.hypothesis == hypothesis), "undetermined")

    @property
    def supported(self) -> list[str]:
        """The hypotheses that were supported."""
        return [v.hypothesis for v in self.verdicts if v.verdict == "supported"]

    @property
    def wrong(self) -> list[str]:
        """The hypotheses that were supported and not planted."""
        return [hypothesis for hypothesis in self.supported if hypothesis != self.hypothesis]

    @property
    def exact(self) -> bool:
        """Whether the planted hypothesis, and no other, was supported."""
        return self.supported == [self.hypothesis]


class WorldResult(Strict):
    """What is written as soon as a world is finished: one record for each description of its sets."""

    schema_version: int = SCHEMA
    settings: dict[str, Any]
    worlds: list[WorldRecord]


class Rates(Strict):
    """How often verdicts were right.

    Attributes:
        found: Worlds in which the planted hypothesis was supported; of those alone in which it takes hold.
        alone: Worlds in which it alone was supported; of the same.
        missed: Worlds in which it was ruled out; of the same.
        false_support: Worlds in which another hypothesis was supported; of all.
    """

    found: Share
    alone: Share
    missed: Share
    false_support: Share


class MatrixRow(Strict):
    """Verdicts on all hypotheses in the worlds of one planted cause, under one description of the sets.

    Attributes:
        planted: Name of the planted cause.
        hypothesis: The one that is true.
        how: How it was planted.
        takes_hold: Whether students show what was planted.
        patterns: As in `WorldRecord`.
        worlds: Number of worlds.
        counts: Hypothesis -> verdict -> number of worlds.
        rates: Over these worlds.
    """

    planted: str
    hypothesis: str
    how: str
    takes_hold: bool
    patterns: Patterns
    worlds: int
    counts: dict[str, dict[Found, int]]
    rates: Rates

    @model_validator(mode="after")
    def _counted(self) -> "MatrixRow":
        _check_known([self.hypothesis])
        if self.counts.keys() != KNOWN:
            raise ValueError(
                f"counts: hypotheses {', '.join(self.counts) or 'none'}; expected {', '.join(sorted(KNOWN))}"
            )
        for hypothesis, counts in self.counts.items():
            if counts.keys() != set(FOUND) or min(counts.values()) < 0 or sum(counts.values()) != self.worlds:
                raise ValueError(
                    f"counts.{hypothesis}: expected a count for each of {', '.join(FOUND)}, {self.worlds} together"
                )
        return self


class CausesRecord(Strict):
    """All planted worlds of a run; `totals` are over all rows of the matrix with the same patterns."""

    schema_version: int = SCHEMA
    matrix: list[MatrixRow]
    totals: dict[Patterns, Rates]
    worlds: list[WorldRecord]
    settings: dict[str, Any]
    corpora: dict[str, Any]
    device: str
    command: str
    versions: dict[str, str]
    commit: str
    seconds: float


def _check_known(hypotheses: Sequence[str]) -> None:
    unknown = sorted(set(hypotheses) - KNOWN)
    if unknown:
        raise ValueError(f"hypothesis {', '.join(unknown)}: expected one of {', '.join(sorted(KNOWN))}")


def rates(worlds: Sequence[WorldRecord]) -> Rates:
    """Count right and wrong verdicts."""
    held = [world for world in worlds if PLANTED[world.planted].takes_hold]
    return Rates(
        found=share(sum(world.verdict(world.hypothesis) == "supported" for world in held), len(held)),
        alone=share(sum(world.exact for world in held), len(held)),
        missed=share(sum(world.verdict(world.hypothesis) == "ruled out" for world in held), len(held)),
        false_support=share(sum(bool(world.wrong) for world in worlds), len(worlds)),
    )


def matrix_row(planted: str, patterns: Patterns, worlds: Sequence[WorldRecord]) -> MatrixRow:
    """Count the verdicts in the worlds of one planted cause."""
    cause = PLANTED[planted]
    counts: dict[str, dict[Found, int]] = {
        rule.hypothesis: {found: sum(w.verdict(rule.hypothesis) == found for w in worlds) for found in FOUND}
        for rule in RULES
    }
    return MatrixRow(
        planted=planted,
        hypothesis=cause.hypothesis,
        how=cause.planted,
        takes_hold=cause.takes_hold,
        patterns=patterns,
        worlds=len(worlds),
        counts=counts,
        rates=rates(worlds),
    )


def matrix(worlds: Sequence[WorldRecord]) -> list[MatrixRow]:
    """Return a row for each description of the sets and each cause that was planted."""
    groups = {
        (p, name): [w for w in worlds if (w.patterns, w.planted) == (p, name)] for p in PATTERNS for name in PLANTED
    }
    return [matrix_row(name, patterns, some) for (patterns, name), some in groups.items() if some]


def read_causes(folder: Path) -> CausesRecord:
    """Read the `causes.json` of a folder.

    Raises:
        BenchError: If it is not there, or not of this schema.
    """
    return read_record(folder / CAUSES.data, CausesRecord, "a finished run", "run `bench causes` first")
