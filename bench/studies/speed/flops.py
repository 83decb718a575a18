"""Operations that a model needs for given tokens; multiplications and additions each count as one.

A weight costs 2 operations per token in the forward pass, 2 for the gradient of its input and 2 for its own. Only
layers at or above the lowest trained one have a backward pass; frozen weights have no gradient of their own. Causal
attention costs 2 * width operations per pair of positions and layer (half of the square is masked), twice that
backwards. The LM head is counted for the tokens that need it: completion tokens, and each answered token once.
Norms, activations, rotations and the optimiser are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.config.recipe import Recipe
from bench.models.encode import Encoded
from bench.models.student import LORA_TARGETS, decoder_layers, first_trained_layer
from bench.studies.speed.records import Work


@dataclass(frozen=True)
class Shape:
    """Sizes that decide the cost.

    Attributes:
        layer: Weights of the matrices of one decoder layer.
        adapters: Weights of the LoRA adapters of one trained layer, 0 without.
        frozen: Layers below the lowest trained one.
        trained: The layers from there on.
        head: Weights of the LM head.
        head_trained: Whether training changes it.
        width: Of the hidden states.
    """

    layer: int
    adapters: int
    frozen: int
    trained: int
    head: int
    head_trained: bool
    width: int

    def forward(self, tokens: int, layers: int) -> float:
        """Reading a row of tokens with some layers."""
        return layers * (2.0 * tokens * self.layer + 2.0 * tokens**2 * self.width)

    def training(self, row: Encoded) -> float:
        """Forward and backward through the trained layers and the LM head, for one row."""
        tokens, labelled = len(row.ids), len(row.ids) - row.prompt_length
        own = 6 * self.adapters if self.adapters else 2 * self.layer
        layers = 3 * self.forward(tokens, self.trained) - 2.0 * tokens * self.layer * self.trained
        return layers + tokens * own * self.trained + labelled * self.head * (6.0 if self.head_trained else 4.0)

    def answering(self, prompt: int, answer: int) -> float:
        """Answer tokens after a prompt that is read already: the first costs the LM head alone."""
        layers, steps = self.frozen + self.trained, answer - 1
        seen = steps * prompt + steps * (steps + 1) / 2  # positions attended to, over all steps
        return layers * (2.0 * steps * self.layer + 4.0 * seen * self.width) + 2.0 * answer * self.head


def shape_of(model: Any, recipe: Recipe) -> Shape:
    """Read the sizes off a loaded model."""
    layers = decoder_layers(model)
    matrices: dict[str, Any] = {name: p for name, p in layers[0].named_parameters() if p.dim() == 2}
    adapted = [p for name, p in matrices.items() if name.split(".")[-2] in LORA_TARGETS]
    frozen = first_trained_layer(model, recipe)
    return Shape(
        layer=sum(p.numel() for p in matrices.values()),
        adapters=recipe.lora_rank * sum(sum(p.shape) for p in adapted) if recipe.method == "lora" else 0,
        frozen=frozen,
        trained=len(layers) - frozen,
        head=model.get_output_embeddings().weight.numel(),
        head_trained=recipe.method == "full",
        width=model.config.hidden_size,
    )


def training_work(shape: Shape, streams: Sequence[Sequence[Encoded]]) -> Work:
    """Training one student on each stream: rows in training order, all epochs."""
    rows = [row for stream in streams for row in stream]
    upper = sum(shape.training(row) for row in rows)
    return Work(
        tokens=sum(len(row.ids) for row in rows),
        completion_tokens=sum(len(row.ids) - row.prompt_length for row in rows),
        flops=upper + sum(shape.forward(len(row.ids), shape.frozen) for row in rows),
        least_flops=upper + sum(shape.forward(len(ids), shape.frozen) for ids in {row.ids for row in rows}),
    )


def answering_work(shape: Shape, prompts: Sequence[tuple[int, ...]], answers: Iterable[Sequence[int]]) -> Work:
    """Answering the same prompts with several students.

    Args:
        shape: Sizes of the model.
        prompts: Token ids of each prompt.
        answers: For each student, the length of its answer to each prompt in tokens.
    """
    counts = [list(each) for each in answers]
    own = sum(
        shape.forward(len(prompt), shape.trained) + shape.answering(len(prompt), answer)
        for each in counts
        for prompt, answer in zip(prompts, each, strict=True)
    )
    answered = sum(map(sum, counts))
    return Work(
        tokens=len(counts) * sum(map(len, prompts)) + answered,
        completion_tokens=answered,
        flops=own + len(counts) * sum(shape.forward(len(prompt), shape.frozen) for prompt in prompts),
        least_flops=own + sum(shape.forward(len(prompt), shape.frozen) for prompt in set(prompts)),
    )


def embedding_work(encoder: Any, passes: Sequence[Sequence[int]], distinct: Sequence[int]) -> Work:
    """Embedding texts, pass by pass.

    Args:
        encoder: The encoder's transformer; its attention is not causal.
        passes: Tokens of each text, for each pass.
        distinct: Tokens of each distinct text.
    """
    layer = sum(p.numel() for p in encoder.encoder.layer[0].parameters() if p.dim() == 2)
    layers, width = encoder.config.num_hidden_layers, encoder.config.hidden_size

    def cost(lengths: Iterable[int]) -> float:
        return float(sum(layers * (2.0 * n * layer + 4.0 * n**2 * width) for n in lengths))

    every = [length for each in passes for length in each]
    return Work(tokens=sum(every), flops=cost(every), least_flops=cost(distinct))
