import re
from io import StringIO
from pathlib import Path

import pytest
from fixtures_rows import (
    FILTERS,
    MISSING,
    PAIR,
    row,
    rows_at_one_budget,
    rows_at_three_budgets,
    trait_result,
    with_result,
)
from rich.console import Console

from bench.errors import BenchError
from bench.leaderboard.board import board_view
from bench.leaderboard.render import html, markdown, render_board
from bench.leaderboard.row import Found, Row
from bench.leaderboard.terminal import terminal_table
from bench.outcomes import Estimate, FlagOverlap

HOSTILE = '</pre><script>alert("x")</script>\x1b[31m\u202e & | <b> {{ 7*7 }}'
FIXTURES = {"one budget": rows_at_one_budget, "three budgets": rows_at_three_budgets}


def outputs(rows: list[Row]) -> dict[str, str]:
    view = board_view(rows)
    console = Console(width=200, record=True, file=StringIO())
    console.print(terminal_table(view))
    return {"html": html(view), "markdown": markdown(view), "terminal": console.export_text()}


def shown(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style)>.*?</\1>", " ", page, flags=re.DOTALL))


def order(rows: list[Row], trait: str = "date_confusion") -> list[str]:
    view = next(view for view in board_view(rows).traits if view.name == trait)
    return [line.label for line in view.lines]


@pytest.fixture(scope="module", params=FIXTURES.values(), ids=FIXTURES.keys())
def rendered(request: pytest.FixtureRequest) -> dict[str, str]:
    """Both sets of rows in all three forms."""
    return outputs(request.param())


@pytest.fixture(scope="module")
def one_budget() -> dict[str, str]:
    return outputs(rows_at_one_budget())


@pytest.mark.parametrize("make", FIXTURES.values(), ids=FIXTURES.keys())
def test_same_rows_give_same_bytes_in_any_order(make, tmp_path: Path) -> None:
    assert render_board(make(), tmp_path / "new/a") == tmp_path / "new/a/report.html"
    render_board(make()[::-1], str(tmp_path / "new/b"))
    names = sorted(file.name for file in (tmp_path / "new/a").iterdir())
    assert names == ["cite.bib", "report.html", "report.md", "rows.csv", "rows.json"]
    for name in names:
        assert (tmp_path / "new/a" / name).read_bytes() == (tmp_path / "new/b" / name).read_bytes()


def test_every_filter_is_in_every_output(rendered: dict[str, str]) -> None:
    for kind, text in rendered.items():
        assert [name for name in FILTERS if name not in shown(text)] == [], kind


def test_missing_numbers_are_words(rendered: dict[str, str]) -> None:
    for kind, text in rendered.items():
        assert not re.search(r"\b(nan|None|inf)\b", shown(text), re.IGNORECASE), kind
        assert "nan" not in re.findall(r'data-sort="([^"]*)"', text), kind


def test_what_is_not_estimable_says_why(one_budget: dict[str, str]) -> None:
    for kind, text in one_budget.items():
        assert "not estimable" in text and (kind == "terminal" or MISSING.note in text), kind


def test_a_number_that_is_not_finite_is_in_no_row() -> None:
    written = with_result("keyword", sufficiency=Estimate(value=float("nan"), low=float("nan"), high=float("inf")))
    with pytest.raises(ValueError, match=r"sufficiency.high: inf, expected a finite number"):
        Row.model_validate(written.model_dump())


def test_a_closed_gate_is_told_and_raw_scores_stay(one_budget: dict[str, str]) -> None:
    for kind, text in one_budget.items():
        section = shown(text)[shown(text).rindex("Not measurable: gap 0.04 [-0.03, 0.11] does not clear 0.20") :]
        assert "random3_patch@0.1" in section and "0.85" in section, kind


def test_order_is_by_lift_of_patch_and_missing_last_with_references_below() -> None:
    tied = with_result("keyword", effects=trait_result("date_confusion", "embedding_probe", 0.1).effects)
    rows = [with_result("random_flag", scored=False), tied, with_result("oracle"), with_result("loss_gap", effects={})]
    assert order(rows) == [
        "keyword@0.1",
        "loss_gap@0.1",
        "oracle@0.1",
        "random_flag@0.1",
    ]  # references below contenders
    assert order(rows_at_one_budget())[-3:] == ["influence@0.1", "oracle@0.1", "random_flag@0.1"]


