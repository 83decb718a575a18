"""Train randomly chosen arms of a run again, and compare weights and scores with those that its folder holds."""

import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.arms import make_jobs
from bench.data.experiment import Experiment
from bench.errors import BenchError
from bench.evaluation.judge_logs import Tables, same, tables
from bench.execution.job import Job
from bench.execution.progress import Progress
from bench.execution.session import Options, Session, open_session, run_settings
from bench.execution.stored import STUDENTS, training_facts
from bench.filtering.select import select_all, suite_filters
from bench.leaderboard.verify_run import Claim, Findings
from bench.models.student import stored_tensors
from bench.run_folder.arm_index import students_of
from bench.run_folder.provenance import check_folder, stored_device
from bench.run_folder.store import Store
from bench.training.task import TRAINING_CODE

if TYPE_CHECKING:
    import torch

ROUNDING = 1e-5  # of weights that were trained beside those of other students, in batches of another shape
ELSEWHERE = (
    "equal weights prove that an arm was trained as its rows say; unequal ones disprove it only on a CPU of the same "
    "kind, with as many threads and equal package versions; elsewhere what counts is how far scores differ"
)


@dataclass(frozen=True)
class Sample:
    """Which arms are trained again.

    Attributes:
        count: How many, each with one of its seeds.
        seed: Of the choice.
        filters: Those of the run that the suite does not name.
    """

    count: int
    seed: int = 0
    filters: tuple[str, ...] = ()


def retrain_arms(claim: Claim, run: Path, sample: Sample, progress: Progress) -> Findings:
    """Train arms again in a temporary folder, evaluate the students, and compare both with what the run left.

    Args:
        claim: The evidence that the students' scores are held against.
        run: Run folder; it is only read.
        sample: Which arms.
        progress: Told how far the work is.

    Raises:
        BenchError: If the run folder is of other settings or its students are of another version of the training code,
            or for what `bench run` raises.
    """
    device = stored_device(run)
    check_folder(run, run_settings(claim.suite, device))
    _check_code(run)
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="bench-retrain-") as scratch:
        out = Path(scratch) / "run"
        with open_session(Options(claim.suite, out, device, sample.filters), progress) as session:
            if (run / "store" / "filters").is_dir():  # scores of filters are taken over: what is trained is compared
                shutil.copytree(run / "store" / "filters", out / "store" / "filters")
            work = _chosen(claim, session, sample)
            with _threads_of_the_run(session, work, run, findings):
                session.do(work)
            for experiment, job in work:
                _compare(_Arm(claim, session, experiment, job), run, findings)
    findings.remarks.append(ELSEWHERE)
    return findings


def _check_code(run: Path) -> None:
    """Refuse students of other training code: the same rows, recipe and seed make others with this one.

    Raises:
        BenchError: If all students of the run are.
    """
    codes = {key.get("code") for _, key in Store(run / "store").keys(STUDENTS)}
    if codes and TRAINING_CODE not in codes:
        raise BenchError(
            f"students of {run}",
            seen=f"training code {', '.join(map(str, sorted(codes, key=str)))}",
            expected=f"{TRAINING_CODE}, that of this version",
            remedy="train again with the version that made the run: its commit stands in the rows",
        )


def _chosen(claim: Claim, session: Session, sample: Sample) -> list[tuple[Experiment, Job]]:
    """Plan the run again and draw from its trainings."""
    plugins, planned = suite_filters(claim.suite, sample.filters), []
    for experiment in session.experiments():
        select_all(plugins, experiment, claim.suite, session.resources(experiment), session.store)
        planned += [(experiment, job) for job in make_jobs(experiment, claim.suite) if job.rows is not None]
    return random.Random(sample.seed).sample(planned, min(sample.count, len(planned)))


