"""Signals at random moments of a run: it is started again until it is done, and is what it would have been."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from fixtures_run import LORA, TOGETHER
from safetensors.torch import load_file

from bench.leaderboard.row import read_rows

SEED = 15
KILLS = int(os.environ.get("BENCH_TEST_KILLS", "100"))  # in all
GRACE = 10.0  # seconds that processes which the run started may take to end
WORK = "store/{}/.partial-*"
MANY = (  # 16 students and the base
    TOGETHER.replace("[1]", "[1, 2]")
    .replace('["oracle"]', '["keyword", "oracle"]')
    .replace("oracle_actions = []", 'actions = ["drop", "patch"]\ncontrols = 1\noracle_actions = []')
)
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
STATUS = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
CASES = {
    "one after another": ("smoke",),
    "answers in groups": ("together.toml",),
    "training and answers in groups": ("together.toml", "--students-at-once", "3"),
}


def start(arguments: tuple[str, ...], out: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.cli", "run", *arguments, "--out", str(out), "--device", "cpu"]
    with log_of(out).open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=out.parent, start_new_session=True)


def log_of(out: Path) -> Path:
    return out.with_suffix(".log")


def said(out: Path) -> str:
    return log_of(out).read_text(encoding="utf-8")


def finish(out: Path, process: "subprocess.Popen[bytes]") -> None:
    assert process.wait() == 0, said(out)[-2000:]


def rows(out: Path) -> list[dict[str, Any]]:
    """What rows say; not what they took, of which checkout, and the hashes of evidence with other last bits."""
    return [row.model_dump(exclude={"cost", "examples", "commit", "evidence"}) for row in read_rows(out)]


def evidence(out: Path) -> list[dict[str, str]]:
    """SHA-256 of the per-sample scores of all arms, by trait."""
    return [row.evidence for row in read_rows(out)]


def students(out: Path) -> dict[str, Path]:
    """Weights by their place in the store."""
    return {str(file.relative_to(out)): file for file in sorted((out / "store/students").rglob("*.safetensors"))}


def digests(files: dict[str, Path]) -> dict[str, str]:
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def same(one: Any, other: Any) -> bool:
    """Tell whether records are equal, their numbers up to rounding: batches of other students have other shapes."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == (pytest.approx(other, abs=1e-3) if isinstance(one, float) else other))


def check_equal(out: Path, undisturbed: Path, case: str) -> None:
    """Weights of students that were trained one by one are equal to the last bit; so is all that they answer alone."""
    assert same(rows(out), rows(undisturbed))
    ours, theirs = students(out), students(undisturbed)
    assert ours.keys() == theirs.keys()
    if case == "training and answers in groups":
        for name, file in ours.items():
            expected = load_file(theirs[name])
            assert all(tensor.allclose(expected[key], atol=1e-5) for key, tensor in load_file(file).items()), name
        return
    hashes = [
        {name: hashlib.sha256(f.read_bytes()).hexdigest() for name, f in found.items()} for found in (ours, theirs)
    ]
    assert hashes[0] == hashes[1]
    assert case != "one after another" or evidence(out) == evidence(undisturbed)


def moment(out: Path) -> str:
    """What the run is at."""
    for kind in ("evals", "students", "filters"):
        if next(out.glob(WORK.format(kind)), None):
            return kind
    return "between"


def wait_for_moment(process: "subprocess.Popen[bytes]", out: Path, draw: random.Random, seconds: float) -> bool:
    """Wait for a random moment, of an evaluation every other time; tell whether the run is still at work."""
    while process.poll() is None and not said(out):
        time.sleep(0.01)
    if draw.random() < 0.5:
        while process.poll() is None and moment(out) != "evals":
            time.sleep(0.01)
        seconds /= 10
    try:
        process.wait(draw.uniform(0, seconds))
    except subprocess.TimeoutExpired:
        return True
    return False


def end(process: "subprocess.Popen[bytes]", sign: signal.Signals, out: Path) -> None:
    """Signal the process alone, but for Ctrl-C, which reaches all that it started; nothing stays, all is told."""
    begun = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if sign == signal.SIGINT else os.kill)(process.pid, sign)
    status = process.wait(GRACE * 6)
    _, left = psutil.wait_procs(begun, timeout=GRACE)
    assert not left, (sign, left)
    if sign == signal.SIGKILL or "report: " in said(out):
        return  # it was done just now
    # CPython ends by SIGINT whatever the status is, once a KeyboardInterrupt has passed through `exec` of a text.
    assert status in (STATUS[sign], -signal.SIGINT) and "run the same command again to go on" in said(out), (
        sign,
        status,
        said(out),
    )
    assert "Traceback" not in said(out) and "Exception ignored" not in said(out), (sign, said(out))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_is_not(case: str, tmp_path: Path) -> None:
    (tmp_path / "together.toml").write_text(MANY, encoding="utf-8")
    (tmp_path / "lora.toml").write_text(LORA, encoding="utf-8")
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    began = time.monotonic()
    finish(undisturbed, start(CASES[case], undisturbed))
    seconds = time.monotonic() - began
    assert rows(undisturbed) and students(undisturbed)
    draw, finished, met = random.Random(SEED), 0, Counter[str]()
    while True:
        process = start(CASES[case], out)
        if met.total() < -(-KILLS // len(CASES)) and wait_for_moment(process, out, draw, seconds):
            sign, at = draw.choice(SIGNALS), moment(out)
            end(process, sign, out)
            met[f"{sign.name} at {at}"] += 1
            print(
                f"{sign.name} at {at}: {len(students(out))} of {len(students(undisturbed))} students stored", flush=True
            )
            continue
        finish(out, process)
        check_equal(out, undisturbed, case)
        assert not list((out / "store").glob("*/.partial-*"))
        finished += 1
        if met.total() >= -(-KILLS // len(CASES)):
            break
        shutil.rmtree(out)
    print(f"finished {finished} times, equal to the undisturbed run of {seconds:.0f} s, after {dict(met)}")
