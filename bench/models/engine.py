"""Who answers for students: one model at a time, or many students of one base in the same batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bench.models.encode import Encoded
from bench.models.generate import Generation, answer, completion_losses
from bench.models.oom import in_parts

if TYPE_CHECKING:
    from bench.models.frozen_prefix import Trunk
    from bench.models.multi_lora import Stack

ROWS_AT_ONCE = 64  # of one student; a stack takes so many of each, up to
MOST_AT_ONCE = 2048


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

    rows_at_once: int  # most prompts in one batch; lowered where memory does not suffice

    def generate(
        self, asks: Sequence[Ask], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """One answer per prompt, in order."""

    def losses(self, asks: Sequence[tuple[str, Encoded]]) -> list[float]:
        """Mean negative log-likelihood of given completions, in nats a token, by (student, row)."""


class OneStudent:
    """A model in memory, whatever name it is asked by."""

    def __init__(
        self, model: Any, tokenizer: Any, trunk: "Trunk | None" = None, rows_at_once: int = ROWS_AT_ONCE
    ) -> None:
        """Answer with a causal language model in evaluation mode.

        Args:
            model: The student, or any other model.
            tokenizer: Its tokenizer.
            trunk: The layers that it shares with other students.
            rows_at_once: Most prompts in one batch.
        """
        self._model, self._tokenizer, self._trunk = model, tokenizer, trunk
        self.rows_at_once = rows_at_once

    def generate(
        self, asks: Sequence[Ask], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """See `Engine`."""

        def work(some: Sequence[Ask]) -> list[Generation]:
            return answer(
                self._model,
                self._tokenizer,
                [ask.ids for ask in some],
                max_tokens=max_tokens,
                temperature=temperature,
                seeds=[ask.seed for ask in some],
                stops=stops,
                trunk=self._trunk,
                assign=lambda rows: self._read_next([some[row].student for row in rows]),
            )

        answers, self.rows_at_once = in_parts(work, asks, self.rows_at_once, "answers")
        return answers

    def losses(self, asks: Sequence[tuple[str, Encoded]]) -> list[float]:
        """See `Engine`."""

        def work(some: Sequence[tuple[str, Encoded]]) -> list[float]:
            self._read_next([student for student, _ in some])
            return completion_losses(self._model, [row for _, row in some], self._trunk)

        losses, self.rows_at_once = in_parts(work, asks, self.rows_at_once, "losses of given completions")
        return losses

    def _read_next(self, students: Sequence[str]) -> None:
        """Whose rows the model reads next; there is but one."""


class StackedStudents(OneStudent):
    """Many students of one base, answering side by side."""

    def __init__(
        self, stack: "Stack", names: Sequence[str], tokenizer: Any, trunk: "Trunk", rows_at_once: int = ROWS_AT_ONCE
    ) -> None:
        """Answer with stacked adapters.

        Args:
            stack: The students.
            names: Their names, in the order of the stack.
            tokenizer: The base's tokenizer.
            trunk: The frozen layers below the adapters.
            rows_at_once: Most prompts in one batch, of all students together.
        """
        super().__init__(stack.model, tokenizer, trunk, rows_at_once)
        self._owners = stack.owners
        self._number = {name: i for i, name in enumerate(names)}

    def _read_next(self, students: Sequence[str]) -> None:
        self._owners.assign([self._number[name] for name in students], self._model.device)
