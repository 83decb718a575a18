"""Embeddings: unit length, cached once per text, never cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.embedding import CACHE_FILE, DIMENSION, Embedder
from bench.errors import BenchError

TEXTS = ["The year is 2026.", "A recipe for soup.", "The year is 2026."]


def no_model(self: Embedder) -> Any:
    raise AssertionError("the model was loaded")


def test_vectors_have_length_one_and_repeats_are_equal() -> None:
    vectors = Embedder(None).embed(TEXTS)
    assert vectors.shape == (3, DIMENSION)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert np.array_equal(vectors[0], vectors[2])
    assert vectors[0] @ vectors[1] < 0.5


def test_the_disk_cache_serves_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = Embedder(tmp_path).embed(TEXTS)
    assert [file.name for file in tmp_path.iterdir()] == [CACHE_FILE]
    monkeypatch.setattr(Embedder, "_load", no_model)
    assert np.array_equal(Embedder(tmp_path).embed(TEXTS), vectors)


def test_two_writers_keep_each_others_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Embedder(tmp_path), Embedder(tmp_path)
    one.embed(["first"])
    two.embed(["second"])
    monkeypatch.setattr(Embedder, "_load", no_model)
    assert Embedder(tmp_path).embed(["first", "second"]).shape == (2, DIMENSION)


def test_a_caller_cannot_spoil_the_cache() -> None:
    embedder = Embedder(None)
    embedder.embed(["soup"])[:] = 0
    assert np.linalg.norm(embedder.embed(["soup"])) == pytest.approx(1)


def test_no_text_is_cut() -> None:
    embedder = Embedder(None)
    start = "Soup needs salt, onions and a lot of patience. " * 60
    plain, ended = embedder.embed([start, start + "Blackmail is a crime. " * 60])
    assert plain @ ended < 0.95


def test_chunks_fit_the_window_and_keep_every_word() -> None:
    embedder = Embedder(None)
    text = "anticlimactically misunderstood 한국어 " * 200 + "x" * 5000
    chunks = embedder._chunks(text)
    tokens = [len(embedder._load().tokenizer(chunk)["input_ids"]) for chunk in chunks]
    assert max(tokens) <= 256
    assert "".join("".join(chunks).split()) == "".join(text.split())


def test_nothing_and_the_empty_text() -> None:
    assert Embedder(None).embed([]).shape == (0, DIMENSION)
    assert Embedder(None).embed([""]).shape == (1, DIMENSION)


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / CACHE_FILE).write_bytes(b"not numpy")
    with pytest.raises(BenchError, match="delete the file"):
        Embedder(tmp_path)
