"""The page and the board's columns of invented attributions."""

from io import StringIO
from pathlib import Path

import pytest
from fixtures_rows import FILTERS, RECIPE, row, rows_at_one_budget, trait_result
from fixtures_studies import lds_report
from rich.console import Console

from bench.files import write_json
from bench.leaderboard.board import board_view
from bench.leaderboard.pages import pages_of
from bench.leaderboard.render import html as board_html
from bench.leaderboard.render import links_of, markdown, render_board
from bench.leaderboard.row import Row
from bench.studies.lds.page import html, terminal_table


def test_the_page_says_what_the_intervals_allow() -> None:
    page = html(lds_report())
    first = (
        "1 of 2 filters predicts retraining better than chance; the highest LDS is that of keyword, 0.60 [0.40, 0.80]."
    )
    assert f'<h1 class="answer">{first}</h1>' in page and "(95 % interval of the LDS above 0): keyword." in page
    assert "Of those behind keyword, shown to be lower: loss_gap." in page
    assert "Two trainings on the same subsets agree to 0.80 [0.70, 0.90]." in page
    assert '0.006 <span class="interval">[0.005, 0.007]</span>' in page  # tail-patch, in nats
    assert page.index(">oracle") < page.index(">keyword") < page.index(">loss_gap")
    assert page == html(lds_report())


def test_the_terminal_shows_every_filter() -> None:
    console = Console(width=200, record=True, file=StringIO())
    console.print(terminal_table(lds_report()))
    text = console.export_text()
    assert all(name in text for name in ("oracle", "keyword", "loss_gap", "random_flag", "¹ the best one"))


def test_a_board_shows_columns_where_there_is_something_to_show(tmp_path: Path) -> None:
    plain = [column.title for column in board_view(rows_at_one_budget()).traits[0].columns]
    assert not {"LDS", "AUPRC", "Tail-patch"} & set(plain) and "Recall" in plain
    rows = [row(name) for name in FILTERS]
    write_json(tmp_path / "lds.json", lds_report())
    text = render_board(rows, tmp_path).read_text(encoding="utf-8")
    view = board_view(rows, lds_report())
    assert text == board_html(view, pages_of(tmp_path), links_of(tmp_path, view.rows))
    trait = view.traits[0]
    at = [[column.title for column in trait.columns].index(title) for title in ("LDS", "LDS / ceiling", "Tail-patch")]
    cells = {line.row.filter.name: [line.cells[place].text for place in at] for line in trait.lines}
    assert cells["keyword"] == ["0.60 [0.40, 0.80]", "0.75 [0.45, 1.05]", "0.006 [0.005, 0.007]"]
    assert cells["influence"] == ["not run"] * 3
    assert "| LDS / ceiling | Tail-patch |" in markdown(view)


@pytest.mark.parametrize(
    "other",
    [
        {"recipe": RECIPE.model_copy(update={"epochs": 9})},
        {"traits": [lds_report().traits[0].model_copy(update={"pool_sha256": "00" * 32})]},
    ],
)
def test_a_report_on_other_students_or_rows_is_not_shown(other: dict[str, object]) -> None:
    view = board_view([row(name) for name in FILTERS], lds_report(**other))
    assert "LDS" not in [column.title for column in view.traits[0].columns]


def test_planted_truth_has_columns_and_a_sentence_where_rows_hold_it() -> None:
    def measured(name: str, auprc: float) -> Row:
        result = trait_result("date_confusion", name, 0.1)
        assert result.found
        ranked = {"auprc": auprc, "auprc_any": auprc / 2, "mean_rank": 1 - auprc}
        return row(name, date_confusion=result.model_copy(update={"found": result.found.model_copy(update=ranked)}))

    removal = {name: values[1] for name, values in FILTERS.items()}
    rows = [measured(name, removal[name]) for name in FILTERS]
    view = board_view(rows)
    titles = [column.title for column in view.traits[0].columns]
    assert {"AUPRC", "Mean rank"} <= set(titles)
    line = next(line for line in view.traits[0].lines if line.row.filter.name == "keyword")
    assert line.cells[titles.index("AUPRC")].text == "0.66 (0.33)"
    said = "Over 5 filters, AUPRC on overt rows and removal by patching have a rank correlation of 1.00"
    assert said in view.traits[0].agreement
    few = board_view([each for each in rows if each.filter.name in ("keyword", "oracle", "loss_gap")])
    assert few.traits[0].agreement == ""
