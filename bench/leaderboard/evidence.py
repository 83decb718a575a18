"""Evidence: the per-sample scores that every number of a run's rows is computed from, in one file beside the rows."""

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from bench.arms import CLEAN, ORIGINAL
from bench.errors import BenchError
from bench.files import MAX_BYTES, read_bytes, replacing, validated
from bench.outcomes import AnswerCounts, SampleScores
from bench.plain_data import parse_json
from bench.records import Strict
from bench.stats.means import Floats, Means, arm_means
from bench.stats.unscored import Common, on_common_prompts

FOLDER = "evidence"
LARGEST = MAX_BYTES  # of a file once unpacked
MOST_CONTROLS = 2**16  # boards count up to the number that a file gives
REMEDY = "take the file that the run wrote, or run again"
PREFIX = "scores-"  # of the names of the files, before the hash


class ScoreTables(Strict):
    """All scores of one experiment.

    Attributes:
        score: Name of the score that measures the trait.
        scale: Its lowest and highest value.
        ids: Score name -> sample ids.
        families: Score name -> family (bootstrap cluster) of each sample.
        arms: Arm -> score name -> one list of values a training seed, in the order of `ids`; None where a score does
    A model without seeds (base, teacher) has one list.
        answers: Arm -> how many answers the trait's score was given for each training seed, and how many of them say
            nothing; arms whose evaluation did not count them are missing.
    """

    score: str
    scale: tuple[float, float]
    ids: dict[str, list[str]]
    families: dict[str, list[str]]
    arms: dict[str, dict[str, list[list[float | None]]]]
    answers: dict[str, list[AnswerCounts]] = {}

    def means(self, score: str) -> Means:
        """Return the means of one score over all arms that have it."""
        scales: dict[str, tuple[float, float]] = {self.score: self.scale, "exact": (0.0, 1.0)}
        means = arm_means(*self.tables(score), scales.get(score))
        return replace(means, refused=self.common().refused) if score == self.score else means

    def tables(self, score: str) -> tuple[dict[str, Floats], NDArray[np.int64]]:
        """Return one score of all arms that have it, each (seeds, prompts), and each prompt's family, (prompts,).

        Those of the trait's score are on the answers that every arm has a score for, see `bench.stats.unscored`.
        """
        tables = self.common().tables if score == self.score else self._tables(score)
        return tables, np.unique(self.families[score], return_inverse=True)[1].astype(np.int64)

    def common(self) -> Common:
        """Return the trait's score on the answers that every arm has one for."""
        return on_common_prompts(self._tables(self.score))

    def unscored(self, arm: str) -> int:
        """Return how many of an arm's answers the trait's scorer gave no score."""
        return sum(value is None for run in self.arms[arm].get(self.score, ()) for value in run)

    def _tables(self, score: str) -> dict[str, Floats]:
        having = {arm: np.array(runs[score], dtype=np.float64) for arm, runs in self.arms.items() if score in runs}
        seeds = max(map(len, having.values()))
        return {arm: each if len(each) == seeds else np.repeat(each, seeds, axis=0) for arm, each in having.items()}


class Evidence(ScoreTables):
    """The scores of one trait in a run, and what the suite fixed of how they are compared.

    Attributes:
        seeds: Training seeds, in the order of the lists of an arm.
        controls: Random sets of each action and budget.
        minimum_gap: That the gap's interval must clear.
    """

    seeds: list[int]
    controls: int = Field(ge=1, le=MOST_CONTROLS)
    minimum_gap: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _shapes(self) -> Self:
        if not {ORIGINAL.name, CLEAN.name} <= self.arms.keys() or not {self.score, "exact"} <= self.ids.keys():
            raise ValueError("scores of the arms original and clean, on the trait and on exact answers, are needed")
        if {name: len(ids) for name, ids in self.ids.items()} != {n: len(of) for n, of in self.families.items()}:
            raise ValueError("each sample has one id and one family")
        unmeasured = [name for name in self.ids if not any(name in runs for runs in self.arms.values())]
        if unmeasured:
            raise ValueError(f"no arm has the scores {', '.join(unmeasured)}")
        for arm, runs in self.arms.items():
            if unknown := runs.keys() - self.ids.keys():
                raise ValueError(f"arm {arm!r} has scores of no samples: {', '.join(map(repr, sorted(unknown)))}")
            for name, lists in runs.items():
                if len(lists) not in (1, len(self.seeds)) or any(len(each) != len(self.ids[name]) for each in lists):
                    raise ValueError(f"arm {arm!r} does not have a score {name!r} for each seed and sample")
        if any(len(counts) != len(self.arms.get(arm, {}).get(self.score, ())) for arm, counts in self.answers.items()):
            raise ValueError("answers are counted of an arm for each of its seeds")
        return self


