"""What a benchmark measured, as one JSON file; every table and ratio of its page is computed from it."""

import statistics
from typing import Literal

from bench.config.recipe import Recipe
from bench.records import Strict
from bench.stats.equivalence import Comparison

FORMAT = 1
Side = Literal["suite", "plain"]
SIDES: tuple[Side, ...] = ("plain", "suite")
Kind = Literal["training", "generation", "embedding", "search"]
KINDS: tuple[Kind, ...] = ("training", "generation", "embedding", "search")


class Peak(Strict):
    """How fast a device multiplies matrices, as measured.

    Attributes:
        place: `cpu` or `cuda`.
        dtype: Precision.
        measured: Operations a second, before and after the other measurements; the best of some products each.
    """

    place: str
    dtype: str
    measured: list[float]

    @property
    def flops(self) -> float:
        """The better measurement."""
        return max(self.measured)


class Machine(Strict):
    """Where it was measured; no name and no path of the machine.

    Attributes:
        device: `cpu` or `cuda`.
        processor: Model name of the CPU.
        cores: Logical cores that the process may use.
        memory_gib: Of the machine.
        system: Operating system and architecture.
        gpu: Name of the GPU, "" without one.
        gpu_memory_gib: Its memory, 0 without one.
        threads: torch's threads within one operation.
        settings: Environment variables that set threads or allocators; those that are not set are left out.
        peaks: Measured matrix products: of the CPU, and of the GPU where one is used.
        memory: What `Timing.resident_bytes` counts: during the `call`, or of the whole `process` until then, where the
            system cannot reset the mark.
        versions: Of Python and the packages that decide results.
    """

    device: str
    processor: str
    cores: int
    memory_gib: float
    system: str
    gpu: str = ""
    gpu_memory_gib: float = 0.0
    threads: int
    settings: dict[str, str]
    peaks: list[Peak]
    memory: Literal["call", "process"]
    versions: dict[str, str]

    def peak(self, kind: Kind) -> Peak:
        """The matrix product that a kind of work is held against: embedding and search run on the CPU everywhere."""
        place = self.device if kind in ("training", "generation") else "cpu"
        return next(peak for peak in self.peaks if peak.place == place)


class Work(Strict):
    """How much a side did in one call.

    Attributes:
        tokens: Tokens of prompts and completions (training), of prompts and answers (generation), of texts (embedding;
            every pass counts, computed or not); padding excluded. 0 for search.
        completion_tokens: Those of the completions or answers.
        flops: Operations that the model needs for these tokens when nothing is shared between arms or passes.
        least_flops: The same when what is equal in all arms or passes is computed once.
    """

    tokens: int = 0
    completion_tokens: int = 0
    flops: float
    least_flops: float


class Timing(Strict):
    """One call of one side.

    Attributes:
        side: Who did it.
        repeat: From 0; the sides take turns.
        seconds: Wall time.
        resident_bytes: Most resident memory, libraries and base model included; see `Machine.memory`.
        gpu_bytes: Most memory that torch had on the GPU, 0 on the CPU.
        work: How much that was.
    """

    side: Side
    repeat: int
    seconds: float
    resident_bytes: int
    gpu_bytes: int = 0
    work: Work


class Case(Strict):
    """The same work, done by both sides.

    Attributes:
        kind: What is done.
        axis: What grows over the cases of this kind and axis; "" for the main case.
        size: Its size, in units of the axis.
        parts: In how many parts the work comes: students, passes over the texts, or 1.
        part: What a part is called.
        what: The work in words.
        timings: Of both sides, in the order of measurement.
    """

    kind: Kind
    axis: str = ""
    size: int
    parts: int
    part: str
    what: str
    timings: list[Timing]

    def seconds(self, side: Side) -> list[float]:
        """Wall times of a side, one a repeat."""
        return [timing.seconds for timing in self.timings if timing.side == side]

    def last(self, side: Side) -> Timing:
        """The last timing of a side."""
        return [timing for timing in self.timings if timing.side == side][-1]

    def median(self, side: Side) -> float:
        """Median wall time of a side in seconds."""
        return statistics.median(self.seconds(side))

    @property
    def ratio(self) -> float:
        """Median time of the plain loop over the median time of the suite: above 1 the suite is faster."""
        return self.median("plain") / self.median("suite")


