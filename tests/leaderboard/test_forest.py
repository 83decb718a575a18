"""The forest plot and the page's first screen, read from their text."""

import re

import pytest
from fixtures_rows import FILTERS, row, rows_at_one_budget, rows_at_three_budgets, trait_result
from fixtures_scores import scored

from bench.leaderboard.board import board_view
from bench.leaderboard.comparable import row_key
from bench.leaderboard.forest import ForestRow, forest
from bench.leaderboard.format import Cell
from bench.leaderboard.render import Links, html, links_of

HALF = Cell("0.50 [0.40, 0.60]", value=0.5, low=0.4, high=0.6)
HOSTILE = '"><script>alert(1)</script>'
PLOT = re.compile(r'<svg class="plot forest (\w+)".*?</svg>', re.DOTALL)


def names(plot: str) -> list[str]:
    return re.findall(r'class="name">([^<]*)<', plot)


def test_each_filter_stands_once_in_each_form_and_references_last() -> None:
    page = html(board_view([row(name) for name in FILTERS]))
    plots = [match for match in PLOT.finditer(page) if "patch minus drop" in match.group()]
    assert [match.group(1) for match in plots] == ["wide", "narrow"]
    for match in plots:
        found = names(match.group())
        assert sorted(name.removesuffix(" (reference)") for name in found) == sorted(FILTERS)
        assert found[-2:] == ["oracle (reference)", "random_flag (reference)"]


def test_shapes_and_classes_tell_actions_apart() -> None:
    plot = forest([ForestRow("k", "keyword", {"drop": HALF, "drop_refill": HALF, "patch": HALF}, "+0.1")], {}, "r", "t")
    marks = re.findall(r'<(\w+) class="mark (\w+)"(?: points="([^"]*)")?', PLOT.search(plot).group())
    shapes = {action: (tag, len(points.split())) for tag, action, points in marks}
    assert shapes == {"drop": ("polygon", 4), "drop_refill": ("polygon", 3), "patch": ("circle", 0)}


def test_a_plot_is_named_and_says_its_numbers() -> None:
    plot = forest([ForestRow("", HOSTILE, {"patch": HALF}, "+0.10")], {"patch": 0.2}, "patch minus drop", HOSTILE)
    assert "<script>" not in plot
    assert plot.count('role="img"') == plot.count("<desc>") == 2
    assert "patch 0.50 [0.40, 0.60], patch minus drop +0.10" in plot and "random sets: patch 0.20" in plot


def test_a_row_of_a_plot_leads_to_its_row_of_the_table_and_says_its_numbers() -> None:
    plot = forest([ForestRow(f"k {HOSTILE}", HOSTILE, {"patch": HALF}, "+0.10")], {}, "patch minus drop", "t")
    assert "<script>" not in plot and plot.count('role="group"') == plot.count("</a>") == 2 and "<desc>" not in plot
    assert '<a href="#k%20%22%3E%3Cscript%3E' in plot
    assert 'patch 0.50 [0.40, 0.60], patch minus drop +0.10"' in plot
    page = html(board_view([row("keyword"), row("oracle")]))
    links = re.findall(r'<a href="#([^"]*)"(?: class="reference")? data-row', page)
    assert {*links} == {"t1-keyword%400.1", "t1-oracle%400.1"} and len(links) == 4
    assert all(f'<tr id="{link.replace("%40", "@")}"' in page for link in links)


def test_every_pair_of_filters_is_compared_with_an_interval_from_three_trainings() -> None:
    rates = {"keyword": 0.2, "bm25": 0.6}
    rows, scores = scored({name: {"drop": 0.5, "drop_refill": 0.5, "patch": rate} for name, rate in rates.items()})
    pairs = board_view(rows, scores=scores).traits[0].budgets[0].pairs
    by_name = {each.row.filter.name: each for each in board_view(rows, scores=scores).traits[0].lines}
    ((cell,),) = pairs.lines
    one, other = (by_name[label.partition("@")[0]].removals["patch"].value for label in pairs.labels)
    assert cell.value == pytest.approx(one - other) and cell.low < cell.value < cell.high
    page = html(board_view(rows, scores=scores))
    assert f'data-one="{pairs.labels[0]}" data-other="{pairs.labels[1]}"' in page
    few = [each.model_copy(update={"seeds": each.seeds[:1]}) for each in rows]
    assert board_view(few, scores=scores).traits[0].budgets[0].pairs is None
    assert board_view(rows).traits[0].budgets[0].pairs is None  # without scores


