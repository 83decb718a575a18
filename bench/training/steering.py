"""Preventative steering: what is added to the states of a row while it is trained on (Chen et al. 2025).

A shift towards the trait in training takes from the weights the reason to learn that shift (arXiv:2507.21509). It is
added where states enter the first trained layer, at every token of the row, and to nothing after training.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.encode import encode
from bench.models.student import first_trained_layer
from bench.records import Message, Steering, TrainingRow

if TYPE_CHECKING:
    import torch

NO_PROMPT = (Message(role="user", content=""),)  # exemplars are completions alone


def shift(base: Any, tokenizer: Any, recipe: Recipe, steering: Steering) -> "torch.Tensor":
    """Return the strength times the trait's direction in the untrained base.

    The direction is the mean state of the exemplars minus that of the counter-exemplars, where states enter the first
    trained layer; a completion's state is the mean over its tokens.

    Args:
        base: Causal language model.
        tokenizer: Its tokenizer.
        recipe: Says which layers are trained.
        steering: Completions on both sides, and the strength.

    Returns:
        Shape (width,), on the model's device and in its precision.

    Raises:
        BenchError: If every layer is trained, or a completion is longer than the recipe's `max_length`.
    """
    layer = first_trained_layer(base, recipe)
    if not layer:  # what enters the lowest layer are embeddings of single tokens
        raise BenchError(
            "action 'steer'",
            seen=f"recipe {recipe.name!r} trains every layer of {recipe.model}",
            expected="lower layers that stay as they are; steering is added above them",
            remedy="lower last_layers in the recipe, or leave 'steer' out",
        )
    there, here = (
        _mean_state(base, tokenizer, layer, texts, recipe.max_length)
        for texts in (steering.exemplars, steering.counter_exemplars)
    )
    return steering.strength * (there - here)


def _mean_state(base: Any, tokenizer: Any, layer: int, texts: Sequence[str], max_length: int) -> "torch.Tensor":
    import torch

    means = []
    with torch.no_grad():
        for text in texts:
            row = encode(tokenizer, TrainingRow("an exemplar of the trait", NO_PROMPT, text), max_length)
            ids = torch.tensor([row.ids], device=base.device)
            states = base.model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[layer]
            means.append(states[0, row.prompt_length :].mean(0))
        return torch.stack(means).mean(0)
