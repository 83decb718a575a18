"""Teachers that Inspect runs: APIs, servers, and whatever else it has a provider for."""

from collections.abc import Collection, Sequence
from typing import Any

import anyio

from bench.errors import BenchError
from bench.evaluation.evaluate import inspect_model
from bench.studies.rollouts.records import Deliver, Question, Settings

MOST_FAILURES = 10  # after so many, what is wrong is not the rows
CUT = ("max_tokens", "model_length")


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
            raise BenchError(
                f"model {self._settings.model!r}",
                seen=f"{len(failures)} requests failed, row {name!r} with {type(first).__name__}: {_line(first)}",
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


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
