"""Counts of operations against those that torch sees in real forward and backward passes of a tiny model."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.config.recipe import Recipe
from bench.models.encode import Encoded
from bench.models.load import TINY, load_model
from bench.models.packed_linear import unpack_linears
from bench.models.student import decoder_layers, trainable_copy
from bench.studies.speed.flops import answering_work, forward_flops, training_work

TOKENS, PROMPT = 12, 7
ROW = Encoded(tuple(range(5, 5 + TOKENS)), PROMPT)


@pytest.fixture(scope="module")
def base() -> Any:
    return unpack_linears(load_model(TINY, "cpu")[0])  # whose products the profiler counts


def recipe(method: str, last_layers: int = 0) -> Recipe:
    return Recipe.model_validate(
        {"name": "r", "model": TINY, "method": method, "last_layers": last_layers, "learning_rate": 0.01}
    )


def attention(base: Any, tokens: int, layers: int) -> float:
    """The part of a forward pass that is quadratic in the tokens; torch counts it by kernel, if at all."""
    width: int = base.config.hidden_size
    return 2.0 * width * tokens**2 * layers


def products(run: Callable[[], object]) -> float:
    """Operations of all products with weights, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        run()
    counts = {str(op): flops for op, flops in counter.get_flop_counts()["Global"].items()}
    return float(sum(flops for op, flops in counts.items() if "attention" not in op))


def training_products(base: Any, given: Recipe) -> float:
    model = trainable_copy(base, given, seed=0).train()

    def run() -> None:
        logits = model(torch.tensor([ROW.ids]), logits_to_keep=TOKENS - PROMPT).logits
        logits.sum().backward()

    return products(run)


def test_a_forward_pass(base: Any) -> None:
    layers = len(decoder_layers(base))
    seen = products(lambda: base(torch.tensor([ROW.ids]), logits_to_keep=1))
    head = 2 * base.get_output_embeddings().weight.numel()
    assert forward_flops(base, [TOKENS], layers) + head == seen + attention(base, TOKENS, layers)
    assert forward_flops(base, [4, 6], 1) == forward_flops(base, [4], 1) + forward_flops(base, [6], 1)


def test_full_training(base: Any) -> None:
    given, layers = recipe("full"), len(decoder_layers(base))
    work = training_work(base, given, [ROW])
    assert work.flops == work.least_flops == training_products(base, given) + 3 * attention(base, TOKENS, layers)
    assert (work.tokens, work.completion_tokens) == (TOKENS, TOKENS - PROMPT)


def test_frozen_weights_of_adapted_layers_have_no_gradient(base: Any) -> None:
    given, layers = recipe("lora"), decoder_layers(base)
    counted = training_work(base, given, [ROW]).flops - 3 * attention(base, TOKENS, len(layers))
    inputs = [getattr(layers[0].self_attn, name).weight for name in ("q_proj", "k_proj", "v_proj")]
    lowest = sum(weight.numel() + given.lora_rank * weight.shape[1] for weight in inputs)
    assert counted == training_products(base, given) + 2 * TOKENS * lowest  # nothing below needs their gradient


def test_frozen_layers_are_read_forwards_and_needed_once_for_equal_rows(base: Any) -> None:
    given = recipe("lora", last_layers=1)
    frozen = len(decoder_layers(base)) - 1
    once, twice = (training_work(base, given, [ROW] * n) for n in (1, 2))
    prefix = forward_flops(base, [TOKENS], frozen)
    assert twice.flops == 2 * once.flops == twice.least_flops + prefix
    whole = recipe("lora")
    less = training_work(base, whole, [ROW]).flops - once.flops
    assert less == pytest.approx(training_work(base, whole, [ROW]).flops - once.least_flops)
    assert less > prefix  # the backward pass is left out


def test_answers_cost_one_pass_over_prompt_and_answer(base: Any) -> None:
    given = recipe("lora", last_layers=1)
    layers = len(decoder_layers(base))
    work = answering_work(base, given, [(1, 2)], [[3], [1]])
    head = 2 * base.get_output_embeddings().weight.numel()
    assert (work.tokens, work.completion_tokens) == (8, 4)
    diagonal = 2 * 2 * base.config.hidden_size * layers  # of attention, for the two tokens that are read one by one
    assert work.flops == forward_flops(base, [4, 2], layers) + diagonal + 4 * head  # an answer's last token is not read
    assert work.least_flops == work.flops - forward_flops(base, [2], layers - 1)
