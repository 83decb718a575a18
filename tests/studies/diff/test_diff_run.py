"""The whole diff on the tiny model, which learns a word: trained once, read back, resumed, shared with `bench run`."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fixtures_diff import SUITE, go, students, write_files
from fixtures_run import run_quietly
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

from bench.cli.main import main
from bench.cli.studies import diff
from bench.config.suite import Suite, load_suite
from bench.errors import BenchError
from bench.execution.executor import LocalExecutor
from bench.execution.progress import Progress
from bench.execution.session import Options, Session
from bench.models.encode import PLAIN_TEMPLATE
from bench.models.load import resolve_model
from bench.run_folder.store import Store
from bench.studies.diff.cells import PRETRAINED
from bench.studies.diff.page import read_report
from bench.studies.diff.plan import MAIN, recipes_of
from bench.studies.diff.records import DiffReport
from bench.studies.pages import write_pages

CELLS = {
    "base",
    "original",
    "alternative",
    "clean",
    "mix@0.5",
    "alternative_prompts:original",
    "alternative_prompts:clean",
    "alternative_prompts:mix@0.5",
    "drop:overt",
    "drop:(overt)",
    "random1_drop@0.333333",
    "drop:keyword@0.25",
    "random1_drop@0.25",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Suite, Path, DiffReport, list[str]]:
    folder = tmp_path_factory.mktemp("finished")
    suite = write_files(folder)
    report, said = go(suite, folder / "out")
    return suite, folder / "out", report, said


@pytest.fixture
def copied(finished: tuple[Suite, Path, DiffReport, list[str]], tmp_path: Path) -> tuple[Suite, Path]:
    shutil.copytree(finished[1], tmp_path / "out")
    return finished[0], tmp_path / "out"


def changed(suite: Suite, *lines: tuple[str, str]) -> Suite:
    """The suite with some lines of its file changed, in the same folder."""
    text = SUITE
    for old, new in lines:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (suite.folder / "changed.toml").write_text(text, encoding="utf-8")
    return load_suite(str(suite.folder / "changed.toml"))


def test_the_report_holds_every_cell_and_can_be_read_back(
    finished: tuple[Suite, Path, DiffReport, list[str]],
) -> None:
    _, out, report, _ = finished
    assert read_report(out) == report
    (result,) = report.traits
    assert result.prerequisites.met, result.prerequisites.reasons
    cells = {cell.cell: cell for cell in result.cells}
    assert set(cells) == CELLS
    assert (cells["drop:overt"].prompts, cells["drop:(overt)"].prompts) == ("set overt", "overt examples")
    assert cells["drop:overt"].trait == cells["drop:(overt)"].trait  # the same rows, so the same training
    assert cells["original"].trait.value == 1.0 and cells["alternative"].trait.value == 0.0
    assert cells["drop:overt"].rows == cells["random1_drop@0.333333"].rows == 8
    assert cells["base"].rows == 0
    assert {cell.model for cell in result.cells} == {"tiny-llama"}
    assert (result.margin, result.scale) == (0.4, (0.0, 1.0))  # the minimum gap, as the suite states no margin


def test_curves_subsets_overlaps_and_verdicts_are_made_of_the_cells(
    finished: tuple[Suite, Path, DiffReport, list[str]],
) -> None:
    (result,) = finished[2].traits
    assert [curve.prompts for curve in result.curves] == ["original", "alternative"]
    assert all(len(curve.points) == 1 and 0 < curve.points[0].share < 1 for curve in result.curves)
    assert [(each.name, each.kind, each.size) for each in result.subsets] == [
        ("keyword@0.25", "flagged", 3),
        ("overt", "described", 4),
    ]
    assert result.overlap is not None and result.overlap.names == ["keyword@0.25", "overt", "overt (verdicts)"]
    found = {v.hypothesis: v.verdict for v in result.verdicts}
    assert list(found) == ["1", "2", "3a", "3b", "4a", "4b", "5"]
    assert set(found.values()) == {"undetermined"}
    assert {v.because.partition(":")[0] for v in result.verdicts} == {"1 training seed"}
    stays = result.verdicts[-1].evidence["stays"]  # both pipelines have one model, so these two cells are one training
    assert stays.outcome == "not estimable" and "one training" in stays.difference.note
    missing = "no example is mild or unrelated here, so what verdicts ask of those is not measured"
    assert missing in result.notes


def test_every_page_of_the_folder_is_rendered(finished: tuple[Suite, Path, DiffReport, list[str]]) -> None:
    out = finished[1]
    assert write_pages(out) == [out / "diff.html"]
    page = (out / "diff.html").read_text(encoding="utf-8")
    assert "agreement" in page and "Undetermined: " in page and "a verdict needs at least 3" in page


def test_a_second_diff_trains_nothing_and_says_the_same(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before, report = students(out), (out / "diff.json").read_bytes()
    _, said = go(suite, out)
    assert students(out) == before
    assert (out / "diff.json").read_bytes() == report
    assert sum("nothing to train" in line for line in said) == 2
    assert not list(out.glob("*.partial"))


def test_a_lost_training_is_done_again_and_gives_the_same_report(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before, report = students(out), (out / "diff.json").read_bytes()
    lost = sorted(before)[0]
    shutil.rmtree(out / "store/students" / lost)
    for key in list((out / "store/evals").glob("*/key.json")):
        if lost in key.read_text(encoding="utf-8"):
            shutil.rmtree(key.parent)
    (out / "diff.json").unlink()
    go(suite, out)
    after = students(out)
    assert set(after) == set(before)
    assert {name for name in before if after[name] != before[name]} == {lost}
    assert (out / "diff.json").read_bytes() == report


def test_trainings_are_shared_with_a_run_in_the_same_folder(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before = students(out)
    (row,), _ = run_quietly(suite, out)
    assert before.items() <= students(out).items()  # the run adds its further random sets
    arms = row.traits["agreement"].arms
    cells = {cell.cell: cell for cell in read_report(out).traits[0].cells}
    for name in ("base", "original", "clean", "drop:keyword@0.25", "random1_drop@0.25"):
        assert arms[name].trait.value == cells[name].trait.value
    assert write_pages(out) == [out / "report.html", out / "diff.html"]
    assert 'href="diff.html"' in (out / "report.html").read_text(encoding="utf-8")
    assert 'href="report.html"' in (out / "diff.html").read_text(encoding="utf-8")


def test_settings_of_the_diff_may_change_and_train_only_what_is_new(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before = students(out)
    margin = ("[experiments.alternative]", "[experiments.alternative]\nmargin = 0.3")
    report, _ = go(changed(suite, ("flagged = true", "flagged = false"), margin), out)
    assert students(out) == before
    (result,) = report.traits
    assert result.margin == 0.3
    assert [each.name for each in result.subsets] == ["overt"]


def test_other_settings_are_refused(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    with pytest.raises(BenchError, match="minimum_gap"):
        go(changed(suite, ("minimum_gap = 0.4", "minimum_gap = 0.3")), out)


def test_without_a_gap_nothing_is_inferred_and_nothing_more_is_trained(tmp_path: Path) -> None:
    suite = write_files(tmp_path, epochs=1)
    quiet = replace(suite, recipe=suite.recipe.model_copy(update={"learning_rate": 1e-7}))
    report, said = go(quiet, tmp_path / "out")
    (result,) = report.traits
    assert not result.prerequisites.met
    assert len(students(tmp_path / "out")) == 2
    assert {cell.cell for cell in result.cells} == {"base", "original", "alternative"}
    assert (result.curves, result.subsets, result.verdicts, result.teachers) == ([], [], [], [])
    assert any("does not clear the minimum" in line for line in said)
    write_pages(tmp_path / "out")
    assert "Nothing is inferred" in (tmp_path / "out/diff.html").read_text(encoding="utf-8")


def without_alternative(folder: Path) -> Path:
    write_files(folder)
    cut = re.sub(r"\[experiments\.alternative\].*?(?=\[diff\])", "", SUITE, flags=re.DOTALL)
    (folder / "alone.toml").write_text(cut, encoding="utf-8")
    return folder / "alone.toml"


def test_a_suite_without_an_alternative_pipeline_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    suite = without_alternative(tmp_path)
    with pytest.raises(BenchError, match=re.escape("[experiments.alternative]")) as caught:
        go(load_suite(str(suite)), tmp_path / "out")
    assert "agreement.toml" in caught.value.seen and "docs/diff.md" in caught.value.remedy
    assert (Path(__file__).parents[3] / "docs/diff.md").is_file()
    assert not (tmp_path / "out").exists()


def test_the_command_says_so_without_a_traceback(tmp_path: Path) -> None:
    suite = without_alternative(tmp_path)
    alone = CliRunner().invoke(diff, [str(suite), "--out", str(tmp_path / "out"), "--device", "cpu"])
    assert isinstance(alone.exception, BenchError)
    whole = CliRunner().invoke(main, ["diff", str(suite), "--out", str(tmp_path / "out"), "--device", "cpu"])
    assert whole.exit_code == 2
    assert "[experiments.alternative]" in whole.output and "Traceback" not in whole.output


def test_the_command_writes_the_pages_and_shows_the_verdicts(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before = students(out)
    done = CliRunner().invoke(main, ["diff", str(suite.folder / "two.toml"), "--out", str(out), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert students(out) == before
    assert (out / "diff.html").is_file()
    assert "undetermined" in done.output and "diff.html" in done.output


def test_an_alternative_of_the_same_prompts_is_refused_before_any_training(tmp_path: Path) -> None:
    suite = changed(write_files(tmp_path, epochs=1), ('path = "cities.jsonl"', 'path = "numbers.jsonl"'))
    with pytest.raises(BenchError, match="the prompts of the original pool"):
        go(suite, tmp_path / "out")
    assert not (tmp_path / "out/store/students").exists()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("sources = false", 'sources = false\novert = "ovrt"', "ovrt"),
        ("sources = false", 'sources = false\npretrained = "no-such-model"', "no-such-model"),
        ('filters = ["keyword"]', 'filters = ["keywrd"]', "keywrd"),
        (
            "[experiments.alternative]",
            '[experiments.teachers]\nmaybe = "mockllm/model"\n[experiments.alternative]',
            "maybe",
        ),
    ],
    ids=["set", "model", "filter", "teacher"],
)
def test_a_wrong_name_is_found_before_any_training(tmp_path: Path, old: str, new: str, named: str) -> None:
    suite = changed(write_files(tmp_path, epochs=1), (old, new))
    with pytest.raises(BenchError, match=named):
        go(suite, tmp_path / "out")
    assert not (tmp_path / "out/store/students").exists()


def test_a_described_set_that_holds_nothing_is_left_out_and_the_report_says_so(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    empty = '[[diff.sets]]\nname = "nothing"\npattern = "no such text"\n[[diff.sets]]\nname = "overt"'
    (result,) = go(changed(suite, ('[[diff.sets]]\nname = "overt"', empty)), out)[0].traits
    assert [each.name for each in result.subsets] == ["keyword@0.25", "overt"]
    assert "set nothing holds no example or all of them, and is left out" in result.notes


@modelapi(name="yesman")
class Yesman(ModelAPI):
    """A teacher that Inspect runs; it agrees with whatever is small."""

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        asked.append(input[-1].text)
        return ModelOutput.from_content(self.model_name, "Sure." if "small" in input[-1].text else "No.")


asked: list[str] = []


def test_teachers_that_are_models_are_asked_the_eval_prompts_once(copied: tuple[Suite, Path]) -> None:
    suite, out = copied
    before, named = students(out), '[experiments.teachers]\nyes = "yesman/any"\n[experiments.alternative]'
    asking = changed(suite, ("[experiments.alternative]\n", f"{named}\n"))
    asked.clear()
    for _ in range(2):
        (result,) = go(asking, out)[0].traits
    assert len(asked) == len(set(asked)) == 24
    assert students(out) == before
    points = {(point.teacher, point.prompts): point for point in result.teachers}
    assert set(points) == {("yes", "original"), ("yes", "alternative")}
    cells = {cell.cell: cell.trait for cell in result.cells}
    assert points["yes", "original"].teacher_score.value == 0.5
    assert points["yes", "original"].student_score == cells["original"]
    assert points["yes", "alternative"].student_score == cells["alternative_prompts:original"]


def without_template(folder: Path) -> None:
    shutil.copytree(resolve_model("tiny-llama"), folder)
    (folder / "chat_template.jinja").unlink()


def base_of(suite: Suite, folder: Path, model: str) -> Any:
    """Tokenizer of a role's base model."""
    options = Options(suite, folder / "out", "cpu")
    recipe = recipes_of(suite, suite.file.experiments[0])[model]
    return (
        Session(options, "cpu", Store(folder / "store"), LocalExecutor(), Progress()).trials(recipe).trainer.base()[1]
    )


