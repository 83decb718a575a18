"""Ratios, fits and counts of a benchmark, against numbers worked out by hand; and what is wrong is told."""

import shutil
import xml.etree.ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.leaderboard.pages import picture
from bench.models.encode import Encoded
from bench.records import Estimate
from bench.stats.equivalence import Comparison
from bench.studies.speed.file import read_record, write_record
from bench.studies.speed.flops import Shape, answering_work, training_work
from bench.studies.speed.growth import exponent, per_unit
from bench.studies.speed.page import page, write_pages
from bench.studies.speed.plot import growth_plot
from bench.studies.speed.records import (
    KINDS,
    Agreement,
    BenchmarkRecord,
    Case,
    Kind,
    Machine,
    Pair,
    Peak,
    Side,
    Timing,
    Work,
)

BENCHMARKS = sorted((Path(__file__).parents[3] / "benchmarks").glob("*.json"))
WORK = Work(tokens=3000, completion_tokens=600, flops=8e9, least_flops=2e9)


def case(kind: Kind, plain: list[float], suite: list[float], axis: str = "", size: int = 1) -> Case:
    sides: dict[Side, list[float]] = {"plain": plain, "suite": suite}
    timings = [
        Timing(side=side, repeat=repeat, seconds=seconds, resident_bytes=2**30, work=WORK)
        for side, times in sides.items()
        for repeat, seconds in enumerate(times)
    ]
    return Case(kind=kind, axis=axis, size=size, parts=2, part="arm", what="2 | arms", timings=timings)


def record(**changes: object) -> BenchmarkRecord:
    machine = Machine(
        device="cpu",
        processor="A CPU",
        cores=2,
        memory_gib=4,
        system="Linux",
        threads=2,
        settings={},
        peaks=[Peak(place="cpu", dtype="float32", measured=[1e9, 2e9])],
        memory="call",
        versions={"python": "3.11"},
    )
    pair = Pair(
        arm="original",
        seed=1,
        losses={"suite": [2.0, 1.0], "plain": [2.0, 1.25]},
        tensor_difference=0.5,
        scores={"suite": [1.0, None], "plain": [0.0, None]},
        same_answers=1,
    )
    trait = Comparison(contrast="suite - plain", difference=Estimate(value=1.0), margin=0.1, outcome="not estimable")
    agreement = Agreement(
        pairs=[pair],
        loss_tolerance=0.25,
        prompts=["a", "b"],
        families=["f", "f"],
        trait=trait,
        same_texts=(1, 2),
        vector_difference=0.0,
        similarity_difference=0.0,
    )
    cases = [case(kind, [4.0, 30.0, 6.0], [2.0, 1.0, 90.0]) for kind in KINDS]
    cases += [case("training", [size * 3.0], [4.0], "rows", size) for size in (20, 10)]
    given = BenchmarkRecord(
        suite="s",
        suite_version=1,
        pool_rows=20,
        pool_sha256="0" * 64,
        trait="t",
        recipe=Recipe(name="r", model="m", method="full", learning_rate=1.0),
        path="shared_trunk",
        arms=["original"],
        seeds=[1],
        repeats=3,
        plain_batch=32,
        machine=machine,
        measured_on="2026-01-01",
        command="bench bench",
        commit="",
        cases=cases,
        agreement=agreement,
    )
    return given.model_copy(update=changes)


def test_ratios_are_of_medians() -> None:
    assert record().main("training").ratio == 3.0  # medians 6 and 2; the means would say otherwise


def test_the_page_shows_shares_of_the_peak_for_both_amounts_of_work() -> None:
    text = page(record(), "plot.svg")
    training = [line for line in text.splitlines() if line.startswith("| training")]
    assert "| 3 [2, 15] per arm | 500 tokens/s, 100 completion | 66.7 % | 66.7 % |" in training[0]
    assert "| 1 [0.5, 45] per arm | 1,500 tokens/s, 300 completion | 50 % | 200 % |" in training[1]
    assert training[1].endswith("| 1,024 MiB | 3 |")


def test_a_suite_without_shared_layers_is_held_against_all_of_the_work() -> None:
    text = page(record(path="trl"), "plot.svg")
    assert "| 200 % | 200 % |" in next(line for line in text.splitlines() if line.startswith("| training | suite"))


