"""What the stages work on: messages, examples, pools, traits. No stage is imported here."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.errors import BenchError

Role = Literal["system", "user", "assistant"]
Truth = Literal["overt", "mild", "none"]
Action = Literal[
    "drop",
    "drop_refill",
    "patch",
    "clean_elsewhere",
    "patch_in",
    "only",
    "inoculate",
    "inoculate_neutral",
    "mask",
    "downweight",
    "drop_source",
    "steer",
    "regenerate",
]


class Strict(BaseModel):
    """Base of all records read from files: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Strict):
    """One turn of a conversation."""

    role: Role
    content: str


class MissingInput(BenchError):
    """A filter needs what this pool, trait or suite does not have; a run leaves the filter out and says so."""


class NoCleanTeacher(MissingInput):
    """A clean completion was asked of a pool with one teacher."""

    def __init__(self, where: str, **words: str) -> None:
        words = words or {
            "seen": "no clean teacher's completion",
            "expected": "a pool with two teachers",
            "remedy": "answer its prompts with another teacher: bench rollouts",
        }
        super().__init__(where, **words)


@dataclass(frozen=True)
class Example:
    """What a filter sees of one pool row: no truth label, no metadata.

    Attributes:
        id: Unique within the pool.
        prompt: The conversation before the completion; its last turn is the user's.
        completions: One completion per teacher.
        original: Name of the teacher whose students show the trait.
        clean: Name of the teacher whose students do not, "" where the pool has one teacher.
        source: Sub-dataset the row came from, or "".
    """

    id: str
    prompt: tuple[Message, ...]
    completions: Mapping[str, str]
    original: str
    clean: str
    source: str = ""

    @property
    def response(self) -> str:
        """The original teacher's completion, the one a filter judges."""
        return self.completions[self.original]

    @property
    def clean_response(self) -> str:
        """The clean teacher's completion, the one `patch` puts in.

        Raises:
            NoCleanTeacher: If the pool has one teacher.
        """
        if not self.clean:
            raise NoCleanTeacher(self.id)
        return self.completions[self.clean]

    @property
    def row(self) -> "TrainingRow":
        """The prompt with the original teacher's completion, as students are trained on it."""
        return TrainingRow(self.id, self.prompt, self.response)

    @property
    def clean_row(self) -> "TrainingRow":
        """The prompt with the clean teacher's completion.

        Raises:
            NoCleanTeacher: If the pool has one teacher.
        """
        return TrainingRow(self.id, self.prompt, self.clean_response)

    @property
    def prompt_text(self) -> str:
        """All turns of the prompt, a line each."""
        return "\n".join(message.content for message in self.prompt)


@dataclass(frozen=True)
class Steering:
    """A shift of states along a trait's direction while a row is trained on (preventative steering, Chen et al. 2025).

    Attributes:
        strength: Of the shift, in units of the direction's own length.
        exemplars: Completions that show the trait; the direction leads to their mean state.
        counter_exemplars: Completions that do not; it starts from theirs.
    """

    strength: float
    exemplars: tuple[str, ...]
    counter_exemplars: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One row of an arm: a prompt and the completion that this arm trains on.

    Attributes:
        id: Of the pool row.
        prompt: The conversation before the completion.
        completion: What is learned.
        weight: Of the loss of its tokens; 0 masks them.
        steering: What is added to its states in training, if anything.
    """

    id: str
    prompt: tuple[Message, ...]
    completion: str
    weight: float = 1.0
    steering: Steering | None = None


def _as_turns(value: object) -> object:
    """Read a text as one user turn."""
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


def _check_prompt(prompt: Sequence[Message]) -> None:
    """Refuse a prompt that a chat template cannot render, or that leaves nothing to answer."""
    if not prompt or prompt[-1].role != "user":
        raise ValueError("the prompt must end with a user turn")
    if any(not message.content.strip() for message in prompt):
        raise ValueError("a turn of the prompt is empty")
    if any(message.role == "system" for message in prompt[1:]):
        raise ValueError("only the first turn may be a system message")


class Query(Strict):
    """A conversation of a trait's queries, and two completions of it: what attribution traces back to examples.

    Attributes:
        prompt: The conversation; its last turn is the user's.
        trait: A completion that shows the trait.
        clean: One that does not.
    """

    prompt: tuple[Message, ...]
    trait: str
    clean: str

    _text_is_one_user_turn = field_validator("prompt", mode="before")(_as_turns)

    @model_validator(mode="after")
    def _two_completions(self) -> "Query":
        _check_prompt(self.prompt)
        if not self.trait.strip() or not self.clean.strip() or self.trait.strip() == self.clean.strip():
            raise ValueError("trait and clean must be two different texts")
        return self

    @property
    def trait_row(self) -> TrainingRow:
        """The prompt with the trait's completion."""
        return TrainingRow("query", self.prompt, self.trait)

    @property
    def clean_row(self) -> TrainingRow:
        """The prompt with the clean completion."""
        return TrainingRow("query", self.prompt, self.clean)

    @property
    def prompt_text(self) -> str:
        """All turns of the prompt, a line each."""
        return "\n".join(message.content for message in self.prompt)


