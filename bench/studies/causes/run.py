"""Planted causes, in order: world's files -> diff -> verdicts beside what was planted -> causes.json -> page."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.config.suite import load_suite
from bench.errors import unknown
from bench.execution.progress import Progress, log
from bench.execution.session import Options
from bench.files import read_text, write_json, write_text
from bench.leaderboard.pages import CAUSES as PAGE
from bench.leaderboard.pages import pages_of
from bench.models.load import pick_device
from bench.run_folder.provenance import package_versions, source_commit
from bench.run_folder.store import Store
from bench.studies.causes import page
from bench.studies.causes.bases import CORPORA
from bench.studies.causes.plans import CAUSES
from bench.studies.causes.records import CausesRecord, WorldRecord, matrix_row
from bench.studies.causes.worlds import SETTINGS, write_world
from bench.studies.diff.run import diff


def run_causes(
    out: Path,
    planted: Sequence[tuple[str, int]],
    *,
    device: str = "auto",
    command: str = "",
    progress: Progress,
) -> CausesRecord:
    """Plant causes in worlds, diff each world, and compare verdicts with what was planted.

    Args:
        out: Folder of the result; finished worlds in it are kept.
        planted: (cause, world seed) of each world.
        device: `auto`, `cpu` or `cuda`.
        command: As typed, for the record.
        progress: Shows the work of one diff at a time.

    Raises:
        BenchError: For anything that the user can fix; finished worlds stay in the folder.
    """
    names = list(dict.fromkeys(name for name, _ in planted))
    for name in names:
        if name not in CAUSES:
            raise unknown("planted cause", name, list(CAUSES))
    device = pick_device(device)
    worlds = []
    for name, seed in planted:
        world = _run_world(out, name, seed, device, progress)
        found = ", ".join(world.supported) or "nothing"
        log.info("planted %s, seed %d: supported %s (%.0f s)", name, seed, found, world.seconds)
        worlds.append(world)
    record = CausesRecord(
        matrix=[
            matrix_row(name, CAUSES[name].hypothesis, CAUSES[name].planted, [w for w in worlds if w.planted == name])
            for name in names
        ],
        worlds=worlds,
        settings=asdict(SETTINGS) | {"world_seeds": list(dict.fromkeys(seed for _, seed in planted))},
        corpora={name: asdict(corpus) for name, corpus in CORPORA.items()},
        device=device,
        command=command,
        versions=package_versions(),
        commit=source_commit(),
        seconds=sum(world.seconds for world in worlds),
    )
    write_json(out / PAGE.data, record)
    page.write(out, pages_of(out))
    return record


def _run_world(out: Path, name: str, seed: int, device: str, progress: Progress) -> WorldRecord:
    start = time.perf_counter()
    folder = out / "worlds" / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
    suite = write_world(folder / "world", Store(out / "store"), name, seed, SETTINGS)
    report = diff(Options(load_suite(str(suite)), folder / "diff", device), progress)
    spent = folder / "seconds.json"
    if not spent.is_file():  # a later run finds everything done
        write_text(spent, json.dumps(round(time.perf_counter() - start, 1)))
    result = report.traits[0]
    return WorldRecord(
        planted=name,
        hypothesis=CAUSES[name].hypothesis,
        seed=seed,
        met=result.prerequisites.met,
        cells={cell.cell: cell.trait.value for cell in result.cells},
        rows={cell.cell: cell.rows for cell in result.cells},
        verdicts=result.verdicts,
        seconds=json.loads(read_text(spent)),
        folder=str(folder.relative_to(out)),
    )
