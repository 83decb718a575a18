"""What all tests share: no hub, and one run of the smoke suite in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # a look-up of a name that is no hub id would be tried again for most of a minute

# A process of its own, as peaks of memory of this one would hide those of the run.
RUN = """
import json, sys
import bench
from bench.execution.memory import peak_memory

suite, out, device = sys.argv[1:]
cost = bench.run_suite(suite, out=out, device=device).rows[0].cost
print(json.dumps({"estimated": cost.memory_estimated, "seen": cost.memory_peak, "now": peak_memory(device)}))
"""


def run_alone(suite: str, out: Path, device: str = "cpu") -> dict[str, int]:
    """Run a suite; bytes estimated, seen at the peak as rows say it, and seen by the process at its end."""
    command = [sys.executable, "-c", RUN, suite, str(out), device]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """Folder of a finished run of `smoke`, which nobody changes, and the memory that it took."""
    out = tmp_path_factory.mktemp("smoke") / "smoke"
    return out, run_alone("smoke", out)


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of `datasets` for this test alone."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder)
    return folder
