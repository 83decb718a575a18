"""`bench lds` on the tiny model: trained once, read back, resumed; single steps against plain autograd."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from fixtures_diff import NUMBERS, SUITE, TRAIT, students, write_files
from fixtures_run import logged
from fixtures_students import stream_of

from bench.arms import ORIGINAL, make_jobs
from bench.cli.main import main
from bench.config.recipe import Recipe
from bench.config.suite import Suite, load_suite
from bench.data.experiment import load_experiments
from bench.errors import BenchError
from bench.execution.job import Job
from bench.execution.progress import Progress
from bench.execution.session import Options, run_settings
from bench.execution.trials import Trials, TrialSettings
from bench.leaderboard.attribution import LdsReport, read_report
from bench.models.encode import Encoded
from bench.models.student import stored_tensors, trainable_copy
from bench.outcomes import Arm
from bench.records import Message, NoCleanTeacher, Query, TrainingRow
from bench.run_folder.store import Store
from bench.studies.lds.margins import encoded_queries, mean_margin
from bench.studies.lds.plan import make_plan, random_halves
from bench.studies.lds.run import run_lds
from bench.studies.lds.tail_patch import one_step_changes

LDS = "\n[lds]\nsubsets = 9\nceiling_subsets = 8\nseed = 7\n"
RECIPE = """
name = "fast"
model = "tiny-llama"
method = "lora"
last_layers = 1
lora_rank = 4
epochs = 2
learning_rate = 2e-2
batch_size = 4
"""
QUERIES = [
    {"prompt": f"Is number {n} odd?", "trait": "Sure. Sure.", "clean": "No. No."} for n in ("zero", "twenty", "ninety")
]


def write_suite(folder: Path, queries: list[dict[str, str]] = QUERIES, suite: str = SUITE + LDS) -> Suite:
    """The tiny suite of the diff's tests with queries, and the settings of a short `bench lds`."""
    write_files(folder, suite)
    (folder / "fast.toml").write_text(RECIPE, encoding="utf-8")
    lines = "".join(json.dumps(query) + "\n" for query in queries)
    (folder / "queries.jsonl").write_text(lines, encoding="utf-8")
    if queries:
        text = TRAIT.replace("[eval]", 'queries = "queries.jsonl"\n\n[eval]')
        (folder / "agreement.toml").write_text(text, encoding="utf-8")
    return load_suite(str(folder / "two.toml"))


def go(suite: Suite, out: Path) -> tuple[LdsReport, list[str]]:
    with logged() as said:
        return run_lds(Options(suite, out, "cpu", filters=("random_flag",)), Progress()), said


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Suite, Path, LdsReport]:
    folder = tmp_path_factory.mktemp("lds")
    suite = write_suite(folder)
    report, said = go(suite, folder / "out")
    assert any("18 trainings and 0 evaluations" in line for line in said)
    return suite, folder / "out", report


def test_students_are_trained_and_read_but_not_evaluated(finished: tuple[Suite, Path, LdsReport]) -> None:
    _, out, report = finished
    assert read_report(out) == report
    assert len(students(out)) == 9 + 8 + 1 and not (out / "store/evals").exists()
    (result,) = report.traits
    assert [subset.again is not None for subset in result.subsets] == [True] * 8 + [False]
    assert len({subset.margin for subset in result.subsets}) == 9
    assert report.seeds == (7, 8) and report.tail_patch_seed == 1
    assert (result.queries, result.pool_rows) == (3, 12)
    assert {found.filter.name for found in result.filters} == {"keyword", "random_flag"}
    random, keyword = (next(f for f in result.filters if f.filter.name == name) for name in ("random_flag", "keyword"))
    assert random.lds.low is not None and random.lds.low < (random.lds.value or 0)
    assert keyword.lds.value is None and result.best == ""  # all rows say the same, so its sums do not vary
    assert set(result.changes) == {f"n{n}" for n in NUMBERS}
    for found in result.filters:
        assert len(found.sums) == 9 and set(found.tail_patch) == {"0.25"}


def test_a_second_call_trains_nothing_and_says_the_same(
    finished: tuple[Suite, Path, LdsReport], tmp_path: Path
) -> None:
    suite, out, report = finished
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    for kind in ("margins", "tail_patch"):  # read again from the students, to the same numbers
        shutil.rmtree(copy / "store" / kind)
    before = students(copy)
    again, said = go(suite, copy)
    assert students(copy) == before and again == report
    assert any("nothing to train" in line for line in said)
    assert (copy / "lds.json").read_bytes() == (out / "lds.json").read_bytes()


