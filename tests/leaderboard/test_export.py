"""A board as CSV, JSON and BibTeX: every number of the rows, and no text that does something."""

import csv
import io
import json
import re
from pathlib import Path

from fixtures_rows import row, rows_at_one_budget, rows_at_three_budgets
from hostile import HOSTILE, choices, with_text

from bench.leaderboard.board import board_view
from bench.leaderboard.export import COLUMNS, cite_bib, rows_csv, rows_json
from bench.leaderboard.pages import HIDDEN
from bench.leaderboard.render import render_board
from bench.leaderboard.row import Row


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_for_each_filter_budget_trait_and_action() -> None:
    rows = rows_at_three_budgets()
    found = lines(rows_csv(rows))
    keys = [(line["filter"], line["budget"], line["trait"], line["action"]) for line in found]
    assert len(keys) == len(set(keys)) == len(rows) * 5
    assert list(found[0]) == list(COLUMNS)
    line = next(line for line in found if line["filter"] == "keyword" and line["action"] == "patch")
    of = next(r for r in rows if r.filter.name == "keyword" and f"{r.budget}" == line["budget"])
    effect = of.traits["date_confusion"].effects["patch"]
    assert (float(line["removal"]), float(line["removal_low"])) == (effect.removal.value, effect.removal.low)
    assert (line["p_holm"], line["primary"]) == (str(effect.p_holm), "True")


def test_what_is_not_measurable_is_empty_and_its_scores_stay() -> None:
    closed = [line for line in lines(rows_csv(rows_at_one_budget())) if line["trait"] == "negative_emotion"]
    assert closed and all(line["removal"] == "" and line["scored"] == "False" and line["score"] for line in closed)


def test_json_holds_the_rows_whole() -> None:
    rows = rows_at_one_budget()
    assert [Row.model_validate(each) for each in json.loads(rows_json(rows))] == rows


def test_a_board_writes_its_data_beside_its_page(tmp_path: Path) -> None:
    rows = rows_at_one_budget()
    page = render_board(rows, tmp_path).read_text(encoding="utf-8")
    shown = board_view(rows).rows
    for name, text in (("rows.csv", rows_csv(shown)), ("rows.json", rows_json(shown)), ("cite.bib", cite_bib(shown))):
        assert (tmp_path / name).read_text(encoding="utf-8") == text
        assert f'href="{name}"' in page


def test_a_citation_names_suite_version_pool_and_commit_and_no_date() -> None:
    text = cite_bib([row("keyword"), row("influence")])
    assert re.findall(r"(?m)^@(\w+)\{([^,]+),$", text) == [
        ("software", "sievebench"),
        ("misc", "sievebench-invented-v1"),
    ]
    for words in (r"suite invented v1, date\_confusion", "commit 0123abc", "version = {0.1.0}", "5a5a5a5a5a5a"):
        assert words in text
    assert not re.search(r"year|date =", text)


def test_no_text_of_a_row_becomes_a_formula_a_line_or_a_command() -> None:
    record = row("keyword")
    for some in choices(record)[0]:
        bad = with_text(record, some, HOSTILE)
        assert len(rows_csv([bad]).splitlines()) == len(rows_csv([record]).splitlines()) == 6
        assert not HIDDEN.search(rows_csv([bad]) + cite_bib([bad]))
        for entry in re.findall(r"(?m)^  \w+ = \{(.*)\},$", cite_bib([bad])):
            bare = re.sub(r"\\[&%$#_{}]|\\text\w+\{\}", "", entry)
            assert not re.search(r"[\\%&#$]", bare) and bare.count("{") == bare.count("}")
        assert len(cite_bib([bad]).splitlines()) <= len(cite_bib([record]).splitlines())
    formula = record.model_copy(update={"filter": record.filter.model_copy(update={"name": "=cmd|' /C calc'!A0"})})
    assert lines(rows_csv([formula]))[0]["filter"].startswith("'=")
