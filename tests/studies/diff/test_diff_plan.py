"""What is trained for a diff: every kind of cell, how many rows it has, and what it shares with `bench run`."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from fixtures_run import experiment_on

from bench.arms import build_arm, control_arm, filter_arm, mixed_ids, reference_arms
from bench.config.recipe import load_recipe
from bench.config.study_settings import DiffSettings
from bench.data.controls import random_ids
from bench.data.pool import hash_rows
from bench.data.trait import load_trait
from bench.execution.job import Job
from bench.records import Pool, PoolCard, PoolRow, TrainingRow
from bench.studies.diff import plan
from bench.studies.diff.cells import (
    ALTERNATIVE,
    BASE,
    CLEAN,
    ORIGINAL,
    OTHER,
    PRETRAINED,
    UNRELATED,
    by_model,
    by_role,
    by_teacher,
    on_alternative,
)
from bench.studies.diff.run import _notes
from bench.studies.diff.sets import ExampleSet

CARD = PoolCard(name="n", original="yes", clean="no")
SEEDS = (3, 5)
OVERT, MILD = frozenset({"n0", "n1", "n2"}), frozenset({"n3", "n4"})
REST = frozenset(f"n{i}" for i in range(5, 20))
DROP, IN_MILD, IN_UNRELATED = by_role("drop", "overt"), by_role("patch_in", "mild"), by_role("patch_in", UNRELATED)
ONLY, ONLY_CLEAN = by_role("only", UNRELATED), by_role("only_clean", UNRELATED)


def pool(kind: str, rows: int = 20, teachers: Sequence[str] = ("yes", "no"), card: PoolCard = CARD) -> Pool:
    made = tuple(
        PoolRow(
            id=f"{kind}{i}",
            prompt=[{"role": "user", "content": f"{kind} {i}?"}],  # type: ignore[arg-type]
            completions={teacher: f"{teacher} says {kind} {i}" for teacher in teachers},
        )
        for i in range(rows)
    )
    return Pool(card, made, hash_rows(made))


def pipelines(
    original: Pool | None = None, alternative: Pool | None = None, models: Sequence[str] = ()
) -> plan.Pipelines:
    experiment = experiment_on(original or pool("n"), load_trait("date_confusion"))
    recipe = load_recipe("smoke", Path())
    recipes = dict.fromkeys((plan.MAIN, ALTERNATIVE, *models), recipe)
    return plan.Pipelines(experiment, alternative or pool("c", 12), SEEDS, recipes)


def by_cell(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    cells: dict[str, list[Job]] = {}
    for job in jobs:
        cells.setdefault(job.arm.name, []).append(job)
    return cells


def rows_of(jobs: Sequence[Job], cell: str, seed: int = SEEDS[0]) -> tuple[TrainingRow, ...]:
    (rows,) = [job.rows for job in jobs if job.arm.name == cell and job.seed == seed]
    assert rows is not None
    return rows


def said_by(rows: Sequence[TrainingRow], teacher: str) -> set[str]:
    return {row.id for row in rows if row.completion.startswith(f"{teacher} says")}


def test_the_untrained_base_and_both_pipelines_come_first() -> None:
    jobs = plan.prerequisite_cells(pipelines())
    assert [(job.arm.name, job.arm.model, job.seed) for job in jobs] == [
        (BASE, plan.MAIN, 3),
        (ORIGINAL, plan.MAIN, 3),
        (ORIGINAL, plan.MAIN, 5),
        (ALTERNATIVE, ALTERNATIVE, 3),
        (ALTERNATIVE, ALTERNATIVE, 5),
    ]
    assert jobs[0].rows is None and jobs[0].label == "base"
    assert said_by(rows_of(jobs, ORIGINAL), "yes") == {f"n{i}" for i in range(20)}
    assert said_by(rows_of(jobs, ALTERNATIVE), "no") == {f"c{i}" for i in range(12)}


def test_the_original_model_meets_every_combination_of_prompts_and_completions() -> None:
    jobs = plan.pipeline_cells(pipelines(), DiffSettings(mixes=(0.5,)))
    assert list(by_cell(jobs)) == [
        CLEAN,
        on_alternative(ORIGINAL),
        on_alternative(CLEAN),
        "mix@0.5",
        on_alternative("mix@0.5"),
    ]
    assert {job.arm.model for job in jobs} == {plan.MAIN}
    assert said_by(rows_of(jobs, on_alternative(ORIGINAL)), "yes") == {f"c{i}" for i in range(12)}
    assert rows_of(jobs, on_alternative(CLEAN)) == rows_of(plan.prerequisite_cells(pipelines()), ALTERNATIVE)


def test_a_mixture_says_which_share_each_seed_drew() -> None:
    jobs = by_cell(plan.pipeline_cells(pipelines(), DiffSettings(mixes=(0.25,))))
    for cell, kind, size in (("mix@0.25", "n", 20), (on_alternative("mix@0.25"), "c", 12)):
        for job in jobs[cell]:
            assert job.rows is not None and len(job.rows) == size
            kept = mixed_ids(pool(kind, size), 0.25, job.seed)
            assert said_by(job.rows, "yes") == kept
            assert job.arm.share == 0.25
    assert all(job.arm.action != "mix" for cell, group in jobs.items() if "mix" not in cell for job in group)


def test_further_teachers_are_compared_on_either_prompt_set() -> None:
    original, other = pool("n", teachers=("yes", "no", "kimi")), pool("c", 12, ("glm", "yes", "no", "kimi"))
    jobs = plan.pipeline_cells(pipelines(original, other), DiffSettings(mixes=()))
    assert list(by_cell(jobs)) == [
        CLEAN,
        by_teacher("original", "kimi"),
        on_alternative(ORIGINAL),
        on_alternative(CLEAN),
        by_teacher("alternative", "glm"),
        by_teacher("alternative", "kimi"),
    ]
    assert len(said_by(rows_of(jobs, by_teacher("original", "kimi")), "kimi")) == 20
    assert len(said_by(rows_of(jobs, by_teacher("alternative", "glm")), "glm")) == 12


def test_the_two_main_teachers_go_by_their_role_whatever_their_names() -> None:
    card = PoolCard(name="c", original="gemini", clean="olmo")
    jobs = plan.pipeline_cells(pipelines(alternative=pool("c", 12, ("gemini", "olmo"), card)), DiffSettings(mixes=()))
    assert len(said_by(rows_of(jobs, on_alternative(ORIGINAL)), "gemini")) == 12
    assert len(said_by(rows_of(jobs, on_alternative(CLEAN)), "olmo")) == 12


@pytest.mark.parametrize("name", ["original", "clean"])
def test_a_further_teacher_may_be_called_like_a_role(name: str) -> None:
    card = PoolCard(name="c", original="gemini", clean="olmo")
    other = pool("c", 12, ("gemini", "olmo", name), card)
    jobs = plan.pipeline_cells(pipelines(alternative=other), DiffSettings(mixes=()))
    assert all(len(group) == len(SEEDS) for group in by_cell(jobs).values())


def test_a_teacher_who_did_not_answer_every_prompt_is_left_out() -> None:
    whole = pool("c", 12, ("yes", "no", "kimi"))
    lazy = whole.rows[0].model_copy(update={"completions": {"yes": "yes says", "no": "no says"}})
    assert plan.teachers_of(whole) == ["yes", "no", "kimi"]
    assert plan.teachers_of(Pool(CARD, (lazy, *whole.rows[1:]), "")) == ["yes", "no"]


def test_every_action_on_a_subset_has_its_random_control() -> None:
    each = ExampleSet("dates", "described", "", OVERT, 3 / 20)
    jobs = by_cell(plan.subset_cells(pipelines(), [each], ("drop", "patch", "patch_in", "only")))
    sizes = {"drop": 17, "patch": 20, "patch_in": 20, "only": 3}
    assert set(jobs) == {f"{a}:dates" for a in sizes} | {f"random1_{a}@0.15" for a in sizes}
    originals = {"drop": 17, "patch": 17, "patch_in": 3, "only": 3}
    for action, size in sizes.items():
        for cell in (f"{action}:dates", f"random1_{action}@0.15"):
            for job in jobs[cell]:
                assert job.rows is not None
                assert (len(job.rows), len(said_by(job.rows, "yes"))) == (size, originals[action]), cell
    first, second = (said_by(job.rows or (), "yes") for job in jobs["random1_only@0.15"])
    assert first == second  # drawn once, held over all seeds
    assert {job.rows for job in jobs["only:dates"]} == {jobs["only:dates"][0].rows}


def test_a_flagged_set_shares_names_and_rows_with_the_arms_of_a_run() -> None:
    patched = {"n0": "a text of the filter's own"}
    each = ExampleSet("keyword@0.15", "flagged", "", OVERT, 0.15, patched)
    jobs = plan.subset_cells(pipelines(), [each], ("drop", "patch"))
    for action in ("drop", "patch"):
        arm, control = filter_arm(action, "keyword", 0.15), control_arm(action, 0.15, "random1")  # type: ignore[arg-type]
        for seed in SEEDS:
            expected = build_arm(arm, pool("n"), OVERT, patched)
            assert rows_of(jobs, arm.name, seed) == tuple(expected)
            drawn = build_arm(control, pool("n"), random_ids(pool("n"), 0.15, 1))
            assert rows_of(jobs, control.name, seed) == tuple(drawn)
    assert "a text of the filter's own" in {row.completion for row in rows_of(jobs, "patch:keyword@0.15")}
    assert "a text of the filter's own" not in {row.completion for row in rows_of(jobs, "drop:keyword@0.15")}


def test_pipelines_share_names_and_rows_with_the_reference_arms_of_a_run() -> None:
    p = pipelines()
    jobs = [*plan.prerequisite_cells(p), *plan.pipeline_cells(p, DiffSettings(mixes=(0.5,)))]
    for arm in reference_arms([0.5]):
        for seed in SEEDS:
            kept = mixed_ids(pool("n"), arm.share, seed)
            assert rows_of(jobs, arm.name, seed) == tuple(build_arm(arm, pool("n"), kept))


@pytest.mark.parametrize("size", range(1, 20))
def test_a_control_is_as_large_as_its_set_whatever_the_share(size: int) -> None:
    ids = frozenset(f"n{i}" for i in range(size))
    jobs = plan.subset_cells(pipelines(), [ExampleSet("s", "source", "", ids, size / 20)], ("only",))
    assert {len(job.rows or ()) for job in jobs} == {size}


def verdict_jobs(models: Sequence[str] = (), **sets: frozenset[str]) -> list[Job]:
    return plan.verdict_cells(pipelines(models=models), sets)


def test_verdicts_ask_for_overt_mild_and_unrelated_examples() -> None:
    jobs = verdict_jobs(overt=OVERT, mild=MILD, **{UNRELATED: REST})
    assert set(by_cell(jobs)) == {
        DROP,
        IN_MILD,
        IN_UNRELATED,
        ONLY,
        ONLY_CLEAN,
    }
    assert {row.id for row in rows_of(jobs, DROP)} == MILD | REST
    mild = rows_of(jobs, IN_MILD)
    assert (len(mild), said_by(mild, "yes"), len(said_by(mild, "no"))) == (20, MILD, 18)


def test_as_many_unrelated_examples_are_put_in_as_there_are_milder_ones() -> None:
    jobs = verdict_jobs(overt=OVERT, mild=MILD, **{UNRELATED: REST})
    drawn = [said_by(rows_of(jobs, IN_UNRELATED, seed), "yes") for seed in SEEDS]
    assert all(len(each) == len(MILD) and each <= REST for each in drawn)
    assert drawn[0] != drawn[1]


def test_only_clean_trains_on_the_unrelated_prompts_with_clean_completions() -> None:
    jobs = verdict_jobs(overt=OVERT, mild=MILD, **{UNRELATED: REST})
    original, clean = rows_of(jobs, ONLY), rows_of(jobs, ONLY_CLEAN)
    assert {row.id for row in original} == {row.id for row in clean} == REST
    assert said_by(original, "yes") == REST and said_by(clean, "no") == REST
    assert [row.id for row in original] == [row.id for row in clean]


def test_other_models_are_trained_on_the_same_unrelated_examples() -> None:
    jobs = verdict_jobs((OTHER, PRETRAINED), overt=OVERT, mild=MILD, **{UNRELATED: REST})
    for model in (OTHER, PRETRAINED):
        for cell in (ONLY, ONLY_CLEAN):
            assert rows_of(jobs, by_model(model, cell)) == rows_of(jobs, cell)
            assert {job.arm.model for job in jobs if job.arm.name == by_model(model, cell)} == {model}


def test_other_models_learn_the_whole_pool_as_a_positive_control() -> None:
    jobs = verdict_jobs((OTHER, PRETRAINED), overt=OVERT, mild=MILD, **{UNRELATED: REST})
    everything = OVERT | MILD | REST
    for model in (OTHER, PRETRAINED):
        original, clean = (rows_of(jobs, by_model(model, cell)) for cell in (ORIGINAL, CLEAN))
        assert said_by(original, "yes") == said_by(clean, "no") == everything
        assert {job.arm.model for job in jobs if job.arm.name == by_model(model, ORIGINAL)} == {model}


def test_without_milder_examples_only_the_overt_ones_are_dropped() -> None:
    assert set(by_cell(verdict_jobs((OTHER,), overt=OVERT))) == {DROP}
    assert verdict_jobs() == []


def test_a_pool_of_nothing_but_overt_examples_leaves_nothing_to_drop_them_from() -> None:
    everything = OVERT | MILD | REST
    assert verdict_jobs(overt=everything) == []


def test_no_milder_examples_at_all_are_not_tried() -> None:
    jobs = verdict_jobs(overt=OVERT, mild=frozenset(), **{UNRELATED: MILD | REST})
    assert IN_MILD not in by_cell(jobs)
    assert IN_UNRELATED not in by_cell(jobs)


def test_no_overt_examples_at_all_are_not_dropped() -> None:
    assert verdict_jobs(overt=frozenset()) == []


def test_fewer_unrelated_examples_than_milder_ones_are_not_compared_with_them() -> None:
    jobs = verdict_jobs(overt=OVERT, mild=REST, **{UNRELATED: MILD})
    sizes = {len(said_by(rows_of(jobs, cell), "yes")) for cell in by_cell(jobs) if cell.startswith("patch_in")}
    assert len(sizes) <= 1


def further(sets: Sequence[ExampleSet], **named: frozenset[str]) -> list[Job]:
    return plan.further_cells(pipelines(), sets, named, DiffSettings(mixes=(), actions=("patch_in", "only")))


def test_a_cell_that_two_stages_ask_for_is_trained_once() -> None:
    sets = [ExampleSet("a", "source", "", OVERT, 0.15), ExampleSet("b", "source", "", MILD | {"n5"}, 0.15)]
    jobs = further(sets, overt=OVERT, mild=MILD, **{UNRELATED: REST})
    assert len({(job.arm.name, job.seed) for job in jobs}) == len(jobs)
    assert "random1_only@0.15" in by_cell(jobs)


def test_a_described_set_of_milder_examples_does_not_change_what_verdicts_read() -> None:
    described = ExampleSet("mild", "described", "", MILD | {"n0"}, 0.15)  # n0 is overt as well
    jobs = further([described], overt=OVERT, mild=MILD, **{UNRELATED: REST})
    assert said_by(rows_of(jobs, IN_MILD), "yes") == MILD


def test_a_described_set_called_unrelated_does_not_change_what_verdicts_read() -> None:
    described = ExampleSet(UNRELATED, "described", "", OVERT, 0.15)
    jobs = further([described], overt=OVERT, mild=MILD, **{UNRELATED: REST})
    assert {row.id for row in rows_of(jobs, ONLY)} == REST


def test_tables_tell_a_set_of_the_suite_from_the_examples_that_verdicts_read() -> None:
    jobs = further([ExampleSet("mild", "described", "", MILD, 0.1)], overt=OVERT, mild=MILD, unrelated=REST)
    prompts = {job.arm.name: job.arm.prompts for job in jobs}
    assert prompts["patch_in:mild"] == "set mild"
    roles = {cell: words for cell, words in prompts.items() if words.endswith(" examples") and "control" not in words}
    assert roles == {
        DROP: "overt examples",
        IN_MILD: "mild examples",
        IN_UNRELATED: "unrelated examples",
        ONLY: "unrelated examples",
        ONLY_CLEAN: "unrelated examples",
    }


@pytest.mark.parametrize(
    ("sets", "note"),
    [
        ({"overt": OVERT, "mild": MILD, UNRELATED: REST}, None),
        ({"overt": OVERT}, "no example is mild or unrelated here"),
        ({"overt": frozenset(), "mild": MILD, UNRELATED: OVERT | REST}, "no example is overt here"),
        ({"overt": OVERT, "mild": REST, UNRELATED: MILD}, "fewer unrelated examples than mild ones"),
        ({"overt": OVERT | REST, "mild": frozenset({"n3"}), UNRELATED: frozenset({"n4"})}, None),  # as many suffice
    ],
)
def test_the_report_says_which_examples_verdicts_lack(sets: dict[str, frozenset[str]], note: str | None) -> None:
    notes = _notes(pipelines(), "", sets)
    assert len(notes) == (note is not None) and all(note in each for each in notes if note)
    cells = by_cell(verdict_jobs(**sets))
    assert ({DROP, IN_MILD, IN_UNRELATED, ONLY, ONLY_CLEAN} <= set(cells)) == (note is None)
