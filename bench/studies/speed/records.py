"""What was measured, as one JSON file; every table and ratio of its page is computed from it."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from bench import files
from bench.config.recipe import Recipe
from bench.errors import unwritable
from bench.records import Strict
from bench.stats.equivalence import Comparison

FORMAT = 1
Side = Literal["suite", "plain"]
SIDES: tuple[Side, ...] = ("plain", "suite")
Kind = Literal["training", "generation", "embedding", "search"]
KINDS: tuple[Kind, ...] = ("training", "generation", "embedding", "search")


class Peak(Strict):
    """Measured speed of a large matrix product on a device."""

    place: str  # cpu or cuda
    dtype: str
    measured: list[float]  # operations a second, before and after the other measurements; the best of several each

    @property
    def flops(self) -> float:
        """Return the better measurement."""
        return max(self.measured)


class Machine(Strict):
    """The machine as far as speed depends on it: no host name, no path."""

    device: str  # cpu or cuda
    processor: str
    cores: int  # logical ones that the process may use
    memory_gib: float
    system: str
    gpu: str = ""
    gpu_memory_gib: float = 0.0
    threads: int  # of torch within one operation
    settings: dict[str, str]  # environment variables that set threads or allocators
    peaks: list[Peak]  # of the CPU, and of the GPU where one is used
    # Whether resident memory is the peak of a call or, where the system cannot reset the mark, of the process so far.
    memory: Literal["call", "process"]
    versions: dict[str, str]

    def peak(self, kind: Kind) -> Peak:
        """Return the peak for a kind of work; embedding and search always run on the CPU."""
        place = self.device if kind in ("training", "generation") else "cpu"
        return next(peak for peak in self.peaks if peak.place == place)


class Work(Strict):
    """Amount of work of one call; both sides are credited with the same tokens, computed or not."""

    tokens: int = 0  # of prompts, completions, answers and texts in every pass, without padding; 0 for search
    completion_tokens: int = 0  # of completions or answers
    flops: float  # floating-point operations, if nothing is shared between arms or passes
    least_flops: float  # the same, if what is equal in several arms or passes is computed once


class Timing(Strict):
    """One call of one side."""

    side: Side
    repeat: int  # from 0; the sides take turns
    seconds: float = Field(ge=0, le=1e9)  # wall time; a page divides them and adds them up
    resident_bytes: int  # peak, libraries and base model included; see Machine.memory
    gpu_bytes: int = 0  # peak of torch's allocations
    work: Work


class Case(Strict):
    """The same work, measured on both sides."""

    kind: Kind
    axis: str = ""  # quantity that grows over the cases of this kind and axis; "" for the main case
    size: int = 1  # its value here
    parts: int = 1  # students, passes over the texts, or 1
    part: str  # noun for one of them
    what: str  # description
    timings: list[Timing] = []

    def seconds(self, side: Side) -> list[float]:
        """Return the wall times of a side, one per repeat."""
        return [timing.seconds for timing in self.timings if timing.side == side]

    def work(self, side: Side) -> Work:
        """Return the amount of work of a side's last call."""
        return [timing.work for timing in self.timings if timing.side == side][-1]

    def median(self, side: Side) -> float:
        """Return the median wall time of a side in seconds."""
        return statistics.median(self.seconds(side))

    @property
    def ratio(self) -> float:
        """Return the median time of the plain loop over that of the suite: above 1 the suite is faster."""
        return self.median("plain") / self.median("suite")


class Pair(Strict):
    """The two students of one arm and seed: the suite's and the plain loop's."""

    arm: str
    seed: int
    losses: dict[Side, list[float]]  # mean per labelled token of every step
    tensor_difference: float  # largest of a trained tensor: |suite - plain| / |plain| in the Frobenius norm
    scores: dict[Side, list[float | None]]  # of the trait, per prompt; None where it does not apply
    same_answers: int  # prompts that both answer in the same words

    @property
    def loss_differences(self) -> list[float]:
        """Return the absolute difference of the loss, step by step."""
        return [abs(a - b) for a, b in zip(self.losses["suite"], self.losses["plain"], strict=True)]


