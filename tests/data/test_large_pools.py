"""100,000 examples: reading, every filter, the leakage search and all arms of `standard` within 4 GiB."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own: the peak of this one is that of every test before it.
STAGES = """
import json, sys, time
from dataclasses import replace
from pathlib import Path

from bench.leaderboard.results import find_neighbours
from bench.data.embedding import Embedder
from bench.data.experiment import load_experiment, near_copies
from bench.execution.memory import peak_memory
from bench.arms import make_jobs
from bench.filtering.select import Resources, select_all, suite_filters
from bench.run_folder.store import Store
from bench.config.suite import load_suite

rows, folder, cache = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
suite = load_suite("standard")
settings = suite.file.experiments[0].model_copy(update={"rows": rows, "world_seed": 3})
peaks, start = {}, time.perf_counter()

def done(stage):
    peaks[stage] = [peak_memory("cpu"), round(time.perf_counter() - start)]
    print(stage, peaks[stage], file=sys.stderr, flush=True)

experiment = load_experiment(settings, suite, None)
done("read")
embedder, store = Embedder(cache), Store(folder / "store")
near_copies(experiment, embedder)
done("prompts embedded")
select_all(suite_filters(suite), experiment, suite, Resources(embedder, lambda: None), store)
done("filters")
leaks = find_neighbours(experiment, embedder)
done("leaks")
jobs = make_jobs(experiment, suite)
trained = sum(1 for job in jobs for row in job.rows or ())
done("arms")
print(json.dumps({"peaks": peaks, "jobs": len(jobs), "rows": trained, "leaks": len(leaks)}))
"""


def stages(rows: int, folder: Path, cache: Path) -> dict[str, object]:
    command = [sys.executable, "-c", STAGES, str(rows), str(folder), str(cache)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_less_than_4_gib(tmp_path: Path) -> None:
    """Embedding takes an hour on one core; SIEVEBENCH_LARGE_CACHE names a folder to keep the embeddings in."""
    cache = Path(os.environ.get("SIEVEBENCH_LARGE_CACHE") or tmp_path / "embeddings")
    found = stages(100_000, tmp_path, cache)
    assert (found["jobs"], found["leaks"]) == (196, 21)
    assert found["rows"] == round(100_000 * sum(arm_sizes()))
    peaks = found["peaks"]
    assert isinstance(peaks, dict)
    assert max(peak for peak, _ in peaks.values()) < 4 * 2**30, peaks


def arm_sizes() -> list[float]:
    """Rows of all arms of `standard`, as shares of the pool."""
    seeds, filters, budgets = 3, 7, (0.02, 0.05, 0.10)
    whole = 2 + 3  # original, clean, three mixtures
    per_budget = [(1 + filters) * ((1 - b) + 1) + 2 * (1 + b) for b in budgets]  # drop, patch; patch_in and only
    return [seeds * whole, *(seeds * share for share in per_budget)]
