"""Teachers: transformers and vLLM in this process, and every model that Inspect has a provider for.

Inspect's own `vllm/` and `hf/` providers do not replace the first two: they batch by arrival, so that a stopped rollout
would not go on with the batches (and the rounding) that it began with; they take no model without a chat template; and
the server that `vllm/` starts is a command that the CPU build of vLLM does not have.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from bench.errors import BenchError
from bench.evaluation.evaluate import inspect_model
from bench.models.encode import PLAIN_STOPS, PLAIN_TEMPLATE
from bench.models.engine import Engine, StudentEngine
from bench.models.generate import Request
from bench.models.load import context_window, load_model, load_tokenizer
from bench.models.vllm import VllmEngine, check_vllm
from bench.studies.rollouts.records import Deliver, Question, Settings, Teacher

SHOWN_ROWS = 10
MOST_FAILURES = 10  # after so many, what is wrong is not the rows
CUT = ("max_tokens", "model_length")


@dataclass(frozen=True)
class _Rendered:
    question: Question
    ids: tuple[int, ...]


def make_teacher(settings: Settings, connections: int) -> Teacher:
    """Return the teacher of an engine; `connections` are requests at a time, for a model that runs elsewhere.

    Raises:
        BenchError: If the engine is not installed, or takes none of the further arguments.
    """
    return InspectTeacher(settings, connections) if settings.engine == "inspect" else LocalTeacher(settings)


class LocalTeacher:
    """A model in this process: transformers in float32, decoded as students are, or vLLM."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is loaded yet.

        Raises:
            BenchError: If vLLM is asked for and not installed, or transformers is given further arguments.
        """
        if settings.engine == "vllm":
            check_vllm("--engine vllm")
        elif settings.args:
            raise BenchError(
                "--arg",
                seen=", ".join(settings.args),
                expected="no further arguments for engine hf",
                remedy="leave them out, or use engine inspect with an hf/ model",
            )
        self._settings = settings

    def answer(self, questions: Sequence[Question], missing: Collection[str], deliver: Deliver) -> None:
        """Answer batch by batch; see `Teacher`."""
        s = self._settings
        tokenizer = load_tokenizer(s.model, plain_template=True)
        rendered = _rendered(tokenizer, questions, missing, s)
        stops = PLAIN_STOPS if tokenizer.chat_template == PLAIN_TEMPLATE else ()
        engine = _load_engine(s, longest=max(len(each.ids) for each in rendered))
        for batch in _batches(rendered, missing, s.batch):
            requests = [Request("", each.ids, each.question.seed) for each in batch]
            made = engine.generate(requests, max_tokens=s.max_tokens, temperature=s.temperature, stops=stops)
            deliver([e.question.answered(g.text, g.tokens, g.stopped) for e, g in zip(batch, made, strict=True)])


def _load_engine(settings: Settings, longest: int) -> Engine:
    s = settings
    if s.engine == "hf":
        return StudentEngine(*load_model(s.model, s.device, plain_template=True), rows_at_once=s.batch)
    # A GPU computes in vLLM's choice, half precision; most CPUs do so slowly.
    precision = {} if s.device == "cpu" else {"dtype": "auto"}
    # No longer than these prompts need: memory is reserved for it.
    return VllmEngine(s.model, s.device, max_length=longest + s.max_tokens, options=precision | s.args)


def _rendered(
    tokenizer: Any, questions: Sequence[Question], missing: Collection[str], settings: Settings
) -> list[_Rendered]:
    """Render prompts as tokens, shortest first, so that little of a batch is padding."""
    rendered = []
    for question in questions:
        ids = tokenizer(_text(tokenizer, question), add_special_tokens=False)["input_ids"]
        rendered.append(_Rendered(question, tuple(ids)))
    window = context_window(settings.model)
    room = (window or 0) - settings.max_tokens
    long = [e for e in rendered if window and len(e.ids) > room and e.question.id in missing]
    if long:
        shown = ", ".join(f"{e.question.id!r} ({len(e.ids)} tokens)" for e in long[:SHOWN_ROWS])
        raise BenchError(
            f"model {settings.model!r}",
            seen=f"{len(long)} prompts too long: {shown}{' and more' if len(long) > SHOWN_ROWS else ''}",
            expected=f"at most {max(room, 0)} tokens: a window of {window} less --max-tokens {settings.max_tokens}",
            remedy="lower --max-tokens, take those rows out, or use a model with a longer window",
        )
    return sorted(rendered, key=lambda each: len(each.ids))


def _text(tokenizer: Any, question: Question) -> str:
    from jinja2 import TemplateError

    messages = [message.model_dump() for message in question.messages]
    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise BenchError(
            f"row {question.id!r}",
            seen=f"the chat template refuses it: {error}",
            expected="turns that the model's template knows",
            remedy="some models take no system message: put it into the user's turn, or use another model",
        ) from error
    return text


def _batches(rendered: Sequence[_Rendered], missing: Collection[str], size: int) -> Iterator[Sequence[_Rendered]]:
    """Yield batches that hold a missing row. They do not depend on what is missing, and so neither does rounding."""
    for start in range(0, len(rendered), size):
        batch = rendered[start : start + size]
        if any(each.question.id in missing for each in batch):
            yield batch


class InspectTeacher:
    """Any Inspect model: `openai/...`, `anthropic/...`, `vllm/...`, `hf/...`; retries are Inspect's own."""

    def __init__(self, settings: Settings, connections: int) -> None:
        """Nothing is asked yet; `connections` are requests at a time."""
        self._settings = settings
        self._connections = connections

    def answer(self, questions: Sequence[Question], missing: Collection[str], deliver: Deliver) -> None:
        """Ask for all missing rows, several at a time; see `Teacher`."""
        asked = [question for question in questions if question.id in missing]
        failures: dict[str, Exception] = {}
        try:
            anyio.run(self._ask_all, asked, deliver, failures)
        except ExceptionGroup as several:  # an answer that could not be stored
            raise several.exceptions[0] from several
        if failures:
            name, first = next(iter(failures.items()))
            said = (str(first).strip().splitlines() or [""])[0]
            raise BenchError(
                f"model {self._settings.model!r}",
                seen=f"{len(failures)} requests failed, row {name!r} with {type(first).__name__}: {said}",
                expected="an answer to every row",
                remedy="run the same command again: what is answered is kept, and only the others are asked",
            )

    async def _ask_all(self, asked: Sequence[Question], deliver: Deliver, failures: dict[str, Exception]) -> None:
        s = self._settings
        model = inspect_model(s.model, s.args, greedy=s.temperature == 0)
        places = anyio.Semaphore(self._connections)

        async def one(question: Question, group: anyio.abc.TaskGroup) -> None:
            async with places:
                try:
                    output = await model.generate(_messages(question), config=self._config(question))
                except Exception as error:  # each provider has its own; the other rows go on
                    failures[question.id] = error
                    if len(failures) >= MOST_FAILURES:
                        group.cancel_scope.cancel()
                    return
            tokens = output.usage.output_tokens if output.usage else 0
            deliver([question.answered(output.completion.strip(), tokens, output.stop_reason not in CUT)])

        async with anyio.create_task_group() as group:
            for question in asked:
                group.start_soon(one, question, group)

    def _config(self, question: Question) -> Any:
        from inspect_ai.model import GenerateConfig

        s = self._settings
        return GenerateConfig(
            max_tokens=s.max_tokens,
            temperature=s.temperature,
            seed=question.seed if s.temperature > 0 else None,  # some providers refuse one
            max_connections=self._connections,
        )


def _messages(question: Question) -> list[Any]:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds: dict[str, Any] = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    return [kinds[message.role](content=message.content) for message in question.messages]
