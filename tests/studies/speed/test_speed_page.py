"""Ratios, fits and counts of the timing study against numbers worked out by hand; and errors of the user."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixtures_studies import speed_record

from bench.cli.main import main
from bench.errors import BenchError
from bench.leaderboard.pages import linked_pages, speed_page
from bench.studies.speed.page import growth, html, slope, write, write_record
from bench.studies.speed.records import SpeedRecord, read_record

BENCHMARKS = sorted((Path(__file__).parents[3] / "benchmarks").glob("*.json"))


def test_ratios_are_of_medians() -> None:
    assert speed_record().main("training").ratio == 3.0  # medians 6 and 2; the means would say otherwise


def words(record: SpeedRecord) -> str:
    """Return the page's text, cells and words apart by one blank."""
    page = html(record, speed_page(Path("cpu-s.json")))
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2].partition("<script>")[0]).split())


def test_the_page_leads_with_ratios_and_says_what_code_they_are_of() -> None:
    text = words(speed_record(commit="0123456789abcdef"))
    assert "Times as fast as a plain loop: training 3, generation 3, embedding 3, search 3." in text
    assert "Measured on 2026-01-01 at commit 0123456789ab: figures of that code." in text
    assert "Training 3 times as fast 1 s against 3 s per arm 50 % of peak; plain loop 66.7 %" in text


def test_the_page_shows_shares_of_the_peak_for_both_amounts_of_work() -> None:
    text = words(speed_record())
    loop = "training a fresh TRL SFTTrainer per arm 3 [2, 15] per arm 500 tokens/s, 100 completion 66.7 % 66.7 %"
    assert f"{loop} 1,024 MiB – training suite" in text
    assert "suite 1 [0.5, 45] per arm 1,500 tokens/s, 300 completion 50 % 200 % 1,024 MiB 3 generation" in text


def test_a_suite_without_shared_layers_is_held_against_all_of_the_work() -> None:
    assert "1,500 tokens/s, 300 completion 200 % 200 % 1,024 MiB" in words(speed_record(path="trl"))


def test_losses_beyond_the_tolerance_are_shouted() -> None:
    given = speed_record()
    assert given.agreement.losses_equal and "Losses of both sides are equal within 0.25 nats" in words(given)
    strict = given.agreement.model_copy(update={"loss_tolerance": 0.2})
    assert "Losses of both sides are NOT equal" in words(speed_record(agreement=strict))


def test_growth_is_sorted_and_fitted() -> None:
    rows, searches = growth(speed_record())
    assert (rows.title, searches.title) == ("training by rows", "search by rows")
    assert rows.times == [("10", "30", "4", "7.5"), ("20", "60", "4", "15")]
    assert rows.fits[0][1:] == ("1.00", "3 s") and rows.fits[1][1] == "0.00"
    assert searches.fits[0][:2] == ("FAISS defaults", "2.00")
    assert all(panel.plot.count("<polyline") == 2 for panel in (rows, searches))


def test_fits() -> None:
    assert slope([0, 1, 2], [5.0, 7.0, 9.0]) == pytest.approx(2.0)
    assert slope([3], [1.0]) is None and slope([3, 3], [1.0, 2.0]) is None


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
    assert result.exit_code == 0 and (tmp_path / "cpu-s.html").is_file()
    assert result.stderr == "`bench bench` is now `bench speed`\n"
    assert "\n  bench " not in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_committed_pages_are_what_their_data_give(file: Path, tmp_path: Path) -> None:
    for each in BENCHMARKS:
        shutil.copy(each, tmp_path)
    made = write(tmp_path / file.name, linked_pages(tmp_path))
    assert made.read_text(encoding="utf-8") == (file.parent / made.name).read_text(encoding="utf-8")
