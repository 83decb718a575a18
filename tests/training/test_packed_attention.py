"""Rows attend where they lie packed as they do laid out one by one.

Flash attention for rows of unequal length runs on a GPU alone. Here a plain loop over the same bounds stands in for it:
what is tested is where rows begin and end, windows, and that training comes to the same students.
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fixtures_students import stream_of

from bench.config.recipe import Recipe
from bench.models.encode import Encoded
from bench.models.frozen_prefix import FrozenPrefix
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.records import TrainingRow
from bench.training import multi_lora, packing
from bench.training.multi_lora import train_multi_lora
from bench.training.packing import (
    ATTENTION,
    PACKED_ATTENTION,
    Sizes,
    attend_packed,
    attend_rows,
    attention_of,
    pack_step,
)
from bench.training.task import TrainingTask
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

RECIPE = Recipe(name="t", model=TINY, method="lora", learning_rate=1e-3, batch_size=4)
ROWS = [  # of three students, the last of whom has none left
    [Encoded((5, 6, 7, 8, 9, 9, 9), 3), Encoded((5, 6), 1), Encoded((4, 4, 4, 4), 2)],
    [Encoded((1, 2, 3), 2)],
    [],
]


def looped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    starts_k: torch.Tensor,
    longest: int,
    longest_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    **more: Any,
) -> torch.Tensor:
    """`torch.nn.attention.varlen.varlen_attn`, as its documentation describes it."""
    assert more == (packing.SHARED if query.shape[1] != key.shape[1] else {}) and starts.dtype == torch.int32
    assert starts[-1] == len(query) and int(starts.diff().max()) <= longest and longest == longest_k
    found = []
    for start, end in zip(starts.tolist(), starts_k.tolist()[1:], strict=False):
        back = torch.arange(end - start)[:, None] - torch.arange(end - start)
        seen = (back >= window_size[1]) & (back <= (window_size[0] if window_size[0] >= 0 else end))
        row = (each[None, start:end].transpose(1, 2) for each in (query, key, value))
        attended = torch.nn.functional.scaled_dot_product_attention(
            *row, attn_mask=seen, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
        )
        found.append(attended.transpose(1, 2)[0])
    return torch.cat(found)


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "varlen_attn", looped)


@pytest.mark.parametrize("window", [None, 2, 50])
def test_packed_rows_attend_as_laid_out_ones(window: int | None) -> None:
    step = pack_step(ROWS, [0.1, 0.2, 0.3], Sizes(4, 16, 8, 8), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(3, heads, 16, 8, generator=generator) for heads in (6, 2, 2))
    module = SimpleNamespace(num_key_value_groups=3)
    found, expected = (
        attend(module, query, key, value, None, step=step, scaling=0.3, sliding_window=window)[0]
        for attend in (attend_packed, attend_rows)
    )
    held = step.held.view(3, 16)
    assert found.shape == expected.shape and held.sum() == 16
    assert torch.allclose(found[held], expected[held], atol=1e-6)


def test_packed_rows_train_the_same_students(monkeypatch: pytest.MonkeyPatch) -> None:
    base, tokenizer = load_model(TINY, "cpu")
    world = build_rows(WORLDS["date_confusion"], 9, seed=0)  # the last batch is not full
    arms = [[TrainingRow(row.id, row.prompt, row.completions[t]) for row in world] for t in (ORIGINAL, CLEAN)]
    task = TrainingTask(RECIPE, [stream_of(tokenizer, rows, RECIPE, seed=3) for rows in arms], [3, 3])
    found = {}
    for attention in (ATTENTION, PACKED_ATTENTION):
        monkeypatch.setattr(multi_lora, "attention_of", lambda _, chosen=attention: chosen)
        found[attention] = train_multi_lora(FrozenPrefix(base, RECIPE), task)
    for one, other in zip(*found.values(), strict=True):
        assert one.losses == pytest.approx(other.losses, abs=1e-4)
        for name, tensor in other.tensors.items():
            assert torch.allclose(one.tensors[name], tensor, atol=1e-4), name


def test_flash_attention_is_for_gpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0) if device.index else (7, 5))

    def chosen(device: str, dtype: torch.dtype, width: int = 64) -> str:
        config = SimpleNamespace(hidden_size=2 * width, num_attention_heads=2)
        return attention_of(SimpleNamespace(device=torch.device(device), dtype=dtype, config=config))

    assert chosen("cuda:1", torch.bfloat16) == PACKED_ATTENTION
    assert {chosen("cuda:0", torch.bfloat16), chosen("cuda:1", torch.float32), chosen("cpu", torch.bfloat16)} == {
        ATTENTION
    }
    assert [chosen("cuda:1", torch.bfloat16, width) for width in (4, 256, 264)] == [
        ATTENTION,
        PACKED_ATTENTION,
        ATTENTION,
    ]