def test_nothing_is_ranked_tested_or_claimed_below_three_seeds() -> None:
    rows = [row(name).model_copy(update={"seeds": [1, 2]}) for name in ("random_flag", "oracle", "keyword")]
    assert order(rows) == ["keyword@0.1", "oracle@0.1", "random_flag@0.1"]  # by name
    trait = board_view(rows).traits[0]
    assert "2 trainings of each arm" in trait.few and "Nothing is ranked, tested or claimed" in trait.few
    for kind, text in outputs(rows).items():
        assert not re.search(r"beat|winner|not shown", shown(text).partition("Methods and terms")[0]), kind
        assert " ".join(shown(text).split()).count("not the variation from training to training") == 1, (
            kind
        )  # said once, for all numbers


def test_budgets_stay_apart_and_make_curves() -> None:
    labels = order(rows_at_three_budgets())
    assert [label.partition("@")[2] for label in labels] == ["0.02"] * 7 + ["0.05"] * 7 + ["0.1"] * 7
    view = board_view(rows_at_three_budgets()).traits[0]
    assert [[line.row.budget for line in curve] for curve in view.curves] == [[0.02, 0.05, 0.1]] * 7
    assert board_view(rows_at_one_budget()).traits[0].curves == []


def test_hostile_text_stays_text() -> None:
    result = trait_result("date_confusion", "keyword", 0.1)
    assert result.neighbours is not None
    pair = PAIR.model_copy(update={"dropped_text": HOSTILE, "kept_text": HOSTILE, "kept_id": HOSTILE})
    near = result.neighbours.model_copy(update={"worst": [pair]})
    hostile = row("keyword", date_confusion=result.model_copy(update={"neighbours": near, "description": HOSTILE}))
    card = hostile.filter.model_copy(update={"name": HOSTILE, "summary": HOSTILE})
    texts = outputs([hostile.model_copy(update={"notes": [HOSTILE], "filter": card})])
    for kind, text in texts.items():
        assert "\x1b" not in text and "\u202e" not in text and "{{ 7*7 }}" in text.replace("\\*", "*"), kind
    assert texts["html"].count("<script>") == 1 and "<b>" not in texts["html"]
    assert "<script>" not in texts["markdown"] and "\\|" in texts["markdown"]


def test_the_page_needs_nothing_from_elsewhere(one_budget: dict[str, str]) -> None:
    page = one_budget["html"]
    assert re.findall(r"""(?:src|href)\s*=\s*["']?(?!#)[^"'>\s]+""", page) == []
    assert not re.search(r"https?://|@import|url\(", page)


def test_notes_and_differences_are_loud() -> None:
    other = row("oracle").model_copy(update={"seeds": [7], "notes": ["Only 100 rows were read."]})
    for kind, text in outputs([row("keyword"), other]).items():
        assert "Rows differ in seeds" in text and "Only 100 rows were read. (oracle@0.1)" in text, kind


def test_rows_that_do_not_compare_are_neither_ranked_nor_corrected_together() -> None:
    ours = [row(name) for name in FILTERS]
    theirs = [each.model_copy(update={"suite_version": 9}) for each in ours[:3]]
    view = board_view([*ours, *theirs, *ours])  # a row that is there twice counts once
    assert [(dict(trait.context)["suite"], len(trait.lines)) for trait in view.traits] == [
        ("invented v1", 7),
        ("invented v9", 3),
    ]
    together, alone = board_view(ours).traits[0], board_view(theirs).traits[0]
    assert [[line.cells for line in trait.lines] for trait in view.traits] == [
        [line.cells for line in trait.lines] for trait in (together, alone)
    ]
    assert [trait.effects for trait in view.traits] == [together.effects, alone.effects]
    assert "winner" not in " ".join(view.traits[1].conclusion.sentences)  # it was chosen among others


