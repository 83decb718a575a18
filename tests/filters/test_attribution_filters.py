"""Filters that read the model: what they compute, held against plain autograd on the tiny model."""

import time
from collections.abc import Sequence
from functools import cache

import numpy as np
import psutil
import pytest
from scipy.stats import spearmanr
from test_filters import EMBEDDER, no_model

from bench import BenchError, Context, Example, Query
from bench.data.queries import load_queries
from bench.data.trait import load_trait
from bench.filtering.check import toy_grade, toy_training
from bench.filtering.model_access import ModelAccess
from bench.filtering.plugins import load_filter
from bench.filtering.score import score_examples
from bench.records import MissingInput, Pool, PoolCard, TrainingRow
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

SPEC = load_trait("date_confusion")
QUERIES = load_queries(SPEC)
SIMILAR = ["ekfac", "fisher", "grad_dot", "less", "repsim"]  # scores say how close an example is to the queries
ALONG = ["persona", "probe"]  # or how far along their direction
READING = [*SIMILAR, *ALONG, "activation_shift", "base_loss", "grad_norm", "loss_contrast"]


def copied(query: Query, name: str, *, swapped: bool = False) -> Example:
    """An example whose original completion is a query's trait completion, or whose clean one is if swapped."""
    original, clean = (query.clean, query.trait) if swapped else (query.trait, query.clean)
    return Example(name, query.prompt, {ORIGINAL: original, CLEAN: clean}, ORIGINAL, CLEAN)


@cache
def pool() -> tuple[Example, ...]:
    rows = tuple(row for row in build_rows(WORLDS["date_confusion"], 60, seed=4) if row.truth == "none")
    neutral = Pool(PoolCard(name="toy", original=ORIGINAL, clean=CLEAN), rows, "").examples()
    return copied(QUERIES[0], "copy"), copied(QUERIES[0], "opposite", swapped=True), *neutral


def context(examples: Sequence[Example], queries: Sequence[Query] = QUERIES[:1]) -> Context:
    models = ModelAccess(*toy_training(), examples)
    return Context(EMBEDDER.embed, no_model, 0, queries=tuple(queries), models=models, grade=toy_grade)


def scored(name: str, examples: Sequence[Example], given: Context) -> np.ndarray:
    return score_examples(load_filter(name), examples, SPEC.public, given)


@pytest.mark.parametrize("name", SIMILAR)
def test_a_row_copied_from_a_query_ranks_first_and_its_opposite_last(name: str) -> None:
    """With one query: of rows that have nothing to do with it, none is closer to its trait completion than itself."""
    scores = scored(name, pool(), context(pool()))
    assert scores.argmax() == 0
    if name != "repsim":  # which knows of the trait completions only
        assert scores.argmin() == 1


@pytest.mark.parametrize("name", ALONG)
def test_a_trait_completion_lies_farther_along_the_direction_than_its_opposite(name: str) -> None:
    scores = scored(name, pool(), context(pool()))
    assert scores[0] > np.median(scores) and scores[0] > scores[1]


@pytest.mark.parametrize("name", READING)
def test_scores_are_finite_and_differ(name: str) -> None:
    scores = scored(name, pool(), context(pool(), QUERIES))
    assert np.isfinite(scores).all() and len(np.unique(scores)) > 0.95 * len(scores)


def test_grad_dot_is_the_sum_of_products_over_checkpoints() -> None:
    given, rows = context(pool(), QUERIES[:3]), [example.row for example in pool()]
    expected = np.zeros(len(rows))
    points = given.checkpoints()
    assert [point.epoch for point in points] == [0, 1]  # the untrained model, and the student after an epoch
    assert points[0].learning_rate > points[1].learning_rate > 0
    for point in points:
        gradients = given.gradients(rows, point).astype(np.float64)
        queries = given.gradients([q.trait_row for q in QUERIES[:3]] + [q.clean_row for q in QUERIES[:3]], point)
        target = queries[:3].mean(axis=0) - queries[3:].mean(axis=0)
        expected += point.learning_rate * (gradients @ target)
    found = scored("grad_dot", pool(), given)
    np.testing.assert_allclose(found, expected, atol=5e-3 * float(np.abs(expected).max()))


def test_less_is_the_cosine_of_adam_updates_with_the_queries_gradient() -> None:
    given, rows = context(pool(), QUERIES[:3]), [example.row for example in pool()]
    expected = np.zeros(len(rows))
    for point in given.checkpoints():
        first, second = given._access.moments(point).astype(np.float64)
        gradients, target = given.gradients(rows, point).astype(np.float64), given.query_gradient(point)
        updates = (0.9 * first + 0.1 * gradients) / np.sqrt(0.999 * second + 0.001 * gradients**2 + 1e-8)
        norms = np.linalg.norm(updates, axis=1) * np.linalg.norm(target)
        expected += point.learning_rate * (updates @ target) / norms
    np.testing.assert_allclose(scored("less", pool(), given), expected, atol=1e-4 * float(np.abs(expected).max()))


