"""The index over boards and studies: one entry each, never pooled, and nothing but what their data say."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixtures_diff import invented as diff_report
from fixtures_rows import row, rows_at_three_budgets
from fixtures_studies import calibration_record, causes_record, lds_report, panel_record, speed_record, world
from hostile import HARMLESS, HOSTILE, assert_inert, choices, with_text

from bench.cli.main import main
from bench.errors import BenchError
from bench.files import write_json
from bench.leaderboard.comparable import row_key
from bench.leaderboard.index import Entry, board_entries, html
from bench.leaderboard.row import Row, row_file
from bench.studies.index import write_index
from bench.studies.pages import write_pages

LEADERBOARDS = Path(__file__).parents[2] / "leaderboards"


def written(rows: list[Row], folder: Path) -> Path:
    for each in rows:
        write_json(folder / "rows" / row_file(each), each)
    return folder


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style)>.*?</\1>", " ", page, flags=re.DOTALL)).split())


def test_an_entry_for_each_budget_with_what_its_board_says() -> None:
    entries = board_entries(rows_at_three_budgets(), "a board")
    assert [entry.title.rpartition(", ")[2] for entry in entries] == ["10 %", "5 %", "2 %"]
    assert {entry.kind for entry in entries} == {"benchmark"}
    assert all(entry.link.startswith("a%20board/report.html") for entry in entries)
    facts = dict(entries[0].facts)
    values = {"seed_similarity": 0.56, "embedding_probe": 0.44, "keyword": 0.54, "loss_gap": 0.33, "influence": 0.44}
    mean = sum(values.values()) / len(values)
    assert facts["Patch minus drop"] == f"+{mean:.2f}, above 0 for 5 of 5 filters"  # no scores, no interval
    assert facts["Best filter, by lift over random sets"].startswith("seed_similarity, 0.73 [0.53, 0.93], adjusted")
    assert (facts["Training seeds"], facts["Held-out prompts"], facts["Filters"]) == ("3", "48", "5")


def test_one_training_is_a_demo_without_a_ranking() -> None:
    rows = [row(name).model_copy(update={"seeds": [7]}) for name in ("keyword", "influence")]
    (entry,) = board_entries(rows, "b")
    assert entry.kind == "demo" and "so no claim" in " ".join(entry.found)
    assert dict(entry.facts)["Best filter, by lift over random sets"] == "not ranked below 3 seeds"


def test_benchmarks_come_first_and_suites_are_never_pooled() -> None:
    demo = row("keyword").model_copy(update={"seeds": [7], "suite": "aaa"})
    page = text_of(html([*board_entries([demo], "a"), *board_entries([row("keyword")], "z")], []))
    assert page.index("invented v1: date_confusion") < page.index("aaa v1: date_confusion")
    assert page.count("10 % benchmark") == page.count("10 % demo") == 1


def test_rows_that_do_not_verify_are_used_for_nothing(tmp_path: Path) -> None:
    written([row("keyword")], tmp_path / "board")  # without scores
    page = text_of(write_index(tmp_path).read_text(encoding="utf-8"))
    assert "unverified None of 1 rows follows from its per-sample scores" in page and "Patch minus drop" not in page
    some = board_entries([row("keyword"), row("influence")], "b", {row_key(row("influence")): ["no evidence"]})
    assert dict(some[0].facts)["Filters"] == dict(some[0].facts)["Unverified rows, left out"] == "1"


def test_studies_say_their_conclusions(tmp_path: Path) -> None:
    for name, record in (
        ("stages.json", panel_record()),
        ("causes.json", causes_record(world(1))),
        ("lds.json", lds_report()),
        ("diff.json", diff_report()),
        ("calibration.json", calibration_record()),
        ("cpu-mine.json", speed_record(commit="0123abc")),
    ):
        write_json(tmp_path / "s" / name, record)
    page = write_index(tmp_path).read_text(encoding="utf-8")
    names = ("diff", "lds", "causes", "stages", "calibration", "cpu-mine")
    assert re.findall(r'<h3><a href="([^"]*)">', page) == [f"s/{name}.html" for name in names]
    for words in (
        *("explanations are ruled out", "predicts retraining better than chance", "planted causes were found"),
        *("intervals hold the true value in 96 to 96 %", "Times as fast as a plain loop", "at commit 0123abc"),
    ):
        assert words in text_of(page)


def test_timings_beside_the_folder_are_listed_and_rendered_again(tmp_path: Path) -> None:
    write_json(tmp_path / "boards/s/calibration.json", calibration_record())
    write_json(tmp_path / "benchmarks/cpu-mine.json", speed_record())
    write_json(tmp_path / "benchmarks/throughput-cpu-mine.json", {"format": 1})
    result = CliRunner().invoke(main, ["index", str(tmp_path / "boards")])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "boards/index.html").read_text(encoding="utf-8")
    links = re.findall(r'<h3><a href="([^"]*)">', page)
    assert links == ["s/calibration.html", "../benchmarks/cpu-mine.html"]
    assert all((tmp_path / "boards" / link).is_file() for link in links)


def test_a_folder_of_neither_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(BenchError, match="neither board nor study"):
        write_index(tmp_path)


def test_hostile_text_stays_text() -> None:
    record = row("keyword")
    for some in choices(record)[0]:
        bad, good = (board_entries([with_text(record, some, text)], text) for text in (HOSTILE, HARMLESS))
        assert_inert(lambda entries: html(entries, []), bad, good, some)

    def study(text: str) -> str:
        return html([], [Entry(text, [text, text], "a/b.html", "study", [(text, text)])])

    assert_inert(study, HOSTILE, HARMLESS, "study")


def test_the_command_writes_the_index_and_every_page_that_links_to_it(tmp_path: Path) -> None:
    written([row("keyword")], tmp_path / "board")
    result = CliRunner().invoke(main, ["index", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert 'href="../index.html"' in (tmp_path / "board/report.html").read_text(encoding="utf-8")
    assert 'href="board/report.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_committed_folders_have_an_index(tmp_path: Path) -> None:
    copy = tmp_path / "leaderboards"
    shutil.copytree(LEADERBOARDS, copy, ignore=shutil.ignore_patterns("*.html", "*.md", "rows.json"))
    page = text_of(write_index(copy).read_text(encoding="utf-8"))
    for words in ("laptop v1", "quick v6", "Checkpoints: safety", "Calibration"):
        assert words in page


def test_pages_of_studies_and_rows_lead_back_to_the_index(tmp_path: Path) -> None:
    write_json(tmp_path / "s/lds.json", lds_report())
    written([row("keyword")], tmp_path / "s")
    alone = write_pages(tmp_path / "s")[1].read_text(encoding="utf-8")
    assert "All boards" not in alone
    write_index(tmp_path)
    pages = write_pages(tmp_path / "s")
    assert [page.name for page in pages] == ["report.html", "lds.html"]
    for page, link in ((pages[1], "../index.html"), (tmp_path / "s/filters/keyword@0.1.html", "../../index.html")):
        assert f'<a href="{link}">All boards</a>' in page.read_text(encoding="utf-8")