class Pair(Strict):
    """The two students of one arm and seed: the suite's and the plain loop's.

    Attributes:
        arm: As `bench run` names it.
        seed: Of the training.
        losses: Side -> mean loss per labelled token of every step.
        tensor_difference: Largest difference of a trained tensor, |suite - plain| / |plain| in the Frobenius norm.
        scores: Side -> score of the trait per prompt; None where it does not apply.
        same_answers: Prompts that both answer in the same words.
    """

    arm: str
    seed: int
    losses: dict[Side, list[float]]
    tensor_difference: float
    scores: dict[Side, list[float | None]]
    same_answers: int

    @property
    def loss_differences(self) -> list[float]:
        """Absolute difference of the loss, step by step."""
        return [abs(a - b) for a, b in zip(self.losses["suite"], self.losses["plain"], strict=True)]


class Agreement(Strict):
    """Whether the two sides come to the same result.

    Attributes:
        pairs: The students.
        loss_tolerance: Losses that differ by no more count as equal, in nats a token.
        prompts: Ids of the trait's held-out prompts.
        families: The family of each prompt.
        trait: Suite minus plain, over arms, seeds and prompts; its margin is half the suite's preregistered gap.
        same_texts: Answers of the generation case that are equal in both, and how many there are.
        vector_difference: Largest difference of an embedding's component.
        similarity_difference: Largest difference of a similarity that the search found.
    """

    pairs: list[Pair]
    loss_tolerance: float
    prompts: list[str]
    families: list[str]
    trait: Comparison
    same_texts: tuple[int, int]
    vector_difference: float
    similarity_difference: float

    @property
    def largest_loss_difference(self) -> float:
        """Over all pairs and steps."""
        return max(difference for pair in self.pairs for difference in pair.loss_differences)

    @property
    def losses_equal(self) -> bool:
        """Whether no loss differs by more than the tolerance."""
        return self.largest_loss_difference <= self.loss_tolerance


class BenchmarkRecord(Strict):
    """Everything that one `bench bench` measured.

    Attributes:
        format: Version of this file's layout.
        suite: Name of the suite.
        suite_version: Its version.
        pool_rows: Rows of its pool.
        pool_sha256: Which pool.
        trait: What is measured of the students.
        recipe: How they were trained.
        path: The suite's training path.
        arms: Trained by both sides.
        seeds: Training seeds.
        repeats: Times that each main case was measured.
        plain_batch: Prompts that the plain loop answers at a time.
        machine: Where.
        measured_on: Date, ISO.
        command: As typed.
        commit: Of the code.
        cases: The measurements.
        agreement: Whether both sides did the same.
    """

    format: int = FORMAT
    suite: str
    suite_version: int
    pool_rows: int
    pool_sha256: str
    trait: str
    recipe: Recipe
    path: str
    arms: list[str]
    seeds: list[int]
    repeats: int
    plain_batch: int
    machine: Machine
    measured_on: str
    command: str
    commit: str
    cases: list[Case]
    agreement: Agreement

    def main(self, kind: Kind) -> Case:
        """The main case of a kind."""
        return next(case for case in self.cases if case.kind == kind and not case.axis)

    def growth(self) -> dict[tuple[Kind, str], list[Case]]:
        """(kind, axis) -> its cases by size."""
        found: dict[tuple[Kind, str], list[Case]] = {}
        for case in self.cases:
            if case.axis:
                found.setdefault((case.kind, case.axis), []).append(case)
        return {key: sorted(cases, key=lambda case: case.size) for key, cases in found.items()}


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "arm"), counted(2, "arm")
    ('1 arm', '2 arms')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
