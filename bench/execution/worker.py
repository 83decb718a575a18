"""What runs in Ray's worker processes: one training or one evaluation, left in the shared run store."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.data.trait import load_trait
from bench.errors import BenchError
from bench.execution.job import Job
from bench.execution.progress import Progress
from bench.execution.stored import STUDENTS
from bench.execution.trials import Trials, TrialSettings
from bench.run_folder.provenance import package_versions
from bench.run_folder.store import Store

LATE_SECONDS = 60.0  # a shared folder may show another machine's work that late


@dataclass(frozen=True)
class Workplace:
    """What all jobs of one recipe have in common; small and hashable.

    Attributes:
        settings: How trials are done.
        store: Root of the run store, absolute.
        folder: The driver's working folder, from which relative names of models are read.
        threads: Torch threads of a task.
    """

    settings: TrialSettings
    store: Path
    folder: Path
    threads: int


def workplace_of(trials: Trials, threads: int) -> Workplace:
    """Describe the driver's trials for a worker."""
    settings = replace(trials.settings, multi_lora=trials.trainer.multi_lora)
    return Workplace(settings, trials.store.root.resolve(), Path.cwd(), threads)


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


def train(workplace: Workplace, job: Job, key: Mapping[str, Any]) -> None:
    """Train a student into the store.

    Args:
        workplace: Where and how.
        job: What, with rows.
        key: The training's key as the driver has it.

    Raises:
        BenchError: From training, or if this machine's files give another key.
    """
    trials = _trials(workplace)
    _check_key(key, trials.train_key(job))
    trials.train(job)


def evaluate(workplace: Workplace, job: Job, key: Mapping[str, Any], trained: None = None) -> None:
    """Evaluate a student of the store, or the untrained base, into the store.

    Args:
        workplace: Where and how.
        job: What.
        key: The evaluation's key as the driver has it.
        trained: What `train` returns, so that Ray starts this after it.

    Raises:
        BenchError: From the evaluation, or if this machine's files give another key.
    """
    trials = _trials(workplace)
    job = _with_own_trait(job)
    training, evaluation = trials.keys(job)
    _check_key(key, evaluation)
    if training is not None:
        trials.store.wait_for(STUDENTS, training, LATE_SECONDS)
    trials.evaluate(job)


@lru_cache(maxsize=1)
def _trials(workplace: Workplace) -> Trials:
    """Open the trials of this process: the base model stays loaded from one task to the next."""
    import torch

    torch.set_num_threads(workplace.threads)
    if workplace.folder.is_dir():
        os.chdir(workplace.folder)
    share = min(1.0, workplace.threads / (os.cpu_count() or 1))  # so many tasks may run here
    return Trials(workplace.settings, Store(workplace.store), Progress(), share)


def _with_own_trait(job: Job) -> Job:
    """Return the job with the trait's files as this machine has them, so that other contents show in the key."""
    trait = job.measurement.trait
    if not trait.path.is_file():  # a built-in one, installed elsewhere here
        return job
    return replace(job, measurement=replace(job.measurement, trait=load_trait(str(trait.path))))


def _check_key(wanted: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    wrong = sorted(name for name in {*wanted, *own} if wanted.get(name) != own.get(name))
    if wrong:
        raise BenchError(
            f"machine {socket.gethostname()}",
            seen=f"other files than where the run was started: {', '.join(wrong)} differ",
            expected="the same model, traits and evals on every machine",
            remedy="put models and traits of your own on shared storage, and install the same version everywhere",
        )