def gather(scores: Mapping[str, Sequence[SampleScores]], score: str, scale: tuple[float, float]) -> ScoreTables:
    """Put the scores of all arms side by side.

    Args:
        scores: Arm name -> scores per training seed; a model without seeds has one entry.
        score: Name of the score that measures the trait.
        scale: Its lowest and highest value.

    Raises:
        BenchError: If an arm has other samples than `original`.
    """
    reference = scores[ORIGINAL.name][0]
    arms = {}
    for arm, runs in scores.items():
        having = [name for name in reference.values if all(name in run.values for run in runs)]
        if any(run.ids[name] != reference.ids[name] for run in runs for name in having):
            raise BenchError(
                f"scores of arm {arm!r}",
                seen="other samples than those of `original`",
                expected="the same held-out prompts for every arm",
                remedy="delete the run folder's store/evals and run again",
            )
        arms[arm] = {name: [list(map(_or_none, run.values[name])) for run in runs] for name in having}
    ids, families = ({name: of[name] for name in reference.values} for of in (reference.ids, reference.families))
    counted = {arm: [run.answers[score] for run in runs if score in run.answers] for arm, runs in scores.items()}
    answers = {arm: counts for arm, counts in counted.items() if len(counts) == len(scores[arm])}
    return ScoreTables(score=score, scale=scale, ids=ids, families=families, arms=arms, answers=answers)


def _or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def write_evidence(evidence: Mapping[str, Evidence], folder: Path) -> dict[str, str]:
    """Write one compressed file, named by its hash, complete or not at all.

    Args:
        evidence: Of each trait.
        folder: Results folder.

    Returns:
        File, relative to the folder -> SHA-256.

    Raises:
        BenchError: If it cannot be written.
    """
    tables = {trait: each.model_dump(exclude=None if each.answers else {"answers"}) for trait, each in evidence.items()}
    text = json.dumps(tables, separators=(",", ":"))
    packed = gzip.compress(text.encode(), mtime=0)
    digest = hashlib.sha256(packed).hexdigest()
    file = f"{FOLDER}/{PREFIX}{digest[:16]}.json.gz"
    with replacing(folder / file) as partial:
        partial.write_bytes(packed)
    return {file: digest}


def remove_evidence(folder: Path, named: Collection[str]) -> None:
    """Remove the scores in a folder that are not named."""
    for path in (folder / FOLDER).glob(f"{PREFIX}*.json.gz"):
        if f"{FOLDER}/{path.name}" not in named:
            path.unlink()


def read_evidence(folder: Path, named: Mapping[str, str]) -> dict[str, Evidence]:
    """Read the evidence that a row names, by trait.

    Args:
        folder: Folder that the file's name starts from.
        named: File -> SHA-256, as in the row.

    Raises:
        BenchError: If the row does not name one file, or it is not there, has another hash or is no such file.
    """
    if len(named) != 1:
        raise _bad("evidence", f"{len(named)} files named", f"one file under {FOLDER}/")
    ((file, digest),) = named.items()
    name = file.removeprefix(f"{FOLDER}/")
    if Path(file).parts != (FOLDER, name):
        raise _bad("evidence", f"the path {file!r}", f"a file under {FOLDER}/")
    path = folder / file
    packed = read_bytes(path, "the scores that the row names", REMEDY)
    if (seen := hashlib.sha256(packed).hexdigest()) != digest:
        raise _bad(str(path), f"SHA-256 {seen}", f"{digest}, which the row names")
    return {trait: validated(each, f"{path}, {trait}", Evidence) for trait, each in _unpack(packed, path).items()}


def _unpack(packed: bytes, path: Path) -> dict[str, Any]:
    try:
        with gzip.open(BytesIO(packed)) as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise _bad(str(path), f"more than {LARGEST} bytes once unpacked", "the scores of one run")
        value = parse_json(text.decode())
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _bad(str(path), f"damaged: {error}", "gzipped JSON") from error
    if not isinstance(value, dict) or not value or not all(isinstance(each, dict) for each in value.values()):
        raise _bad(str(path), "no object of traits", "the scores of each trait")
    return value


def _bad(where: str, seen: str, expected: str) -> BenchError:
    return BenchError(where, seen=seen, expected=expected, remedy=REMEDY)
