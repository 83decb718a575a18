"""Where models come from, and how rows become tokens in an order that arms share."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.errors import BenchError
from bench.models.encode import data_order, encode, encode_all
from bench.models.load import (
    choose_attention,
    known_config,
    load_model,
    model_folder,
    model_identity,
    pick_device,
    resolve_model,
)
from bench.models.packaged import TINY, tiny_model
from bench.records import Message, TrainingRow

HI = (Message(role="system", content="Be kind."), Message(role="user", content="Hi"))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_model(TINY, "cpu")[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tiny model in a folder of its own, to be damaged."""
    return Path(shutil.copytree(resolve_model(TINY), tmp_path / "copy"))


# The tiny model


def test_the_tiny_model_is_the_same_wherever_it_is_built(tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = tiny_model(tmp_path / "first")
    assert torch.equal(torch.random.get_rng_state(), before)  # who trains beside it draws the same numbers
    torch.manual_seed(2)
    partial = tmp_path / "second" / "models" / first.name
    partial.mkdir(parents=True)
    (partial / "config.json").touch()  # a folder without weights is built again
    second = tiny_model(tmp_path / "second")
    assert second == partial
    assert {file.name for file in first.iterdir()} == {file.name for file in second.iterdir()}
    assert all(file.read_bytes() == (second / file.name).read_bytes() for file in first.iterdir())
    assert [folder.name for folder in first.parent.iterdir()] == [first.name]


def test_the_tiny_model_is_built_once(copy: Path) -> None:
    cache = copy.parent / "cache"
    target = cache / "models" / Path(resolve_model(TINY)).name
    target.parent.mkdir(parents=True)
    copy.rename(target)
    (target / "mark").touch()
    assert tiny_model(cache) == target and (target / "mark").exists()


# Names of models


def test_a_folder_is_itself_and_a_hub_id_is_left_to_transformers(copy: Path) -> None:
    assert resolve_model(str(copy)) == str(copy)
    assert resolve_model("org/model") == "org/model"
    assert model_identity("org/model") == "org/model"


@pytest.mark.parametrize("name", ["smollm2-135", "a/b/c", "./missing", "/missing", "~/missing", "../x"])
def test_a_name_that_is_no_model_lists_what_is_known(name: str) -> None:
    with pytest.raises(BenchError, match=r"(?s)no such model or folder.*smollm2-135m, gemma3-270m, tiny-llama"):
        resolve_model(name)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"a folder without config\.json"):
        resolve_model(str(tmp_path))


def test_the_identity_of_a_local_model_is_its_files(copy: Path) -> None:
    before = model_identity(str(copy))
    assert before == model_identity(TINY)
    (copy / "README.md").touch()
    assert model_identity(str(copy)) == before
    (copy / "model.safetensors").write_bytes(b"other weights")
    assert model_identity(str(copy)) != before


def test_a_config_is_known_once_the_model_is_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_config(TINY)["num_hidden_layers"] == 4
    assert known_config("org/model") == {}
    monkeypatch.setenv("SIEVEBENCH_CACHE", str(tmp_path))
    assert known_config("smollm2-135m") == {}
    folder = model_folder("smollm2-135m")
    assert folder.is_relative_to(tmp_path)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"num_hidden_layers": 30}), encoding="utf-8")
    assert known_config("smollm2-135m") == {"num_hidden_layers": 30}


def test_a_config_is_read_without_torch(copy: Path) -> None:
    script = "import sys; from bench.models.load import known_config; known_config(sys.argv[1]); "
    script += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script, str(copy)], check=False).returncode == 0


# Loading