@pytest.mark.parametrize("name", ["less", "fisher"])
def test_a_sketch_keeps_most_of_the_ranking(name: str) -> None:
    given = context(pool(), QUERIES)
    whole = scored(name, pool(), given)
    sketched = score_examples(load_filter(name), pool(), SPEC.public, given, {"sketch": 8192})
    assert spearmanr(whole, sketched).statistic > 0.9


def test_gradients_that_do_not_fit_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    free = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    with pytest.raises(BenchError, match="sketch"):
        scored("fisher", pool(), context(pool()))


def test_a_filter_cannot_change_what_others_read() -> None:
    given = context(pool())
    losses = given.losses([example.row for example in pool()], given.base)
    with pytest.raises(ValueError, match="read-only"):
        losses[0] = 0


def test_each_user_pays_for_what_it_shares() -> None:
    """The second of two filters that read the same gradients costs what it would have cost alone."""
    models = ModelAccess(*toy_training(), pool())
    given = Context(EMBEDDER.embed, no_model, 0, queries=QUERIES[:1], models=models)
    costs = []
    for _ in range(2):
        since, start = models.open_account(), time.perf_counter()
        scored("grad_norm", pool(), given)
        costs.append((models.cost(time.perf_counter() - start, since), time.perf_counter() - start))
    (first, _), (second, waited) = costs
    assert waited < 0.5 * second and second == pytest.approx(first, rel=0.5)


def test_fisher_solves_the_damped_system() -> None:
    """The same as inverting the matrix in a space small enough to hold it."""
    given = context(pool(), QUERIES[:2])
    student = given.student()
    gradients = given.gradients([example.row for example in pool()], student).astype(np.float64)
    target = given.query_gradient(student).astype(np.float64)
    basis = np.linalg.qr(np.vstack([gradients, target]).T)[0]  # all vectors lie in its span
    small, aim = gradients @ basis, basis.T @ target
    fisher = small.T @ small / len(small)
    ridge = 0.1 * np.trace(fisher) / len(small)
    expected = small @ np.linalg.solve(fisher + ridge * np.eye(len(aim)), aim)
    np.testing.assert_allclose(scored("fisher", pool(), given), expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


def test_loss_contrast_scores_rows_that_its_students_did_not_see() -> None:
    given = context(pool())
    seen: list[frozenset[str]] = []
    losses = Context.losses

    def spying(self: Context, rows: Sequence[TrainingRow], student: object) -> np.ndarray:
        ids = student.ids
        seen.append(ids)
        assert not ids & {row.id for row in rows}
        return losses(self, rows, student)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "losses", spying)
        scored("loss_contrast", pool(), given)
    assert len({*seen}) == 2 and frozenset.union(*seen) == given.trained


def test_what_is_missing_is_named_so_that_a_run_can_leave_the_filter_out() -> None:
    with pytest.raises(MissingInput, match="queries"):
        scored("grad_dot", pool(), context(pool(), ()))
    with pytest.raises(MissingInput, match="grader"):
        scored("judge", pool(), Context(EMBEDDER.embed, no_model, 0))
    one = [Example(e.id, e.prompt, {ORIGINAL: e.response}, ORIGINAL, "") for e in pool()]
    with pytest.raises(MissingInput, match="clean"):
        scored("loss_contrast", one, context(one))
    assert len(scored("repsim", one, context(one))) == len(one)


def test_large_scores_do_no_harm() -> None:
    """Gradients of rows that the student finds absurd are large; ranks of the others stay."""
    odd = Example("odd", pool()[2].prompt, {ORIGINAL: "\u0416" * 60, CLEAN: "x"}, ORIGINAL, CLEAN)
    with_odd = [*pool(), odd]
    given = context(pool(), QUERIES)  # trained without it
    for name in ("grad_norm", "fisher", "grad_dot"):
        before, after = scored(name, pool(), given), scored(name, with_odd, given)[:-1]
        assert (np.argsort(before)[-6:] == np.argsort(after)[-6:]).all()


def test_ids_of_a_student_may_come_from_a_generator_and_unknown_ones_are_named() -> None:
    given, some = context(pool()), [example.id for example in pool()][:3]
    assert given.student(ids=(identity for identity in some)) == given.student(ids=some)
    with pytest.raises(BenchError, match="such as 1"):
        given.student(ids=[1, "nobody", *some])  # type: ignore[list-item]
    with pytest.raises(BenchError, match="no examples to train on"):
        given.student(ids=[])


@pytest.mark.parametrize("what", ["losses", "states", "gradients"])
def test_the_name_of_a_teacher_is_no_student(what: str) -> None:
    with pytest.raises(BenchError, match="'original' as the student") as caught:
        getattr(context(pool()), what)([pool()[0].row], "original")
    assert caught.value.where == f"context.{what}" and "context.student('original')" in caught.value.remedy


def test_a_pool_too_small_to_split_is_said_to_be_so() -> None:
    some = pool()[:1]
    with pytest.raises(BenchError, match="no examples to train on, of a pool of 1") as caught:
        scored("loss_contrast", some, context(some))
    assert "larger pool" in caught.value.remedy