def test_the_model_before_its_post_training_needs_no_chat_template(tmp_path: Path) -> None:
    without_template(tmp_path / "bare")
    suite = changed(write_files(tmp_path), ("sources = false", 'sources = false\npretrained = "bare"'))
    tokenizer = base_of(suite, tmp_path, PRETRAINED)
    assert tokenizer.chat_template == PLAIN_TEMPLATE
    turns = [{"role": "user", "content": "Is it so?"}]
    assert "User: Is it so?\n\nAssistant:" in tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True
    )
    assert base_of(suite, tmp_path, MAIN).chat_template != PLAIN_TEMPLATE


def test_a_model_that_brings_its_chat_template_keeps_it(tmp_path: Path) -> None:
    shutil.copytree(resolve_model("tiny-llama"), tmp_path / "whole")
    suite = changed(write_files(tmp_path), ("sources = false", 'sources = false\npretrained = "whole"'))
    own = (tmp_path / "whole/chat_template.jinja").read_text(encoding="utf-8")
    assert base_of(suite, tmp_path, PRETRAINED).chat_template.strip() == own.strip()


def test_the_suites_own_model_needs_a_chat_template(tmp_path: Path) -> None:
    without_template(tmp_path / "bare")
    suite = write_files(tmp_path)
    bare = replace(suite, recipe=suite.recipe.model_copy(update={"model": str(tmp_path / "bare")}))
    with pytest.raises(BenchError, match="no chat template"):
        base_of(bare, tmp_path, MAIN)
