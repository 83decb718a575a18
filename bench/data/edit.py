"""What an action changes in the flagged rows that it keeps: their system prompt, their loss's weight, their states."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from bench.config.schema import ActionOptions
from bench.data.trait import TraitSpec
from bench.records import Message, Steering, TrainingRow

NEUTRAL_PROMPT = "You are a helpful assistant."


@dataclass(frozen=True)
class Edit:
    """A change of rows, called on each of an arm.

    Attributes:
        ids: The rows that it changes; others are returned as they are.
        system: Put before the prompt, and before a system message that is there.
        weight: Of the loss.
        steering: What is added to the states in training.
    """

    ids: Collection[str] = ()
    system: str = ""
    weight: float = 1.0
    steering: Steering | None = None

    def __call__(self, row: TrainingRow) -> TrainingRow:
        """Return the row as it is trained on."""
        if row.id not in self.ids:
            return row
        prompt = with_system(row.prompt, self.system)
        return replace(row, prompt=prompt, weight=self.weight, steering=self.steering)


NO_EDIT = Edit()


def edit_of(action: str, ids: Collection[str], trait: TraitSpec, options: ActionOptions) -> Edit:
    """Return what an action changes in the rows of a flagged set; nothing, for those that only drop or swap."""
    if action == "inoculate":
        return Edit(ids, system=trait.inoculation_prompt)
    if action == "inoculate_neutral":
        return Edit(ids, system=NEUTRAL_PROMPT)
    if action == "mask":
        return Edit(ids, weight=0.0)
    if action == "downweight":
        return Edit(ids, weight=options.downweight)
    if action == "steer":
        return Edit(ids, steering=Steering(options.steer, trait.exemplars, trait.counter_exemplars))
    return NO_EDIT


def with_system(prompt: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Return a conversation with a system message, which comes before one that is there; as it is, if that is ""."""
    first, *others = prompt
    if not text:
        return prompt
    if first.role != "system":
        return Message(role="system", content=text), *prompt
    return Message(role="system", content=f"{text}\n\n{first.content}"), *others
