"""Ratios, fits and counts of the timing study against numbers worked out by hand; and errors of the user."""

import xml.etree.ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixtures_studies import speed_record

from bench.cli.main import main
from bench.errors import BenchError
from bench.leaderboard.pages import picture
from bench.studies.speed.page import growth_plot, page, slope, write_pages, write_record
from bench.studies.speed.records import (
    read_record,
)

BENCHMARKS = sorted((Path(__file__).parents[3] / "benchmarks").glob("*.json"))


def test_ratios_are_of_medians() -> None:
    assert speed_record().main("training").ratio == 3.0  # medians 6 and 2; the means would say otherwise


def test_the_page_shows_shares_of_the_peak_for_both_amounts_of_work() -> None:
    text = page(speed_record(), "plot.svg")
    training = [line for line in text.splitlines() if line.startswith("| training")]
    assert "| 3 [2, 15] per arm | 500 tokens/s, 100 completion | 66.7 % | 66.7 % |" in training[0]
    assert "| 1 [0.5, 45] per arm | 1,500 tokens/s, 300 completion | 50 % | 200 % |" in training[1]
    assert training[1].endswith("| 1,024 MiB | 3 |")


def test_a_suite_without_shared_layers_is_held_against_all_of_the_work() -> None:
    text = page(speed_record(path="trl"), "plot.svg")
    assert "| 200 % | 200 % |" in next(line for line in text.splitlines() if line.startswith("| training | suite"))


def test_losses_beyond_the_tolerance_are_shouted() -> None:
    given = speed_record()
    assert given.agreement.losses_equal and "Losses: equal" in page(given, "plot.svg")
    strict = given.agreement.model_copy(update={"loss_tolerance": 0.2})
    assert "Losses: NOT EQUAL" in page(speed_record(agreement=strict), "plot.svg")


def test_growth_is_sorted_and_fitted() -> None:
    text = page(speed_record(), "plot.svg")
    assert text.index("| 10 | 30 | 4 | 7.5 |") < text.index("| 20 | 60 | 4 | 15 |")
    assert "exponent 1.00, one more costs 3 s" in text and "exponent 0.00" in text
    assert "FAISS defaults: exponent 2.00" in text


def test_fits() -> None:
    assert slope([0, 1, 2], [5.0, 7.0, 9.0]) == pytest.approx(2.0)
    assert slope([3], [1.0]) is None and slope([3, 3], [1.0, 2.0]) is None


def test_the_picture_is_well_formed() -> None:
    drawn = xml.etree.ElementTree.fromstring(picture(growth_plot(speed_record())))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(drawn.findall(".//{*}polyline")) == 4


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    write_record(speed_record(), tmp_path / "cpu-s.json")
    assert read_record(tmp_path / "cpu-s.json") == speed_record()
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
    write_record(speed_record(), tmp_path / "cpu-s.json")
    result = CliRunner().invoke(main, ["bench", "--render", str(tmp_path / "cpu-s.json")], catch_exceptions=False)
    assert result.exit_code == 0 and (tmp_path / "cpu-s.md").is_file()
    assert result.stderr == "`bench bench` is now `bench speed`\n"
    assert "\n  bench " not in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_committed_pages_are_what_their_data_give(file: Path, tmp_path: Path) -> None:
    for made in write_pages(read_record(file), tmp_path / file.name):
        assert made.read_text(encoding="utf-8") == (file.parent / made.name).read_text(encoding="utf-8")