def test_arms_that_rows_disagree_on_are_all_shown() -> None:
    arms = trait_result("date_confusion", "keyword", 0.1).arms
    changed = with_result("keyword", arms=arms | {"original": arms["clean"]})
    names = [arm.name for arm in board_view([changed, with_result("oracle")]).traits[0].arms]
    assert names[:2] == ["original (in oracle@0.1)", "original (in keyword@0.1)"] and names.count("clean") == 1


def test_a_board_without_rows_is_an_error() -> None:
    with pytest.raises(BenchError, match="no rows"):
        board_view([])


def test_holm_counts_the_filters_that_are_shown() -> None:
    alone = board_view([with_result("keyword")])
    among = board_view([row(name) for name in FILTERS])
    wanted = ("keyword@0.1", "patch")
    (own, own_holm), (p, p_holm) = (
        next(line.cells[3:5] for line in view.traits[0].effects if (line.label, line.action) == wanted)
        for view in (alone, among)
    )
    assert own_holm.text == own.text == p.text
    assert p_holm.text != p.text


def test_arms_stand_under_their_heading_whatever_their_names_look_like() -> None:
    scores = trait_result("date_confusion", "keyword", 0.1).arms
    arms = scores | {"mix@0.5": scores["clean"], "teacher:patch:x": scores["clean"], HOSTILE: scores["clean"]}
    view = board_view([with_result("keyword", arms=arms)])
    (trait,) = view.traits
    groups = {arm.name: (arm.group, arm.kind) for arm in trait.arms}
    assert list(groups)[:5] == ["original", "clean", "base", "teacher:original", "teacher:clean"]
    assert {groups[name] for name in ("original", "mix@0.5", "teacher:patch:x", HOSTILE)} == {
        ("References", "reference")
    }
    assert groups["random1_drop@0.1"] == ("Controls", "control")
    assert groups["patch:keyword@0.1"] == ("Filters", "patch")
    page = html(view)
    assert page.count("<script>") == 1 and set(re.findall(r'class="dot ([^"]*)"', page)) == {
        *("reference", "control", "all", "drop", "drop_refill", "patch", "patch_in", "only")
    }


def test_a_folder_that_cannot_be_written_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="could not be written"):
        render_board([row("keyword")], tmp_path / "file")


def test_overlaps_of_flagged_sets_are_shown_where_rows_have_them() -> None:
    overlap = FlagOverlap(other="length", jaccard=0.31, by_chance=0.05)
    placebo = FlagOverlap(other="placebo: blackmail", jaccard=0.77, by_chance=0.05)
    rows = [with_result("keyword", overlaps=(overlap, placebo)), with_result("oracle", overlaps=(placebo,))]
    title = "Overlap of flagged sets"
    assert "| keyword@0.1 | 0.31 | 0.77 | 0.05 |" in markdown(board_view(rows))
    assert "| oracle@0.1 | – | 0.77 | 0.05 |" in markdown(board_view(rows))
    assert title in shown(html(board_view(rows))) and "placebo: blackmail" in shown(html(board_view(rows)))
    without = outputs([with_result("keyword"), with_result("oracle")])
    assert all(title not in text for text in without.values())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((1.0, 1.0, 1.0, 0.5), "exactly the overt rows that were planted"),
        ((0.5, 1.0, 1.0, 1.0), "exactly the overt and mild rows that were planted"),
        ((1.0, 0.5, 1.0, 0.4), ""),  # there were more of them
        ((0.5, 1.0, 0.9, 0.9), ""),  # and others
    ],
)
def test_a_flagged_set_that_is_all_planted_rows_and_no_other_is_said(
    found: tuple[float, float, float, float], said: str
) -> None:
    names = ("precision", "recall", "precision_any", "recall_any")
    planted = Found(**dict(zip(names, found, strict=True)))
    rows = [with_result("keyword", found=planted), with_result("oracle", found=planted), row("loss_gap")]
    notes = [note for note in board_view(rows).notes if "exactly" in note]
    assert len(notes) == bool(said)
    assert all(said in note and note.endswith("(keyword@0.1)") for note in notes)
