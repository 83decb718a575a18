"""Hold rows against their evidence: every number that follows from per-sample scores is computed again and compared."""

from collections.abc import Iterator, Sequence
from math import isclose
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.errors import BenchError
from bench.leaderboard.comparable import row_key
from bench.leaderboard.declared import against_suite
from bench.leaderboard.evidence import read_evidence
from bench.leaderboard.numbers import TESTED, Hypothesis, corrected, find_winner, numbers, read
from bench.leaderboard.row import Found, Row, TraitResult, Winner, read_row, read_rows, row_file, row_files

RELATIVE, ABSOLUTE = 1e-6, 1e-9  # between what two builds of NumPy and SciPy compute from the same scores
WHOLE = 1e-6  # of a count that precision or recall makes
NOT_RECOMPUTED = (
    "not computed again, as scores of students do not tell it: what was flagged, agreement with planted truth, "
    "neighbours, overlaps, cost, memory, versions, commit, command, the filter's source; settings, pool and prompts "
    "are held against a built-in suite of the same version, where there is one"
)


class Run:
    """What follows from the evidence of one run, each number computed once.

    Args:
        folder: Folder that the evidence's file name starts from.
        named: File -> SHA-256, as in the run's rows.

    Raises:
        BenchError: If the evidence is not there, or is not what the rows name.
    """

    def __init__(self, folder: Path, named: dict[str, str]) -> None:
        self.evidence = read_evidence(folder, named)
        self._readings = {trait: read(scores) for trait, scores in self.evidence.items()}
        self._p_holm = corrected(self._readings)
        self._winners: dict[tuple[str, float], Winner | None] = {}

    def traits(self, filter_name: str, budget: float) -> set[str]:
        """Return the traits on which an action that is tested was run on what a filter flagged."""
        return {t for t, reading in self._readings.items() if {*TESTED} & {*reading.actions(filter_name, budget)}}

    def numbers(self, trait: str, filter_name: str, budget: float) -> dict[str, Any]:
        """Return the fields of a result that follow from the evidence."""
        reading = self._readings[trait]
        if (trait, budget) not in self._winners:
            self._winners[trait, budget] = find_winner(reading, budget)
        p_holm = self._p_holm.get(Hypothesis(filter_name, f"{budget:g}", trait))
        return numbers(reading, filter_name, budget, self._winners[trait, budget], p_holm)


Runs = dict[tuple[Path, str], Run]


def verify_rows(folder: Path) -> dict[str, list[str]]:
    """Verify every row of a board's folder, or of a folder of rows.

    Returns:
        File name of the row -> what is wrong with it, empty where it is verified; sorted by file name.

    Raises:
        BenchError: If the folder holds no rows.
    """
    return verify_files(row_files(folder), str(folder))


def wrong_rows(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Return what is wrong with the rows of boards, by `row_key`; a row that verifies in one of the folders is sound.

    Raises:
        BenchError: If a folder holds no rows.
    """
    found: dict[str, list[str]] = {}
    for folder in folders:
        problems = verify_rows(folder)
        for row in read_rows(folder):
            key, wrong = row_key(row), problems[row_file(row)]
            found[key] = wrong if key not in found or not wrong else found[key]
    return {key: wrong for key, wrong in found.items() if wrong}


def verify_files(files: list[Path], where: str) -> dict[str, list[str]]:
    """Verify rows of one folder; see `verify_rows`.

    Raises:
        BenchError: If there are none.
    """
    if not files:
        raise BenchError(where, seen="no *.json rows", expected="rows of a finished run", remedy="run the suite")
    runs: Runs = {}
    return {file.name: verify_row(file, runs) for file in files}


def verify_row(file: Path, runs: Runs) -> list[str]:
    """Say what is wrong with a row; nothing where every number follows from its evidence.

    Args:
        file: The row, in a folder `rows` beside `evidence`, or in the folder that holds `evidence`.
        runs: The evidence that was read before; added to.
    """
    folder = file.parent.parent if file.parent.name == "rows" else file.parent
    try:
        row = read_row(file)
        key = folder, repr(row.evidence)
        if key not in runs:
            runs[key] = Run(folder, row.evidence)
        return [*_differing(row, runs[key]), *against_suite(row, runs[key].evidence), *_contradictions(row)]
    except BenchError as error:
        return [f"{Path(error.where).name}: {error.seen}; expected {error.expected}"]


def _differing(row: Row, run: Run) -> Iterator[str]:
    """Name every number of a row that its evidence does not give."""
    measured = run.traits(row.filter.name, row.budget)
    for trait in sorted(measured ^ row.traits.keys()):
        holder, other = ("evidence", "row") if trait in measured else ("row", "evidence")
        yield f"traits.{trait}: in the {holder} for {row.filter.name} at {row.budget:g}, and not in the {other}"
    for trait in sorted(measured & row.traits.keys()):
        evidence = run.evidence[trait]
        twice = [name for name, ids in evidence.ids.items() if len(set(ids)) < len(ids)]
        if twice:
            yield f"evidence of {trait}: a sample is there twice among those of {', '.join(twice)}"
        seeds = evidence.seeds
        if row.seeds != seeds:
            yield f"seeds: {row.seeds} in the row, {seeds} from the evidence of {trait}"
        for field, value in run.numbers(trait, row.filter.name, row.budget).items():
            yield from _compare(getattr(row.traits[trait], field), value, f"traits.{trait}.{field}")


def _compare(stored: object, found: object, path: str) -> Iterator[str]:
    """Compare what a row holds with what its evidence gives, down to the numbers."""
    stored, found = (each.model_dump() if isinstance(each, BaseModel) else each for each in (stored, found))
    if isinstance(stored, dict) and isinstance(found, dict):
        for key in {**found, **stored}:
            yield from _compare(stored.get(key), found.get(key), f"{path}.{key}")
    elif isinstance(stored, float) and isinstance(found, float):
        if not isclose(stored, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            yield f"{path}: {stored:.6g} in the row, {found:.6g} from the evidence"
    elif stored != found:
        yield f"{path}: {_shown(stored)} in the row, {_shown(found)} from the evidence"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an entry"
    return "nothing" if value is None else repr(value)


def _contradictions(row: Row) -> Iterator[str]:
    """Say what a row cannot mean, of what its evidence does not tell."""
    for trait, result in row.traits.items():
        size = round(row.budget * result.pool_rows)
        if result.flagged != size:
            yield f"traits.{trait}.flagged: {result.flagged}, but {row.budget:g} of {result.pool_rows} rows are {size}"
        if result.found:
            yield from (f"traits.{trait}.found: {what}" for what in _not_of_rows(result, result.found))


def _not_of_rows(result: TraitResult, found: Found) -> Iterator[str]:
    """Say where precision and recall are of no whole numbers of rows, or of more rows than there are."""
    counts = []
    for name, precision, recall in (
        ("overt rows", found.precision, found.recall),
        ("overt or mild rows", found.precision_any, found.recall_any),
    ):
        hits = precision * result.flagged
        planted = hits / recall if recall else 0.0
        counts.append(planted)
        if bool(precision) != bool(recall) or any(abs(n - round(n)) > WHOLE * max(n, 1) for n in (hits, planted)):
            yield f"precision {precision:g} and recall {recall:g} are of no whole number of {name}"
        elif planted - hits > result.pool_rows - result.flagged + WHOLE:
            yield f"precision {precision:g} and recall {recall:g} need {planted:.0f} {name} of {result.pool_rows}"
    if found.precision > found.precision_any + WHOLE or (counts[1] and counts[0] > counts[1] + WHOLE):
        yield "more overt rows than overt and mild ones together"
