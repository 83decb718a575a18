"""Batched decoding and completion losses of an in-memory student.

A sample's output depends on model, prompt and seed alone: decoding is greedy, or sampled with a generator of the
sample's own, and rows of a batch never see one another (left padding is masked).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.encoding import Encoded

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Generation:
    """One decoded answer; `stopped` is False where it was cut at the token limit."""

    text: str
    prompt_tokens: int
    tokens: int
    stopped: bool


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seeds: Sequence[int] | None = None,
) -> list[Generation]:
    """Answer a batch of rendered prompts.

    Args:
        model: Causal language model in evaluation mode.
        tokenizer: Its tokenizer.
        prompts: Texts rendered with the chat template.
        max_tokens: Longest answer.
        temperature: 0 decodes greedily.
        seeds: One per prompt; needed when sampling.

    Returns:
        One generation per prompt, in order.

    Raises:
        ValueError: If sampling is asked for without a seed per prompt.
    """
    import torch

    if temperature > 0 and (seeds is None or len(seeds) != len(prompts)):
        raise ValueError(f"temperature={temperature} needs one seed per prompt, got {seeds!r}")
    rows = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    longest = max(map(len, rows))
    device = model.device
    # Left-padded, so that every row's last prompt token is in the last column.
    tokens = torch.tensor([[0] * (longest - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds or []]
    answers = _decode(model, tokens, mask, _stop_tokens(model, tokenizer), max_tokens, temperature, generators)
    return [_finish(tokenizer, row, answer, max_tokens) for row, answer in zip(rows, answers, strict=True)]


def _decode(
    model: Any,
    tokens: "torch.Tensor",
    mask: "torch.Tensor",
    stops: set[int],
    max_tokens: int,
    temperature: float,
    generators: "list[torch.Generator]",
) -> list[list[int]]:
    import torch

    answers: list[list[int]] = [[] for _ in range(len(tokens))]
    running = list(range(len(tokens)))
    cache = None
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        for _ in range(max_tokens):
            out = model(
                input_ids=tokens,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = out.past_key_values
            chosen = _choose(out.logits[:, -1].float(), temperature, [generators[i] for i in running if generators])
            for index, token in zip(running, chosen.tolist(), strict=True):
                answers[index].append(token)
            keep = [k for k, index in enumerate(running) if answers[index][-1] not in stops]
            if not keep:
                break
            if len(keep) < len(running):  # finished rows leave the batch
                rows = torch.tensor(keep, device=tokens.device)
                cache.batch_select_indices(rows)
                chosen, mask, positions = chosen[rows.cpu()], mask[rows], positions[rows]
                running = [running[k] for k in keep]
            tokens = chosen[:, None].to(tokens.device)
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = positions[:, -1:] + 1
    return answers


def _choose(logits: "torch.Tensor", temperature: float, generators: "list[torch.Generator]") -> "torch.Tensor":
    import torch

    if temperature == 0:
        return logits.argmax(-1).cpu()
    odds = (logits / temperature).softmax(-1).cpu()
    picks = [torch.multinomial(row, 1, generator=g) for row, g in zip(odds, generators, strict=True)]
    return torch.cat(picks)


def _stop_tokens(model: Any, tokenizer: Any) -> set[int]:
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


def _finish(tokenizer: Any, prompt: list[int], answer: list[int], max_tokens: int) -> Generation:
    text = tokenizer.decode(answer, skip_special_tokens=True).strip()
    stopped = len(answer) < max_tokens or bool(answer and answer[-1] in tokenizer.all_special_ids)
    return Generation(text, len(prompt), len(answer), stopped)


def completion_losses(model: Any, rows: Sequence[Encoded]) -> list[float]:
    """Mean negative log-likelihood of each row's completion tokens, in nats a token."""
    import torch
    from torch.nn.functional import cross_entropy

    longest = max(len(row.ids) for row in rows)
    # Padded on the right: under a causal mask the padding cannot reach a real token.
    tokens = torch.tensor([[*row.ids, *([0] * (longest - len(row.ids)))] for row in rows], device=model.device)
    losses = []
    with torch.inference_mode():
        hidden = model.model(input_ids=tokens).last_hidden_state
        for i, row in enumerate(rows):
            span = slice(row.prompt_length - 1, len(row.ids) - 1)
            logits = model.lm_head(hidden[i, span])
            targets = torch.tensor(row.ids[row.prompt_length :], device=model.device)
            losses.append(cross_entropy(logits.float(), targets).item())
    return losses