def test_losses_beyond_the_tolerance_are_shouted() -> None:
    given = record()
    assert given.agreement.losses_equal and "Losses: equal" in page(given, "plot.svg")
    strict = given.agreement.model_copy(update={"loss_tolerance": 0.2})
    assert "Losses: NOT EQUAL" in page(record(agreement=strict), "plot.svg")


def test_growth_is_sorted_and_fitted() -> None:
    text = page(record(), "plot.svg")
    assert text.index("| 10 | 30 | 4 | 7.5 |") < text.index("| 20 | 60 | 4 | 15 |")
    assert "exponent 1.00, one more costs 3 s" in text and "exponent 0.00" in text


def test_fits() -> None:
    assert exponent([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2.0)
    assert per_unit([0, 1, 2], [5.0, 7.0, 9.0]) == pytest.approx(2.0)
    assert exponent([3], [1.0]) is None and per_unit([3, 3], [1.0, 2.0]) is None


def test_the_picture_is_well_formed() -> None:
    drawn = xml.etree.ElementTree.fromstring(picture(growth_plot(record())))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(drawn.findall(".//{*}polyline")) == 2


def test_training_operations_by_hand() -> None:
    shape = Shape(layer=10, adapters=0, frozen=2, trained=1, head=7, head_trained=False, width=3)
    row = Encoded((1, 2, 3, 4), prompt_length=3)
    forward = 2 * 4 * 10 + 2 * 16 * 3  # 176 a layer
    upper = 3 * forward + 1 * 7 * 4
    work = training_work(shape, [[row], [row]])
    assert (work.tokens, work.completion_tokens) == (8, 2)
    assert work.flops == 2 * upper + 2 * 2 * forward
    assert work.least_flops == 2 * upper + 2 * forward


def test_frozen_weights_of_adapted_layers_have_no_gradient() -> None:
    full = Shape(layer=10, adapters=0, frozen=0, trained=1, head=7, head_trained=False, width=3)
    lora = Shape(layer=10, adapters=2, frozen=0, trained=1, head=7, head_trained=False, width=3)
    row = Encoded((1, 2, 3, 4), prompt_length=3)
    assert full.training(row) - lora.training(row) == 2 * 4 * 10 - 6 * 4 * 2


def test_answering_operations_by_hand() -> None:
    shape = Shape(layer=10, adapters=0, frozen=1, trained=1, head=7, head_trained=False, width=3)
    work = answering_work(shape, [(1, 2)], [[3], [1]])
    reading = 2 * 2 * 10 + 2 * 4 * 3  # 64 a layer
    decoding = 2 * (2 * 2 * 10 + 4 * (3 + 4) * 3) + 2 * 3 * 7  # positions 3 and 4, then the head for 3 tokens
    assert work.completion_tokens == 4 and work.tokens == 8
    assert work.flops == 4 * reading + decoding + 2 * 7
    assert work.least_flops == work.flops - reading


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    write_record(record(), tmp_path / "cpu-s.json")
    assert read_record(tmp_path / "cpu-s.json") == record()
    assert [path.name for path in tmp_path.iterdir()] == ["cpu-s.json"]
    (tmp_path / "cpu-s.json").write_text('{"format": 1', encoding="utf-8")
    with pytest.raises(BenchError, match="Invalid JSON"):
        read_record(tmp_path / "cpu-s.json")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["quik"], "did you mean 'quick'?"),
        (["smoke", "--arms", "orginal"], "did you mean 'original'?"),
        (["smoke", "--arms", "drop:keywrd@0.1"], "did you mean 'keyword'?"),
        (["smoke", "--device", "tpu"], "--device"),
        (["--render", "missing.json"], "No such file"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["bench", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert complaint in result.stderr and "Traceback" not in result.stderr


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["bench", "smoke", "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2 and "could not be written" in result.stderr


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_committed_pages_are_what_their_data_give(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path)
    for made in write_pages(tmp_path / file.name):
        assert made.read_text(encoding="utf-8") == (file.parent / made.name).read_text(encoding="utf-8")
