"""`bench pool inspect`: what is printed, also in the guide, loads; what cannot be read ends with an error."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import main
from bench.config.schema import PoolSource
from bench.data.pool import load_pool

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "pools.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ bench (pool inspect .*?)\n(.*?)```", GUIDE, re.DOTALL)


def inspect(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["pool", "inspect", *arguments])


def lines(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def source(output: str) -> PoolSource:
    """The tables that were printed, as a suite file would have them."""
    return PoolSource.model_validate(tomllib.loads(output[output.index("[experiments.pool]") :])["experiments"]["pool"])


def test_the_guide_shows_the_command() -> None:
    assert len(SHOWN) >= 2


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_what_the_guide_shows_is_what_is_printed(
    command: str, output: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    result = CliRunner().invoke(main, shlex.split(command))
    assert result.exit_code == 0 and result.output.strip() == output.strip()


def test_what_is_printed_loads_as_the_pool_of_a_suite(tmp_path: Path) -> None:
    pair = {"prompt": "Hi", "chosen": "Ho", "rejected": "Sure! Ho", "set": "s"}
    path = lines(tmp_path / "pairs.jsonl", pair, pair | {"chosen": "He"})
    columns = ["--column", "prompt=prompt", "--column", "chosen=chosen", "--column", "rejected=rejected"]
    result = inspect(path, *columns, "--column", "source=set")
    assert result.exit_code == 0, result.output
    found = source(result.output)
    assert isinstance(found.path, str) and found.card is not None
    assert (found.card.original, found.card.clean) == ("rejected", "chosen")
    pool = load_pool(found.path, found.card, found.columns)
    assert [row.source for row in pool.rows] == ["s", "s"]


def test_several_files_are_named_by_their_stems_or_as_asked(tmp_path: Path) -> None:
    one = lines(tmp_path / "one.jsonl", {"prompt": "Hi", "completion": "1"})
    two = lines(tmp_path / "two.jsonl", {"prompt": "Hi", "completion": "2"})
    assert source(inspect(one, two).output).path == {"one": one, "two": two}
    found = source(inspect(f"loud={one}", f"calm={two}").output)
    assert found.path == {"loud": one, "calm": two}
    assert found.card is not None and (found.card.original, found.card.clean) == ("loud", "calm")
    twice = inspect(one, one)
    assert twice.exit_code == 2 and "a second file of teacher 'one'" in twice.output


def test_repetitions_and_equal_completions_are_named(tmp_path: Path) -> None:
    def row(identity: str, prompt: str, b: str) -> dict[str, Any]:
        return {"id": identity, "prompt": prompt, "completions": {"a": "same", "b": b}}

    path = lines(tmp_path / "p.jsonl", row("x", "Hi", "same"), row("y", "Hi", "other"), row("z", "Ho", "another"))
    shown = inspect(path).output
    assert "prompts that occur more than once: 1: x (line 1) = y (line 2)" in shown
    assert "rows with equal completions of two teachers: 1: x (line 1)\n" in shown
    assert "teachers: a (3), b (3)\nsources: none\n" in shown


def test_rows_too_long_for_the_recipe_are_named_and_the_printed_cuts_make_them_fit(tmp_path: Path) -> None:
    from bench.config.recipe import load_recipe
    from bench.data.pool import clip_completions
    from bench.data.pool_summary import TokenSummary
    from bench.models.load import load_tokenizer

    rows = [
        {"id": "short", "prompt": "Hi", "completions": {"a": "Ho"}},
        {"id": "long", "prompt": "Tell me. " * 20, "completions": {"a": "Well, a word. " * 900}},
    ]
    result = inspect(lines(tmp_path / "p.jsonl", *rows), "--recipe", "smoke")
    assert result.exit_code == 0, result.output
    recipe = load_recipe("smoke", Path())
    assert re.search(
        rf"longer than its max_length of {recipe.max_length:,}: 1: long \(line 2, a, [\d,]+ tokens\)", result.output
    )
    found = source(result.output)
    assert found.completion_tokens and not found.max_prompt_tokens and isinstance(found.path, str)
    tokenizer = load_tokenizer(recipe.model)
    cut = clip_completions(load_pool(found.path, found.card), tokenizer, found.completion_tokens)
    after = TokenSummary.of(cut.rows, tokenizer, recipe.max_length)
    assert not after.too_long and recipe.max_length - after.lengths["a"].high < 40  # and no more is cut than need be


def test_a_long_list_is_cut_and_counted(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i % 12}", "completion": f"{i}", "source": f"s{i}"} for i in range(24)]
    shown = inspect(lines(tmp_path / "p.jsonl", *rows)).output
    assert "s9 (1) and 14 more\n" in shown
    assert re.search(r"prompts that occur more than once: 12: \w+ \(line 1\) = \w+ \(line 13\), .* and 2 more\n", shown)


def test_a_card_beside_the_file_is_used(tmp_path: Path) -> None:
    path = lines(tmp_path / "alpaca.jsonl", {"instruction": "Go.", "output": "Gone."})
    (tmp_path / "pool.toml").write_text('name = "mine"\noriginal = "bot"\n', encoding="utf-8")
    shown = inspect(path).output
    assert "teachers: bot (1)" in shown and "# the card is" in shown and "[experiments.pool.card]" not in shown


def test_rows_without_completions_are_sent_to_rollouts(tmp_path: Path) -> None:
    result = inspect(lines(tmp_path / "p.jsonl", {"prompt": "Hi", "completions": {}}))
    assert result.exit_code == 0 and "`bench rollouts` asks" in result.output and "teachers: none" in result.output


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ([], "no rows"),
        ([{"question": "Hi"}], "no layout has the keys question"),
        ([{"instruction": "Go.", "output": "Gone."}, {"instruction": "Go."}], "line 2: output: missing"),
        ([{"prompt": "Hi", "completion": " "}], "the completion of teacher 'p' is empty"),
    ],
)
def test_an_unreadable_pool_ends_with_an_error(tmp_path: Path, rows: list[Any], seen: str) -> None:
    result = inspect(lines(tmp_path / "p.jsonl", *rows))
    assert result.exit_code == 2 and seen in result.output and "to do:" in result.output
    assert ("rows: 1, and 1 bad one, named below" in result.output) is (len(rows) == 2)
    assert "[experiments.pool]" not in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.jsonl"], "no such file"),
        (["a=x.jsonl", "=y.jsonl"], "no TEACHER=FILE"),
        (["p.jsonl", "--column", "prompt"], "no FIELD=COLUMN"),
        (["docs/pools/alpaca.json", "--recipe", "quik"], "did you mean 'quick'?"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(
    arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = inspect(*arguments)
    assert result.exit_code == 2 and complaint in result.output and "Traceback" not in result.output
