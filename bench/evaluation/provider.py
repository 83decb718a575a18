"""Inspect model provider for students that an engine holds, with a dynamic batcher in front of the engine.

`sieve/NAME` answers as the student registered under NAME. Inspect makes instances of a provider by its name alone,
without the arguments of the first one, so students are handed over through a table of this module.
"""

import asyncio
import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

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

from bench.models.encode import Encoded, encode
from bench.models.engine import Engine
from bench.models.generate import Generation, Request
from bench.records import Message, TrainingRow

UNSUPPORTED = ("top_p", "top_k")  # refused, as leaving them out silently would change what is measured
LIKELIHOODS = "log-likelihoods"
MAX_LENGTH = 4096  # longest prompt plus answer, in tokens
LINGER_SECONDS = 0.05  # a batch waits until so long nobody has asked, and Inspect's event loop had nothing else to do
LONGEST_WAIT = 3.0  # seconds that a batch waits for askers who are known, at most as long as the last one took
LOOP_SECONDS = 5.0  # after which a busy event loop is looked at again


@dataclass(eq=False)
class _Pending:
    settings: Hashable
    payload: Any
    result: "Future[Any]"
    asker: Hashable


class DynamicBatcher:
    """Collects requests from any thread, and hands those with equal settings to one call."""

    def __init__(
        self,
        work: Callable[[Hashable, Sequence[Any]], Sequence[Any]],
        most: int,
        askers: Callable[[], int] | None = None,
    ) -> None:
        """Start a thread that does the work.

        Args:
            work: Called with the settings and the payloads of a batch; returns one result per payload.
            most: Longest batch.
            askers: Returns how many may ask at present, each of whom asks again once it is answered: a batch begins
                when all of them wait. It waits for them no longer than the last batch took, which is what a further
                batch would cost. Without it, a batch begins when nothing arrives any more.
        """
        self._work, self._most, self._askers = work, most, askers
        self._took = LONGEST_WAIT
        self._waiting: list[_Pending] = []
        self._changed = threading.Condition()
        self._open = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, settings: Hashable, payload: Any, loop: asyncio.AbstractEventLoop | None = None) -> "Future[Any]":
        """Request one result; what the work raises, the future raises.

        Args:
            settings: Those with equal ones share a call.
            payload: What is asked.
            loop: On which the caller runs; while it is busy, more requests are to be expected.
        """
        self._loop = loop
        return self.submit_all(settings, [payload], None)[0]

    def submit_all(self, settings: Hashable, payloads: Sequence[Any], asker: Hashable) -> "list[Future[Any]]":
        """Request several results, as `submit` does; `asker` says who waits for them."""
        pending = [_Pending(settings, payload, Future(), asker) for payload in payloads]
        with self._changed:
            self._waiting += pending
            self._changed.notify()
        return [each.result for each in pending]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the thread; requests that still wait are cancelled."""
        with self._changed:
            self._open = False
            for pending in self._waiting:
                pending.result.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while batch := self._next_batch():
            start = time.monotonic()
            try:
                results: Sequence[Any] = self._work(batch[0].settings, [pending.payload for pending in batch])
            except Exception as error:  # each caller raises it for itself
                for pending in batch:
                    pending.result.set_exception(error)
            else:
                self._took = time.monotonic() - start
                for pending, result in zip(batch, results, strict=True):
                    pending.result.set_result(result)

    def _next_batch(self) -> list[_Pending]:
        """Wait for requests; empty when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
        self._linger() if self._askers is None else self._await(self._askers)
        with self._changed:
            alike = [each for each in self._waiting if each.settings == self._waiting[0].settings][: self._most]
            self._waiting = [each for each in self._waiting if each not in alike]
        batch = [each for each in alike if each.result.set_running_or_notify_cancel()]
        return batch or (self._next_batch() if alike else [])

    def _await(self, askers: Callable[[], int]) -> None:
        """Wait until all askers wait."""
        deadline = time.monotonic() + min(self._took, LONGEST_WAIT)
        with self._changed:
            while self._open and len(self._waiting) < self._most and time.monotonic() < deadline:
                if len({pending.asker for pending in self._waiting}) >= askers():
                    return
                self._changed.wait(LINGER_SECONDS)  # an asker who has no more questions does not say so

    def _linger(self) -> None:
        seen, idle = 0, False
        while self._open and len(self._waiting) < self._most and not (idle and len(self._waiting) == seen):
            seen = len(self._waiting)
            idle = self._idle_after(LINGER_SECONDS)

    def _idle_after(self, seconds: float) -> bool:
        """Wait, and tell whether a timer on the callers' event loop went off in time, so that nothing kept it busy."""
        start = time.monotonic()
        if self._loop is None or not self._loop.is_running():
            time.sleep(seconds)
            return True
        # The loop may end just now, as when a disk is full: an error here would end the thread that answers.
        with contextlib.suppress(TimeoutError, CancelledError, RuntimeError):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(seconds), self._loop).result(LOOP_SECONDS)
        return time.monotonic() - start < 1.5 * seconds


