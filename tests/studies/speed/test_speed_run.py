"""A small timing study from the command line: both sides do the same work; the page is made from the file alone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.studies.speed import cases
from bench.studies.speed.page import write
from bench.studies.speed.records import KINDS, SIDES, SpeedRecord, read_record

SUITE = """
name = "tiny"
summary = "Tiny, with frozen layers that arms share"
recipe = "recipe.toml"
seeds = [1]
budgets = [0.25]
filters = ["keyword"]

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = 16
minimum_gap = 0.2
eval_prompts = 8
"""
RECIPE = """
name = "tiny"
model = "tiny-llama"
method = "lora"
last_layers = 2
epochs = 2
learning_rate = 5e-3
"""
ARMS = ["original", "drop:keyword@0.25"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("speed")
    (folder / "tiny.toml").write_text(SUITE, encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    arguments = ["speed", str(folder / "tiny.toml"), "--arms", ",".join(ARMS), "--repeats", "1", "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "POOLS", (100, 200))
        patch.setattr(cases, "MAIN_POOL", 400)
        done = CliRunner().invoke(main, [*arguments, "--out", str(folder / "out")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    yield folder / "out" / "cpu-tiny.json"


@pytest.fixture(scope="module")
def record(file: Path) -> SpeedRecord:
    return read_record(file)


def test_both_sides_train_to_equal_losses(record: SpeedRecord) -> None:
    assert record.path == "shared_trunk"
    assert [pair.arm for pair in record.agreement.pairs] == record.arms == ARMS
    for pair in record.agreement.pairs:
        assert len(pair.losses["suite"]) == len(pair.losses["plain"]) == 4  # equal steps, although one arm is smaller
        assert 0 < pair.tensor_difference < 0.01  # two paths: equal but for rounding
    assert record.agreement.losses_equal
    assert record.agreement.loss_tolerance == 1e-3


def test_both_sides_do_the_same_work(record: SpeedRecord) -> None:
    for kind in KINDS:
        case = record.main(kind)
        plain, suite = (case.work(side) for side in SIDES)
        assert plain == suite
        assert plain.least_flops <= plain.flops
    training = record.main("training").work("suite")
    assert training.least_flops < training.flops  # rows recur in epochs and arms
    assert record.agreement.same_texts == (16, 16)
    assert record.agreement.vector_difference < 1e-5
    assert record.agreement.similarity_difference < 1e-5


def test_students_of_both_sides_are_scored_on_the_same_prompts(record: SpeedRecord) -> None:
    agreed = record.agreement
    assert len(agreed.prompts) == len(agreed.families) == 8
    assert all(len(pair.scores[side]) == 8 for pair in agreed.pairs for side in SIDES)
    assert all(pair.same_answers == 8 for pair in agreed.pairs)
    assert agreed.trait.margin == pytest.approx(0.1)
    assert agreed.trait.difference.value == 0.0


def test_every_axis_is_measured_at_growing_sizes(record: SpeedRecord) -> None:
    sizes = {(kind, axis): [case.size for case in cases] for (kind, axis), cases in record.growth().items()}
    assert sizes == {
        ("training", "rows"): [8, 16],
        ("training", "arms"): [1, 2],
        ("training", "seeds"): [1, 2],
        ("generation", "prompts"): [2, 4, 8],
        ("generation", "students"): [1, 2],
        ("embedding", "rows"): [4, 8, 16],
        ("embedding", "uses"): [1, 2, 4],
        ("search", "rows"): [100, 200],
    }
    assert all(timing.seconds > 0 < timing.resident_bytes for case in record.cases for timing in case.timings)


def test_the_machine_has_no_name_and_no_path(record: SpeedRecord) -> None:
    machine = record.machine.model_dump_json()
    assert record.machine.threads >= 1 and record.machine.peak("training").flops > 1e8
    assert str(Path.home()) not in machine and str(Path.cwd()) not in machine
    assert not [value for value in record.machine.settings.values() if "/" in value]


def test_the_page_is_made_of_the_file_alone(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path)
    page = write(tmp_path / file.name, [])
    assert page.read_text(encoding="utf-8") == (file.parent / page.name).read_text(encoding="utf-8")
    assert sorted(path.name for path in file.parent.iterdir()) == ["cpu-tiny.html", "cpu-tiny.json"]


def test_it_can_be_rendered_again(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path)
    done = CliRunner().invoke(main, ["speed", "--render", str(tmp_path / file.name)])
    assert done.exit_code == 0 and "cpu-tiny.html" in done.output
    assert (tmp_path / "cpu-tiny.html").is_file()
