"""Every JSON file that a stranger can hand us, made wrong in 500 ways: shown, or a plain error, in no time."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fixtures_diff import invented as diff_report
from fixtures_rows import row
from fixtures_scores import scored
from fixtures_studies import NO, calibration_record, causes_record, lds_report, panel_record, speed_record, world
from hypothesis import HealthCheck, given, settings
from mutations import damaged, returns_soon
from pydantic import BaseModel
from rich.console import Console

from bench.config.recipe import Recipe
from bench.data.prompts import read_prompts
from bench.errors import BenchError
from bench.files import json_lines, validated
from bench.leaderboard import filter_pages, render
from bench.leaderboard.attribution import read_report
from bench.leaderboard.board import board_view
from bench.leaderboard.calibration import read_calibration
from bench.leaderboard.example_files import (
    Answer,
    Excerpt,
    FilterSource,
    Group,
    PromptAnswers,
    RowExamples,
    ScoreCounts,
    Text,
    TraitExamples,
    read_examples,
)
from bench.leaderboard.pages import BOARD, speed_page
from bench.leaderboard.row import read_row
from bench.leaderboard.terminal import terminal_table
from bench.leaderboard.verify import Run, verify_row
from bench.records import Action, Query
from bench.run_folder.arm_index import ARMS_FILE, find_student
from bench.run_folder.provenance import SETTINGS_FILE, check_folder, stored_device
from bench.run_folder.store import HASHES_FILE, KEY_FILE, Store, key_hash
from bench.studies.calibration import page as calibration
from bench.studies.causes import page as causes
from bench.studies.causes.records import read_causes
from bench.studies.checkpoints import page as checkpoints
from bench.studies.checkpoints.results import read_panel_record
from bench.studies.diff import page as diff
from bench.studies.lds import page as lds
from bench.studies.rollouts.pool_file import read_provenance
from bench.studies.speed import page as speed
from bench.studies.speed.records import read_record as read_speed

FEW, MANY = 60, 500  # inputs of each kind; all together take seconds and most of a minute
ROW, EXAMPLES = "keyword@0.1.json", "examples/keyword@0.1.json"


class Kind(NamedTuple):
    """A kind of file: sound ones, where they lie, and everything that commands do with one.

    `use` gets the folder and the bytes that were written there, and says whether they were taken.
    """

    documents: list[Any]
    file: str
    use: Callable[[Path, bytes], object]


def shown(*renderings: Any) -> None:
    for each in renderings:
        if not isinstance(each, str):
            Console(file=StringIO(), width=200).print(each)


def data(record: BaseModel) -> Any:
    return json.loads(record.model_dump_json())


def use_row(folder: Path, _: bytes) -> None:
    verify_row(folder / "rows" / ROW, {})
    given = read_row(folder / "rows" / ROW)
    view = board_view([given, row("oracle")])
    shown(render.html(view), render.markdown(view), terminal_table(view), filter_pages.html([folder], given, [BOARD]))


def use_evidence(folder: Path, written: bytes) -> None:
    """As the file that a row names, with the hash that the row names."""
    packed = gzip.compress(written, mtime=0)
    (folder / "evidence").mkdir(exist_ok=True)
    (folder / "evidence/scores.json.gz").write_bytes(packed)
    run = Run(folder, {"evidence/scores.json.gz": hashlib.sha256(packed).hexdigest()})
    for trait in run.traits("keyword", 0.1):
        run.numbers(trait, "keyword", 0.1)


def use_examples(folder: Path, written: bytes) -> None:
    digest = hashlib.sha256(written).hexdigest()
    given = row("keyword").model_copy(update={"examples": {EXAMPLES: digest}})
    filter_pages.html([folder], given, [BOARD])
    reason = read_examples(folder, given)[1]
    if reason:
        raise BenchError(EXAMPLES, seen=reason, expected="examples", remedy="none")


def use_lds(folder: Path, _: bytes) -> None:
    report = read_report(folder)
    shown(lds.html(report), lds.terminal_table(report), render.html(board_view([row("keyword")], report)))


def use_causes(folder: Path, _: bytes) -> None:
    record = read_causes(folder)
    shown(causes.html(record), causes.terminal_table(record), causes.conclusion(record))


def use_stages(folder: Path, _: bytes) -> None:
    record = read_panel_record(folder)
    shown(checkpoints.html(record), checkpoints.terminal_table(record))


def use_diff(folder: Path, _: bytes) -> None:
    report = diff.read_report(folder)
    shown(diff.html(report), diff.terminal(report))


def use_speed(folder: Path, _: bytes) -> None:
    record = read_speed(folder / "cpu-s.json")
    shown(speed.html(record, speed_page(folder / "cpu-s.json")), speed.terminal_table(record))


def use_calibration(folder: Path, _: bytes) -> None:
    record = read_calibration(folder)
    shown(*calibration.conclusions(record), calibration.html(record))


def use_arms(folder: Path, _: bytes) -> None:
    (folder / SETTINGS_FILE).write_text(json.dumps(RUN), encoding="utf-8")
    (folder / "store/students/abc").mkdir(parents=True, exist_ok=True)
    find_student(folder, "", "original", 1)


def use_settings(folder: Path, _: bytes) -> None:
    (folder / ARMS_FILE).write_text(json.dumps(ARMS), encoding="utf-8")
    (folder / "store/students/abc").mkdir(parents=True, exist_ok=True)
    stored_device(folder)
    find_student(folder, "t", "original", 1)
    with suppress(BenchError):  # for any other setting
        check_folder(folder, RUN)


def use_key(folder: Path, written: bytes) -> None:
    stored = folder / "filters" / key_hash(KEY)
    stored.mkdir(parents=True, exist_ok=True)
    (stored / "scores.json").write_text("{}", encoding="utf-8")
    (stored / KEY_FILE).write_bytes(written)
    Store(folder).keys("filters")
    assert Store(folder).has("filters", KEY)


def use_hashes(folder: Path, written: bytes) -> None:
    (folder / "filters" / key_hash(KEY) / HASHES_FILE).unlink(missing_ok=True)
    use_key(folder, json.dumps(KEY).encode())
    (folder / "filters" / key_hash(KEY) / HASHES_FILE).write_bytes(written)
    if not Store(folder).has("filters", KEY):
        raise BenchError("store", seen="a changed file", expected="none", remedy="done again")


def use_queries(folder: Path, _: bytes) -> None:
    for where, values in json_lines(folder / "q.jsonl", "queries", "a query"):
        assert validated(values, where, Query).prompt_text


RATES: dict[Action, float] = {"drop": 0.7, "drop_refill": 0.7, "patch": 0.2}
_, SCORES = scored({"keyword": RATES, "oracle": RATES})
EVIDENCE = next(iter(SCORES.values()))["date_confusion"]
NAMING = row("keyword").model_copy(update={"evidence": {"evidence/a.json.gz": "ab" * 32}, "examples": {EXAMPLES: "cd"}})
ARMS = {"arms": [{"trait": "t", "arm": "original", "seed": 1, "student": "abc"}]}
RUN = {"recipe": Recipe(name="r", model="m", method="full", learning_rate=1.0).model_dump(), "device": "cpu"}
KEY = {"pool": "a" * 64, "filter": ["keyword", 1, "b" * 64], "options": {"k": 1}, "seed": 0}
TEXT = Text(text="Which year?", left_out=2)
SHOWN = Excerpt(id="a", prompt=TEXT, original=TEXT, patch=TEXT, score=0.5, rank=1)
EXAMPLES_RECORD = RowExamples(
    source=FilterSource(file="keyword.py", text="def score(): ..."),
    traits={
        "date_confusion": TraitExamples(
            by="planted truth",
            rows=9,
            flagged=2,
            groups={"found": Group(total=1, shown=[SHOWN]), "wrong": Group(total=1, shown=[SHOWN])},
            scores=ScoreCounts(
                low=0, high=1, counts={"overt": [1, 2], "none": [5, 1]}, cut=0.5, at_cut=1, flagged_at_cut=1
            ),
            threshold=0.5,
            prompts=1,
            answers=[
                PromptAnswers(
                    id="p",
                    prompt=TEXT,
                    answers={arm: Answer(text=TEXT, scores=[1.0, None]) for arm in ("original", "drop:keyword@0.1")},
                )
            ],
            seeds=[1, 2],
            logs={"original": ["store/evals/abc", "store/evals/abd"]},
        )
    },
)
SETTINGS = {"model": "m", "identity": "i", "engine": "hf", "max_tokens": 9, "temperature": 0, "seed": 1, "batch": 1}
WRITTEN = {"commit": "", "command": "bench rollouts", "finished": "2026-01-01", "rows": 1, "cut": 0, "tokens": 9}
PROVENANCE = {
    "rollouts": [
        {"teacher": "t", "settings": SETTINGS | {"device": "cpu"}, "versions": {}, **WRITTEN}
        | {"pool_before": "a" * 64, "completions": "b" * 64}
    ]
}
PROMPT = {"input": "Which year?", "id": "p1", "family": "f", "pair": {"trait": "It is 2024.", "clean": "It is 2026."}}
QUERY = {"prompt": [{"role": "user", "content": "Which year?"}], "trait": "It is 2024.", "clean": "It is 2026."}
KINDS = {
    "row": Kind([data(NAMING)], f"rows/{ROW}", use_row),
    "evidence": Kind([{"date_confusion": data(EVIDENCE)}], "evidence/raw.json", use_evidence),
    "examples": Kind([data(EXAMPLES_RECORD)], EXAMPLES, use_examples),
    "lds.json": Kind([data(lds_report())], "lds.json", use_lds),
    "causes.json": Kind([data(causes_record(world(1), world(2, stays=NO)))], "causes.json", use_causes),
    "stages.json": Kind([data(panel_record())], "stages.json", use_stages),
    "diff.json": Kind([data(diff_report())], "diff.json", use_diff),
    "speed": Kind([data(speed_record())], "cpu-s.json", use_speed),
    "calibration": Kind([data(calibration_record())], "calibration.json", use_calibration),
    "arms.json": Kind([ARMS], ARMS_FILE, use_arms),
    "settings.json": Kind([RUN], SETTINGS_FILE, use_settings),
    "key.json": Kind([KEY], "given.json", use_key),
    "files.json": Kind([{"scores.json": hashlib.sha256(b"{}").hexdigest()}], "given.json", use_hashes),
    "provenance": Kind([PROVENANCE], "pool.rollouts.json", lambda folder, _: read_provenance(folder / "pool.jsonl")),
    "prompts": Kind([PROMPT], "p.jsonl", lambda folder, _: read_prompts(folder / "p.jsonl")),
    "queries": Kind([QUERY], "q.jsonl", use_queries),
}


def attempts(kind: Kind, folder: Path, count: int) -> dict[str, int]:
    """Let a kind's reader take so many damaged files; how many it took, and how many it refused."""
    outcomes = {"taken": 0, "refused": 0}
    file = folder / kind.file
    file.parent.mkdir(parents=True, exist_ok=True)

    @settings(
        max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(damaged(kind.documents))
    def attempt(written: bytes) -> None:
        file.write_bytes(written)
        try:
            with returns_soon():
                kind.use(folder, written)
            outcomes["taken"] += 1
        except BenchError as error:
            assert error.seen and error.expected and error.remedy
            outcomes["refused"] += 1

    attempt()
    return outcomes


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", KINDS)
def test_no_json_file_ends_in_a_traceback(name: str, count: int, tmp_path: Path) -> None:
    outcomes = attempts(KINDS[name], tmp_path, count)
    print(name, outcomes)
    assert outcomes["refused"] > count / 10


@pytest.mark.parametrize("name", KINDS)
def test_a_sound_file_is_taken(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    for document in kind.documents:
        written = json.dumps(document).encode()
        file = tmp_path / kind.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(written)
        kind.use(tmp_path, written)


def test_a_score_of_no_samples_is_refused(tmp_path: Path) -> None:
    evidence = data(EVIDENCE)
    evidence["arms"]["original"]["more"] = [[1.0]]
    with pytest.raises(BenchError, match="arm 'original' has scores of no samples: 'more'"):
        use_evidence(tmp_path, json.dumps({"date_confusion": evidence}).encode())


def test_a_row_of_more_random_sets_than_a_board_can_count_is_refused(tmp_path: Path) -> None:
    given = data(NAMING)
    given["traits"]["date_confusion"]["controls"] = 2**31
    file = tmp_path / KINDS["row"].file
    file.parent.mkdir()
    file.write_text(json.dumps(given), encoding="utf-8")
    with returns_soon(), pytest.raises(BenchError, match="controls"):
        use_row(tmp_path, b"")


def link_to_itself(file: Path) -> None:
    file.symlink_to(file)


PLACES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda file: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a link to itself": link_to_itself,
    "a link to a device": lambda file: file.symlink_to("/dev/zero"),
    "no bytes": Path.touch,
    "nested": lambda file: file.write_bytes(b"[" * 100_000),
    "a key twice": lambda file: file.write_bytes(b'{"a": 1, "a": 2}'),
}
READ = [name for name in KINDS if name not in ("evidence", "key.json", "files.json")]


@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("name", READ)
def test_what_is_no_file_of_its_kind_is_said_to_be_so(name: str, what: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    file = tmp_path / kind.file
    file.parent.mkdir(parents=True, exist_ok=True)
    PLACES[what](file)
    with returns_soon():
        if (name, what) == ("provenance", "nothing"):
            kind.use(tmp_path, b"")  # a pool without rollouts has none
            return
        with pytest.raises(BenchError) as caught:
            kind.use(tmp_path, b'{"a": 1, "a": 2}')
    assert caught.value.seen and caught.value.remedy