class Agreement(Strict):
    """Whether the two sides come to the same result."""

    pairs: list[Pair]
    loss_tolerance: float  # nats a token; losses that differ by no more count as equal
    prompts: list[str]  # ids of the trait's held-out prompts
    families: list[str]  # of the prompts
    trait: Comparison  # suite minus plain over arms, seeds and prompts
    same_texts: tuple[int, int]  # equal answers of the generation case, and all of them
    vector_difference: float  # largest of an embedding's component
    similarity_difference: float  # largest of a similarity found by the search

    @property
    def losses_equal(self) -> bool:
        """Return whether no loss differs by more than the tolerance."""
        return all(difference <= self.loss_tolerance for pair in self.pairs for difference in pair.loss_differences)


class SpeedRecord(Strict):
    """Everything that one `bench speed` measured."""

    format: int = FORMAT
    suite: str
    suite_version: int
    pool_rows: int
    pool_sha256: str
    trait: str
    recipe: Recipe
    path: str  # training path of the suite
    arms: list[str]
    seeds: list[int]
    repeats: int  # of each main case
    plain_batch: int  # prompts at a time in the plain loop's generation
    machine: Machine
    measured_on: str  # ISO date
    command: str
    commit: str
    cases: list[Case]
    agreement: Agreement

    @model_validator(mode="after")
    def _complete(self) -> "SpeedRecord":
        for place in ("cpu", self.machine.device):
            if not any(peak.place == place and max(peak.measured, default=0.0) > 0 for peak in self.machine.peaks):
                raise ValueError(f"machine.peaks: none measured on {place}")
        for kind in KINDS:
            if not any(case.kind == kind and not case.axis for case in self.cases):
                raise ValueError(f"cases: no main case of {kind}")
        for number, case in enumerate(self.cases):
            if case.size < 1 or case.parts < 1:
                raise ValueError(f"cases.{number}: size and parts must be 1 or more")
            for side in SIDES:
                if min(case.seconds(side), default=0.0) <= 0:
                    raise ValueError(f"cases.{number}.timings: expected a time above 0 of side {side}")
        _check_pairs(self.agreement.pairs)
        return self

    def main(self, kind: Kind) -> Case:
        """Return the main case of a kind."""
        return next(case for case in self.cases if case.kind == kind and not case.axis)

    def growth(self) -> dict[tuple[Kind, str], list[Case]]:
        """Return (kind, axis) -> its cases by size."""
        found: dict[tuple[Kind, str], list[Case]] = {}
        for case in self.cases:
            if case.axis:
                found.setdefault((case.kind, case.axis), []).append(case)
        return {key: sorted(cases, key=lambda case: case.size) for key, cases in found.items()}


def _check_pairs(pairs: Sequence[Pair]) -> None:
    """Check that students were compared, each pair over the same steps and prompts.

    Raises:
        ValueError: If not; it names the key.
    """
    if not pairs:
        raise ValueError("agreement.pairs: none")
    for number, pair in enumerate(pairs):
        for key, given in (("losses", pair.losses), ("scores", pair.scores)):
            lengths = {len(given.get(side, ())) for side in SIDES}
            if len(lengths) > 1 or not min(lengths):
                raise ValueError(f"agreement.pairs.{number}.{key}: expected as many numbers of either side, 1 or more")


def check_writable(file: Path) -> None:
    """Make the folder of a file and check that it can be written, before anything is measured.

    Raises:
        BenchError: If it cannot.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise unwritable(file, error) from error


def read_record(file: Path) -> SpeedRecord:
    """Read a measured file.

    Raises:
        BenchError: If it is missing or of another format.
    """
    written = "name a .json file that `bench speed` wrote"
    return files.read_record(file, SpeedRecord, f"speed measurements of format {FORMAT}", written)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "arm"), counted(2, "arm")
    ('1 arm', '2 arms')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
