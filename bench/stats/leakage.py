"""How much of a trait sits close to what a filter dropped: the nearest kept neighbours of the dropped examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.records import Strict, Truth

Floats = NDArray[np.float64]

SPARE = 32  # neighbours fetched beyond k, so that ties are settled by pool order and not by FAISS
DECIMALS = 6  # similarities equal to this many decimals are ties


class Neighbour(Strict):
    """A kept example close to a dropped one."""

    dropped_id: str
    kept_id: str
    similarity: float
    dropped_text: str
    kept_text: str
    kept_truth: Truth | None
    kept_score: float | None  # an offline judge on the kept completion


class Leakage(Strict):
    """How much of the trait sits among the nearest kept neighbours of the dropped examples."""

    k: int
    mean_similarity: float
    trait_share: float | None  # of the neighbours: planted overt or mild, or a judge's score
    base_share: float | None  # the same over all kept examples
    by: Literal["planted truth", "judge", "not judged"]
    worst: list[Neighbour]


@dataclass(frozen=True)
class LeakPool:
    """The pool as leakage sees it, in pool order.

    Attributes:
        ids: Id of each example.
        texts: Its prompt and original completion.
        vectors: L2-normalised embeddings of the texts, (n, d) float32.
        threshold: A judge score at or above this carries the trait, in units of the score.
        truth: Planted truth per example, or None where nothing was planted.
        judge_scores: An offline judge on each completion, (n,), or None.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    vectors: NDArray[np.float32]
    threshold: float
    truth: Sequence[Truth | None] | None = None
    judge_scores: NDArray[np.float64] | None = None

    def carries(self) -> NDArray[np.bool_] | None:
        """Say whether each example carries the trait, (n,): by planted truth, else by the judge, else nobody knows."""
        if self.truth is not None:
            return np.asarray([truth in ("overt", "mild") for truth in self.truth], dtype=np.bool_)
        if self.judge_scores is None:
            return None
        return np.asarray(self.judge_scores >= self.threshold, dtype=np.bool_)  # NaN carries nothing


def _check(pool: LeakPool, dropped: NDArray[np.int64]) -> None:
    def error(seen: str, expected: str, remedy: str) -> BenchError:
        return BenchError("leakage", seen=seen, expected=expected, remedy=remedy)

    n = len(pool.ids)
    columns = [pool.texts, pool.vectors, pool.truth, pool.judge_scores]
    if any(column is not None and len(column) != n for column in columns):
        sizes = [None if column is None else len(column) for column in columns]
        raise error(f"{n} ids beside {sizes}", "one entry per example", "pass texts, vectors and labels of one pool")
    if len(dropped) == 0 or len(dropped) >= n:
        seen = f"{len(dropped)} of {n} examples dropped"
        raise error(seen, "some dropped and some kept", "choose a budget between 0 and 1")
    if len(np.unique(dropped)) != len(dropped) or dropped.min() < 0 or dropped.max() >= n:
        raise error("repeated or unknown indices", f"distinct indices below {n}", "fix the flagged set")
    if not np.allclose(np.linalg.norm(pool.vectors, axis=1), 1.0, atol=1e-3):
        raise error("vectors of other lengths", "L2-normalised vectors", "embed with normalize_embeddings=True")


def search(
    kept: NDArray[np.float32], queries: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Exact inner-product search: similarities and rows of `kept`, both (queries, count)."""
    import faiss

    faiss.cvar.distance_compute_blas_threshold = 1  # the default is 14 times slower below some 300 queries
    index = faiss.IndexFlatIP(kept.shape[1])
    index.add(np.ascontiguousarray(kept, dtype=np.float32))
    similarity, row = index.search(np.ascontiguousarray(queries, dtype=np.float32), count)
    return similarity, row


def _nearest(
    pool: LeakPool, dropped: NDArray[np.int64], kept: NDArray[np.int64], k: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Return similarities and pool indices of the k nearest kept examples, both (dropped, k), ties in pool order."""
    count = min(len(kept), k + SPARE)
    found, row = search(pool.vectors[kept], pool.vectors[dropped], count)
    similarity: Floats = found.astype(np.float64).round(DECIMALS)
    order = np.lexsort((row, -similarity), axis=1)[:, :k]
    return np.take_along_axis(similarity, order, axis=1), kept[np.take_along_axis(row, order, axis=1)]


def _neighbour(pool: LeakPool, dropped: int, kept: int, similarity: float) -> Neighbour:
    score = None if pool.judge_scores is None else float(pool.judge_scores[kept])
    return Neighbour(
        dropped_id=pool.ids[dropped],
        kept_id=pool.ids[kept],
        similarity=similarity,
        dropped_text=pool.texts[dropped],
        kept_text=pool.texts[kept],
        kept_truth=None if pool.truth is None else pool.truth[kept],
        kept_score=score if score is not None and np.isfinite(score) else None,
    )


def _worst(
    pool: LeakPool, dropped: NDArray[np.int64], similarity: Floats, neighbour: NDArray[np.int64], worst: int
) -> list[Neighbour]:
    """Return pairs to look at: kept sides that carry the trait first, most similar first, each kept example once."""
    carries = pool.carries()
    pairs = [
        (carries is None or not carries[kept], -similarity[row, rank], int(source), int(kept))
        for row, source in enumerate(dropped)
        for rank, kept in enumerate(neighbour[row])
    ]
    best: dict[int, Neighbour] = {}
    for _, negative, source, kept in sorted(pairs):
        if len(best) == worst:
            break
        if kept not in best:
            best[kept] = _neighbour(pool, source, kept, -float(negative))
    return list(best.values())


def find_leaks(pool: LeakPool, dropped: NDArray[np.int64], *, k: int = 5, worst: int = 12) -> Leakage:
    """Look for the trait among the nearest kept neighbours of the dropped examples.

    Args:
        pool: Ids, texts, embeddings and labels.
        dropped: Pool indices of the dropped examples, (flagged,).
        k: Neighbours per dropped example, cut to the number of kept examples.
        worst: Most pairs to show.

    Returns:
        `trait_share` counts each kept neighbour once, `base_share` is over all kept examples (both None where neither
        truth nor judge says who carries the trait), `mean_similarity` (cosine) over all pairs.

    Raises:
        BenchError: If nothing was dropped or kept, or the columns do not fit one another.
    """
    dropped = np.sort(np.asarray(dropped, dtype=np.int64))
    _check(pool, dropped)
    kept = np.setdiff1d(np.arange(len(pool.ids)), dropped)
    k = min(k, len(kept))
    similarity, neighbour = _nearest(pool, dropped, kept, k)
    carries = pool.carries()
    return Leakage(
        k=k,
        mean_similarity=float(similarity.mean()),
        trait_share=None if carries is None else float(carries[np.unique(neighbour)].mean()),
        base_share=None if carries is None else float(carries[kept].mean()),
        by="not judged" if carries is None else "judge" if pool.truth is None else "planted truth",
        worst=_worst(pool, dropped, similarity, neighbour, worst),
    )
