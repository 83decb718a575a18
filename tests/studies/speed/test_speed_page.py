"""Ratios, fits and counts of the timing study against numbers worked out by hand; and errors of the user."""

import xml.etree.ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.leaderboard.pages import picture
from bench.outcomes import Estimate
from bench.stats.equivalence import Comparison
from bench.studies.speed.page import growth_plot, page, slope, write_pages, write_record
from bench.studies.speed.records import (
    KINDS,
    Agreement,
    Case,
    Kind,
    Machine,
    Pair,
    Peak,
    Side,
    SpeedRecord,
    Timing,
    Work,
    read_record,
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


def record(**changes: object) -> SpeedRecord:
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
    cases += [case("search", [size**2 / 10], [1.0], "rows", size) for size in (10, 20, 40)]
    given = SpeedRecord(
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
        command="bench speed",
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
    assert "FAISS defaults: exponent 2.00" in text


def test_fits() -> None:
    assert slope([0, 1, 2], [5.0, 7.0, 9.0]) == pytest.approx(2.0)
    assert slope([3], [1.0]) is None and slope([3, 3], [1.0, 2.0]) is None


def test_the_picture_is_well_formed() -> None:
    drawn = xml.etree.ElementTree.fromstring(picture(growth_plot(record())))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(drawn.findall(".//{*}polyline")) == 4


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    write_record(record(), tmp_path / "cpu-s.json")
    assert read_record(tmp_path / "cpu-s.json") == record()
    assert [path.name for path in tmp_path.iterdir()] == ["cpu-s.json"]
    (tmp_path / "cpu-s.json").write_text('{"format": 1', encoding="utf-8")
    with pytest.raises(BenchError, match="damaged"):
        read_record(tmp_path / "cpu-s.json")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["quik"], "did you mean 'quick'?"),
        (["smoke", "--arms", "orginal"], "did you mean 'original'?"),
        (["smoke", "--arms", "drop:keywrd@0.1"], "did you mean 'drop:keyword@0.1'?"),
        (["smoke", "--device", "tpu"], "--device"),
        (["--render", "missing.json"], "no such file"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["speed", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert complaint in result.stderr and "Traceback" not in result.stderr


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["speed", "smoke", "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2 and "could not be written" in result.stderr


def test_the_old_name_of_the_command_still_works(tmp_path: Path) -> None:
    write_record(record(), tmp_path / "cpu-s.json")
    result = CliRunner().invoke(main, ["bench", "--render", str(tmp_path / "cpu-s.json")], catch_exceptions=False)
    assert result.exit_code == 0 and (tmp_path / "cpu-s.md").is_file()
    assert result.stderr == "`bench bench` is now `bench speed`\n"
    assert "\n  bench " not in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_committed_pages_are_what_their_data_give(file: Path, tmp_path: Path) -> None:
    for made in write_pages(read_record(file), tmp_path / file.name):
        assert made.read_text(encoding="utf-8") == (file.parent / made.name).read_text(encoding="utf-8")
