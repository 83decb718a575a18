"""How a command ends that is told to stop, wherever it is."""

import signal
import subprocess
import sys
import time

import pytest

BUSY = """
import sys, time
from bench.cli import signals
import bench.cli.main as cli

class Slow:
    def __del__(self):
        print("deleting", flush=True)
        time.sleep(30)

@cli.main.command()
def busy():
    {work}
    time.sleep(30)

sys.argv = ["bench", "busy"]
from bench.cli.__main__ import start
start()
"""
WORK = {"working": 'print("working", flush=True)', "deleting": "del (it := [Slow()])[0]"}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_command_says_that_it_was_stopped_also_while_an_object_is_deleted(sign: signal.Signals, work: str) -> None:
    code = [sys.executable, "-c", BUSY.format(work=WORK[work])]
    with subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == f"{work}\n"
        began = time.monotonic()
        process.send_signal(sign)
        _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert process.returncode == 128 + sign
    assert errors == "stopped; run the same command again to go on\n"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_repeated_while_a_command_ends_changes_nothing(sign: signal.Signals) -> None:
    code = [sys.executable, "-c", BUSY.format(work=WORK["working"])]
    with subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "working\n"
        for _ in range(20):
            process.send_signal(sign)
            time.sleep(0.01)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + sign
    assert errors == "stopped; run the same command again to go on\n"
