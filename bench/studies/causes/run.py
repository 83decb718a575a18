"""Planted causes, in order: world's files -> diff -> verdicts beside what was planted -> causes.json -> page.

The only file of this package that knows the order of the stages.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.config.suite import load_suite
from bench.errors import unknown
from bench.execution.progress import Progress, log
from bench.execution.session import Options
from bench.leaderboard.pages import pages_of
from bench.models.load import pick_device
from bench.run_folder.provenance import package_versions, source_commit
from bench.run_folder.store import Store
from bench.studies.causes import page
from bench.studies.causes.bases import CORPORA
from bench.studies.causes.plans import CAUSES
from bench.studies.causes.records import CausesRecord, WorldRecord, matrix_row, write_record
from bench.studies.causes.worlds import Settings, write_world
from bench.studies.diff.records import DiffReport
from bench.studies.diff.run import diff

SECONDS = "seconds.json"


@dataclass(frozen=True)
class CausesOptions:
    """What the command line decides: folder, planted causes, world seeds, device, the command as typed."""

    out: Path
    causes: tuple[str, ...]
    seeds: tuple[int, ...]
    device: str = "auto"
    command: str = ""
    settings: Settings = field(default_factory=Settings)


def run_causes(options: CausesOptions, progress: Progress) -> CausesRecord:
    """Plant every cause under every world seed, diff each world, and compare verdicts with what was planted.

    Args:
        options: What to plant, and where.
        progress: Shows the work of one diff at a time.

    Raises:
        BenchError: For anything that the user can mend; finished worlds stay in the folder.
    """
    for name in options.causes:
        if name not in CAUSES:
            raise unknown("planted cause", name, list(CAUSES))
    device = pick_device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    worlds = [_world(options, name, seed, device, progress) for seed in options.seeds for name in options.causes]
    record = _record(options, device, worlds)
    write_record(record, options.out)
    page.write(options.out, pages_of(options.out))
    return record


def _world(options: CausesOptions, name: str, seed: int, device: str, progress: Progress) -> WorldRecord:
    start = time.perf_counter()
    folder = options.out / "worlds" / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
    suite = write_world(folder / "world", Store(options.out / "store"), name, seed, options.settings)
    report = diff(Options(load_suite(str(suite)), folder / "diff", device), progress)
    spent = folder / SECONDS
    if not spent.is_file():  # a later run finds everything done
        spent.write_text(json.dumps(round(time.perf_counter() - start, 1)), encoding="utf-8")
    record = _of_report(report, name, seed, json.loads(spent.read_text(encoding="utf-8")), folder, options.out)
    supported = [v.hypothesis for v in record.verdicts if v.verdict == "supported"]
    log.info(
        f"planted {name}, world seed {seed}: supported {', '.join(supported) or 'nothing'} ({record.seconds:.0f} s)"
    )
    return record


def _of_report(report: DiffReport, name: str, seed: int, seconds: float, folder: Path, out: Path) -> WorldRecord:
    result = report.traits[0]
    return WorldRecord(
        planted=name,
        hypothesis=CAUSES[name].hypothesis,
        seed=seed,
        met=result.prerequisites.met,
        cells={cell.cell: cell.trait.value for cell in result.cells},
        rows={cell.cell: cell.rows for cell in result.cells},
        verdicts=result.verdicts,
        seconds=seconds,
        folder=str(folder.relative_to(out)),
    )


def _record(options: CausesOptions, device: str, worlds: Sequence[WorldRecord]) -> CausesRecord:
    rows = [
        matrix_row(name, CAUSES[name].hypothesis, CAUSES[name].planted, [w for w in worlds if w.planted == name])
        for name in options.causes
    ]
    return CausesRecord(
        matrix=rows,
        worlds=list(worlds),
        settings=asdict(options.settings) | {"world_seeds": list(options.seeds)},
        corpora={name: asdict(corpus) for name, corpus in CORPORA.items()},
        device=device,
        command=options.command,
        versions=package_versions(),
        commit=source_commit(),
        seconds=sum(world.seconds for world in worlds),
    )
