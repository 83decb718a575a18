"""What rollouts are made of: a teacher's settings, its questions and answers, and the provenance that stays."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import Field

from bench.records import Message, PoolRow, Strict
from bench.secrets import Arguments

EngineName = Literal["hf", "vllm", "inspect"]
ROLLOUT_CODE = 1  # part of the settings: raise it when the same settings would give other completions


class Settings(Strict):
    """Everything that determines a teacher's completions, but for the versions of libraries.

    Attributes:
        model: As named on the command line.
        identity: SHA-256 of a local model's files, else its id.
        engine: What ran it.
        max_tokens: Longest completion.
        temperature: 0 decodes greedily.
        seed: Of the whole rollout; every row has its own, derived from this and the row's id.
        system: System message before every prompt, or "".
        batch: Rows decoded together (hf, vllm): rounding depends on it a little. 0 where the engine has none.
        device: `cpu`, `cuda`, or "" where the model runs elsewhere.
        args: Further arguments of the engine.
        code: Version of this package's part in it.
    """

    model: str
    identity: str
    engine: EngineName
    max_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0)
    seed: int
    system: str = ""
    batch: int = Field(ge=0)
    device: str
    args: Arguments = Field(default_factory=dict)
    code: int = ROLLOUT_CODE


class Provenance(Strict):
    """Where one teacher's completions of a pool come from.

    Attributes:
        teacher: Its name in the rows.
        settings: What determined the completions.
        versions: Of Python and the packages that took part.
        commit: Of this package, where it runs from a checkout.
        command: As typed.
        finished: When, in UTC (ISO 8601).
        rows: Completions written.
        cut: Of these, how many ended at `max_tokens`.
        tokens: Generated in all, where the engine counts them.
        pool_before: SHA-256 of the rows before these completions came in (see `bench.data.pool.hash_rows`).
        completions: SHA-256 of the completions, in pool order.
    """

    teacher: str
    settings: Settings
    versions: dict[str, str]
    commit: str
    command: str
    finished: str
    rows: int
    cut: int
    tokens: int
    pool_before: str
    completions: str


class ProvenanceFile(Strict):
    """The provenance of all teachers of a pool, one entry each, in the order in which they were added."""

    rollouts: list[Provenance] = Field(default_factory=list)

    def of(self, teacher: str) -> Provenance | None:
        """Return the entry of a teacher, if these rollouts wrote it."""
        return next((entry for entry in self.rollouts if entry.teacher == teacher), None)


class Answer(Strict):
    """A completion of one row; `stopped` is False where it ended at the token limit."""

    id: str
    prompt: str
    text: str
    tokens: int
    stopped: bool


@dataclass(frozen=True)
class Question:
    """What a teacher is asked.

    Attributes:
        id: Of the row.
        messages: Its prompt, after the system message if there is one.
        seed: Of this row's own randomness, below 2**31.
        prompt: Hash of the row's prompt: a stored answer belongs to this prompt only.
    """

    id: str
    messages: tuple[Message, ...]
    seed: int
    prompt: str

    def answered(self, text: str, tokens: int, stopped: bool) -> Answer:
        """Return the answer to this question."""
        return Answer(id=self.id, prompt=self.prompt, text=text, tokens=tokens, stopped=stopped)


Deliver = Callable[[Sequence[Answer]], None]


class Teacher(Protocol):
    """A way of running a model; nothing is loaded before the first question."""

    def answer(self, questions: Sequence[Question], missing: Collection[str], deliver: Deliver) -> None:
        """Answer what is missing, and hand answers over as they are finished.

        Args:
            questions: Of all rows, so that batches are the same whether or not some are answered already.
            missing: Ids of the rows that have no answer yet; others may be answered again, with the same result.
            deliver: Takes finished answers, in any order.

        Raises:
            BenchError: Naming rows that cannot be asked, or what the model lacks.
        """


def question_of(row: PoolRow, settings: Settings) -> Question:
    """Return what a row asks under these settings."""
    system = (Message(role="system", content=settings.system),) if settings.system else ()
    digest = hashlib.sha256(f"{settings.seed}/{row.id}".encode()).digest()
    turns = json.dumps([message.model_dump() for message in row.prompt], sort_keys=True, ensure_ascii=False)
    prompt = hashlib.sha256(turns.encode()).hexdigest()[:16]
    return Question(row.id, (*system, *row.prompt), int.from_bytes(digest[:4]) >> 1, prompt)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which values differ: `temperature = 0.0, now 0.7`."""
    return [
        f"{key} = {before.get(key)!r}, now {now.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
