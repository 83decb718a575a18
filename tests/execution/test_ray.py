"""Trials as Ray tasks: the same rows as in one process, also where workers die."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fixtures_execution import ROWS, job_of, odd_measurement, small_trials
from fixtures_run import logged, run_quietly

from bench.config.suite import load_suite
from bench.errors import BenchError
from bench.execution.executor import LOCAL, Execution, LocalExecutor
from bench.execution.ray import RETRIES, RayExecutor
from bench.leaderboard.row import Row
from bench.outcomes import SampleScores
from bench.processes import sigterm_kept

ray = pytest.importorskip("ray")

SUITE = """
name = "tiny"
summary = "for tests"
recipe = "smoke"
seeds = [1]
budgets = [0.1]
filters = ["oracle"]
actions = ["drop"]

[[experiments]]
trait = "date_confusion"
world = "date_confusion"
rows = 40
minimum_gap = 0.2
eval_prompts = 10
capability_prompts = 4
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As many threads as a Ray task has: sums come out the same only then."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) is before
    assert not ray.is_initialized()
    assert rays_below(os.getpid()) == []


def rays_below(process: int) -> list[psutil.Process]:
    """Ray's processes among a process's descendants."""
    return [child for child in psutil.Process(process).children(recursive=True) if "ray" in " ".join(cmdline(child))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def go(folder: Path, execution: Execution) -> list[Row]:
    (folder.parent / "tiny.toml").write_text(SUITE, encoding="utf-8")
    suite = load_suite(str(folder.parent / "tiny.toml"))
    return run_quietly(suite, folder, execution=execution)[0]


def without_costs(rows: list[Row]) -> list[dict[str, object]]:
    """Rows but for what they took in time and memory, which is the machine's and not the filter's."""
    taken = {"eval_seconds", "train_seconds", "filter_seconds", "memory_estimated", "memory_peak"}
    return [row.model_dump(mode="json", exclude={"cost": taken}) for row in rows]


def students(out: Path) -> dict[str, bytes]:
    """What was trained, by key and file."""
    store = out / "store/students"
    return {str(file.relative_to(store)): file.read_bytes() for file in store.glob("[!.]*/*.safetensors")}


def scores(out: Path) -> dict[str, object]:
    files = (out / "store/evals").glob("[!.]*/scores.json")
    return {file.parent.name: SampleScores.model_validate_json(file.read_text()).values for file in files}


def kill_the_first_training(students: Path, killed: list[int]) -> None:
    """SIGKILL every worker that trains, as soon as one has begun to write a student."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(students.glob(".partial-*")):
        time.sleep(0.002)
    for process in rays_below(os.getpid()):
        if cmdline(process)[:1] and cmdline(process)[0].startswith("ray::training"):
            process.kill()
            killed.append(process.pid)


def test_the_rows_are_those_of_one_process_though_a_worker_is_killed_while_it_trains(tmp_path: Path) -> None:
    local, distributed = tmp_path / "local", tmp_path / "ray"
    expected = go(local, LOCAL)
    killed: list[int] = []
    killer = threading.Thread(target=kill_the_first_training, args=(distributed / "store/students", killed))
    killer.start()
    rows = go(distributed, Execution("ray"))
    killer.join()

    assert killed
    assert list((distributed / "store/students").glob(".partial-*"))  # what the killed one left half-written
    assert without_costs(rows) == without_costs(expected)
    assert len(students(local)) >= 4
    assert students(distributed) == students(local)  # every weight, bit for bit
    assert scores(distributed) == scores(local)


def test_a_tasks_error_is_the_users_own_and_finished_work_is_kept(tmp_path: Path) -> None:
    trials = small_trials(tmp_path)
    fails = "if list((FOLDER / 'store/students').glob('[!.]*')):\n    note('failures', 'x')\n"
    fails += "    raise RuntimeError('not today')"
    measurement = odd_measurement(tmp_path, fails)
    task = job_of(ROWS, measurement, "student")
    with pytest.raises(BenchError) as caught, RayExecutor(None, 1, 0.0, trials.store.root) as executor:
        executor.run(trials, [job_of(None, measurement, "base"), task])

    assert type(caught.value) is BenchError
    assert caught.value.seen == "RuntimeError: not today"
    assert len((tmp_path / "failures").read_text().split()) <= 2  # one for each evaluation: no error is tried again
    assert trials.missing([task]) == [(False, True)]

    fixed = job_of(ROWS, odd_measurement(tmp_path), "student")
    assert trials.missing([fixed]) == [(False, True)]
    LocalExecutor().run(trials, [fixed])
    assert trials.missing([fixed]) == [(False, False)]


def test_what_no_machine_has_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match="no machine has as much") as caught,
        RayExecutor(None, 10_000, 0.0, tmp_path),
    ):
        pass
    assert "--cpus-per-task 10000" in caught.value.where


def test_an_address_where_nobody_listens_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be joined"), RayExecutor("127.0.0.1:9", 1, 0.0, tmp_path):
        pass


def test_two_tasks_share_a_gpu_of_a_cluster_that_is_joined_and_goes_on(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    trials = small_trials(tmp_path)
    # Each waits for the other, so that they must be at work at the same time.
    meet = "note('gpus', os.environ['CUDA_VISIBLE_DEVICES'])\ndeadline = time.monotonic() + 90\n"
    meet += "while len((FOLDER / 'gpus').read_text().split()) < 2:\n    assert time.monotonic() < deadline\n"
    meet += "    time.sleep(0.05)"
    measurements = [odd_measurement(tmp_path, meet, prompts) for prompts in (1, 2)]
    tasks = [job_of(None, measurement, "base") for measurement in measurements]
    with sigterm_kept():  # the cluster's nodes are this process's, and take the signal too
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4})
        cluster.add_node(num_cpus=4, num_gpus=1)  # it need not be there: the tasks run on the CPU
    try:
        with logged() as said, RayExecutor(cluster.address, 1, 0.5, trials.store.root) as executor:
            executor.run(trials, tasks)
        assert rays_below(os.getpid())  # the cluster is not ours to end
    finally:
        cluster.shutdown()
    assert said == ["Ray: 1 x 4 CPUs, 0 GPUs; 1 x 4 CPUs, 1 GPUs; 2 tasks at a time"]
    assert (tmp_path / "gpus").read_text().split() == ["0", "0"]
    assert trials.missing(tasks) == [(False, False)] * 2


@pytest.mark.slow
def test_workers_that_die_every_time_are_an_error(tmp_path: Path) -> None:
    trials = small_trials(tmp_path)
    dies = "note('deaths', str(os.getpid()))\nos.kill(os.getpid(), 9)"
    task = job_of(None, odd_measurement(tmp_path, dies), "base")
    with (
        pytest.raises(BenchError, match="evaluating base") as caught,
        RayExecutor(None, 1, 0.0, trials.store.root) as executor,
    ):
        executor.run(trials, [task])
    assert "WorkerCrashedError" in caught.value.seen
    assert len(set((tmp_path / "deaths").read_text().split())) == RETRIES + 1


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_keeps_what_is_finished(sign: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "bench.cli", "run", str(tmp_path / "tiny.toml"), "--device", "cpu"]
    command += ["--out", str(tmp_path / "out"), "--executor", "ray"]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and not students(tmp_path / "out"):
        time.sleep(0.1)
    family = rays_below(started.pid)
    # Ctrl-C of a terminal reaches all of them, SIGTERM of `kill` one.
    (os.killpg if sign == signal.SIGINT else os.kill)(started.pid, sign)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 128 + sign
    assert "run the same command again" in errors
    assert family
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert students(tmp_path / "out")