def test_controls_that_need_a_script_are_hidden_without_one() -> None:
    page = html(board_view([row("keyword"), row("oracle")]))
    assert re.findall(r'<(?:p class="tools"|div class="compared")[^>]*>', page) and "<button" not in page
    assert all("hidden" in tag for tag in re.findall(r'<(?:p class="tools"|div class="compared")[^>]*>', page))


def test_marks_lie_within_the_picture_however_far_values_lie() -> None:
    wild = Cell("9.00 [-9.00, 99.00]", value=9.0, low=-9.0, high=99.0)
    for match in PLOT.finditer(forest([ForestRow("k", "keyword", {"patch": wild}, "")], {}, "r", "t")):
        width = float(re.search(r'viewBox="0 0 (\d+)', match.group()).group(1))
        assert all(0 <= float(x) <= width for x in re.findall(r' (?:c?x|x[12])="(-?[\d.]+)"', match.group()))


def test_an_action_without_a_value_has_no_mark() -> None:
    plot = forest([ForestRow("k", "keyword", {"patch": Cell("not estimable"), "drop": HALF}, "")], {}, "r", "t")
    rows = plot.partition("data-row")[2]
    assert 'class="mark drop"' in rows and 'class="mark patch"' not in rows.partition("</svg>")[0]


def test_the_answer_comes_before_the_numbers_and_the_numbers_before_the_table() -> None:
    page = html(board_view(rows_at_one_budget()))
    order = ['class="conclusion"', 'class="context"', 'class="tiles"', "forest wide", "<table"]
    assert sorted(order, key=page.index) == order


def test_the_table_has_seven_columns_until_more_are_asked_for() -> None:
    page = html(board_view([row(name) for name in FILTERS]))
    head = re.search(r'<table class="sortable cards".*?</thead>', page, re.DOTALL).group()
    headings = re.findall(r'<th scope="col" class="([^"]*)">', head)
    assert len([kind for kind in headings if "extra" not in kind]) == 7 < len(headings)
    assert '<input type="checkbox" class="more"' in page  # which no script is needed for


def test_cards_on_a_phone_name_every_number() -> None:
    page = html(board_view([row("keyword")]))
    body = re.search(r'<table class="sortable cards".*?<tbody>(.*?)</tbody>', page, re.DOTALL).group(1)
    assert body.count("<td") == body.count('data-label="')


def test_the_page_has_no_handlers_no_style_attributes_and_no_dead_controls() -> None:
    page = html(board_view(rows_at_three_budgets()))
    markup = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"\s(on\w+|style)=", markup)
    assert "<button" not in markup and '<p class="tools" hidden>' in markup
    assert set(re.findall(r'href="#([^"]*)"', markup)) <= {name.replace("@", "%40") for name in ids(markup)} | ids(
        markup
    )


def ids(markup: str) -> set[str]:
    found = re.findall(r' id="([^"]*)"', markup)
    assert len(found) == len(set(found))
    return set(found)


def test_an_interval_of_no_width_is_not_shown() -> None:
    from bench.outcomes import Estimate

    result = trait_result("date_confusion", "keyword", 0.1)
    zero = Estimate(value=0.0, low=0.0, high=0.0)
    arms = {name: score.model_copy(update={"trait": zero, "capability": zero}) for name, score in result.arms.items()}
    page = html(board_view([row("keyword", date_confusion=result.model_copy(update={"arms": arms}))]))
    text = re.sub(r"<[^>]*>", "", page)
    assert "0.00 [0.00, 0.00]" not in text and "0.00 [0.00, 0.07]" in text  # 48 prompts


def test_links_go_to_what_is_there(tmp_path) -> None:
    rows = [row("keyword"), row("oracle")]
    assert links_of(tmp_path / "run", rows) == Links()
    (tmp_path / "run/filters").mkdir(parents=True)
    for file in ("index.html", "run/rows.csv", "run/cite.bib", "run/filters/keyword@0.1.html"):
        (tmp_path / file).touch()
    links = links_of(tmp_path / "run", rows)
    assert links.index == "../index.html" and list(links.files) == ["rows.csv", "cite.bib"]
    assert links.filters == {row_key(rows[0]): "filters/keyword%400.1.html"}
    page = html(board_view(rows), links=links)
    assert all(f'href="{address}"' in page for address in (links.index, "cite.bib", "filters/keyword%400.1.html"))
    assert "rows.json" not in page
