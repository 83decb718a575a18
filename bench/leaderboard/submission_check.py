"""Is a submission what it says, and does its row belong on a board? What a pull request's check and its author run."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.config.suite import Suite, built_in_suites, load_suite
from bench.errors import BenchError, unknown
from bench.files import read_text
from bench.filtering.check import CheckLine, check_filter, failed
from bench.leaderboard.comparable import differences
from bench.leaderboard.example_files import read_examples
from bench.leaderboard.row import Row, read_rows, row_file
from bench.leaderboard.submission import NOT_NAMED, Credits, Submission, card, read_submission
from bench.leaderboard.verify import verify_rows
from bench.run_folder.provenance import source_commit

LARGEST = 10 * 2**20  # bytes of a file; the evidence of `laptop` takes a hundredth of it
FOLDER_OF_A_PERSON = re.compile(r"(?:/home|/Users|/root)(?:/|$)|[A-Za-z]:\\+Users\\", re.MULTILINE)
CREDITED = re.compile(r"\| (Authors|Licence) \| *(.*?) *\|")
AGAIN = "run `bench submit` again, which trains nothing that is finished, and copy its folder anew"
COMMIT_REMEDY = (
    "run `bench submit` in a clone without changes in bench/ and filters/, of the version that made the board"
)
BOARD_REMEDY = "run `bench submit` with the suite, the recipe and the device of the board, and a name that is not taken"
PRIVATE_REMEDY = "leave folders of your machine out: a filter reads what its arguments give it, and nothing else"


def check_submission(folder: Path, board: Path | None = None) -> tuple[CheckLine, ...]:
    """Check a submission: files, numbers, source, suite, card, and last the filter itself.

    The filter is executed only where everything else holds: it is code of whoever submits it.

    Args:
        folder: As `bench submit` writes it, named like the filter.
        board: Folder of the board that the row is to join; None where it starts one.

    Returns:
        One line a check; after a line that others depend on, the others are left out.
    """
    try:
        submission = read_submission(folder)
    except BenchError as error:
        return (failed("rows can be read", error),)
    lines = [_files(submission)]
    if not lines[0].passed:
        return tuple(lines)
    lines += [_guarded(name, check, submission) for name, check in CHECKS.items()]
    lines.append(_guarded("comparable with the board", lambda made: _board(made, board), submission))
    if all(line.passed for line in lines):
        lines.append(_contract(submission))
    return tuple(lines)


def check_plan(source: Path, name: str, suite: Suite, device: str, board: Path | None) -> tuple[CheckLine, ...]:
    """Check before an hour of training what would have its row refused after it.

    Args:
        source: The filter's file.
        name: Its name.
        suite: To be run.
        device: That it will run on.
        board: As for `check_submission`.

    Raises:
        BenchError: If the board has no readable rows.
    """
    commit, others, problems = _commit_problems(source_commit()), read_rows(board) if board else [], []
    for what, now, theirs in (
        ("suite", f"{suite.file.name} v{suite.file.version}", {f"{row.suite} v{row.suite_version}" for row in others}),
        ("recipe", suite.recipe.model_dump_json(), {row.recipe.model_dump_json() for row in others}),
        ("device", device, {row.cost.device for row in others}),
    ):
        if others and now not in theirs:
            problems.append(f"{what} {now}, the board's is {_told(theirs)}")
    if name in {row.filter.name for row in others}:
        problems.append(f"the board has a filter {name}: a changed one needs a name of its own")
    hit = FOLDER_OF_A_PERSON.search(read_text(source))
    return (
        _line("code that others have", commit, "an unchanged commit", COMMIT_REMEDY),
        _line("comparable with the board", problems, str(board or "there is none yet"), BOARD_REMEDY),
        _line("no folders of a person", [hit.group()] if hit else [], "none in the source", PRIVATE_REMEDY),
    )


def _commit_problems(commit: str) -> list[str]:
    if commit and not commit.endswith("+changes"):
        return []
    return [f"commit {commit or 'unknown'}: which code was run cannot be looked up"]


def _line(name: str, problems: Sequence[str], detail: str, remedy: str) -> CheckLine:
    return CheckLine(name, not problems, "; ".join(problems) or detail, remedy)


def _guarded(name: str, check: Callable[[Submission], tuple[Sequence[str], str, str]], made: Submission) -> CheckLine:
    """Make a line of a check, which returns problems, a detail and a remedy, or raises what the user can fix."""
    try:
        return _line(name, *check(made))
    except BenchError as error:
        return failed(name, error)


def _files(submission: Submission) -> CheckLine:
    folder, needed = submission.folder, submission.expected_files()
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    plain = {name for name, path in found.items() if path.is_file() and not path.is_symlink()}
    allowed = needed | {Path(name).parent.as_posix() for name in needed} - plain
    problems = [f"{name} is missing" for name in sorted(needed - plain)]
    problems += [f"{name} is not expected" for name in found if name not in allowed]
    problems += [f"{name} is a link" for name, path in found.items() if path.is_symlink()]
    problems += [f"{name} is over 10 MiB" for name in plain if found[name].stat().st_size > LARGEST]
    if folder.resolve().name != submission.name:
        problems.append(f"the folder of filter {submission.name} is called {folder.resolve().name}")
    remedy = f"{AGAIN}; add and change nothing but what follows in the card"
    return _line("the expected files and no others", problems, f"{len(plain)} files", remedy)


def _verified(submission: Submission) -> tuple[Sequence[str], str, str]:
    """Recompute every number of the rows from their evidence; their examples are those that they name."""
    found = verify_rows(submission.folder)
    problems = [f"{file}: {problem}" for file, of in sorted(found.items()) for problem in of]
    for row in submission.rows:
        if row.examples and (reason := read_examples(submission.folder, row)[1]):
            problems.append(f"{row_file(row)}: {reason}")
    return problems, f"{len(found)} rows follow from their evidence", AGAIN


def _source(submission: Submission) -> tuple[Sequence[str], str, str]:
    digest = hashlib.sha256(submission.source.read_bytes()).hexdigest()
    expected = submission.rows[0].filter.sha256
    wrong = [f"SHA-256 of {submission.source.name} is {digest[:12]}, of the row's filter {expected[:12]}"]
    return wrong if digest != expected else [], f"SHA-256 {digest[:12]}", f"put the file back that was run, or {AGAIN}"


def _suite(submission: Submission) -> tuple[Sequence[str], str, str]:
    """Hold the rows to the suite's file, and ask for an unchanged commit of this project."""
    rows, name = submission.rows, submission.rows[0].suite
    if name not in built_in_suites():  # a row may name any path
        raise unknown("suite", name, built_in_suites())
    suite, problems, home = load_suite(name), [], submission.folder.resolve().parent
    if home.name == "submissions" and home.parent.name != name:
        problems.append(f"rows of {name} in {home.parent.name}/submissions")
    file = suite.file
    for what, seen, expected in (
        ("version", {row.suite_version for row in rows}, {file.version}),
        ("recipe", {row.recipe.model_dump_json() for row in rows}, {suite.recipe.model_dump_json()}),
        ("seeds", {tuple(row.seeds) for row in rows}, {file.seeds}),
        ("budgets", {row.budget for row in rows}, {*file.budgets}),
        ("traits", {name for row in rows for name in row.traits}, {Path(e.trait).stem for e in file.experiments}),
    ):
        if seen != expected:
            problems.append(f"{what} {_told(seen)}, expected {_told(expected)}")
    problems += [problem for commit in sorted({row.commit for row in rows}) for problem in _commit_problems(commit)]
    return problems, f"{file.name}, version {file.version}", COMMIT_REMEDY


