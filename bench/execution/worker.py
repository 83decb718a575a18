"""What runs in Ray's worker processes: one training or one evaluation, left in the shared run store."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.config.recipe import Recipe
from bench.data.trait import load_trait
from bench.errors import BenchError
from bench.execution.executor import Task
from bench.execution.progress import Meter
from bench.execution.trials import Bench
from bench.run_folder.provenance import package_versions
from bench.run_folder.store import Store

LATE_SECONDS = 60.0  # a shared folder may show another machine's work that late


@dataclass(frozen=True)
class Site:
    """What all tasks of one bench have in common; small and hashable.

    Attributes:
        recipe: How students are trained.
        device: `cpu` or `cuda`.
        plain_template: As for `Bench`.
        stacked: As for `Bench`.
        rejudging: As for `Bench`.
        store: Root of the run store, absolute.
        folder: The driver's working folder, from which relative names of models are read.
        threads: Torch threads of a task.
    """

    recipe: Recipe
    device: str
    plain_template: bool
    stacked: bool
    rejudging: bool
    store: Path
    folder: Path
    threads: int


def site_of(bench: Bench, threads: int) -> Site:
    """The site of a bench of the driver's."""
    return Site(
        recipe=bench.recipe,
        device=bench.device,
        plain_template=bench.trainer.plain_template,
        stacked=bench.trainer.path == "stacked",
        rejudging=bench.rejudging,
        store=bench.store.root.resolve(),
        folder=Path.cwd(),
        threads=threads,
    )


def probe(token: Path, versions: Mapping[str, str]) -> None:
    """See whether this machine can do a run's work.

    Args:
        token: A file that the driver has put into the run folder just now.
        versions: Of the packages that decide results, as the driver has them.

    Raises:
        BenchError: If it does not see the run folder, or has other packages.
    """
    here = f"machine {socket.gethostname()}"
    if not token.is_file():
        raise BenchError(
            here,
            seen=f"its Ray workers do not see the run folder: no {token}",
            expected="a folder that all machines of the cluster share, under the same path",
            remedy="choose an --out on shared storage",
        )
    own = package_versions()
    other = [f"{name} {own.get(name)}, not {wanted}" for name, wanted in versions.items() if own.get(name) != wanted]
    if other:
        raise BenchError(
            here,
            seen=f"other versions: {'; '.join(other)}",
            expected="the same packages on every machine, or rows would depend on who trained what",
            remedy="install with the same constraints.txt everywhere",
        )


def train(site: Site, task: Task, key: Mapping[str, Any]) -> None:
    """Train a student into the store.

    Args:
        site: Where.
        task: What, with rows.
        key: The training's key as the driver has it.

    Raises:
        BenchError: From training, or if this machine's files give another key.
    """
    bench = _bench(site)
    assert task.rows is not None  # the untrained base is evaluated only
    _check_key(key, bench.train_key(task.rows, task.seed))
    bench.student(task.rows, task.seed, task.label, task.seconds[0])


def evaluate(site: Site, task: Task, key: Mapping[str, Any], trained: None = None) -> None:
    """Evaluate a student of the store, or the untrained base, into the store.

    Args:
        site: Where.
        task: What.
        key: The evaluation's key as the driver has it.
        trained: What `train` returns, so that Ray starts this after it.

    Raises:
        BenchError: From the evaluation, or if this machine's files give another key.
    """
    bench = _bench(site)
    task = _with_own_trait(task)
    training, evaluation = bench.keys(*task.inputs)
    _check_key(key, evaluation)
    if training is not None:
        bench.store.wait_for("students", training, LATE_SECONDS)
    task.result(bench)


@lru_cache(maxsize=1)
def _bench(site: Site) -> Bench:
    """The bench of this process: its base model stays loaded from one task to the next."""
    import torch

    torch.set_num_threads(site.threads)
    if site.folder.is_dir():
        os.chdir(site.folder)
    silent = Meter(Console(quiet=True))
    options = {"plain_template": site.plain_template, "rejudging": site.rejudging, "stacked": site.stacked}
    bench = Bench(site.recipe, site.device, Store(site.store), silent, **options)
    bench.trainer.memory_share = min(1.0, site.threads / (os.cpu_count() or 1))  # so many tasks may run here
    return bench


def _with_own_trait(task: Task) -> Task:
    """The task with the trait's files as this machine has them, so that other contents show in the key."""
    trait = task.measurement.trait
    if not trait.path.is_file():  # a built-in one, installed elsewhere here
        return task
    return replace(task, measurement=replace(task.measurement, trait=load_trait(str(trait.path))))


def _check_key(wanted: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    wrong = sorted(name for name in {*wanted, *own} if wanted.get(name) != own.get(name))
    if wrong:
        raise BenchError(
            f"machine {socket.gethostname()}",
            seen=f"other files than where the run was started: {', '.join(wrong)} differ",
            expected="the same model, traits and evals on every machine",
            remedy="put models and traits of your own on shared storage, and install the same version everywhere",
        )