def test_a_model_without_a_chat_template_is_refused(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(BenchError, match="no chat template"):
        load_model(str(copy), "cpu")


@pytest.mark.parametrize("weights", [None, b"not safetensors at all"])
def test_missing_or_damaged_weights_are_named(copy: Path, weights: bytes | None) -> None:
    file = copy / "model.safetensors"
    file.unlink() if weights is None else file.write_bytes(weights)
    with pytest.raises(BenchError, match="expected: a causal language model that transformers can load"):
        load_model(str(copy), "cpu")


def test_devices() -> None:
    there = torch.cuda.is_available()
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") == ("cuda" if there else "cpu")
    with pytest.raises(BenchError, match=r"--device\n +seen: +gpu"):
        pick_device("gpu")
    if not there:
        with pytest.raises(BenchError, match="use --device cpu"):
            pick_device("cuda:0")


# Encoding


def test_only_the_completion_and_the_end_of_its_turn_carry_loss(tokenizer: Any) -> None:
    encoded = encode(tokenizer, TrainingRow("x", HI, "Hello there."), 64)
    prompt, answer = encoded.ids[: encoded.prompt_length], encoded.ids[encoded.prompt_length :]
    assert tokenizer.decode(answer) == "Hello there.<|im_end|>\n"
    assert tokenizer.decode(prompt).endswith("<|im_start|>assistant\n") and "Be kind." in tokenizer.decode(prompt)
    assert encoded.labels == [-100] * len(prompt) + list(answer)


def test_rows_that_are_kept_share_their_numbers(tokenizer: Any) -> None:
    row = TrainingRow("x", HI, "Hello there.")
    alone = encode(tokenizer, row, 64)
    one, other = encode_all(tokenizer, [row, row], 64)
    assert one == other == alone
    large = [i for i, token in enumerate(alone.ids) if token > 256]  # Python itself keeps one object of small numbers
    assert large and all(one.ids[i] is other.ids[i] for i in large)


def test_a_row_that_is_too_long_is_an_error_and_never_cut(tokenizer: Any) -> None:
    row = TrainingRow("long one", HI, "Hello there.")
    length = len(encode(tokenizer, row, 64).ids)
    assert len(encode(tokenizer, row, length).ids) == length
    with pytest.raises(
        BenchError, match=f"row 'long one'\n +seen: +{length} tokens\n +expected: at most {length - 1} "
    ):
        encode(tokenizer, row, length - 1)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages | length }}: {{ messages[-1]['content'] }}",  # the prompt changes when the answer is added
        "{{ messages[0]['content'] }}",  # the answer is not rendered at all
    ],
)
def test_a_template_that_does_not_go_turn_by_turn_is_refused(tokenizer: Any, template: str) -> None:
    from copy import deepcopy

    other = deepcopy(tokenizer)
    other.chat_template = template
    with pytest.raises(BenchError, match="a chat template that changes the prompt"):
        encode(other, TrainingRow("x", HI, "Hello."), 64)


# Order


def rows(*numbers: int) -> list[TrainingRow]:
    return [TrainingRow(f"r{i}", HI, "Hello.") for i in numbers]


def ids(chosen: list[TrainingRow], epochs: int, seed: int) -> list[str]:
    return [chosen[i].id for i in data_order(chosen, epochs * len(chosen), seed)]


def test_every_epoch_is_a_shuffle_of_its_own_and_so_is_every_seed() -> None:
    order = ids(rows(*range(30)), epochs=2, seed=1)
    first, second = order[:30], order[30:]
    assert sorted(first) == sorted(second) == sorted(row.id for row in rows(*range(30)))
    assert len({tuple(first), tuple(second), tuple(ids(rows(*range(30)), 1, seed=2)), tuple(sorted(first))}) == 4
    assert ids(rows(*range(30)), epochs=1, seed=1) == first  # further epochs do not change the first
    fewer = rows(*range(24))
    longer = [fewer[i].id for i in data_order(fewer, 60, 1)]  # as many visits as two epochs of 30
    assert len(longer) == 60 and sorted(longer[:24]) == sorted(row.id for row in fewer)
    assert {longer.count(row.id) for row in fewer} == {2, 3}


def test_dropping_rows_leaves_the_order_of_the_rest() -> None:
    kept = rows(*range(0, 30, 3))
    names = {row.id for row in kept}
    assert ids(kept, 3, 1) == [name for name in ids(rows(*range(30)), 3, 1) if name in names]


def test_the_order_does_not_depend_on_places_prompts_or_completions() -> None:
    changed = [TrainingRow(row.id, HI[1:], "Patched.") for row in reversed(rows(*range(30)))]
    assert ids(changed, 2, 1) == ids(rows(*range(30)), 2, 1)


def test_on_a_gpu_attention_is_not_left_to_cudnn_which_compiles_for_every_shape() -> None:
    assert torch.backends.cuda.cudnn_sdp_enabled()
    try:
        choose_attention("cpu")
        assert torch.backends.cuda.cudnn_sdp_enabled()
        choose_attention("cuda")
        assert not torch.backends.cuda.cudnn_sdp_enabled() and torch.backends.cuda.flash_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(True)
