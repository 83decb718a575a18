"""How fast this device trains, answers and runs a suite: parts in processes of their own, each with a time limit.

What a part finds is in the record's file as soon as it is found, so a part that is stopped, or a command that is
killed, leaves what was measured.
"""

import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from rich.table import Table

from bench.config.suite import Suite
from bench.execution.progress import log
from bench.files import write_json
from bench.processes import end_with_parent
from bench.records import Strict
from bench.run_folder.provenance import package_versions, source_commit
from bench.studies.speed.parts import Report, Run, measure_answering, measure_suite, measure_training

Figure = dict[str, str | int | float | None]
Parts = Sequence[tuple[str, Callable[..., None], Suite, float]]
ENDING_SECONDS = 5.0  # that a stopped process is given
STOPPED = "stopped at its time limit"
LIMITS = {"training": 100.0, "answering": 50.0, "suite": 80.0}  # seconds; in all less than 4 minutes


class Part(Strict, frozen=False):
    """One kind of work."""

    name: str
    suite: str
    limit_seconds: float
    seconds: float = 0.0
    ended: str = "under way"  # done, stopped, or what failed
    doing: str = ""  # what was under way when it was stopped
    figures: list[Figure] = []


class ThroughputRecord(Strict):
    """Everything that one `bench speed --throughput` measured."""

    format: int = 1
    device: str
    cores: int
    versions: dict[str, str]
    measured_on: str  # ISO date
    command: str
    commit: str
    parts: list[Part] = []


def run_throughput(device: str, recipe_of: Suite, timed: Suite, run: Run, file: Path) -> Iterator[Part]:
    """Measure part after part, the most important first; yield each as it ends.

    Args:
        device: `cpu` or `cuda`.
        recipe_of: The suite whose students are trained and asked.
        timed: The suite that is run from an empty folder.
        run: Runs it, as `bench.run.run` does.
        file: Of the record, which is written after every figure.
    """
    parts: Parts = (
        ("training", measure_training, recipe_of, LIMITS["training"]),
        ("answering", measure_answering, recipe_of, LIMITS["answering"]),
        ("suite", partial(measure_suite, run), timed, LIMITS["suite"]),
    )
    record = ThroughputRecord(
        device=device,
        cores=os.cpu_count() or 1,
        versions=package_versions(),
        measured_on=datetime.now(UTC).date().isoformat(),
        command=shlex.join(["bench", *sys.argv[1:]]),
        commit=source_commit(),
    )
    for name, work, suite, limit in parts:
        part = Part(name=name, suite=suite.file.name, limit_seconds=limit)
        record.parts.append(part)
        for _ in _run(part, work, suite, device):
            write_json(file, record)
        write_json(file, record)
        yield part


def _run(part: Part, work: Callable[..., None], suite: Suite, device: str) -> Iterator[None]:
    """Do a part in a process of its own; yield after every figure, which is then in the part."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, suite, device, theirs), daemon=False)
    start = time.perf_counter()
    process.start()
    theirs.close()
    try:
        while ours.poll(max(0.0, part.limit_seconds - (time.perf_counter() - start))):
            try:
                kind, value = ours.recv()
            except EOFError:
                kind, value = "ended", "failed: the process died"
            part.seconds = time.perf_counter() - start
            if kind == "figure":
                part.figures.append(value)
                log.info(f"{part.name}: {', '.join(f'{key} {shown(each)}' for key, each in value.items())}")
            else:
                setattr(part, kind, value)
            yield
            if kind == "ended":
                return
        part.seconds, part.ended = time.perf_counter() - start, STOPPED
    finally:
        _end(process)


def _end(process: multiprocessing.process.BaseProcess) -> None:
    """Stop a process and, where the system has process groups, all that it started."""
    if process.pid and hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it had ended, or has no group of its own yet
    process.kill()
    process.join(ENDING_SECONDS)


def _work(work: Callable[..., None], suite: Suite, device: str, connection: Connection) -> None:
    if hasattr(os, "setsid"):
        os.setsid()
    end_with_parent()
    try:
        work(suite, device, Report(lambda kind, value: connection.send((kind, value))))
    except Exception as error:  # it is reported, and the next part begins
        connection.send(("ended", f"failed: {type(error).__name__}: {' '.join(str(error).split())[:500]}"))
    else:
        connection.send(("ended", "done"))


def shown(value: str | int | float | None) -> str:
    """Write a figure: three digits of a fraction, thousands with commas, a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value


def table(part: Part) -> Table:
    """Return a part's figures, and how it ended."""
    columns = list(dict.fromkeys(key for figure in part.figures for key in figure))
    left = f", at: {part.doing}" if part.ended != "done" and part.doing else ""
    title = f"{part.name} ({part.suite}): {part.ended} after {part.seconds:.0f} s{left}"
    found = Table(*columns, title=title, title_justify="left")
    for figure in part.figures:
        found.add_row(*(shown(figure.get(column)) for column in columns))
    return found
