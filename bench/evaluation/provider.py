"""Inspect model provider for students that are held by an engine: requests that arrive together are decoded together.

`sieve/NAME` answers with the student registered under NAME. Inspect makes its own instances of a provider, so the
students are handed over through a table of this module.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelInfo,
    ModelOutput,
    ModelUsage,
    modelapi,
    set_model_info,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from bench.evaluation.batching import Gatherer
from bench.models.encode import encode
from bench.models.engine import ROWS_AT_ONCE, Engine
from bench.models.generate import Generation, Request
from bench.records import Message, TrainingRow

UNSUPPORTED = ("top_p", "top_k")  # refused, as leaving them out silently would change what is measured
LOSSES = "losses"
MAX_LENGTH = 4096  # longest prompt plus answer, in tokens


@dataclass(frozen=True)
class _Student:
    gatherer: Gatherer
    tokenizer: Any
    stops: tuple[str, ...]


_STUDENTS: dict[str, _Student] = {}


def gather(engine: Engine) -> Gatherer:
    """Batch requests to an engine; settings are `LOSSES`, or (most tokens, temperature, texts that end an answer)."""

    def work(settings: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        if settings == LOSSES:
            return engine.losses(payloads)
        assert isinstance(settings, tuple)
        max_tokens, temperature, stops = settings
        return engine.generate(payloads, max_tokens=max_tokens, temperature=temperature, stops=stops)

    return Gatherer(work, engine.rows_at_once)


@contextmanager
def answering(
    engine: Engine, names: Sequence[str], tokenizer: Any, stops: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Make the students of an engine known to Inspect for a while; gives their Inspect names, `sieve/NAME`.

    Args:
        engine: Answers for them; students who are asked at the same time share its batches.
        names: The students.
        tokenizer: With a chat template.
        stops: Texts that end an answer, for a model that would go on with the user's next turn.
    """
    with gather(engine) as gatherer:
        for name in names:
            _STUDENTS[name] = _Student(gatherer, tokenizer, stops)
            # Without this Inspect would look the model up on a hub.
            set_model_info(f"sieve/{name}", ModelInfo(context_length=MAX_LENGTH))
        try:
            yield tuple(f"sieve/{name}" for name in names)
        finally:
            for name in names:
                del _STUDENTS[name]


class StudentAPI(ModelAPI):
    """Answers as a registered student."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  # the signature that Inspect calls
        **model_args: Any,
    ) -> None:
        """Look the student up; Inspect calls this."""
        super().__init__(model_name, base_url, api_key, [], config)
        self._asked: Counter[str] = Counter()

    @property
    def _student(self) -> _Student:
        """Looked up late: Inspect also makes a provider when it scores stored outputs, and then none is loaded."""
        if self.model_name not in _STUDENTS:
            raise RuntimeError(f"sieve/{self.model_name} is not in memory; only `bench run` puts students there")
        return _STUDENTS[self.model_name]

    def max_connections(self) -> int:
        """Let two batches of samples be under way."""
        return 2 * ROWS_AT_ONCE

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer one conversation, batched with others of the same settings."""
        ignored = [name for name in UNSUPPORTED if getattr(config, name) is not None]
        if tools or ignored:
            raise NotImplementedError(f"students answer without tools and without {', '.join(ignored or UNSUPPORTED)}")
        messages = [{"role": m.role, "content": m.text} for m in input]
        text = self._student.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        self._asked[text] += 1  # a repeated sample (an epoch) draws its own answer
        digest = hashlib.sha256(f"{config.seed or 0}/{self._asked[text]}/{text}".encode()).digest()
        stops = (*self._student.stops, *(config.stop_seqs or ()))
        settings = (config.max_tokens or 64, config.temperature or 0.0, stops)
        ids = tuple(self._student.tokenizer(text, add_special_tokens=False)["input_ids"])
        made: Generation = await self._ask(settings, Request(self.model_name, ids, int.from_bytes(digest[:7])))
        message = ChatMessageAssistant(content=made.text, model=self.model_name, source="generate")
        choice = ChatCompletionChoice(message=message, stop_reason="stop" if made.stopped else "max_tokens")
        usage = ModelUsage(
            input_tokens=made.prompt_tokens, output_tokens=made.tokens, total_tokens=made.prompt_tokens + made.tokens
        )
        return ModelOutput(model=self.model_name, choices=[choice], usage=usage)

    async def completion_loss(self, prompt: Sequence[ChatMessage], completion: str) -> float:
        """Mean loss of a given completion in nats a token (used by the capability eval)."""
        messages = tuple(Message(role=m.role, content=m.text) for m in prompt)
        row = TrainingRow("capability", messages, completion)
        encoded = encode(self._student.tokenizer, row, MAX_LENGTH)
        loss: float = await self._ask(LOSSES, (self.model_name, encoded))
        return loss

    async def _ask(self, settings: Hashable, payload: Any) -> Any:
        return await asyncio.wrap_future(self._student.gatherer.submit(settings, payload))


@modelapi(name="sieve")
def sieve() -> type[ModelAPI]:
    """The provider under its name."""
    return StudentAPI
