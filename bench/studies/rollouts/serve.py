"""Serving students of a finished run: vLLM's OpenAI server on this machine's loopback, each student an adapter."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.recipe import Recipe
from bench.errors import BenchError, unknown, unwritable
from bench.models.load import context_window, load_tokenizer, resolve_model
from bench.models.student import check_adapters, export_adapter
from bench.models.vllm import LONGEST, check_vllm, lora_options, vllm_environment, vllm_options
from bench.run_folder.arm_index import ArmEntry, student_folder, students_of

HOST = "127.0.0.1"  # a model server has no business on the network
LOG_FILE = "serve.log"
START_SECONDS = 900.0


@dataclass(frozen=True)
class ServedStudent:
    """One student under the name that requests use.

    Attributes:
        name: Letters, digits, dots, dashes and underscores.
        entry: Trait, arm and seed.
        adapter: Its PEFT folder.
    """

    name: str
    entry: ArmEntry
    adapter: Path


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        url: Where, with `/v1`.
        base: Name of the untrained base.
        students: Who is served beside it.
        process: Its own.
        log: What it says.
    """

    url: str
    base: str
    students: tuple[ServedStudent, ...]
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait(self) -> None:
        """Wait for its end, which nobody but the user should bring about.

        Raises:
            BenchError: When it ends by itself.
        """
        self.process.wait()
        raise _failed(self.log, "it ended")

    def command(self, student: ServedStudent, eval_file: str) -> str:
        """Say how to measure a student there."""
        return f"inspect eval {eval_file} --model vllm/{self.base}:{student.name} --model-base-url {self.url}"


def choose_students(
    run: Path, *, trait: str = "", arms: Sequence[str] = (), seeds: Sequence[int] = ()
) -> tuple[list[ServedStudent], Recipe]:
    """Export students of a run as adapters, by trait, arms and seeds; all of them where none is named.

    Adapters are kept in `adapters/` of the run folder, for other servers too.

    Raises:
        BenchError: If the run has no such student, or its recipe trains no adapters.
    """
    entries, recipe = students_of(run)
    check_adapters(recipe)
    for kind, asked, known in (
        ("trait of this run", [trait] if trait else [], {e.trait for e in entries}),
        ("arm of this run", list(arms), {e.arm for e in entries}),
        ("seed of this run", [str(seed) for seed in seeds], {str(e.seed) for e in entries}),
    ):
        for name in asked:
            if name not in known:
                raise unknown(kind, name, sorted(known))
    chosen = [
        e
        for e in entries
        if (not trait or e.trait == trait) and (not arms or e.arm in arms) and (not seeds or e.seed in seeds)
    ]
    if not chosen:
        raise BenchError(f"run {run}", seen="no student of these", expected="at least one", remedy="ask for fewer")
    folders = {e.student: student_folder(run, e) for e in chosen}
    adapters = {name: export_adapter(folder, recipe, run / "adapters" / name) for name, folder in folders.items()}
    several = len({e.trait for e in chosen}) > 1
    students = [ServedStudent(_name(e, several), e, adapters[e.student].resolve()) for e in chosen]
    names = Counter(student.name for student in students)
    for student in students:
        if names[student.name] > 1:  # a request for it could mean either
            raise BenchError(
                f"run {run}",
                seen=f"several arms that would be called {student.name!r}",
                expected="arms that differ in letters and digits",
                remedy="serve them one after the other, with --arm",
            )
    return students, recipe


def _name(entry: ArmEntry, several: bool) -> str:
    """Return a name without the signs that mean something in a model's name or a command line."""
    whole = f"{entry.trait}-{entry.arm}-s{entry.seed}" if several else f"{entry.arm}-s{entry.seed}"
    return re.sub(r"[^\w.-]+", "-", whole.replace("@", "-at-"))


@contextlib.contextmanager
def served(
    run: Path,
    students: Sequence[ServedStudent],
    recipe: Recipe,
    *,
    device: str,
    port: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Server]:
    """Start a server, wait until it answers, and end it with the block.

    Args:
        run: Run folder; the server's own words go to `serve.log` there.
        students: Whom to serve.
        recipe: Of the run.
        device: `cpu` or `cuda`.
        port: 0 takes a free one.
        options: Further arguments of vLLM's server; they win over those set here, but for host and port.

    Raises:
        BenchError: If vLLM is not installed, the port is taken, or the server does not come up.
    """
    check_vllm("bench serve")
    load_tokenizer(recipe.model)  # fails here, in one line, where a model is not to be had
    port = _port(port)
    base = Path(recipe.model).name
    command = server_command(recipe, students, device, port, options or {})
    # Where the model is on this machine, nothing is asked of a hub.
    local = {"HF_HUB_OFFLINE": "1"} if Path(resolve_model(recipe.model)).is_dir() else {}
    try:
        log = (run / LOG_FILE).open("w", encoding="utf-8")
    except OSError as error:
        raise unwritable(run / LOG_FILE, error) from error
    with log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=local | dict(os.environ) | vllm_environment(device),
            start_new_session=True,
        )
        try:
            _await(process, f"http://{HOST}:{port}/health", run / LOG_FILE)
            yield Server(f"http://{HOST}:{port}/v1", base, tuple(students), process, run / LOG_FILE)
        finally:
            _end(process)


def server_command(
    recipe: Recipe, students: Sequence[ServedStudent], device: str, port: int, options: Mapping[str, Any]
) -> list[str]:
    """Return the command line of vLLM's OpenAI server for these students.

    Args:
        recipe: Of their run.
        students: Whom to serve.
        device: `cpu` or `cuda`.
        port: Where.
        options: Further arguments; see `served`.
    """
    window = context_window(recipe.model)
    arguments = vllm_options(device, min(LONGEST, window or LONGEST))
    arguments |= lora_options(device, recipe.lora_rank, len(students)) | dict(options)
    arguments |= {"model": resolve_model(recipe.model), "served_model_name": Path(recipe.model).name}
    arguments |= {"lora_modules": [f"{student.name}={student.adapter}" for student in students]}
    # As a module: the command `vllm` of the CPU build looks for a distribution of another name and fails.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    for name, value in (arguments | {"host": HOST, "port": port}).items():
        command += _flag(name, value)
    return command


def _flag(name: str, value: Any) -> list[str]:
    dashed = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{dashed}" if value else f"--no-{dashed}"]
    if isinstance(value, list):
        return [f"--{dashed}", *map(str, value)]
    return [f"--{dashed}", json.dumps(value) if isinstance(value, dict) else str(value)]


def _port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise BenchError(
                f"--port {port}", seen=str(error), expected="a port that nobody uses", remedy="choose another, or 0"
            ) from error
        return int(probe.getsockname()[1])


def _await(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:  # not yet
            time.sleep(0.5)
    raise _failed(log, "it ended" if process.poll() is not None else f"no answer in {START_SECONDS:.0f} seconds")


def _failed(log: Path, how: str) -> BenchError:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if "Error" in line]
    return BenchError(
        "vLLM's server",
        seen=lines[-1].strip() if lines else how,
        expected="a server that comes up and stays",
        remedy=f"read {log}; arguments of vLLM go behind --arg",
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and the engine that it started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
            if sign == signal.SIGTERM:
                time.sleep(0.5)  # its engine ends a moment later than itself
