"""Trials as Ray tasks: one for each training and one for each evaluation, wherever the cluster has room.

Ray places, starts and retries them. Only settings and rows travel to a task, and nothing but its end comes back:
results go through the run store, which all machines share.
"""

import os
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.execution import worker
from bench.execution.job import Job
from bench.execution.progress import log
from bench.execution.stored import EVALS, STUDENTS
from bench.execution.trials import Trials
from bench.processes import sigterm_kept
from bench.run_folder.provenance import package_versions

if TYPE_CHECKING:
    from ray import ObjectRef

RETRIES = 3  # of a task whose worker died; an error in Python is not tried again
PROBE_SECONDS = 180.0  # for a worker process to start and answer
CONNECT_SECONDS = 10.0
OBJECT_STORE_BYTES = 200 * 2**20  # it holds rows only
LONGEST_TEMPORARY = 24  # characters; Ray puts sockets below it, whose paths may have 107


@dataclass(frozen=True)
class _Piece:
    """One Ray task on its way: how it is called, how long it should take, and what it leaves in the store."""

    text: str
    seconds: float
    kind: str
    key: Mapping[str, Any]


class RayExecutor:
    """Does tasks on a Ray cluster: the one at an address, or one of its own on this machine.

    A context: Ray is joined or started on entering, and left or stopped at the end, with what is still at work.
    """

    def __init__(self, address: str | None, cpus: int, gpus: float, root: Path) -> None:
        """Nothing is started yet.

        Args:
            address: Of the cluster; None for one of our own.
            cpus: CPU cores and torch threads of a task.
            gpus: Share of a GPU that a task takes.
            root: The run store's folder, which all machines must see.

        Raises:
            BenchError: If Ray is not installed.
        """
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before anything is started, or Ray reports to its makers
        try:
            import ray
        except ImportError as error:
            raise BenchError(
                "--executor ray",
                seen="Ray is not installed",
                expected="the package ray",
                remedy="pip install 'sievebench[ray]'",
            ) from error
        self._ray = ray
        self._address, self._cpus, self._gpus, self._root = address, cpus, gpus, root.resolve()
        self._open = ExitStack()
        self._nodes: list[dict[str, Any]] = []

    def __enter__(self) -> "RayExecutor":
        """Start or join Ray, and see that every machine can do the work before any of it is begun.

        Raises:
            BenchError: If Ray cannot be had, no machine has what a task needs, or one does not see the run folder.
        """
        with ExitStack() as opening:
            self._start(opening)
            self._nodes = self._nodes_with_room()
            self._probe()
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was started."""
        self._open.close()

    def run(self, trials: Trials, jobs: Sequence[Job]) -> None:
        """Do what the store lacks; see `bench.execution.executor.Executor`.

        Raises:
            BenchError: That of a task; or if its workers died again and again.
        """
        pieces = self._submit(trials, jobs, trials.missing(jobs))
        while pieces:
            (done, *_), _ = self._ray.wait(list(pieces), num_returns=1)
            piece = pieces.pop(done)
            self._collect(done, piece.text)
            trials.store.wait_for(piece.kind, piece.key, worker.LATE_SECONDS)
            with trials.progress.phase(f"done: {piece.text}", piece.seconds):
                pass

    def _start(self, opening: ExitStack) -> None:
        place: dict[str, Any] = {"address": self._address}
        if not self._address:
            place = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
            place["_temp_dir"] = opening.enter_context(_short_folder())
        opening.callback(self._ray.shutdown)  # also of what has been started when the start fails
        try:
            if self._address:
                _knock(self._address)
            with sigterm_kept():
                self._ray.init(configure_logging=False, log_to_driver=False, **place)
        except (self._ray.exceptions.RayError, RuntimeError, ValueError, OSError) as error:
            raise BenchError(
                f"--address {self._address}" if self._address else "--executor ray",
                seen=f"Ray cannot be {'joined' if self._address else 'started'}: {_first_line(error)}",
                expected="a running cluster of the same Ray and Python" if self._address else "a Ray that starts",
                remedy="see `ray status` on its head node" if self._address else "try: ray start --head",
            ) from error

    def _slots(self, node: Mapping[str, Any]) -> int:
        """Return how many tasks fit on a machine at a time."""
        room = node["Resources"]
        slots = int(room.get("CPU", 0) // self._cpus)
        return min(slots, int(room.get("GPU", 0) / self._gpus + 1e-9)) if self._gpus else slots

    def _nodes_with_room(self) -> list[dict[str, Any]]:
        """Return the machines on which a task fits; refuse where there is none, for Ray would wait for ever."""
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        kinds = Counter((node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0)) for node in nodes)
        has = "; ".join(f"{n} x {cpus:g} CPUs, {gpus:g} GPUs" for (cpus, gpus), n in sorted(kinds.items()))
        slots = sum(map(self._slots, nodes))
        if not slots:
            raise BenchError(
                f"--cpus-per-task {self._cpus}" + (f" --gpus-per-task {self._gpus:g}" if self._gpus else ""),
                seen=f"no machine has as much: {has}",
                expected="at least one machine on which a task fits",
                remedy="ask for less, or let a larger machine join the cluster before the run",
            )
        log.info("Ray: %s; %d tasks at a time", has, slots)
        return [node for node in nodes if self._slots(node)]

    def _probe(self) -> None:
        """Ask every machine whether it can do the work."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        probe = self._ray.remote(num_cpus=0, max_retries=RETRIES)(worker.probe)
        with tempfile.NamedTemporaryFile(prefix=".seen-", dir=self._root) as token:
            asked = {
                probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                    Path(token.name), package_versions()
                ): f"asking {node['NodeManagerHostname']}"
                for node in self._nodes
            }
            done, silent = self._ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_SECONDS)
            for ref in done:
                self._collect(ref, asked[ref])
        if silent:
            raise BenchError(
                f"Ray, {asked[silent[0]]}",
                seen=f"no worker answered within {PROBE_SECONDS:.0f} s",
                expected="a machine on which Ray starts workers",
                remedy="read Ray's logs there, or take it out of the cluster",
            )

    def _submit(
        self, trials: Trials, jobs: Sequence[Job], missing: Sequence[tuple[bool, bool]]
    ) -> "dict[ObjectRef[None], _Piece]":
        """Hand everything to Ray; an evaluation waits there for its training."""
        train, evaluate = self._remote(worker.train), self._remote(worker.evaluate)
        workplace = self._ray.put(worker.workplace_of(trials, self._cpus))
        pieces: dict[ObjectRef[None], _Piece] = {}
        trained: dict[str, ObjectRef[None]] = {}
        for job, (to_train, to_evaluate) in zip(jobs, missing, strict=True):
            if not (to_train or to_evaluate):
                continue
            training, evaluation = trials.keys(job)
            student = evaluation["student"]
            sent = self._ray.put(job)
            if to_train and training:
                text = f"training {job.label}"
                ref = trained[student] = train.options(name=text).remote(workplace, sent, training)
                pieces[ref] = _Piece(text, job.seconds[0], STUDENTS, training)
            if to_evaluate:
                text = f"evaluating {job.label}"
                ref = evaluate.options(name=text).remote(workplace, sent, evaluation, trained.get(student))
                pieces[ref] = _Piece(text, job.seconds[1], EVALS, evaluation)
        return pieces

    def _remote(self, function: Callable[..., None]) -> Any:
        # A process stays with the first GPU that it has used, yet Ray may give its next task another one where a
        # machine has several: there each task gets a fresh process. Elsewhere the model stays loaded.
        fresh = self._gpus > 0 and any(node["Resources"]["GPU"] > 1 for node in self._nodes)
        place: dict[str, Any] = {"num_cpus": self._cpus, "num_gpus": self._gpus, "max_calls": int(fresh)}
        return self._ray.remote(max_retries=RETRIES, retry_exceptions=False, **place)(function)

    def _collect(self, ref: "ObjectRef[None]", text: str) -> None:
        """Take note of a task's end.

        Raises:
            BenchError: The task's own, or one about workers that died.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            self._ray.get(ref)
        except RayTaskError as error:
            if isinstance(error.cause, BenchError):
                raise error.cause from error
            if self._gpus and type(error.cause).__name__ == "OutOfMemoryError":  # torch's own; known without loading it
                raise _no_gpu_memory(text, error.cause, self._gpus) from error
            raise
        except RayError as error:
            raise BenchError(
                f"Ray, {text}",
                seen=f"{type(error).__name__}, {RETRIES} retries allowed: {_first_line(error)}",
                expected="a worker that lives until its task is done",
                remedy="see whether memory suffices for as many tasks at a time, then run again; finished work is kept",
            ) from error


def _no_gpu_memory(text: str, error: BaseException, gpus: float) -> BenchError:
    return BenchError(
        f"Ray, {text}",
        seen=_first_line(error),
        expected=f"--gpus-per-task {gpus:g} of a GPU's memory to suffice for a task",
        remedy="raise --gpus-per-task, so that fewer tasks share a GPU, then run again; finished work is kept",
    )


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at host:port: Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _short_folder() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder for Ray's logs and sockets, gone with it."""
    usual = tempfile.gettempdir()
    place = usual if len(usual) <= LONGEST_TEMPORARY else "/tmp"
    return tempfile.TemporaryDirectory(prefix="sieve-", dir=place, ignore_cleanup_errors=True)
