"""`kill -9` at random moments of a run: it is started again until it is done, and is what it would have been."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.leaderboard.row import read_rows

SEED = 15
KILLS = int(os.environ.get("BENCH_TEST_KILLS", "100"))


def start(out: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.cli", "run", "smoke", "--out", str(out), "--device", "cpu"]
    with log_of(out).open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=out.parent, start_new_session=True)


def log_of(out: Path) -> Path:
    return out.with_suffix(".log")


def finish(out: Path, process: "subprocess.Popen[bytes]") -> None:
    assert process.wait() == 0, log_of(out).read_text(encoding="utf-8")[-2000:]


def rows(out: Path) -> list[dict[str, Any]]:
    """What rows say, per-sample scores by their hash included; not what they took, and of which checkout."""
    return [row.model_dump(exclude={"cost", "examples", "commit"}) for row in read_rows(out)]


def students(out: Path) -> dict[str, str]:
    """SHA-256 of all weights by their place in the store."""
    files = sorted((out / "store/students").rglob("*.safetensors"))
    return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_is_not(tmp_path: Path) -> None:
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    began = time.monotonic()
    finish(undisturbed, start(undisturbed))
    seconds = time.monotonic() - began
    expected = rows(undisturbed), students(undisturbed)
    assert expected[0] and expected[1]
    draw, kills, finished = random.Random(SEED), 0, 0
    while True:
        process = start(out)
        if kills < KILLS:
            try:
                process.wait(draw.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
                print(f"kill {kills}: {len(students(out))} of {len(expected[1])} students stored")
                continue
        finish(out, process)
        assert (rows(out), students(out)) == expected
        assert not list((out / "store").glob("*/.partial-*"))
        finished += 1
        print(f"finished {finished} times after {kills} kills, equal to the undisturbed run of {seconds:.0f} s")
        if kills == KILLS:
            break
        shutil.rmtree(out)
