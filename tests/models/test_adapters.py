"""Students as PEFT adapters: they load elsewhere, and say there what they say here."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures_students import LORA, student

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.models.student import export_adapter, load_student


@pytest.fixture(scope="module")
def base() -> Any:
    return load_model(TINY, "cpu")[0]


@pytest.mark.parametrize("last_layers", [0, 2])
def test_peft_loads_an_adapter_and_gives_our_logits(base: Any, last_layers: int, tmp_path: Path) -> None:
    from peft import PeftModel

    recipe = LORA.model_copy(update={"last_layers": last_layers})
    ours = load_student(base, recipe, student(base, recipe, tmp_path / "s"))
    adapter = export_adapter(tmp_path / "s", recipe, tmp_path / "adapter")
    theirs = PeftModel.from_pretrained(load_model(TINY, "cpu")[0], str(adapter)).eval()
    tokens = torch.arange(40).reshape(2, 20)
    with torch.inference_mode():
        mine, given, bare = ours(tokens).logits, theirs(tokens).logits, base(tokens).logits
    torch.testing.assert_close(given, mine, atol=1e-5, rtol=1e-5)
    assert (mine - bare).abs().max() > 1e-2  # the adapters matter


def test_an_adapter_is_written_once_and_never_half(base: Any, tmp_path: Path) -> None:
    student(base, LORA, tmp_path / "s")
    target = export_adapter(tmp_path / "s", LORA, tmp_path / "adapters" / "one")
    assert sorted(path.name for path in target.iterdir()) >= ["adapter_config.json", "adapter_model.safetensors"]
    before = (target / "adapter_model.safetensors").stat().st_mtime_ns
    assert export_adapter(tmp_path / "s", LORA, target) == target
    assert (target / "adapter_model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in target.parent.iterdir()] == ["one"]


def test_the_adapter_names_its_base_and_no_path_of_this_machine(base: Any, tmp_path: Path) -> None:
    student(base, LORA, tmp_path / "s")
    text = (export_adapter(tmp_path / "s", LORA, tmp_path / "a") / "adapter_config.json").read_text()
    assert f'"{TINY}"' in text and str(tmp_path) not in text


def test_only_adapters_can_be_exported(base: Any, tmp_path: Path) -> None:
    recipe = Recipe(name="t", model=TINY, method="top_layers", last_layers=1, learning_rate=1e-3)
    with pytest.raises(BenchError, match="top_layers"):
        export_adapter(student(base, recipe, tmp_path / "s"), recipe, tmp_path / "a")
    with pytest.raises(BenchError, match="no such file"):
        export_adapter(tmp_path / "nowhere", LORA, tmp_path / "b")
