"""Engines that answer for students: one model at a time, or many students of one base in the same batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bench.models.encode import Encoded
from bench.models.generate import Decoding, Generation, Request, answer
from bench.models.likelihood import log_likelihoods
from bench.models.oom import in_parts

if TYPE_CHECKING:
    from bench.models.frozen_prefix import FrozenPrefix
    from bench.models.multi_lora import MultiLora

ROWS_AT_ONCE = 64  # of one student; an engine of many students takes so many of each, up to
MOST_AT_ONCE = 2048


class Engine(Protocol):
    """Answers for the students that it holds; what one student says does not depend on the others in the batch."""

    rows_at_once: int  # most prompts in one batch; lowered where memory does not suffice

    def generate(
        self, requests: Sequence[Request], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """Return one answer per request, in order."""

    def log_likelihoods(self, rows: Sequence[tuple[str, Encoded]]) -> list[float]:
        """Return log-probabilities of given completions, summed over their tokens, in nats, by (student, row)."""


class StudentEngine:
    """A model in memory, whatever student's name it is asked by."""

    def __init__(
        self, model: Any, tokenizer: Any, prefix: "FrozenPrefix | None" = None, rows_at_once: int = ROWS_AT_ONCE
    ) -> None:
        """Answer with a causal language model in evaluation mode.

        Args:
            model: The student, or any other model.
            tokenizer: Its tokenizer.
            prefix: The frozen layers that it shares with other students.
            rows_at_once: Most prompts in one batch.
        """
        self._model, self._tokenizer, self._prefix = model, tokenizer, prefix
        self.rows_at_once = rows_at_once

    def generate(
        self, requests: Sequence[Request], *, max_tokens: int, temperature: float, stops: Sequence[str]
    ) -> list[Generation]:
        """See `Engine`."""
        decoding = Decoding(max_tokens, temperature, stops)

        def work(some: Sequence[Request]) -> list[Generation]:
            return answer(self._model, self._tokenizer, some, decoding, self._prefix, self._route)

        answers, self.rows_at_once = in_parts(work, requests, self.rows_at_once, "answers")
        return answers

    def log_likelihoods(self, rows: Sequence[tuple[str, Encoded]]) -> list[float]:
        """See `Engine`."""

        def work(some: Sequence[tuple[str, Encoded]]) -> list[float]:
            return log_likelihoods(self._model, some, self._prefix, self._route)

        found, self.rows_at_once = in_parts(work, rows, self.rows_at_once, "log-likelihoods of given completions")
        return found

    def _route(self, students: Sequence[str]) -> None:
        """Do nothing: every row is read by the one model."""


class MultiLoraEngine(StudentEngine):
    """Many LoRA students of one base, answering side by side."""

    def __init__(
        self,
        students: "MultiLora",
        names: Sequence[str],
        tokenizer: Any,
        prefix: "FrozenPrefix",
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        """Answer with the adapters of many students.

        Args:
            students: Their adapters on the base.
            names: Their names, in the same order.
            tokenizer: The base's tokenizer.
            prefix: The frozen layers below the adapters.
            rows_at_once: Most prompts in one batch, of all students together.
        """
        super().__init__(students.model, tokenizer, prefix, rows_at_once)
        self._routing = students.routing
        self._number = {name: i for i, name in enumerate(names)}

    def _route(self, students: Sequence[str]) -> None:
        self._routing.assign([self._number[name] for name in students], self._model.device)
