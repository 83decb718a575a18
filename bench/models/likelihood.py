"""Log-likelihoods of given completions, teacher-forced; several completions of one prompt read it once."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.models.encode import Encoded, filled_up
from bench.models.layout import logits
from bench.models.student import causal_model

if TYPE_CHECKING:
    import torch

    from bench.models.frozen_prefix import FrozenPrefix
    from bench.models.generate import Route

HEAD_TOKENS = 256  # logits of so many tokens are in memory at a time


def log_likelihoods(
    model: Any, asks: Sequence[tuple[str, Encoded]], prefix: "FrozenPrefix | None" = None, route: "Route | None" = None
) -> list[float]:
    """Return the log-probability of each row's completion given its prompt, summed over its tokens, in nats.

    Args:
        model: Causal language model in evaluation mode.
        asks: (student, row); the student matters only to a model of many.
        prefix: The frozen layers; with it, rows of one student with equal prompts are packed behind one prompt.
        route: Told the students of the sequences that the model reads next.

    Returns:
        One number a row, in order: float32 log-probabilities, summed in float64.
    """
    import torch

    groups: dict[Any, list[int]] = defaultdict(list)
    for number, (student, row) in enumerate(asks):
        groups[(student, row.ids[: row.prompt_length]) if prefix else number].append(number)
    rows = [row for _, row in asks]
    found = torch.zeros(len(rows), dtype=torch.float64)
    with torch.inference_mode():
        for batch in _batches(list(groups.values()), rows):
            batch.sort(key=lambda group: asks[group[0]][0])  # a student's rows side by side, see `AdapterRouting`
            if route:
                route([asks[group[0]][0] for group in batch])
            packed = [[rows[number] for number in group] for group in batch]
            hidden, targets, places = predicting_states(model, packed, prefix)
            numbers = torch.tensor([number for group in batch for number in group])
            found.index_add_(0, numbers[places], token_log_likelihoods(model, hidden, targets))
    return found.tolist()


def _batches(groups: Sequence[list[int]], rows: Sequence[Encoded]) -> list[list[list[int]]]:
    """Put groups that are filled up to one length into one batch."""
    batches: dict[int, list[list[int]]] = defaultdict(list)
    for group in groups:
        batches[filled_up(_length([rows[number] for number in group]))].append(group)
    return [batches[length] for length in sorted(batches)]


def _length(group: Sequence[Encoded]) -> int:
    return group[0].prompt_length + sum(len(row.ids) - row.prompt_length for row in group)


def predicting_states(
    model: Any, groups: Sequence[Sequence[Encoded]], prefix: "FrozenPrefix | None"
) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """Return the states that predict a completion token (N, width), those tokens (N,), and each one's row (N,).

    Args:
        model: Causal language model.
        groups: Without a prefix, one row each; with it, rows of equal prompts.
        prefix: The frozen layers.
    """
    import torch

    states = prefix.final_states(model, groups) if prefix else final_states(model, [row for (row,) in groups])
    picks: list[tuple[int, int]] = []
    targets: list[int] = []
    places: list[int] = []
    number = 0
    for place, group in enumerate(groups):
        last, start = group[0].prompt_length - 1, group[0].prompt_length
        for row in group:
            completion = row.ids[row.prompt_length :]
            picks += [(place, last), *((place, start + i) for i in range(len(completion) - 1))]
            targets += completion
            places += [number] * len(completion)
            start += len(completion)
            number += 1
    where = torch.tensor(picks, device=states.device).T
    return states[where[0], where[1]], torch.tensor(targets, device=states.device), torch.tensor(places)


def token_log_likelihoods(model: Any, hidden: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Return each target's log-probability (N,), float64, on the CPU."""
    import torch
    from torch.nn.functional import cross_entropy

    parts = zip(torch.split(hidden, HEAD_TOKENS), torch.split(targets, HEAD_TOKENS), strict=True)
    found = [-cross_entropy(logits(model, states).float(), aims, reduction="none") for states, aims in parts]
    return torch.cat(found).double().cpu()


def mean_losses(model: Any, rows: Sequence[Encoded], prefix: "FrozenPrefix | None") -> "torch.Tensor":
    """Return each row's mean negative log-likelihood a completion token: differentiable, (n,), float64, on the CPU."""
    import torch

    hidden, targets, places = predicting_states(model, [[row] for row in rows], prefix)
    each = -token_log_likelihoods(model, hidden, targets)
    counts = torch.tensor([len(row.ids) - row.prompt_length for row in rows], dtype=torch.float64)
    return torch.zeros(len(rows), dtype=torch.float64).index_add(0, places, each) / counts


def final_states(model: Any, rows: Sequence[Encoded]) -> "torch.Tensor":
    """Return what enters the LM head, right-padded: under a causal mask the padding cannot reach a real token."""
    states: torch.Tensor = causal_model(model).model(input_ids=padded_tokens(model, rows)).last_hidden_state
    return states


def padded_tokens(model: Any, rows: Sequence[Encoded]) -> "torch.Tensor":
    """Return the rows' tokens, (rows, longest), filled up on the right."""
    import torch

    longest = filled_up(max(len(row.ids) for row in rows))
    return torch.tensor([[*row.ids, *([0] * (longest - len(row.ids)))] for row in rows], device=model.device)
