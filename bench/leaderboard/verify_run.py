"""Hold rows against the run folder that they came from: stored answers judged again, and arms trained again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.arms import BASE, CLEAN
from bench.config.suite import Suite, built_in_suites, load_suite, with_judge
from bench.data.experiment import measurement_of
from bench.data.trait import Measurement, load_trait
from bench.errors import BenchError
from bench.evaluation.judge_logs import JudgedLogs, Tables, differing, judge_logs
from bench.execution.stored import EVALS, eval_key, same_outputs
from bench.leaderboard.evidence import Evidence, read_evidence
from bench.leaderboard.results import TEACHER
from bench.leaderboard.row import Row, read_row
from bench.run_folder.arm_index import students_of
from bench.run_folder.provenance import stored_device
from bench.run_folder.store import HASHES_FILE, Store, changed_file

SHOWN = 5  # problems of one place that are named


@dataclass
class Findings:
    """What was compared, and what differs.

    Attributes:
        problems: Each with the place where it was found.
        remarks: What was compared, and what could not be.
    """

    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, where: str, found: Iterable[str]) -> None:
        """Enter problems of one place, the first few by name."""
        every = list(found)
        self.problems += [f"{where}: {each}" for each in every[:SHOWN]]
        if len(every) > SHOWN:
            self.problems.append(f"{where}: {len(every) - SHOWN} more of this kind")


@dataclass(frozen=True)
class Claim:
    """The evidence that rows of one run name, and the suite that they were run with."""

    suite: Suite
    evidence: dict[str, Evidence]

    def measurements(self) -> dict[str, Measurement]:
        """Return what was measured, by trait."""
        file = self.suite.file
        loaded = [(load_trait(each.trait, self.suite.folder), each) for each in file.experiments]
        return {trait.name: measurement_of(trait, settings, file) for trait, settings in loaded}

    def scores(self, trait: str, arm: str, seed: int) -> Tables:
        """Return the scores of one arm under one seed."""
        evidence = self.evidence[trait]
        place = evidence.seeds.index(seed)
        lists = {name: runs[min(place, len(runs) - 1)] for name, runs in evidence.arms[arm].items()}
        return {name: dict(zip(evidence.ids[name], values, strict=True)) for name, values in lists.items()}


def claims(files: Sequence[Path], suite: Suite | None) -> list[Claim]:
    """Read the evidence that rows name, each once; rows that cannot be read are left to `bench.leaderboard.verify`.

    Args:
        files: Of the rows.
        suite: That the rows are of; a built-in one of their name unless given.

    Raises:
        BenchError: If no row can be read, or the suite is not there in the rows' version.
    """
    found: dict[str, Claim] = {}
    for file in files:
        try:
            row = read_row(file)
            evidence = read_evidence(file.parent.parent if file.parent.name == "rows" else file.parent, row.evidence)
        except BenchError:
            continue
        found.setdefault(repr(row.evidence), Claim(_suite_of(row, suite), evidence))
    if not found:
        raise BenchError("rows", seen="none with its evidence", expected="rows of a run", remedy="name their folder")
    return list(found.values())


def _suite_of(row: Row, given: Suite | None) -> Suite:
    """Return the suite of a row, under the judge that the row names.

    Raises:
        BenchError: If it is not the row's.
    """
    suite = given or (load_suite(row.suite) if row.suite in built_in_suites() else None)
    if suite is None or (suite.file.name, suite.file.version) != (row.suite, row.suite_version):
        raise BenchError(
            f"suite {row.suite!r}, version {row.suite_version}",
            seen=f"{suite.file.name} v{suite.file.version}" if suite else "not built in",
            expected="the suite that the rows were run with",
            remedy="name its file with --suite",
        )
    label = next(iter(row.traits.values())).judge  # as `bench.evaluation.judging.judge_label` writes it
    judge, grader = label.split(" v")[0].split(",")[0], label.partition(", grader ")[2] or suite.file.grader
    return suite if judge == suite.file.judge else with_judge(suite, judge, grader)


@dataclass(frozen=True)
class _Stored:
    """The evaluation in a run folder that the scores of one arm should be from."""

    where: str
    folder: Path
    others: tuple[Path, ...]  # evaluations of the same outputs by other judges
    measurement: Measurement
    claimed: Tables


def verify_logs(claim: Claim, run: Path) -> Findings:
    """Judge the stored answers of every arm in the evidence again, and compare each score.

    Teachers' own answers are not in the run folder, and left out.

    Args:
        claim: The evidence.
        run: Run folder; it is only read.

    Raises:
        BenchError: If it is no finished run.
    """
    findings, judged = Findings(), dict[Path, JudgedLogs | None]()
    for stored in _stored(claim, run):
        if stored.folder not in judged:
            judged[stored.folder] = _judged(stored, findings)
        logs = judged[stored.folder]
        if logs is not None:
            found = differing(stored.claimed, logs.scores, "in the evidence", "judged again")
            findings.add(stored.where, found)
    samples = sum(each.judged for each in judged.values() if each)
    findings.remarks.append(
        f"{samples} answers in the logs of {len(judged)} evaluations judged again; losses and margins, which answers "
        "do not give, are those of the logs"
    )
    if bare := [folder for folder in judged if folder.is_dir() and not (folder / HASHES_FILE).is_file()]:
        findings.remarks.append(f"{len(bare)} of them are from before hashes of files were kept")
    return findings


def _stored(claim: Claim, run: Path) -> Iterator[_Stored]:
    device, store = stored_device(run), Store(run / "store")
    students = {(entry.trait, entry.arm, entry.seed): entry.student for entry in students_of(run)[0]}
    bases = sorted({s for _, key in store.keys(EVALS) if (s := str(key.get("student"))).startswith(f"{BASE.name}-")})
    for trait, measurement in claim.measurements().items():
        for arm, seed in _arms(claim.evidence[trait]) if trait in claim.evidence else ():
            named = students.get((trait, arm, seed), "")
            untrained = not named and arm in (BASE.name, CLEAN.name)  # the base stands in for a teacher that is missing
            names = bases if untrained else [named]
            keys = [eval_key(name, device, measurement) for name in names or [""]]
            key = next((each for each in keys if store.folder(EVALS, each).is_dir()), keys[0])
            folder = store.folder(EVALS, key)
            others = tuple(each for each in same_outputs(store, key) if each != folder)
            where = f"{trait}, {arm}, seed {seed}, {folder.relative_to(run)}"
            yield _Stored(where, folder, others, measurement, claim.scores(trait, arm, seed))


def _arms(evidence: Evidence) -> Iterator[tuple[str, int]]:
    """Return the arms that students answered for, with each seed that has scores of its own."""
    for arm, runs in evidence.arms.items():
        if not arm.startswith(TEACHER):
            yield from ((arm, seed) for seed, _ in zip(evidence.seeds, runs[evidence.score], strict=False))


def _judged(stored: _Stored, findings: Findings) -> JudgedLogs | None:
    """Judge the logs of one evaluation; None, and a problem, where they are not there or damaged."""
    folder = stored.folder
    if not folder.is_dir():
        missing = "no such evaluation: not finished here, removed, or of another version of the trait's files and evals"
        findings.problems.append(f"{stored.where}: {missing}")
        return None
    try:
        for each in (folder, *stored.others):
            if changed := changed_file(each):
                findings.problems.append(f"{stored.where}: {each.name}/{changed} has changed since it was written")
        logs = judge_logs(folder, stored.measurement, stored.others)
    except BenchError as error:
        findings.problems.append(f"{stored.where}: {Path(error.where).name}: {error.seen}; expected {error.expected}")
        return None
    findings.add(stored.where, logs.problems)
    return logs
