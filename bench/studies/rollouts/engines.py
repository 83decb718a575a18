"""Teachers that run on this machine: transformers, and vLLM. Both render and tokenise prompts in the same way."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.models.encode import PLAIN_STOPS, PLAIN_TEMPLATE
from bench.models.generate import Decoding, Request, generate
from bench.models.load import context_window, load_model, load_tokenizer
from bench.studies.rollouts.records import Deliver, Question, Settings, Teacher

SHOWN_ROWS = 10


@dataclass(frozen=True)
class _Rendered:
    question: Question
    text: str
    ids: tuple[int, ...]


def make_teacher(settings: Settings, connections: int) -> Teacher:
    """The teacher of an engine; `connections` are requests at a time, for a model that runs elsewhere.

    Raises:
        BenchError: If the engine is not installed, or takes none of the further arguments.
    """
    if settings.engine == "inspect":
        from bench.studies.rollouts.remote import InspectTeacher

        return InspectTeacher(settings, connections)
    return VllmTeacher(settings) if settings.engine == "vllm" else HfTeacher(settings)


class HfTeacher:
    """transformers, in float32, decoded as this package decodes its students."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is loaded yet.

        Raises:
            BenchError: If further arguments are given.
        """
        if settings.args:
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
        model = load_model(s.model, s.device, plain_template=True)[0]
        for batch in _batches(rendered, missing, s.batch):
            made = generate(
                model,
                tokenizer,
                [each.text for each in batch],
                Decoding(s.max_tokens, s.temperature, _stops(tokenizer)),
                [each.question.seed for each in batch],
            )
            deliver([e.question.answered(g.text, g.tokens, g.stopped) for e, g in zip(batch, made, strict=True)])


class VllmTeacher:
    """vLLM in this process."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is loaded yet.

        Raises:
            BenchError: If vLLM is not installed.
        """
        from bench.models.vllm import check_vllm

        check_vllm("--engine vllm")
        self._settings = settings

    def answer(self, questions: Sequence[Question], missing: Collection[str], deliver: Deliver) -> None:
        """Answer batch by batch; see `Teacher`."""
        from bench.models.vllm import VllmEngine

        s = self._settings
        tokenizer = load_tokenizer(s.model, plain_template=True)
        rendered = _rendered(tokenizer, questions, missing, s)
        # No longer than these prompts need: memory is reserved for it.
        longest = max(len(each.ids) for each in rendered) + s.max_tokens
        # A GPU computes in vLLM's choice, half precision; most CPUs do so slowly.
        precision = {} if s.device == "cpu" else {"dtype": "auto"}
        engine = VllmEngine(s.model, s.device, max_length=longest, options=precision | s.args)
        for batch in _batches(rendered, missing, s.batch):
            made = engine.generate(
                [Request("", each.ids, each.question.seed) for each in batch],
                max_tokens=s.max_tokens,
                temperature=s.temperature,
                stops=_stops(tokenizer),
            )
            deliver([e.question.answered(g.text, g.tokens, g.stopped) for e, g in zip(batch, made, strict=True)])


def _rendered(
    tokenizer: Any, questions: Sequence[Question], missing: Collection[str], settings: Settings
) -> list[_Rendered]:
    """Prompts as text and tokens, shortest first, so that little of a batch is padding."""
    rendered = []
    for question in questions:
        text = _text(tokenizer, question)
        rendered.append(_Rendered(question, text, tuple(tokenizer(text, add_special_tokens=False)["input_ids"])))
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
    """Batches that hold a missing row. They do not depend on what is missing, and so neither does their rounding."""
    for start in range(0, len(rendered), size):
        batch = rendered[start : start + size]
        if any(each.question.id in missing for each in batch):
            yield batch


def _stops(tokenizer: Any) -> tuple[str, ...]:
    return PLAIN_STOPS if tokenizer.chat_template == PLAIN_TEMPLATE else ()
