"""What answers for students: one interface, whether they are decoded in this process or served as adapters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.encoding import Encoded
from bench.generation import Generation


@dataclass(frozen=True)
class Ask:
    """One prompt to one student.

    Attributes:
        student: Name of the student; "" or a base name means the untrained base.
        ids: Rendered and tokenised prompt.
        seed: Of this answer's own randomness, where it is sampled.
    """

    student: str
    ids: tuple[int, ...]
    seed: int


class Engine(Protocol):
    """Answers for many students in one call."""

    def generate(
        self, asks: Sequence[Ask], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """One answer per ask, in order; a temperature of 0 decodes greedily."""

    def losses(self, asks: Sequence[tuple[str, Encoded]]) -> list[float]:
        """Mean negative log-likelihood of each row's completion tokens under its student, in nats a token."""
