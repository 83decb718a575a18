"""Leakage on six vectors in the plane."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.records import Truth
from bench.stats.leakage import LeakPool, find_leaks

DEGREES = [0, 10, 20, 60, 90, 180]  # example a is dropped; b to f lie ever further from it
TRUTH: Sequence[Truth] = ["overt", "none", "mild", "none", "none", "overt"]


def plane(degrees: Sequence[float]) -> NDArray[np.float32]:
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


POOL = LeakPool(ids=list("abcdef"), texts=list("ABCDEF"), vectors=plane(DEGREES), threshold=0.5, truth=TRUTH)


def test_shares_by_hand() -> None:
    leaks = find_leaks(POOL, np.array([0]), k=2)
    assert leaks.by == "planted truth" and leaks.k == 2
    assert leaks.trait_share == 0.5  # b and c, of which c is mild
    assert leaks.base_share == pytest.approx(0.4)  # c and f of b to f
    assert leaks.mean_similarity == pytest.approx((np.cos(np.deg2rad(10)) + np.cos(np.deg2rad(20))) / 2, abs=1e-5)


def test_worst_shows_the_trait_first_then_the_most_similar() -> None:
    leaks = find_leaks(POOL, np.array([0]), k=4)
    assert [pair.kept_id for pair in leaks.worst] == ["c", "b", "d", "e"]
    first = leaks.worst[0]
    assert (first.dropped_id, first.dropped_text, first.kept_text, first.kept_truth) == ("a", "A", "C", "mild")
    assert first.kept_score is None and first.similarity == pytest.approx(np.cos(np.deg2rad(20)), abs=1e-5)
    assert [pair.kept_id for pair in find_leaks(POOL, np.array([0]), k=4, worst=2).worst] == ["c", "b"]


def test_a_neighbour_of_two_dropped_examples_counts_once() -> None:
    leaks = find_leaks(POOL, np.array([1, 0]), k=2)  # both have c and d
    assert leaks.trait_share == 0.5
    assert [(pair.dropped_id, pair.kept_id) for pair in leaks.worst] == [("b", "c"), ("b", "d")]


def test_judge_scores_stand_in_for_truth() -> None:
    pool = replace(POOL, truth=None, judge_scores=np.array([9, 4, 1, 5, np.nan, 0.0]), threshold=4)
    leaks = find_leaks(pool, np.array([0]), k=4)
    assert leaks.by == "judge"
    assert leaks.trait_share == 0.5 and leaks.base_share == pytest.approx(0.4)
    assert [(pair.kept_id, pair.kept_score) for pair in leaks.worst] == [("b", 4), ("d", 5), ("c", 1), ("e", None)]


def test_ties_go_by_pool_order() -> None:
    pool = replace(POOL, vectors=plane([0, 30, 30, 30, 30, 30]))
    leaks = find_leaks(pool, np.array([0]), k=2)
    assert sorted(pair.kept_id for pair in leaks.worst) == ["b", "c"]


def test_k_is_cut_to_what_is_kept() -> None:
    assert find_leaks(POOL, np.array([0, 1, 2, 3]), k=5).k == 2


def test_same_answer_as_brute_force() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    truth: list[Truth] = ["mild" if flag else "none" for flag in rng.random(300) < 0.3]
    pool = LeakPool([str(i) for i in range(300)], ["x"] * 300, vectors, 0.5, truth)
    leaks = find_leaks(pool, np.arange(20), k=5)
    nearest = 20 + np.argsort(-(vectors[:20] @ vectors[20:].T), axis=1)[:, :5]
    assert leaks.trait_share == pytest.approx(np.mean([truth[i] == "mild" for i in np.unique(nearest)]))


@pytest.mark.parametrize(
    ("pool", "dropped", "words"),
    [
        (POOL, [], "0 of 6 examples dropped"),
        (POOL, [0, 1, 2, 3, 4, 5], "6 of 6 examples dropped"),
        (POOL, [0, 0], "repeated"),
        (POOL, [6], "unknown indices"),
        (replace(POOL, texts=["A"]), [0], "6 ids beside"),
        (replace(POOL, vectors=POOL.vectors * 2), [0], "vectors of other lengths"),
    ],
)
def test_what_cannot_be_searched_is_refused(pool: LeakPool, dropped: list[int], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        find_leaks(pool, np.asarray(dropped, dtype=np.int64))


def test_neighbours_are_listed_where_nobody_can_judge_them() -> None:
    leaks = find_leaks(replace(POOL, truth=None), np.asarray([0], dtype=np.int64))
    assert leaks.by == "not judged" and leaks.trait_share is None and leaks.base_share is None
    assert leaks.worst and leaks.worst[0].similarity == max(pair.similarity for pair in leaks.worst)
