"""Inspect model provider for students that are already in memory: requests that arrive together are decoded together.

`sieve/NAME` answers with the student registered under NAME. Inspect makes its own instances of a provider, so the
loaded objects are handed over through a table of this module.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
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

from bench.backoff import in_parts
from bench.encoding import TrainingRow, encode
from bench.generation import Generation, completion_losses, generate
from bench.records import Message
from bench.trunk import Trunk

BATCH_SIZE = 64
UNSUPPORTED = ("top_p", "top_k")  # refused, as leaving them out silently would change what is measured
LINGER_SECONDS = 0.2  # Inspect starts samples some milliseconds apart; a batch waits until arrivals stop


@dataclass
class LoadedStudent:
    """A model in memory, the tokenizer that renders its chats, and the layers that it shares with other students.

    Attributes:
        model: Causal language model in evaluation mode.
        tokenizer: With a chat template.
        trunk: The shared layers.
        max_length: Longest prompt plus answer, in tokens.
        stops: Texts that end its answers, for a model that would go on with the user's next turn.
        at_once: Prompts answered at a time; lowered where memory runs out.
    """

    model: Any
    tokenizer: Any
    trunk: Trunk | None = None
    max_length: int = 4096
    stops: tuple[str, ...] = ()
    at_once: int = BATCH_SIZE


_LOADED: dict[str, LoadedStudent] = {}


def register_student(name: str, student: LoadedStudent) -> str:
    """Make a student known to Inspect; returns its model name, `sieve/NAME`."""
    _LOADED[name] = student
    full = f"sieve/{name}"
    # Without this Inspect would look the model up on a hub.
    set_model_info(full, ModelInfo(context_length=student.max_length))
    return full


def forget_student(name: str) -> None:
    """Let go of a student's memory."""
    _LOADED.pop(name, None)


@dataclass(eq=False)
class _Request:
    key: tuple[Any, ...]
    payload: Any
    done: list[Any] = field(default_factory=list)


class _Queue:
    """Collects requests; whoever holds the lock leads one batch of requests with the same key."""

    def __init__(self, work: Callable[[Sequence[_Request]], Sequence[Any]], batch_size: int) -> None:
        self._work = work
        self._batch_size = batch_size
        self._waiting: list[_Request] = []
        self._lock: anyio.Lock | None = None

    async def ask(self, key: tuple[Any, ...], payload: Any) -> Any:
        self._lock = self._lock or anyio.Lock()
        request = _Request(key, payload)
        self._waiting.append(request)
        try:
            async with self._lock:
                if not request.done:
                    await self._gather()
                    await self._flush(request)
        finally:
            if request in self._waiting:  # a cancelled sample leaves the queue
                self._waiting.remove(request)
        result = request.done[0]
        if isinstance(result, Exception):
            raise result
        return result

    async def _gather(self) -> None:
        seen = 0
        while seen < len(self._waiting) < self._batch_size:
            seen = len(self._waiting)
            await anyio.sleep(LINGER_SECONDS)

    async def _flush(self, lead: _Request) -> None:
        batch = [r for r in self._waiting if r.key == lead.key and r is not lead]
        batch = [lead, *batch[: self._batch_size - 1]]
        self._waiting = [r for r in self._waiting if r not in batch]
        try:
            results: Sequence[Any] = await anyio.to_thread.run_sync(self._work, batch)
        except Exception as error:  # each sample raises it for itself, so that Inspect records it
            results = [error] * len(batch)
        for request, result in zip(batch, results, strict=True):
            request.done.append(result)


class StudentAPI(ModelAPI):
    """Answers with a registered student."""

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
        self._answers = _Queue(self._generate_batch, BATCH_SIZE)
        self._losses = _Queue(self._loss_batch, BATCH_SIZE)

    @property
    def _student(self) -> LoadedStudent:
        """Looked up late: Inspect also makes a provider when it scores stored outputs, and then none is loaded."""
        if self.model_name not in _LOADED:
            raise RuntimeError(f"sieve/{self.model_name} is not in memory; only `bench run` puts students there")
        return _LOADED[self.model_name]

    def max_connections(self) -> int:
        """Let two batches of samples be under way."""
        return 2 * BATCH_SIZE

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
        key = (config.max_tokens or 64, config.temperature or 0.0, stops)
        made: Generation = await self._answers.ask(key, (text, int.from_bytes(digest[:7])))
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
        loss: float = await self._losses.ask(("loss",), encode(self._student.tokenizer, row, self._student.max_length))
        return loss

    def _generate_batch(self, batch: Sequence[_Request]) -> Sequence[Generation]:
        return self._in_parts(self._answers_to, batch)

    def _loss_batch(self, batch: Sequence[_Request]) -> Sequence[float]:
        return self._in_parts(self._losses_of, batch)

    def _in_parts(self, work: Callable[[Sequence[_Request]], Sequence[Any]], batch: Sequence[_Request]) -> list[Any]:
        """Work on a batch, in parts where memory runs out; the next batches start with parts of that size."""
        student = self._student
        results, student.at_once = in_parts(work, batch, student.at_once, f"answers of {self.model_name}")
        return results

    def _answers_to(self, batch: Sequence[_Request]) -> Sequence[Generation]:
        max_tokens, temperature, stops = batch[0].key
        return generate(
            self._student.model,
            self._student.tokenizer,
            [request.payload[0] for request in batch],
            max_tokens=max_tokens,
            temperature=temperature,
            seeds=[request.payload[1] for request in batch],
            stops=stops,
            trunk=self._student.trunk,
        )

    def _losses_of(self, batch: Sequence[_Request]) -> Sequence[float]:
        return completion_losses(self._student.model, [request.payload for request in batch], self._student.trunk)


@modelapi(name="sieve")
def sieve() -> type[ModelAPI]:
    """The provider under its name."""
    return StudentAPI
