"""Batched decoding and completion losses of an in-memory student.

A sample's output depends on model, prompt and seed alone: decoding is greedy, or sampled with a generator of the
sample's own, and rows of a batch never see one another (left padding is masked).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.models.encode import Encoded

if TYPE_CHECKING:
    import torch

    from bench.models.frozen_prefix import Trunk

Ends = Callable[[Sequence[int]], bool]
Assign = Callable[[Sequence[int]], None]


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
    stops: Sequence[str] = (),
    trunk: "Trunk | None" = None,
) -> list[Generation]:
    """Answer a batch of rendered prompts; see `answer`, which takes them tokenised."""
    rows = [tuple(tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts]
    settings: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "seeds": seeds, "stops": stops}
    return answer(model, tokenizer, rows, trunk=trunk, **settings)


def answer(
    model: Any,
    tokenizer: Any,
    rows: "Sequence[tuple[int, ...]]",
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seeds: Sequence[int] | None = None,
    stops: Sequence[str] = (),
    trunk: "Trunk | None" = None,
    assign: Assign | None = None,
) -> list[Generation]:
    """Answer a batch of prompts.

    Args:
        model: Causal language model in evaluation mode.
        tokenizer: Its tokenizer.
        rows: Token ids of the prompts, rendered with the chat template.
        max_tokens: Longest answer.
        temperature: 0 decodes greedily.
        seeds: One per prompt; needed when sampling.
        stops: Texts that end an answer and are cut off with what follows.
        trunk: Reads the prompts through the layers that the model shares with other students.
        assign: Told which of the rows are in the batch that the model reads next, where it must know.

    Returns:
        One generation per prompt, in order.

    Raises:
        ValueError: If sampling is asked for without a seed per prompt.
    """
    import torch

    if temperature > 0 and (seeds is None or len(seeds) != len(rows)):
        raise ValueError(f"temperature={temperature} needs one seed per prompt, got {seeds!r}")
    generators = [torch.Generator().manual_seed(seed) for seed in seeds or []]
    assign = assign or (lambda _: None)
    with torch.inference_mode():
        assign(range(len(rows)))
        logits, cache = trunk.begin(model, rows) if trunk else _begin(model, rows)
        ends = _ends(tokenizer, _stop_tokens(model, tokenizer), stops)
        batch = _Batch(model, cache, [len(row) for row in rows], ends, assign)
        for step in range(max_tokens):
            chosen = _choose(logits, temperature, [generators[i] for i in batch.running if generators])
            if not batch.take(chosen) or step + 1 == max_tokens:
                break
            logits = batch.next_logits()
    return [_finish(tokenizer, row, answer, max_tokens, stops) for row, answer in zip(rows, batch.answers, strict=True)]


def _begin(model: Any, rows: "Sequence[tuple[int, ...]]") -> "tuple[torch.Tensor, Any]":
    """Read prompts: logits of the token after each (rows, vocabulary), and the cache of the left-padded batch."""
    import torch

    longest = max(map(len, rows))
    # Left-padded, so that every row's last prompt token is in the last column.
    tokens = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    out = model(input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
    return out.logits[:, -1], out.past_key_values


class _Batch:
    """Rows that are being answered; a finished row leaves, so that it costs nothing more."""

    def __init__(self, model: Any, cache: Any, lengths: Sequence[int], ends: Ends, assign: Assign) -> None:
        import torch

        self.answers: list[list[int]] = [[] for _ in lengths]
        self.running = list(range(len(lengths)))
        self._model, self._cache, self._ends, self._assign = model, cache, ends, assign
        self._next = torch.tensor(lengths, device=model.device)  # position of the next token
        columns = torch.arange(max(lengths), device=model.device)
        self._mask = (columns >= max(lengths) - self._next[:, None]).long()

    def take(self, chosen: "torch.Tensor") -> bool:
        """Append one token to each running row; False when none is left running."""
        import torch

        for index, token in zip(self.running, chosen.tolist(), strict=True):
            self.answers[index].append(token)
        keep = [k for k, index in enumerate(self.running) if not self._ends(self.answers[index])]
        if 0 < len(keep) < len(self.running):
            rows = torch.tensor(keep, device=self._mask.device)
            self._cache.batch_select_indices(rows)
            self._mask, self._next = self._mask[rows], self._next[rows]
            self._assign([self.running[k] for k in keep])
        self.running = [self.running[k] for k in keep]
        return bool(keep)

    def next_logits(self) -> "torch.Tensor":
        """Read the tokens just taken; logits of what follows them, shape (running rows, vocabulary)."""
        import torch

        device = self._mask.device
        tokens = torch.tensor([[self.answers[index][-1]] for index in self.running], device=device)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        out = self._model(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=self._next[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        self._next = self._next + 1
        return out.logits[:, -1]  # type: ignore[no-any-return]


def _choose(logits: "torch.Tensor", temperature: float, generators: "list[torch.Generator]") -> "torch.Tensor":
    import torch

    logits = logits.float()
    if temperature == 0:
        return logits.argmax(-1).cpu()
    odds = (logits / temperature).softmax(-1).cpu()
    picks = [torch.multinomial(row, 1, generator=g) for row, g in zip(odds, generators, strict=True)]
    return torch.cat(picks)


def _stop_tokens(model: Any, tokenizer: Any) -> set[int]:
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


def _ends(tokenizer: Any, tokens: set[int], stops: Sequence[str]) -> Ends:
    """Whether an answer is over: at a stop token, or where its last tokens spell a stop text."""
    tail = max(map(len, stops), default=0) + 4  # a token is a character at least, and the first may be cut in two

    def over(answer: Sequence[int]) -> bool:
        if answer[-1] in tokens or not stops:
            return answer[-1] in tokens
        text = tokenizer.decode(answer[-tail:])
        return any(stop in text for stop in stops)

    return over


def _finish(
    tokenizer: Any, prompt: Sequence[int], answer: list[int], max_tokens: int, stops: Sequence[str]
) -> Generation:
    whole = tokenizer.decode(answer, skip_special_tokens=True)
    text = whole[: min((whole.find(stop) for stop in stops if stop in whole), default=len(whole))]
    special = bool(answer and answer[-1] in tokenizer.all_special_ids)
    return Generation(text.strip(), len(prompt), len(answer), len(answer) < max_tokens or special or text != whole)


def completion_losses(model: Any, rows: Sequence[Encoded], trunk: "Trunk | None" = None) -> list[float]:
    """Mean negative log-likelihood of each row's completion tokens, in nats a token.

    A model that must know whose rows it reads is told before (see `bench.models.multi_lora.Owners`).
    """
    import torch
    from torch.nn.functional import cross_entropy

    with torch.inference_mode():
        hidden = trunk.states_of(model, [row.ids for row in rows]) if trunk else _states(model, rows)
        losses = []
        for i, row in enumerate(rows):
            logits = model.lm_head(hidden[i, row.prompt_length - 1 : len(row.ids) - 1])
            targets = torch.tensor(row.ids[row.prompt_length :], device=model.device)
            losses.append(cross_entropy(logits.float(), targets).item())
    return losses


def _states(model: Any, rows: Sequence[Encoded]) -> "torch.Tensor":
    """States that enter the LM head, right-padded: under a causal mask the padding cannot reach a real token."""
    import torch

    longest = max(len(row.ids) for row in rows)
    tokens = torch.tensor([[*row.ids, *([0] * (longest - len(row.ids)))] for row in rows], device=model.device)
    states: torch.Tensor = model.model(input_ids=tokens).last_hidden_state
    return states
