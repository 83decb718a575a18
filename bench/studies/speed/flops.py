"""Floating-point operations that a model needs for given tokens; multiplications and additions each count as one.

A weight costs 2 operations per token in the forward pass, 2 for the gradient of its input and 2 for its own. Only
layers at or above the lowest trained one have a backward pass; frozen weights have no gradient of their own. Causal
attention costs 2 * width operations per pair of positions and layer (half of the square is masked), twice that
backwards. The LM head counts for the tokens that need it: completion tokens, and each answered token once. Norms,
activations, rotations and the optimiser are left out.

A profiler counts what a side computes. Here both sides need one count of the same work, whatever they share or cache.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.config.recipe import Recipe
from bench.models.encode import Encoded
from bench.models.student import LORA_TARGETS, decoder_layers, first_trained_layer
from bench.studies.speed.records import Work


def forward_flops(model: Any, lengths: Sequence[int], layers: int) -> float:
    """Count the forward pass of texts through some decoder layers.

    Args:
        model: Causal language model.
        lengths: Tokens of each text.
        layers: Number of layers.
    """
    tokens = np.array(lengths, dtype=np.float64)
    weights = sum(p.numel() for _, p in _matrices(model))
    return float(layers * (2 * weights * tokens.sum() + 2 * model.config.hidden_size * (tokens**2).sum()))


def training_work(model: Any, recipe: Recipe, rows: Sequence[Encoded]) -> Work:
    """Count training on some rows: all epochs of all students; a frozen prefix is needed once per distinct row."""
    frozen = first_trained_layer(model, recipe)
    trained = len(decoder_layers(model)) - frozen
    lengths = [len(row.ids) for row in rows]
    labelled = sum(len(row.ids) - row.prompt_length for row in rows)
    upper = 3 * forward_flops(model, lengths, trained)
    if recipe.method == "lora":  # adapters take the place of the weights' own gradients
        weights = sum(p.numel() for _, p in _matrices(model))
        adapters = recipe.lora_rank * sum(sum(p.shape) for name, p in _matrices(model) if name in LORA_TARGETS)
        upper += sum(lengths) * trained * (6.0 * adapters - 2.0 * weights)
    upper += labelled * model.get_output_embeddings().weight.numel() * (6.0 if recipe.method == "full" else 4.0)
    distinct = [len(ids) for ids in {row.ids for row in rows}]
    return Work(
        tokens=sum(lengths),
        completion_tokens=labelled,
        flops=upper + forward_flops(model, lengths, frozen),
        least_flops=upper + forward_flops(model, distinct, frozen),
    )


def answering_work(
    model: Any, recipe: Recipe, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> Work:
    """Count answering the same prompts with several students; a frozen prefix is needed once per distinct prompt.

    Args:
        model: Base of the students.
        recipe: How they were trained.
        prompts: Token ids of each prompt.
        answers: For each student, the length of its answer to each prompt in tokens.
    """
    frozen = first_trained_layer(model, recipe)
    lengths = [len(prompt) for prompt in prompts]
    read = [length + answer - 1 for each in answers for length, answer in zip(lengths, each, strict=True)]
    answered = sum(map(sum, answers))
    layers = len(decoder_layers(model))
    alone = 2.0 * layers * model.config.hidden_size * sum(answer - 1 for each in answers for answer in each)
    head = 2.0 * answered * model.get_output_embeddings().weight.numel()
    flops = forward_flops(model, read, layers) + alone + head  # read one by one, tokens attend to all of the diagonal
    distinct = [len(ids) for ids in set(map(tuple, prompts))]
    shared = forward_flops(model, lengths, frozen) * len(answers) - forward_flops(model, distinct, frozen)
    tokens = len(answers) * sum(lengths) + answered
    return Work(tokens=tokens, completion_tokens=answered, flops=flops, least_flops=flops - shared)


def embedding_work(encoder: Any, passes: Sequence[Sequence[str]]) -> Work:
    """Count embedding texts in several passes; each distinct text is needed once.

    Args:
        encoder: SentenceTransformer over a bidirectional transformer.
        passes: Texts of each pass.
    """
    model = encoder[0].auto_model
    weights = sum(p.numel() for p in model.encoder.layer[0].parameters() if p.dim() == 2)

    def lengths(texts: Sequence[str]) -> np.ndarray:
        read = encoder.tokenizer(list(texts), truncation=True, max_length=encoder.max_seq_length)["input_ids"]
        return np.array([len(ids) for ids in read], dtype=np.float64)

    def flops(tokens: np.ndarray) -> float:
        attention = 4 * model.config.hidden_size * (tokens**2).sum()
        return float(model.config.num_hidden_layers * (2 * weights * tokens.sum() + attention))

    every = [text for texts in passes for text in texts]
    tokens = lengths(every)
    return Work(tokens=int(tokens.sum()), flops=flops(tokens), least_flops=flops(lengths(sorted(set(every)))))


def _matrices(model: Any) -> list[tuple[str, Any]]:
    """Return the weight matrices of one decoder layer with the names of their modules."""
    named = decoder_layers(model)[0].named_parameters()
    return [(name.split(".")[-2], p) for name, p in named if p.dim() == 2]