@contextmanager
def _threads_of_the_run(
    session: Session, work: Sequence[tuple[Experiment, Job]], run: Path, findings: Findings
) -> Iterator[None]:
    """Take as many threads as the run had: on a CPU their number may decide in which order sums are taken."""
    import torch

    here, store = torch.get_num_threads(), Store(run / "store")
    folders = [store.folder(STUDENTS, session.main.train_key(job)) for _, job in work]
    noted = {training_facts(folder).get("threads") for folder in folders if folder.is_dir()}
    if len(noted) == 1 and isinstance(threads := noted.pop(), int):
        torch.set_num_threads(threads)
    else:
        findings.remarks.append(f"the run does not say how many threads it had, or several numbers; here {here}")
    try:
        yield
    finally:
        torch.set_num_threads(here)


@dataclass(frozen=True)
class _Arm:
    claim: Claim
    session: Session
    experiment: Experiment
    job: Job

    @property
    def name(self) -> str:
        return f"{self.experiment.name}, {self.job.label}"


def _compare(arm: _Arm, run: Path, findings: Findings) -> None:
    """Compare one student that was trained again with the run's."""
    key, job, trait = arm.session.main.train_key(arm.job), arm.job, arm.experiment.name
    mine, theirs = arm.session.store.folder(STUDENTS, key), Store(run / "store").folder(STUDENTS, key)
    index = {(entry.trait, entry.arm, entry.seed): entry.student for entry in students_of(run)[0]}
    problems = []
    if (named := index.get((trait, job.arm.name, job.seed))) != theirs.name:
        problems.append(f"the run's student is {named}, and these rows, recipe and seed make {theirs.name}")
    elif not theirs.is_dir():
        problems.append(f"no student {theirs.name} in the run's store")
    else:
        problems += _other_weights(mine, theirs)
    scores = arm.experiment.trials[job.key].scores
    evidence = arm.claim.evidence.get(trait)
    if evidence is None or job.arm.name not in evidence.arms or job.seed not in evidence.seeds:
        problems.append("not in the evidence of the rows")
    else:
        claimed = arm.claim.scores(trait, job.arm.name, job.seed)
        problems += _other_scores(claimed, tables(scores))
    findings.add(f"{arm.name}, trained again", problems)
    if not problems:
        count = sum(map(len, scores.values.values()))
        how = f"up to {ROUNDING:g}, as it was trained in a group" if _in_group(theirs) else "byte by byte"
        findings.remarks.append(f"{arm.name}: trained again to equal weights, {how}, and {count} equal scores")


def _other_scores(claimed: Tables, found: Tables) -> Iterator[str]:
    """Say of each score how many samples differ, and how far."""
    for name, values in found.items():
        pairs = [(claimed.get(name, {}).get(sample), value) for sample, value in values.items()]
        unequal = [pair for pair in pairs if not same(*pair)]
        most = max((abs(one - other) for one, other in unequal if one is not None and other is not None), default=0.0)
        if unequal:
            yield f"{name}: {len(unequal)} of {len(pairs)} scores differ, by up to {most:.3g}"


def _in_group(student: Path) -> bool:
    """Tell whether a student was trained side by side with others, which its arm alone is not."""
    return int(training_facts(student).get("students_at_once", 1)) > 1


def _equal(one: "torch.Tensor", other: "torch.Tensor", tolerance: float) -> bool:
    import torch

    if not tolerance:
        return torch.equal(one, other)
    return bool(((one.float() - other.float()).abs() <= tolerance).all())


def _other_weights(mine: Path, theirs: Path) -> Iterator[str]:
    tolerance = ROUNDING if _in_group(theirs) else 0.0
    ours, stored = (stored_tensors(folder) for folder in (mine, theirs))
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in (ours, stored)]
    if shapes[0] != shapes[1]:
        yield f"the stored student has {len(stored)} tensors of other names or shapes, expected {len(ours)}"
        return
    unequal = [name for name, tensor in ours.items() if not _equal(tensor, stored[name], tolerance)]
    if unequal:
        most = max(float(abs(ours[name].float() - stored[name].float()).max()) for name in unequal)
        yield f"{len(unequal)} of {len(ours)} tensors differ, by up to {most:.3g}"
