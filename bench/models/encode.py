"""Turn rows into tokens, once for every training path: what is trained on is decided here and nowhere else."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import BenchError
from bench.records import Steering, TrainingRow

# For models without a chat template of their own: plain turns, which a pre-trained model continues as a dialogue. It
# would write the next turns as well, so an answer ends where one begins.
BUCKET = 16  # tokens; what is computed of a sequence then depends on its own length, not on the longest beside it
PLAIN_TEMPLATE = (
    "{{ bos_token or '' }}{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{{ '\n\n' }}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
PLAIN_STOPS = ("\nUser:", "\nAssistant:", "\nSystem:")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one training row.

    Attributes:
        ids: Chat template of prompt and completion, to the end of the assistant's turn.
        prompt_length: Leading tokens that carry no loss.
        weight: Of the loss of each of the others.
        steering: What is added to its states in training, if anything.
    """

    ids: tuple[int, ...]
    prompt_length: int
    weight: float = 1.0
    steering: Steering | None = None

    @property
    def labels(self) -> list[int]:
        """Targets for TRL: -100 on the prompt."""
        return [-100] * self.prompt_length + list(self.ids[self.prompt_length :])


def encode(tokenizer: Any, row: TrainingRow, max_length: int) -> Encoded:
    """Render one row with the model's chat template.

    Raises:
        BenchError: If the row is longer than `max_length`, or the template cannot render it or does not keep the
            prompt as a prefix.
    """
    whole = _rendered(tokenizer, row)
    messages = [message.model_dump() for message in row.prompt]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    if ids[: len(prompt_ids)] != prompt_ids or len(ids) == len(prompt_ids):
        raise BenchError(
            f"row {row.id!r}",
            seen="a chat template that changes the prompt when the answer is added",
            expected="prompt tokens that stay a prefix",
            remedy="use a model whose template renders turn by turn",
        )
    if len(ids) > max_length:
        raise BenchError(
            f"row {row.id!r}",
            seen=f"{len(ids)} tokens",
            expected=f"at most {max_length} (max_length of the recipe)",
            remedy="raise max_length, or shorten the row (the suite's completion_tokens, max_prompt_tokens)",
        )
    return Encoded(tuple(ids), len(prompt_ids), row.weight, row.steering)


def too_long(tokenizer: Any, rows: Sequence[TrainingRow], max_length: int) -> dict[int, int]:
    """Return the tokens of every row that is longer than `max_length`, by its place.

    Raises:
        BenchError: If the chat template cannot render a row.
    """
    texts = enumerate(_rendered(tokenizer, row) for row in rows)
    doubtful = {i: text for i, text in texts if len(text.encode()) >= max_length}  # a token takes a byte or more
    ids = tokenizer(list(doubtful.values()), add_special_tokens=False)["input_ids"] if doubtful else []
    return {i: len(tokens) for i, tokens in zip(doubtful, ids, strict=True) if len(tokens) > max_length}


def _rendered(tokenizer: Any, row: TrainingRow) -> str:
    from jinja2 import TemplateError

    turns = [message.model_dump() for message in row.prompt]
    try:
        text: str = tokenizer.apply_chat_template(
            [*turns, {"role": "assistant", "content": row.completion}], tokenize=False
        )
    except TemplateError as error:
        raise BenchError(
            f"row {row.id!r}",
            seen=f"the model's chat template refuses its turns: {error}",
            expected="turns that it can render, most often user and assistant in turn",
            remedy="take the row out, or choose a recipe with another model",
        ) from error
    return text


def encode_all(tokenizer: Any, rows: Sequence[TrainingRow], max_length: int) -> list[Encoded]:
    """Render many rows that stay in memory together; errors as for `encode`.

    Equal token ids become one number object, so that the rows of a large arm take a fifth of the memory.
    """
    numbers: dict[int, int] = {}
    encoded = (encode(tokenizer, row, max_length) for row in rows)
    return [replace(row, ids=tuple(map(numbers.setdefault, row.ids, row.ids))) for row in encoded]


def data_order(rows: Sequence[TrainingRow], visits: int, seed: int) -> list[int]:
    """Return the order in which an arm's rows are seen, one shuffle an epoch, until `visits` rows have been seen.

    A row's place depends on seed, epoch and the row's own id, so that arms that share rows see them in the same
    relative order and a paired comparison is not blurred by the shuffle.
    """
    epochs = -(-visits // len(rows))

    def key(epoch: int, index: int) -> bytes:
        return hashlib.sha256(f"{seed}/{epoch}/{rows[index].id}".encode()).digest()

    order = [i for epoch in range(epochs) for i in sorted(range(len(rows)), key=lambda index: key(epoch, index))]
    return order[:visits]


def filled_up(length: int) -> int:
    """Return the length to which a sequence that is scored is filled up."""
    return -(-length // BUCKET) * BUCKET