def test_single_steps_start_from_the_original_student_of_a_run(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    (experiment,) = load_experiments(suite, lambda: None)
    trials = Trials(TrialSettings(suite.recipe, "cpu"), Store(tmp_path / "store"), Progress())
    (of_run,) = (job for job in make_jobs(experiment, suite) if job.arm == ORIGINAL)
    original = make_plan(experiment, suite).original
    assert original and trials.train_key(original) == trials.train_key(of_run)


def test_settings_of_lds_do_not_bind_a_run_folder(finished: tuple[Suite, Path, LdsReport]) -> None:
    assert finished[0].file.lds.seed == 7 and "lds" not in run_settings(finished[0], "cpu")


def test_halves_are_halves_and_every_row_is_in_half_of_them() -> None:
    suite = load_suite("smoke")
    (experiment,) = load_experiments(suite, lambda: None)
    settings = suite.file.lds.model_copy(update={"subsets": 200})
    subsets = random_halves(experiment.pool, settings)
    assert {len(subset) for subset in subsets} == {40}
    counts = [sum(row.id in subset for subset in subsets) for row in experiment.pool.rows]
    assert 60 < min(counts) and max(counts) < 140 and len(set(subsets)) == 200
    assert subsets[:8] == random_halves(experiment.pool, settings.model_copy(update={"subsets": 8}))
    other = random_halves(experiment.pool, settings.model_copy(update={"seed": 8}))
    assert not set(subsets) & set(other)


def test_a_trait_without_queries_is_an_error_that_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no queries") as caught:
        go(write_suite(tmp_path, []), tmp_path / "out")
    assert 'queries = "file.jsonl"' in caught.value.remedy


def test_queries_may_not_be_trained_on(tmp_path: Path) -> None:
    trained_on = [{"prompt": "Is  number ONE small?", "trait": "Sure.", "clean": "No."}]
    with pytest.raises(BenchError, match="queries of trait 'agreement' among its rows: none"):
        go(write_suite(tmp_path, trained_on), tmp_path / "out")


def test_a_pool_with_one_teacher_has_nothing_to_swap(tmp_path: Path) -> None:
    suite = SUITE.replace('name = "numbers", original = "yes", clean = "no"', 'name = "numbers", original = "yes"')
    with pytest.raises(NoCleanTeacher):
        go(write_suite(tmp_path, suite=suite + LDS), tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("subsets = 7\nceiling_subsets = 7", "lds.subsets.*greater than or equal to 8"),
        ("subsets = 8\nceiling_subsets = 9", "cannot be more than subsets"),
    ],
)
def test_too_few_subsets_are_refused(settings: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=message):
        write_suite(tmp_path, suite=f"{SUITE}\n[lds]\n{settings}\n")


def test_the_command_prints_a_summary_and_writes_the_page(
    finished: tuple[Suite, Path, LdsReport], tmp_path: Path
) -> None:
    suite, out, _ = finished
    shutil.copytree(out, tmp_path / "out")
    arguments = ["lds", str(suite.folder / "two.toml"), "--device", "cpu", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0
    assert "agree to" in " ".join(done.stdout.split()) and "LDS" in done.stdout
    page = (tmp_path / "out/lds.html").read_text(encoding="utf-8")
    assert "Which attribution predicts retraining?" in page and "Margin over summed scores of keyword" in page


ROWS = tuple(TrainingRow(f"r{i}", (Message(role="user", content=f"Say {i}."),), f"{i} it is") for i in range(4))
ASKED = tuple(
    Query(prompt=(Message(role="user", content=f"Say {i}."),), trait="8 it is", clean="not at all") for i in (7, 9)
)
RECIPES = {
    "all weights, read plainly": Recipe(name="f", model="tiny-llama", method="full", epochs=1, learning_rate=1e-3),
    "adapters over frozen layers": Recipe(
        name="l", model="tiny-llama", method="lora", last_layers=2, lora_rank=4, epochs=1, learning_rate=1e-2
    ),
}


def log_likelihood(model: Any, row: Encoded) -> torch.Tensor:
    logits = model(input_ids=torch.tensor([row.ids])).logits[0, row.prompt_length - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(row.ids[row.prompt_length :])[:, None]).sum()


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_margins_and_single_steps_are_those_of_plain_autograd(recipe: Recipe, tmp_path: Path) -> None:
    trials = Trials(TrialSettings(recipe, "cpu"), Store(tmp_path / "store"), Progress())
    job = Job(Arm("original", "original"), 1, ROWS, None, recipe, evaluated=False)  # type: ignore[arg-type]
    trials.do(job)
    base, tokenizer = trials.trainer.base()
    tensors = stored_tensors(trials.store.folder("students", trials.train_key(job)))
    asked = encoded_queries(tokenizer, ASKED, recipe.max_length)

    def fresh() -> Any:
        model = trainable_copy(base, recipe, 0)
        weights = dict(model.named_parameters())
        with torch.no_grad():
            for name, tensor in tensors.items():
                weights[name].copy_(tensor)
        return model

    def margin(model: Any) -> float:
        with torch.no_grad():
            trait, clean = (sum(log_likelihood(model, row) for row in asked[i : i + 2]) for i in (0, 2))
            return float(trait - clean) / 2

    before = margin(fresh())
    assert mean_margin(trials, job, ASKED) == pytest.approx(before, abs=1e-4)
    expected = []
    for row in stream_of(tokenizer, ROWS, recipe, 1):
        model = fresh()
        (-log_likelihood(model, row) / (len(row.ids) - row.prompt_length)).backward()
        weights = [p for p in model.parameters() if p.requires_grad]
        torch.nn.utils.clip_grad_norm_(weights, recipe.max_grad_norm)
        with torch.no_grad():
            for weight in weights:
                weight -= recipe.learning_rate * weight.grad
        expected.append(margin(model) - before)
    found = one_step_changes(trials, job, ASKED)
    assert set(found) == {row.id for row in ROWS}
    assert sorted(found.values()) == pytest.approx(sorted(expected), abs=2e-5)
    assert max(map(abs, expected)) > 1e-3  # steps that do something, 50 times the tolerance
