"""From a new filter to a folder for a pull request, as its author meets it, and what that folder's check refuses."""

import json
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fixtures_run import run_quietly

from bench.cli.main import main
from bench.config.suite import load_suite
from bench.filtering.check import new_filter
from bench.leaderboard.row import read_rows
from bench.leaderboard.submission_check import check_submission

COMMIT = "5d152f4e1c3d0a2b" * 2
FILES = {"my_words.py", "card.md", "rows/my_words@0.1.json"}


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def submit(folder: Path, *more: str) -> Result:
    place = ["--suite", "smoke", "--out", str(folder / "run"), "--device", "cpu"]
    return bench("submit", str(folder / "my_words.py"), *place, "--author", "A. Author", *more)


def finished_students(run: Path) -> set[str]:
    return {path.name for path in (run / "store/students").iterdir()}


@pytest.fixture(scope="module")
def clean_clone() -> Iterator[None]:
    """Code at a commit: here it may have changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.leaderboard.assemble.source_commit", lambda: COMMIT)
        patch.setattr("bench.leaderboard.submission_check.source_commit", lambda: COMMIT)
        yield


@pytest.fixture(scope="module")
def submitted(
    clean_clone: None, smoke_run: tuple[Path, dict[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result, int]:
    """Folder of the submission of a new filter, what was printed, and how many students were trained for it."""
    folder = tmp_path_factory.mktemp("author")
    shutil.copytree(smoke_run[0], folder / "run")
    new_filter("my_words", folder)
    before = finished_students(folder / "run")
    result = submit(folder)
    return folder / "run/submission/my_words", result, len(finished_students(folder / "run") - before)


@pytest.fixture
def copy(submitted: tuple[Path, Result, int], tmp_path: Path) -> Path:
    return Path(shutil.copytree(submitted[0], tmp_path / "my_words"))


def failures(folder: Path, board: Path | None = None) -> dict[str, str]:
    return {line.name: line.detail for line in check_submission(folder, board) if not line.passed}


def change_row(folder: Path, change: Callable[[dict], None]) -> None:
    (file,) = (folder / "rows").iterdir()
    row = json.loads(file.read_text())
    change(row)
    file.write_text(json.dumps(row))


def test_a_new_filter_becomes_a_folder_for_a_pull_request(submitted: tuple[Path, Result, int]) -> None:
    folder, result, trained = submitted
    assert result.exit_code == 0, result.output
    assert "at most 9 trainings and evaluations of 1 seed, about " in result.output
    assert "FAILED" not in result.output and trained <= 3  # drop, refill and patch; arms with the same rows share one
    (row,) = read_rows(folder)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == FILES | row.evidence.keys() | row.examples.keys()
    assert (row.filter.name, row.filter.origin) == ("my_words", "my_words.py")
    assert row.command == "bench submit my_words.py --suite smoke"
    assert (folder / "my_words.py").read_bytes() == (folder.parents[2] / "my_words.py").read_bytes()
    for words in ("git switch", "cp -r", "git commit", "pull request", "report.html"):
        assert words in result.output


def test_the_card_says_what_a_reader_needs(submitted: tuple[Path, Result, int]) -> None:
    card = (submitted[0] / "card.md").read_text(encoding="utf-8")
    (row,) = read_rows(submitted[0])
    score = row.traits["date_confusion"].arms["patch:my_words@0.1"].trait.value
    assert score is not None and re.search(rf"\| patch \| {score:.2f} ", card)
    for words in (row.filter.sha256, row.commit, row.versions["torch"], "A. Author", "Apache-2.0", row.filter.summary):
        assert words in card
    assert "date_confusion is not scored" in card  # an untrained model shows no gap
    assert "shortest: Letters that a word needs to count." in card and "| shortest=4 |" in card


def test_nothing_of_the_machine_is_in_it(submitted: tuple[Path, Result, int]) -> None:
    folder = submitted[0]
    secrets = [str(folder.parents[2]), str(Path.home())]
    if len(socket.gethostname()) > 6:  # shorter ones are parts of words
        secrets.append(socket.gethostname())
    for file in folder.rglob("*"):
        text = file.read_bytes().decode("utf-8", "replace") if file.is_file() else file.name
        assert [secret for secret in secrets if secret in text] == [], file


def test_a_second_call_trains_nothing_and_writes_the_same(submitted: tuple[Path, Result, int]) -> None:
    folder = submitted[0]
    run, before = folder.parents[1], {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    students = finished_students(run)
    result = submit(folder.parents[2])
    assert result.exit_code == 0 and "nothing to train" in result.output
    assert finished_students(run) == students
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def measured(value: object) -> object:
    """What was measured, without limits, whose variance is pooled over a run, and what is of all its filters."""
    if isinstance(value, dict):
        of_the_run = {"low", "high", "note", "p_holm", "winner"}
        return {key: measured(each) for key, each in value.items() if key not in of_the_run}
    return value


def test_a_filter_alone_has_the_values_that_it_has_among_others(
    smoke_run: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    shutil.copytree(smoke_run[0], tmp_path / "run")
    (alone,), _ = run_quietly(load_suite("smoke"), tmp_path / "run", only="keyword")
    among = next(row for row in read_rows(smoke_run[0]) if row.filter.name == "keyword")
    own, other = (row.traits["date_confusion"].model_dump(exclude={"margin"}) for row in (alone, among))
    other["arms"] = {arm: other["arms"][arm] for arm in own["arms"]}  # the oracle's action has random sets, too
    assert measured(own) == measured(other)
    assert {row.filter.name for row in read_rows(tmp_path / "run")} == {"keyword", "random_flag", "oracle"}


def forge_score(folder: Path) -> None:
    change_row(folder, lambda row: row["traits"]["date_confusion"]["arms"]["clean"]["trait"].update(value=0.01))


def raise_version(folder: Path) -> None:
    change_row(folder, lambda row: row.update(suite_version=9))


def own_suite(folder: Path) -> None:
    change_row(folder, lambda row: row.update(suite="../../mine.toml"))


def uncommitted(folder: Path) -> None:
    change_row(folder, lambda row: row.update(commit=f"{COMMIT}+changes"))


def show_home(folder: Path) -> None:
    with (folder / "card.md").open("a") as card:
        card.write("\nMade in /home/me/work.\n")


def praise_card(folder: Path) -> None:
    card = folder / "card.md"
    card.write_text(card.read_text().replace("| original |", "| orig1nal |"))


def take_author_out(folder: Path) -> None:
    card = folder / "card.md"
    card.write_text(card.read_text().replace("A. Author", ""))


def change_source(folder: Path) -> None:
    with (folder / "my_words.py").open("a") as source:
        source.write("\nopen('/dev/null')\n")


def add_file(folder: Path) -> None:
    (folder / "helper.py").write_text("")


def change_examples(folder: Path) -> None:
    with (folder / "examples/my_words@0.1.json").open("a") as examples:
        examples.write(" ")


def lose_evidence(folder: Path) -> None:
    shutil.rmtree(folder / "evidence")


def link_source(folder: Path) -> None:
    (folder / "my_words.py").rename(folder.parent / "elsewhere.py")
    (folder / "my_words.py").symlink_to(folder.parent / "elsewhere.py")


@pytest.mark.parametrize(
    ("tamper", "line", "complaint"),
    [
        (forge_score, "rows verify", "my_words@0.1.json"),
        (raise_version, "rows of the suite as it stands", "version 9, expected 1"),
        (own_suite, "rows of the suite as it stands", "no suite has this name"),
        (uncommitted, "rows of the suite as it stands", "cannot be looked up"),
        (show_home, "no folders of a person", "card.md: /home/"),
        (praise_card, "card", "orig1nal"),
        (take_author_out, "card", "no authors"),
        (change_source, "source is the one that was run", "SHA-256"),
        (add_file, "the expected files and no others", "helper.py is not expected"),
        (change_examples, "rows verify", "examples/my_words@0.1.json does not have the SHA-256"),
        (lose_evidence, "the expected files and no others", "is missing"),
        (link_source, "the expected files and no others", "my_words.py is a link"),
    ],
)
def test_what_does_not_hold_is_named_and_the_filter_is_not_executed(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Path], None], line: str, complaint: str
) -> None:
    monkeypatch.setattr("bench.leaderboard.submission_check.check_filter", lambda path: pytest.fail("executed"))
    tamper(copy)
    found = failures(copy)
    assert line in found, found
    assert complaint in found[line]


def test_rows_lie_with_the_board_of_their_suite(copy: Path, tmp_path: Path) -> None:
    for suite, complaints in (("smoke", []), ("laptop", ["rows of smoke in laptop/submissions"])):
        folder = Path(shutil.copytree(copy, tmp_path / suite / "submissions/my_words"))
        assert list(failures(folder).values()) == complaints


def test_names_of_files_cannot_write_lines(copy: Path) -> None:
    (copy / "a\n::error::\x1b[2J").write_text("")
    result = bench("check-submission", str(copy))
    assert result.exit_code == 1 and "a ::error::" in result.output and "\x1b" not in result.output


def test_a_card_goes_on_below_its_last_line_and_a_copy_passes(copy: Path) -> None:
    with (copy / "card.md").open("a") as card:
        card.write("\nMore of it: https://example.org\n")
    result = bench("check-submission", str(copy))
    assert result.exit_code == 0, result.output
    assert "bench check" in result.output


def test_a_board_takes_comparable_rows_of_new_filters(copy: Path, tmp_path: Path) -> None:
    board = tmp_path / "board"
    shutil.copytree(copy / "rows", board / "rows")
    taken = failures(copy, board)["comparable with the board"]
    assert "has a filter my_words" in taken
    (file,) = (board / "rows").iterdir()
    text = file.read_text().replace("my_words", "other_words")
    file.rename(board / "rows/other_words@0.1.json").write_text(text)
    assert failures(copy, board) == {}
    (board / "rows/other_words@0.1.json").write_text(text.replace('"cpu"', '"cuda:0"'))
    assert "device" in failures(copy, board)["comparable with the board"]


def test_what_would_be_refused_later_is_refused_before_training(
    clean_clone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_filter("my_words", tmp_path)
    other = Path(__file__).parents[2] / "leaderboards/quick"
    result = submit(tmp_path, "--board", str(other))
    assert result.exit_code == 1 and "suite smoke v1, the board's is quick" in result.output
    monkeypatch.setattr("bench.leaderboard.submission_check.source_commit", lambda: f"{COMMIT}+changes")
    with (tmp_path / "my_words.py").open("a") as source:
        source.write("\nWORDS = '/home/me/words.txt'\n")
    result = submit(tmp_path)
    assert result.exit_code == 1
    assert "cannot be looked up" in result.output and "no folders of a person: /home/" in result.output
    assert "to do:" in result.output and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["keyword", "--suite", "smoke"], "a .py file outside filters/"),
        (["missing.py", "--suite", "smoke"], "no such file"),
        (["keyword", "--suite", "mine.toml"], "no suite has this name"),
    ],
)
def test_mistakes_are_told_before_anything_is_run(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    result = bench("submit", *arguments, "--out", str(tmp_path / "run"))
    assert result.exit_code != 0 and complaint in result.output
    assert "to do:" in result.output and not (tmp_path / "run").exists()