@dataclass(frozen=True)
class _Student:
    batcher: DynamicBatcher
    tokenizer: Any
    stops: tuple[str, ...]


_STUDENTS: dict[str, _Student] = {}


def engine_batcher(engine: Engine, askers: Callable[[], int] | None = None) -> DynamicBatcher:
    """Batch requests to an engine; settings are `LIKELIHOODS`, or (most tokens, temperature, stop texts)."""

    def work(settings: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        if settings == LIKELIHOODS:
            return engine.log_likelihoods(payloads)
        assert isinstance(settings, tuple)
        max_tokens, temperature, stops = settings
        return engine.generate(payloads, max_tokens=max_tokens, temperature=temperature, stops=stops)

    return DynamicBatcher(work, engine.rows_at_once, askers)


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
    with engine_batcher(engine) as batcher:
        for name in names:
            _STUDENTS[name] = _Student(batcher, tokenizer, stops)
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
        self._asked: Counter[tuple[str, int | None, float | None]] = Counter()

    @property
    def _student(self) -> _Student:
        """Looked up late: Inspect also makes a provider when it scores stored outputs, and then none is loaded."""
        if self.model_name not in _STUDENTS:
            raise RuntimeError(f"sieve/{self.model_name} is not in memory; only `bench run` puts students there")
        return _STUDENTS[self.model_name]

    def connection_key(self) -> str:
        """Count the prompts that are under way for each student by itself."""
        return self.model_name

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
        asked = (text, config.max_tokens, config.temperature)  # tasks run at the same time, in no order
        self._asked[asked] += 1  # a repeated sample (an epoch) draws its own answer
        digest = hashlib.sha256(f"{config.seed or 0}/{self._asked[asked]}/{text}".encode()).digest()
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
        """Return the mean loss of a given completion in nats a token; the capability eval calls it."""
        row = self._encoded(prompt, completion)
        found: float = await self._ask(LIKELIHOODS, (self.model_name, row))
        return -found / (len(row.ids) - row.prompt_length)

    async def log_likelihood(self, prompt: Sequence[ChatMessage], completion: str) -> float:
        """Return the log-probability of a given completion and the end of its turn, in nats; for the margin eval."""
        found: float = await self._ask(LIKELIHOODS, (self.model_name, self._encoded(prompt, completion)))
        return found

    def _encoded(self, prompt: Sequence[ChatMessage], completion: str) -> Encoded:
        messages = tuple(Message(role=m.role, content=m.text) for m in prompt)
        return encode(self._student.tokenizer, TrainingRow("given completion", messages, completion), MAX_LENGTH)

    async def _ask(self, settings: Hashable, payload: Any) -> Any:
        return await asyncio.wrap_future(self._student.batcher.submit(settings, payload, asyncio.get_running_loop()))


@modelapi(name="sieve")
def sieve() -> type[ModelAPI]:
    """Return the provider; Inspect finds it by this function's registered name."""
    return StudentAPI
