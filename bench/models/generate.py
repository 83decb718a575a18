"""Batched decoding of an in-memory student.

A sample's output depends on model, prompt and seed alone: decoding is greedy, or sampled with a generator of the
sample's own, and rows of a batch never see one another (left padding is masked).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from bench.models.frozen_prefix import FrozenPrefix

Ends = Callable[[Sequence[int]], bool]
Route = Callable[[Sequence[str]], None]  # told the students whose rows the model reads next


@dataclass(frozen=True)
class Request:
    """A prompt to answer.

    Attributes:
        student: Name of the student who is asked.
        ids: The rendered prompt's tokens.
        seed: For sampling.
    """

    student: str
    ids: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Decoding:
    """How answers are decoded.

    Attributes:
        max_tokens: Longest answer.
        temperature: 0 decodes greedily.
        stops: Texts that end an answer and are cut off with what follows.
    """

    max_tokens: int
    temperature: float = 0.0
    stops: Sequence[str] = ()


@dataclass(frozen=True)
class Generation:
    """One decoded answer; `stopped` is False where it was cut at the token limit."""

    text: str
    prompt_tokens: int
    tokens: int
    stopped: bool


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[str], decoding: Decoding, seeds: Sequence[int] | None = None
) -> list[Generation]:
    """Answer a batch of rendered prompts; see `answer`.

    Raises:
        ValueError: If sampling is asked for without a seed per prompt.
    """
    if decoding.temperature > 0 and (seeds is None or len(seeds) != len(prompts)):
        raise ValueError(f"temperature={decoding.temperature} needs one seed per prompt, got {seeds!r}")
    rows = [tuple(tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts]
    requests = [Request("", row, seed) for row, seed in zip(rows, seeds or [0] * len(rows), strict=True)]
    return answer(model, tokenizer, requests, decoding)


def answer(
    model: Any,
    tokenizer: Any,
    requests: Sequence[Request],
    decoding: Decoding,
    prefix: "FrozenPrefix | None" = None,
    route: Route = lambda students: None,
) -> list[Generation]:
    """Answer a batch of requests.

    Args:
        model: Causal language model in evaluation mode.
        tokenizer: Its tokenizer.
        requests: Prompts, rendered with the chat template.
        decoding: Most tokens, temperature, stop texts.
        prefix: Reads the prompts through the layers that the model shares with other students.
        route: Called with the students of a batch before the model reads it.

    Returns:
        One generation per request, in order.
    """
    import torch

    order = sorted(range(len(requests)), key=lambda i: requests[i].student)  # side by side, see `AdapterRouting`
    places = sorted(range(len(order)), key=order.__getitem__)
    requests = [requests[i] for i in order]
    rows = [request.ids for request in requests]
    sampling = decoding.temperature > 0
    generators = [torch.Generator().manual_seed(request.seed) for request in requests if sampling]
    with torch.inference_mode():
        route([request.student for request in requests])
        logits, cache = prefix.prefill(model, rows) if prefix else _prefill(model, rows)
        ends = _ends(tokenizer, _stop_tokens(model, tokenizer), decoding.stops)
        batch = _Batch(model, cache, [len(row) for row in rows], ends)
        for step in range(decoding.max_tokens):
            chosen = _choose(logits, decoding.temperature, [generators[i] for i in batch.running if sampling])
            before = len(batch.running)
            if not batch.take(chosen) or step + 1 == decoding.max_tokens:
                break
            if len(batch.running) < before:
                route([requests[i].student for i in batch.running])
            logits = batch.next_logits()
    answers = [_finish(tokenizer, row, tokens, decoding) for row, tokens in zip(rows, batch.answers, strict=True)]
    return [answers[place] for place in places]


def _prefill(model: Any, rows: "Sequence[tuple[int, ...]]") -> "tuple[torch.Tensor, Any]":
    """Read prompts; return logits of the token after each (rows, vocabulary) and the left-padded batch's cache."""
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

    def __init__(self, model: Any, cache: Any, lengths: Sequence[int], ends: Ends) -> None:
        import torch

        self.answers: list[list[int]] = [[] for _ in lengths]
        self.running = list(range(len(lengths)))
        self._model, self._cache, self._ends = model, cache, ends
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
        self.running = [self.running[k] for k in keep]
        return bool(keep)

    def next_logits(self) -> "torch.Tensor":
        """Read the tokens just taken; return logits of what follows them, shape (running rows, vocabulary)."""
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
    """Return a test for whether an answer is over: at a stop token, or where its last tokens spell a stop text."""
    tail = max(map(len, stops), default=0) + 4  # a token is a character at least, and the first may be cut in two

    def over(answer: Sequence[int]) -> bool:
        if answer[-1] in tokens or not stops:
            return answer[-1] in tokens
        text = tokenizer.decode(answer[-tail:])
        return any(stop in text for stop in stops)

    return over


def _finish(tokenizer: Any, prompt: Sequence[int], answer: list[int], decoding: Decoding) -> Generation:
    whole = tokenizer.decode(answer, skip_special_tokens=True)
    text = whole[: min((whole.find(stop) for stop in decoding.stops if stop in whole), default=len(whole))]
    special = bool(answer and answer[-1] in tokenizer.all_special_ids)
    stopped = len(answer) < decoding.max_tokens or special or text != whole
    return Generation(text.strip(), len(prompt), len(answer), stopped)