def _told(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values)))


def _board(submission: Submission, board: Path | None) -> tuple[Sequence[str], str, str]:
    """Name what keeps the rows apart from those of a board."""
    if board is None:
        return [], "there is no board yet", ""
    others = [row for row in read_rows(board) if row.suite == submission.rows[0].suite]
    apart = [differences([other, *submission.rows]) for other in others]  # a board may hold rows apart already
    problems = min(apart, key=len, default=[f"{board} has no row of this suite"])
    if submission.name in {row.filter.name for row in others}:
        problems = [f"{board} has a filter {submission.name}: a changed one needs a name of its own"]
    detail = f"like the {len(others)} rows of {board.name}{_other_packages(submission.rows, others)}"
    return problems, detail, BOARD_REMEDY


def _other_packages(rows: Sequence[Row], others: Sequence[Row]) -> str:
    """Name the packages of other versions: no reason to refuse, but to look at."""
    known = {package: {row.versions.get(package) for row in others} for row in others for package in row.versions}
    other = sorted({p for row in rows for p, version in row.versions.items() if version not in known.get(p, set())})
    return f"; other versions of {', '.join(other)}" if other else ""


def _private(submission: Submission) -> tuple[Sequence[str], str, str]:
    """Look for folders of a person in what was written on the author's machine."""
    texts = {path.name: read_text(path) for path in (submission.source, submission.folder / "card.md")}
    for row in submission.rows:
        texts["command of a row"] = row.command
        texts["notes of a row"] = "\n".join([*row.notes, row.filter.origin, row.recipe.model])
    problems = [f"{where}: {hit.group()}" for where, text in texts.items() if (hit := FOLDER_OF_A_PERSON.search(text))]
    return problems, "none", PRIVATE_REMEDY


def _card(submission: Submission) -> tuple[Sequence[str], str, str]:
    """Compare the card with what rows and source give; who wrote it and what follows are the author's own."""
    text, source = read_text(submission.folder / "card.md"), read_text(submission.source)
    expected = card(submission.rows, source, Credits((), "")).splitlines()
    credited = dict(CREDITED.findall(text))
    problems = [f"no {word.lower()} in it" for word in ("Authors", "Licence") if not credited.get(word)]
    own = [f"| {word} |" for word in ("Authors", "Licence")]
    seen = text.splitlines()
    for number, line in enumerate(expected):
        there = seen[number] if number < len(seen) else ""
        if there != line and not any(line.startswith(each) and there.startswith(each) for each in own):
            problems.append(f"line {number + 1} is {there[:80]!r}, expected {line[:80]!r}")
            break
    authors = credited.get("Authors", NOT_NAMED)
    return problems, f"by {authors}, {credited.get('Licence', '')}", f"{AGAIN}; write below its last line only"


CHECKS: dict[str, Callable[[Submission], tuple[Sequence[str], str, str]]] = {
    "rows verify": _verified,
    "source is the one that was run": _source,
    "rows of the suite as it stands": _suite,
    "no folders of a person": _private,
    "card": _card,
}


def _contract(submission: Submission) -> CheckLine:
    """Run `bench check`, and compare what the file declares with the row."""
    report, stated = check_filter(submission.source), submission.rows[0].filter
    problems = [f"{line.name}: {line.detail}" for line in report.lines if not line.passed]
    if report.plugin:
        declared = report.plugin.name, report.plugin.version, report.plugin.summary
        if declared != (stated.name, stated.version, stated.summary):
            problems.append(f"the file declares {declared}, the row {(stated.name, stated.version, stated.summary)}")
    return _line("bench check", problems, f"{len(report.lines)} checks", "run `bench check` and do what it says")
