"""A run folder that was damaged, filled up, locked or made read-only: what `bench run` makes of it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixtures_run import LORA, TOGETHER, run_quietly

from bench.cli.main import main
from bench.config.suite import load_suite
from bench.execution.progress import Progress
from bench.execution.session import Options
from bench.filtering.namespaces import has_namespaces
from bench.leaderboard.row import Row, read_rows
from bench.run import run as run_suite
from bench.run_folder.store import Store

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")
RUN = f"{sys.executable} -m bench.cli run smoke --device cpu --out"


@pytest.fixture
def run(smoke_run: tuple[Path, dict[str, int]], tmp_path: Path) -> Path:
    """A finished run of `smoke` that a test may change."""
    return Path(shutil.copytree(smoke_run[0], tmp_path / "smoke"))


def numbers(rows: list[Row]) -> dict[tuple[str, str, str], float | None]:
    """Trait scores of all arms; losses and margins may differ in their last bits, as batches are others."""
    return {
        (row.filter.name, trait, arm): score.trait.value
        for row in rows
        for trait, result in row.traits.items()
        for arm, score in result.arms.items()
    }


def flip(file: Path, place: int = -1000) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGE: dict[str, Callable[[Path], None]] = {  # each on another piece of finished work
    "students/*/student.safetensors": flip,
    "students/*/training.json": cut,
    "evals/*/scores.json": lambda file: file.write_text(file.read_text().replace("0.0", "1.0", 1)),
    "evals/*/*_capability_*.eval": flip,
    "evals/*/*_date-confusion_*.eval": cut,
    "evals/*/*_margin_*.eval": Path.unlink,
    "evals/*/files.json": empty,
    "filters/*/scores.json": cut,
}


def test_damage_is_noticed_said_and_done_again(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    before, taken, said = read_rows(run), set[Path](), {}
    for pattern, damage in DAMAGE.items():
        file = next(f for f in sorted((run / "store").glob(pattern)) if f.parent not in taken)
        taken.add(file.parent)
        damage(file)
        said[file.parent.name] = file.name
    with caplog.at_level("INFO", logger="bench"):
        results = run_suite(Options(load_suite("smoke"), run, "cpu", examples=True), Progress())
    found = re.findall(r"([0-9a-f]{24}): (\S+) has changed since it was written", caplog.text)
    assert dict(found) == said
    assert "2 trainings and 5 evaluations to do" in caplog.text
    assert numbers(results.rows) == numbers(before)


@pytest.mark.parametrize("pattern", ["students/*/key.json", "filters/*/key.json"])
def test_a_damaged_key_ends_with_what_to_delete(pattern: str, run: Path) -> None:
    keys = sorted((run / "store").glob(pattern))
    for key in keys:
        cut(key)
    found = CliRunner().invoke(main, ["run", "smoke", "--device", "cpu", "--out", str(run)])
    assert found.exit_code == 2 and isinstance(found.exception, SystemExit)
    assert "damaged: " in found.output and any(f"delete {key.parent} and run again" in found.output for key in keys)


def test_a_second_runner_is_told_to_wait_and_the_folder_stays_as_it_is(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with Store(run / "store").claimed():
        found = CliRunner().invoke(main, ["run", "smoke", "--device", "cpu", "--out", str(run)])
    assert found.exit_code == 2 and "another run is at work in it" in found.output
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def inside(script: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script with mounts of its own."""
    command = [*NAMESPACE, script, "sh", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})


@pytest.mark.skipif(not has_namespaces(), reason="no user namespaces on this system")
def test_a_folder_that_cannot_be_written_ends_in_a_told_error(run: Path) -> None:
    script = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; '
    done = inside(f'{script} {RUN} "$1"', run)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "could not be written: Read-only file system" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not has_namespaces(), reason="no user namespaces on this system")
@pytest.mark.parametrize("missing", ["students", "evals", "filters"])
def test_a_full_disk_ends_in_a_told_error_and_the_run_goes_on_once_there_is_space(
    missing: str, run: Path, tmp_path: Path
) -> None:
    """On a small file system of memory: what the run lacks does not fit, until ballast is removed."""
    before = read_rows(run)
    shutil.rmtree(min((run / "store" / missing).iterdir()))
    go_on_a_full_disk(run, tmp_path, RUN)
    assert numbers(read_rows(run)) == numbers(before)


@pytest.mark.slow
@pytest.mark.skipif(not has_namespaces(), reason="no user namespaces on this system")
@pytest.mark.parametrize("room", [0, 100])
def test_a_disk_that_is_full_while_students_answer_in_a_group_is_told(room: int, tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(TOGETHER, encoding="utf-8")
    (tmp_path / "lora.toml").write_text(LORA, encoding="utf-8")
    run, command = tmp_path / "run", RUN.replace("smoke", str(tmp_path / "suite.toml"))
    before, _ = run_quietly(load_suite(str(tmp_path / "suite.toml")), run, examples=True)
    shutil.rmtree(run / "store/evals")
    go_on_a_full_disk(run, tmp_path, command, room)
    assert numbers(read_rows(run)) == numbers(before)


def go_on_a_full_disk(run: Path, folder: Path, command: str, room: int = 0) -> None:
    """Run on a file system with so many KiB left, which is to be told, then with enough of them."""
    script = f"""
        mount -t tmpfs -o size=64m none "$2"
        cp -r "$1" "$2/run"
        dd if=/dev/zero of="$2/ballast" bs=4k 2> /dev/null || true
        truncate -s -{room}K "$2/ballast"
        code=0; {command} "$2/run" || code=$?
        [ $code = 2 ] || exit 90
        rm "$2/ballast"
        {command} "$2/run" 1>&2
        rm -r "$1"; cp -r "$2/run" "$1"
    """
    disk = folder / "disk"
    disk.mkdir()
    done = inside(script, run, disk)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert re.search("No space left on device|its log could not be written", done.stderr), done.stderr
