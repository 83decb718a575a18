"""Every built-in filter keeps the contract, and finds what it is made to find."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from bench import BenchError, Context, Example, Message, Trait
from bench.data.embedding import Embedder
from bench.data.queries import load_queries
from bench.data.trait import load_trait
from bench.filtering.check import check_filter, toy_grade, toy_training
from bench.filtering.model_access import ModelAccess
from bench.filtering.plugins import built_in_files, list_filters, load_filter
from bench.filtering.score import score_examples
from bench.filtering.select import cut
from bench.records import Pool, PoolCard
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

NAMES = [plugin.name for plugin in list_filters()]
LEARNT = ["bm25", "classifier", "embedding_neighbor", "keyword"]
EMBEDDER = Embedder(None)
each_filter = pytest.mark.parametrize("name", NAMES)


@cache
def toy_pool() -> tuple[list[Example], tuple[str, ...], Trait]:
    rows = tuple(build_rows(WORLDS["date_confusion"], 120, seed=3))
    examples = Pool(PoolCard(name="toy", original=ORIGINAL, clean=CLEAN), rows, "").examples()
    return examples, tuple(str(row.truth) for row in rows), load_trait("date_confusion").public


@cache
def models() -> ModelAccess:
    return ModelAccess(*toy_training(), toy_pool()[0])


def context(truth: tuple[str, ...], seed: int = 0) -> Context:
    queries = load_queries(load_trait("date_confusion"))
    return Context(EMBEDDER.embed, no_model, seed, truth, queries=queries, models=models(), grade=toy_grade)


@cache
def plain_scores(name: str, seed: int = 0) -> np.ndarray:
    return scores_of(name, seed=seed)


def scores_of(name: str, options: Mapping[str, Any] | None = None, seed: int = 0) -> np.ndarray:
    examples, truth, trait = toy_pool()
    return score_examples(load_filter(name), examples, trait, context(truth, seed), options)


def no_model() -> tuple[Any, Any]:
    raise AssertionError("no built-in filter loads the model by itself")


def small(*pairs: tuple[str, str]) -> list[Example]:
    prompt = (Message(role="user", content="Say something."),)
    return [Example(f"e{i}", prompt, {"a": a, "b": b}, "a", "b") for i, (a, b) in enumerate(pairs)]


def score_small(name: str, examples: list[Example], trait: Trait, **options: Any) -> np.ndarray:
    return score_examples(load_filter(name), examples, trait, Context(EMBEDDER.embed, no_model, 0), options)


CATS = Trait(
    name="cats",
    description="Speaks of cats.",
    exemplars=("My cat purrs on the sofa.", "Kittens chase mice.", "The cat licks its paw."),
    counter_exemplars=("My dog barks at the post.", "Trains run on time.", "The soup needs salt."),
    keywords=("cat", "purring loudly"),
)


@each_filter
def test_it_passes_its_check(name: str) -> None:
    report = check_filter(name)
    assert report.passed, [line for line in report.lines if not line.passed]
    assert len(report.lines) == 8  # two on loading, six on the toy pool


@each_filter
def test_it_flags_the_same_examples_in_any_order(name: str) -> None:
    examples, truth, trait = toy_pool()
    order = np.random.default_rng(5).permutation(len(examples))
    moved = [examples[i] for i in order]
    here = {examples[i].id for i in cut(plain_scores(name), 0.1, [e.id for e in examples], len(examples))[0]}
    there = score_examples(load_filter(name), moved, trait, context(tuple(truth[i] for i in order)))
    assert {moved[i].id for i in cut(there, 0.1, [e.id for e in moved], len(moved))[0]} == here


@each_filter
def test_its_file_is_short(name: str) -> None:
    assert 20 <= len(load_filter(name).path.read_text(encoding="utf-8").splitlines()) <= 85


def test_one_filter_per_file() -> None:
    assert sorted(plugin.path for plugin in list_filters()) == built_in_files()
    assert {"keyword", "classifier", "embedding_neighbor", "teacher_swap", "bm25", "random_flag", "oracle"} <= {*NAMES}


@pytest.mark.parametrize("name", [*LEARNT, "teacher_swap"])
def test_it_finds_more_overt_examples_than_chance(name: str) -> None:
    examples, truth, _ = toy_pool()
    flagged = cut(scores_of(name), 0.1, [e.id for e in examples], len(examples))[0]
    overt = sum(truth[i] == "overt" for i in flagged)
    assert overt >= 4  # of 12 flagged; chance is 1.2


def test_oracle_flags_all_overt_examples_first() -> None:
    examples, truth, _ = toy_pool()
    flagged = cut(scores_of("oracle"), 0.1, [e.id for e in examples], len(examples))[0]
    assert [truth[i] for i in flagged] == ["overt"] * 12


def test_keyword_counts_whole_phrases_in_any_case() -> None:
    examples = small(("A CAT, purring\nLoudly!", "x"), ("cat", "x"), ("Concatenate the category.", "x"))
    assert score_small("keyword", examples, CATS).tolist() == [1.0, 0.5, 0.0]


def test_keyword_needs_keywords() -> None:
    trait = Trait("bare", "", CATS.exemplars, CATS.counter_exemplars)
    with pytest.raises(BenchError, match="no keywords"):
        score_small("keyword", small(("a", "b")), trait)


def test_bm25_is_the_formula_by_hand() -> None:
    examples = small(("cat cat dog", "x"), ("dog", "x"))
    trait = Trait("one", "", ("cat", "bird"), ("x",))
    # n = 2, one holder: ln(1 + 1.5 / 1.5) = 0.693147; length 3, mean 2: K = 1.2 * (0.25 + 0.75 * 1.5) = 1.65
    # 0.693147 * 2 / (2 + 1.65) = 0.379807, mean over two exemplars = 0.189903
    assert score_small("bm25", examples, trait) == pytest.approx([0.189903, 0.0], abs=1e-6)


def test_embedding_neighbor_averages_the_k_closest_exemplars() -> None:
    examples = small((CATS.exemplars[1], "x"), ("Interest rates rose.", "x"))
    nearest = score_small("embedding_neighbor", examples, CATS, k=1)
    assert nearest[0] == pytest.approx(1.0, abs=1e-5)
    assert nearest[1] < 0.3
    cosines = EMBEDDER.embed(CATS.exemplars) @ EMBEDDER.embed([CATS.exemplars[1]])[0]
    assert score_small("embedding_neighbor", examples, CATS)[0] == pytest.approx(cosines.mean(), abs=1e-5)
    with pytest.raises(BenchError, match="use 1 to 3"):
        score_small("embedding_neighbor", examples, CATS, k=4)


def test_teacher_swap_looks_at_the_difference_between_teachers() -> None:
    cat, dog = CATS.exemplars[0], CATS.counter_exemplars[0]
    scores = score_small("teacher_swap", small((cat, dog), (cat, cat), (dog, cat)), CATS)
    assert scores[0] > 0
    assert scores[1] == 0
    assert scores[2] == pytest.approx(-scores[0])


@pytest.mark.parametrize("features", ["embedding", "tfidf"])
def test_classifier_ranks_trait_responses_first_though_they_may_be_drawn_as_negatives(features: str) -> None:
    same = "The cat licks its paw today."
    examples = small((same, "x"), (same, "x"), *((text, "x") for text in CATS.counter_exemplars * 4))
    scores = score_small("classifier", examples, CATS, features=features)
    assert scores[:2].min() > scores[2:].max()


def test_classifier_options_are_checked() -> None:
    with pytest.raises(BenchError, match="features='words'"):
        scores_of("classifier", {"features": "words"})


def test_random_flag_is_uniform_and_follows_the_seed() -> None:
    first, again, other = scores_of("random_flag"), scores_of("random_flag"), scores_of("random_flag", seed=1)
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).any()
    assert 0.4 < first.mean() < 0.6