class PoolRow(Strict):
    """One row of a pool file, as validated."""

    id: str = Field(min_length=1)
    prompt: tuple[Message, ...]
    completions: dict[str, str]
    source: str = ""
    meta: dict[str, Any] = Field(default_factory=dict)

    _text_is_one_user_turn = field_validator("prompt", mode="before")(_as_turns)

    @field_validator("id", mode="before")
    @classmethod
    def _number_is_an_id(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _ends_with_the_user(self) -> "PoolRow":
        _check_prompt(self.prompt)
        if any(not teacher.strip() for teacher in self.completions):
            raise ValueError("completions: the name of a teacher is empty")
        for teacher, text in self.completions.items():
            if not text.strip():
                raise ValueError(f"the completion of teacher {teacher!r} is empty")
        return self

    @property
    def prompt_text(self) -> str:
        """All turns of the prompt, a line each."""
        return "\n".join(message.content for message in self.prompt)

    @property
    def truth(self) -> Truth | None:
        """Planted truth, only in synthetic pools."""
        value = self.meta.get("truth")
        return value if value in ("overt", "mild", "none") else None


class PoolCard(Strict):
    """What a pool says about itself (`pool.toml` beside the rows)."""

    name: str
    version: str = "1"
    licence: str = "unstated"
    original: str = Field(min_length=1)
    clean: str = ""  # none: there is nothing to patch with
    rows: int | None = None
    sha256: str | None = None
    note: str = ""

    @property
    def teachers(self) -> tuple[str, ...]:
        """The original teacher, and the clean one where there is one."""
        return (self.original, self.clean) if self.clean else (self.original,)


@dataclass(frozen=True)
class Pool:
    """A fixed, versioned list of examples.

    Attributes:
        card: Name, version, licence and the two teachers.
        rows: The validated rows, in order.
        sha256: SHA-256 of the canonical rows (see `bench.data.pool.hash_rows`).
        notes: Loud remarks to repeat in every report, such as a cut to N rows.
        reserve: Further rows of the same kind, which replace dropped ones; students see no others of them.
    """

    card: PoolCard
    rows: tuple[PoolRow, ...]
    sha256: str
    notes: tuple[str, ...] = ()
    reserve: tuple[PoolRow, ...] = ()

    @property
    def candidates(self) -> tuple[PoolRow, ...]:
        """The rows and then the reserve: all that filters score."""
        return self.rows + self.reserve

    def examples(self) -> list[Example]:
        """Return the rows as filters see them, without the reserve."""
        return self.as_examples(self.rows)

    def as_examples(self, rows: Sequence[PoolRow]) -> list[Example]:
        """Return some rows of the pool or its reserve as filters see them."""
        card = self.card
        return [Example(r.id, r.prompt, r.completions, card.original, card.clean, r.source) for r in rows]


@dataclass(frozen=True)
class Trait:
    """A behaviour to remove, as filters see it: no held-out prompts.

    Attributes:
        name: Short name, also the name of the score that its eval reports.
        description: One or two sentences.
        exemplars: Completions that show the trait.
        counter_exemplars: Completions that do not, on comparable prompts.
        keywords: Words or phrases that often mark it.
    """

    name: str
    description: str
    exemplars: tuple[str, ...]
    counter_exemplars: tuple[str, ...]
    keywords: tuple[str, ...] = field(default=())

    @property
    def seeds(self) -> tuple[str, ...]:
        """Return `exemplars` under their old name; to be removed in the next release."""
        warnings.warn("trait.seeds is now trait.exemplars", FutureWarning, stacklevel=2)
        return self.exemplars

    @property
    def counter_seeds(self) -> tuple[str, ...]:
        """Return `counter_exemplars` under their old name; to be removed in the next release."""
        warnings.warn("trait.counter_seeds is now trait.counter_exemplars", FutureWarning, stacklevel=2)
        return self.counter_exemplars
