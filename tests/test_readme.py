"""What the README promises is there: its commands, its links, the block that CI runs."""

import re
import runpy
import tomllib
from pathlib import Path

import click
import pytest

from bench.cli.main import main
from bench.config.schema import SuiteFile
from bench.leaderboard.board import board_view
from bench.leaderboard.paired import read_scores
from bench.leaderboard.row import Row, read_rows

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "leaderboards/README.md").read_text(encoding="utf-8")
BOARD = ROOT / "leaderboards/laptop"
EVIDENCE = read_scores(read_rows(BOARD), [BOARD])
LAPTOP = {row.filter.name: row for row in read_rows(ROOT / "leaderboards/laptop")}
PAGES = [ROOT / "README.md", ROOT / "leaderboards/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_command_is_in_the_table_and_the_other_way_round() -> None:
    listed = set(re.findall(r"^\| `bench ([a-z-]+)", README, re.MULTILINE))
    assert isinstance(main, click.Group)
    assert listed == {name for name, command in main.commands.items() if not command.hidden}


def test_setup_is_one_line_each() -> None:
    blocks = re.findall(r"```bash\n(.*?)\n```", README, re.DOTALL)
    run, tests = [block for block in blocks if "pip install" in block]
    assert "\n" not in run and run.endswith("bench run quick")
    assert "\n" not in tests and tests.endswith("pytest -q")


def test_ci_runs_the_test_command_of_the_readme() -> None:
    block = README.split("<!-- tests -->")[1].split("<!-- /tests -->")[0]
    assert "pytest" in block
    assert "<!-- tests -->" in (ROOT / ".ci/run").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_suite_in_the_guide_is_valid() -> None:
    guide = (ROOT / "docs/suites.md").read_text(encoding="utf-8")
    example = re.findall(r"```toml\n(name = .*?)```", guide, re.DOTALL)[0]
    assert SuiteFile.model_validate(tomllib.loads(example)).name == "my_suite"


def scores(row: Row, *actions: str) -> list[str]:
    arms = row.traits["date_confusion"].arms
    names = [f"{action}:{row.filter.name}@{row.budget:g}" for action in actions]
    return [f"{arms[name].trait.value:.2f}" if name in arms else "not run" for name in names]


def test_the_table_of_laptop_is_what_its_rows_say() -> None:
    table = README.split("## What a laptop can claim")[1].split("\n\n- ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line][2:]
    assert {line[0].split(" (")[0] for line in lines[:-1]} == LAPTOP.keys()
    for name, *shown in lines[:-1]:
        row = LAPTOP[name.split(" (")[0]]
        result = row.traits["date_confusion"]
        lift, found = result.effects["patch"].lift, result.found
        assert lift is not None and found is not None
        assert shown[:3] == scores(row, "drop", "drop_refill", "patch")
        assert shown[3] == f"{lift.value:.2f} [{lift.low:.2f}, {lift.high:.2f}]"
        assert shown[5:7] == [f"{found.precision:.2f}", f"{found.auprc:.2f}"]
    arms = LAPTOP["bm25"].traits["date_confusion"].arms
    for shown, action in zip(lines[-1][2:4], ("drop_refill", "patch"), strict=True):
        values = [arms[f"random{number}_{action}@0.2"].trait.value for number in (1, 2, 3, 4)]
        assert shown == f"{min(values):.2f} to {max(values):.2f}"


def test_the_picture_and_what_is_said_of_it_agree_with_the_rows() -> None:
    drawn = (ROOT / "docs/board.svg").read_text(encoding="utf-8")
    shown = {}
    for name, row in LAPTOP.items():
        effects = row.traits["date_confusion"].effects
        difference = effects["patch"].removal.value - effects["drop"].removal.value
        (text,) = re.findall(rf">{name}(?: \(reference\))?</text><text [^>]*>([^<]*)</text>", drawn)
        shown[name], *_ = map(float, re.findall(r"[-+]?\d\.\d\d", text))
        assert shown[name] == pytest.approx(difference, abs=0.0051)
    contenders = [value for name, value in shown.items() if name != "oracle"]
    assert f"patch minus drop is {min(contenders):.2f} to {max(contenders):+.2f} of the gap" in README
    conclusion = " ".join(board_view(list(LAPTOP.values()), scores=EVIDENCE).traits[0].conclusion.sentences)
    for part in re.findall(r"[-+]?\d\.\d\d \[[^]]*\]", conclusion)[:2]:  # removal by patch, patch minus drop
        assert part in README


def test_the_picture_is_the_first_forest_plot_of_a_page() -> None:
    board_picture = runpy.run_path(str(ROOT / "docs/make_picture.py"))["board_picture"]
    page = (
        '<svg class="plot"/><svg class="plot forest wide" viewBox="0 0 9 9"><g/></svg><svg class="plot forest narrow"/>'
    )
    made = board_picture(page)
    assert made.startswith('<svg class="plot forest" viewBox="0 0 9 9" xmlns=') and made.endswith("<g/></svg>\n")
    row = '<a href="#k" data-row="k" aria-label="k: 1"></a>'
    alone = board_picture(
        f'<svg class="plot forest wide" role="group"><title>t</title>{row}</svg>'
    )  # a picture of its own has no table to lead to
    assert 'role="img"' in alone and "<desc>k: 1</desc><g></g></svg>" in alone and "<a " not in alone
    with pytest.raises(ValueError, match="renamed"):
        board_picture("<svg/>")


def test_commands_of_the_guide_for_submitters_exist() -> None:
    assert isinstance(main, click.Group)
    named = set(re.findall(r"(?:`|^|&& )bench ([a-z-]+)", GUIDE, re.MULTILINE))
    assert {"new-filter", "check", "submit", "check-submission", "board"} <= named <= main.commands.keys()
