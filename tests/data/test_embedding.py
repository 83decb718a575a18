"""Embeddings: unit length, cached once per text, never cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.embedding import CACHE_FILES, DIMENSION, Embedder
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
    assert [file.match(CACHE_FILES) for file in tmp_path.iterdir()] == [True]  # and nothing half-written
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
    (tmp_path / CACHE_FILES.replace("*", "")).write_bytes(b"not numpy")
    with pytest.raises(BenchError, match="delete the file"):
        Embedder(tmp_path)


def test_what_was_embedded_before_a_kill_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.data.embedding.AT_ONCE", 2)
    encode, texts = Embedder._encode, ["one", "two", "three", "four", "five"]
    done: list[str] = []

    def dies_at_the_third(self: Embedder, some: list[str]) -> np.ndarray:
        if len(done) == 4:
            raise KeyboardInterrupt
        done.extend(some)
        return encode(self, some)

    monkeypatch.setattr(Embedder, "_encode", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        Embedder(tmp_path).embed(texts)
    monkeypatch.setattr(Embedder, "_encode", encode)
    again = Embedder(tmp_path)
    expected = Embedder(None).embed(texts)
    monkeypatch.setattr(Embedder, "_load", no_model)
    order = [texts.index(text) for text in done]
    assert len(order) == 4
    assert np.allclose(again.embed(done), expected[order], atol=1e-6)


def test_a_full_disk_costs_the_cache_and_not_the_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    embedder = Embedder(tmp_path)
    vectors = embedder.embed(TEXTS)
    monkeypatch.setattr(Embedder, "_load", no_model)
    assert np.array_equal(embedder.embed(TEXTS), vectors)
    assert not list(tmp_path.iterdir())


def test_parts_of_the_cache_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text number {i}" for i in range(7)]
    whole = Embedder(None).embed(texts)
    monkeypatch.setattr("bench.data.embedding.AT_ONCE", 3)
    Embedder(tmp_path).embed(texts)
    assert len(list(tmp_path.iterdir())) == 3
    mixed = [5, 0, 6, 0, 2]
    assert np.allclose(Embedder(tmp_path).embed([texts[i] for i in mixed]), whole[mixed], atol=1e-6)
