"""Records of studies that are damaged: an error that names file and key, or a page; never another exception."""

import copy
import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fixtures_diff import invented as diff_report
from fixtures_studies import NO, calibration_record, causes_record, lds_report, panel_record, speed_record, world
from pydantic import BaseModel
from rich.console import Console

from bench.errors import BenchError
from bench.leaderboard.calibration import read_calibration
from bench.leaderboard.pages import speed_page
from bench.studies.calibration import page as calibration
from bench.studies.causes import page as causes
from bench.studies.causes.records import read_causes
from bench.studies.checkpoints import page as checkpoints
from bench.studies.checkpoints.results import read_panel_record
from bench.studies.diff import page as diff
from bench.studies.lds import page as lds
from bench.studies.speed import page as speed
from bench.studies.speed.records import read_record


class Kind(NamedTuple):
    record: BaseModel
    read: Callable[[Path], Any]
    shown: tuple[Callable[[Any], Any], ...]


KINDS = {
    "causes.json": Kind(causes_record(world(1), world(2, stays=NO)), read_causes, (causes.html, causes.terminal_table)),
    "stages.json": Kind(panel_record(), read_panel_record, (checkpoints.html, checkpoints.terminal_table)),
    "lds.json": Kind(lds_report(), lds.read_report, (lds.html, lds.terminal_table)),
    "diff.json": Kind(diff_report(), diff.read_report, (diff.html, diff.terminal)),
    "calibration.json": Kind(calibration_record(), read_calibration, (calibration.html,)),
    "cpu-s.json": Kind(
        speed_record(),
        lambda folder: read_record(folder / "cpu-s.json"),
        (lambda given: speed.html(given, speed_page(Path("cpu-s.json"))), speed.terminal_table),
    ),
}
EMPTY = {dict: {}, list: [], str: "", int: 0, float: -1.0}


def spots(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every key and of the first entry of every list, and of what is in them."""
    inner = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for key, each in inner:
        yield (*at, key)
        yield from spots(each, (*at, key))


def damaged(whole: Any) -> Iterator[tuple[str, Any]]:
    """Yield the data without each entry, with each entry empty, and with each key renamed."""
    for *outer, last in spots(whole):
        for how in ("without", "empty", "renamed"):
            data = copy.deepcopy(whole)
            holder = data
            for key in outer:
                holder = holder[key]
            old = holder[last]
            if how == "empty" and type(old) in EMPTY:
                holder[last] = EMPTY[type(old)]
            elif how == "renamed" and isinstance(last, str):
                holder[f"{last}?"] = holder.pop(last)
            elif how == "without":
                del holder[last]
            else:
                continue
            yield f"{how} {'.'.join(map(str, (*outer, last)))}", data


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_record_is_refused_by_name_or_shown(name: str, tmp_path: Path) -> None:
    kind, refused = KINDS[name], 0
    file = tmp_path / name
    seen = set()
    for what, data in damaged(json.loads(kind.record.model_dump_json())):
        file.write_text(json.dumps(data), encoding="utf-8")
        try:
            record = kind.read(tmp_path)
        except BenchError as error:
            refused += 1
            assert error.where == str(file) and error.seen and error.expected and error.remedy, what
            continue
        text = record.model_dump_json()
        if text in seen:
            continue
        seen.add(text)
        for show in kind.shown:
            try:
                shown = show(record)
                if not isinstance(shown, str):
                    Console(file=StringIO(), width=200).print(shown)
            except Exception as error:
                raise AssertionError(f"{name} {what}: {error!r}") from error
    assert refused > 20


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("stages.json", lambda d: d.update(pairs=[["c", "a"]]), "pairs: c is none of the models a, b"),
        ("stages.json", lambda d: d["evals"][0]["models"][1]["scores"].pop("s"), "evals.0.models: b lacks"),
        ("stages.json", lambda d: d["evals"][0].update(comparisons=[]), "evals.0.comparisons: 0, expected one"),
        ("causes.json", lambda d: d["matrix"][0]["counts"].pop("2"), "counts: hypotheses"),
        ("causes.json", lambda d: d["worlds"][0].update(hypothesis="9"), "hypothesis 9: expected one of"),
        ("lds.json", lambda d: d["traits"][0]["filters"][0]["sums"].pop(), "filters.oracle.sums: 7"),
        ("diff.json", lambda d: d["traits"][0]["overlap"]["sizes"].pop(), "sizes: 1, expected one for each of 2"),
        ("cpu-s.json", lambda d: d["cases"].pop(0), "cases: no main case of training"),
    ],
)
def test_records_that_contradict_themselves_name_the_key(name: str, change: Any, said: str, tmp_path: Path) -> None:
    data = json.loads(KINDS[name].record.model_dump_json())
    change(data)
    (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BenchError) as error:
        KINDS[name].read(tmp_path)
    assert said in error.value.seen and name in error.value.where
