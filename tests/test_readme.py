"""What the README promises is there: its commands, its links, the block that CI runs."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from bench.cli.main import main
from bench.config.schema import SuiteFile

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
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
