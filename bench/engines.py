"""Who answers for students: one model at a time, or many students of one base in the same batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bench.encoding import Encoded
from bench.generation import Generation, answer, completion_losses

if TYPE_CHECKING:
    from bench.stacked import Stack
    from bench.trunk import Trunk

ROWS_AT_ONCE = 64  # of one student; a stack takes so many of each


@dataclass(frozen=True)
class Ask:
    """A prompt to answer.

    Attributes:
        student: Name of the student who is asked.
        ids: The rendered prompt's tokens.
        seed: For sampling.
    """

    student: str
    ids: tuple[int, ...]
    seed: int


class Engine(Protocol):
    """Answers for the students that it holds; what one student says does not depend on the others in the batch."""

    @property
    def rows_at_once(self) -> int:
        """Most prompts to hand over in one batch."""

    def generate(
        self, asks: Sequence[Ask], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """One answer per prompt, in order."""

    def losses(self, asks: Sequence[tuple[str, Encoded]]) -> list[float]:
        """Mean negative log-likelihood of given completions, in nats a token, by (student, row)."""


class OneStudent:
    """A model in memory, whatever name it is asked by."""

    rows_at_once = ROWS_AT_ONCE

    def __init__(self, model: Any, tokenizer: Any, trunk: "Trunk | None" = None) -> None:
        """Answer with a causal language model in evaluation mode.

        Args:
            model: The student, or any other model.
            tokenizer: Its tokenizer.
            trunk: The layers that it shares with other students.
        """
        self._model, self._tokenizer, self._trunk = model, tokenizer, trunk

    def generate(
        self, asks: Sequence[Ask], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """See `Engine`."""
        rows, seeds = [ask.ids for ask in asks], [ask.seed for ask in asks]
        return answer(
            self._model,
            self._tokenizer,
            rows,
            max_tokens=max_tokens,
            temperature=temperature,
            seeds=seeds,
            stops=stops,
            trunk=self._trunk,
        )

    def losses(self, asks: Sequence[tuple[str, Encoded]]) -> list[float]:
        """See `Engine`."""
        return completion_losses(self._model, [row for _, row in asks], self._trunk)


class StackedStudents:
    """Many students of one base, answering side by side."""

    def __init__(self, stack: "Stack", names: Sequence[str], tokenizer: Any, trunk: "Trunk") -> None:
        """Answer with stacked adapters.

        Args:
            stack: The students.
            names: Their names, in the order of the stack.
            tokenizer: The base's tokenizer.
            trunk: The frozen layers below the adapters.
        """
        self._stack, self._tokenizer, self._trunk = stack, tokenizer, trunk
        self._number = {name: i for i, name in enumerate(names)}
        self.rows_at_once = ROWS_AT_ONCE * len(names)

    def generate(
        self, asks: Sequence[Ask], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """See `Engine`."""
        owners = [self._number[ask.student] for ask in asks]
        return answer(
            self._stack.model,
            self._tokenizer,
            [ask.ids for ask in asks],
            max_tokens=max_tokens,
            temperature=temperature,
            seeds=[ask.seed for ask in asks],
            stops=stops,
            trunk=self._trunk,
            assign=lambda rows: self._assign([owners[row] for row in rows]),
        )

    def losses(self, asks: Sequence[tuple[str, Encoded]]) -> list[float]:
        """See `Engine`."""
        self._assign([self._number[name] for name, _ in asks])
        return completion_losses(self._stack.model, [row for _, row in asks], self._trunk)

    def _assign(self, owners: Sequence[int]) -> None:
        self._stack.owners.assign(owners, self._stack.model.device)
