"""Planted causes, in order: worlds' files -> diffs -> verdicts beside what was planted -> causes.json -> page.

Every finished world is a file of its own under `results/`. The record and the page are made of all that lie there, so
that an interrupted run goes on where it stopped, and results of several machines merge by being put in one folder.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.config.suite import load_suite
from bench.errors import BenchError, unknown
from bench.execution.progress import Progress, log
from bench.execution.session import Options
from bench.files import read_record, write_json
from bench.leaderboard.pages import CAUSES as PAGE
from bench.leaderboard.pages import pages_of
from bench.run_folder.provenance import package_versions, source_commit
from bench.run_folder.store import Store
from bench.studies.causes import page
from bench.studies.causes.bases import BASES_CODE, CORPORA, BasePlan, base_model
from bench.studies.causes.plans import CAUSES
from bench.studies.causes.records import CausesRecord, WorldRecord, WorldResult, matrix, rates
from bench.studies.causes.worlds import (
    PATTERNS,
    SETTINGS,
    WORLDS_CODE,
    Patterns,
    Settings,
    base_plans,
    suite_file,
    write_world,
)
from bench.studies.diff.run import diff

World = tuple[str, int]  # cause, world seed


@dataclass(frozen=True)
class Place:
    """Where and how all worlds of a run are diffed.

    Attributes:
        out: Folder of the result.
        device: `cpu` or `cuda`.
        settings: The same in all worlds.
    """

    out: Path
    device: str
    settings: Settings = SETTINGS


def run_causes(
    place: Place, planted: Sequence[World], *, jobs: int = 1, command: str = "", progress: Progress
) -> CausesRecord:
    """Plant causes in worlds, diff each world under either description of its sets, and compare with what was planted.

    Args:
        place: Where and how; finished worlds in its folder are kept and counted.
        planted: What to plant.
        jobs: Worlds at a time, each in a process of one thread.
        command: As typed, for the record.
        progress: Shows the work of one diff at a time, where there is one at a time.

    Raises:
        BenchError: For anything that the user can fix; finished worlds stay in the folder.
    """
    for name, _ in planted:
        if name not in CAUSES:
            raise unknown("planted cause", name, list(CAUSES))
    _finished(place)  # refuses results of other settings before anything is done
    todo = [world for world in planted if not _result_file(place.out, world).is_file()]
    done = _at_once(place, todo, jobs) if jobs > 1 else _in_turn(place, todo, progress)
    for name, seed in done:
        record = _write(place, command)
        log.info("planted %s, seed %d: finished; %s", name, seed, page.headline(record))
    return _write(place, command)


def _in_turn(place: Place, todo: Sequence[World], progress: Progress) -> Iterator[World]:
    for world in todo:
        yield _run_world(place, world, progress)


def _at_once(place: Place, todo: Sequence[World], jobs: int) -> Iterator[World]:
    """Run worlds in processes of their own: first the base models, which worlds share, then the worlds."""
    plans = {plan for name, seed in todo for plan in base_plans(name, seed, place.settings).values()}
    # A second stage starts from the model before it, which other worlds may want as well.
    first = {replace(plan, stage="", stage_steps=0) for plan in plans}
    with ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread) as pool:
        for stage in (first, plans - first):
            for made in [pool.submit(_make_base, place.out, plan) for plan in sorted(stage, key=str)]:
                made.result()
        running = [pool.submit(_run_alone, place, world) for world in todo]
        try:
            for finished in as_completed(running):
                yield finished.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _make_base(out: Path, plan: BasePlan) -> None:
    base_model(Store(out / "store"), plan)


def _run_alone(place: Place, world: World) -> World:
    return _run_world(place, world, Progress())  # a process's own: progress cannot be sent to another


def _described(settings: Settings) -> dict[str, Any]:
    return asdict(settings) | {"seeds": list(settings.seeds), "code": [WORLDS_CODE, BASES_CODE]}


def _slug(world: World) -> str:
    name, seed = world
    return f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"


def _result_file(out: Path, world: World) -> Path:
    return out / "results" / f"{_slug(world)}.json"


def _run_world(place: Place, world: World, progress: Progress) -> World:
    """Make a world, diff it under either description of its sets, and write the result."""
    name, seed = world
    folder, start = place.out / "worlds" / _slug(world), time.perf_counter()
    write_world(folder / "world", Store(place.out / "store"), name, seed, place.settings)
    worlds = []
    for patterns in PATTERNS:
        record = _diffed(folder, world, patterns, place.device, progress)
        worlds.append(record.model_copy(update={"seconds": round(time.perf_counter() - start, 1)}))
        start = time.perf_counter()
    write_json(_result_file(place.out, world), WorldResult(settings=_described(place.settings), worlds=worlds))
    return world


def _diffed(folder: Path, world: World, patterns: Patterns, device: str, progress: Progress) -> WorldRecord:
    name, seed = world
    suite = load_suite(str(suite_file(folder / "world", patterns)))
    result = diff(Options(suite, folder / "diff", device), progress).traits[0]
    return WorldRecord(
        planted=name,
        hypothesis=CAUSES[name].hypothesis,
        seed=seed,
        patterns=patterns,
        met=result.prerequisites.met,
        cells={cell.cell: cell.trait.value for cell in result.cells},
        rows={cell.cell: cell.rows for cell in result.cells},
        audit=result.audit,
        verdicts=result.verdicts,
        seconds=0.0,
    )


def _finished(place: Place) -> list[WorldRecord]:
    """Read the results in a folder, by world seed and cause.

    Raises:
        BenchError: If one is damaged or comes from other settings.
    """
    worlds: list[WorldRecord] = []
    for file in sorted((place.out / "results").glob("*.json")):
        result = read_record(file, WorldResult, "the result of a planted world", "delete it and run again")
        if result.settings != _described(place.settings):
            raise BenchError(
                str(file),
                seen=f"settings {result.settings}",
                expected=f"those of this run, {_described(place.settings)}",
                remedy="use another --out, or the settings and the version that wrote it",
            )
        worlds += result.worlds
    order = list(CAUSES)
    return sorted(worlds, key=lambda w: (w.seed, order.index(w.planted), PATTERNS.index(w.patterns)))


def _write(place: Place, command: str) -> CausesRecord:
    """Write the record and the page of everything that is finished."""
    worlds = _finished(place)
    record = CausesRecord(
        matrix=matrix(worlds),
        totals={patterns: rates([w for w in worlds if w.patterns == patterns]) for patterns in PATTERNS},
        worlds=worlds,
        settings=_described(place.settings) | {"world_seeds": list(dict.fromkeys(world.seed for world in worlds))},
        corpora={name: asdict(corpus) for name, corpus in CORPORA.items()},
        device=place.device,
        command=command,
        versions=package_versions(),
        commit=source_commit(),
        seconds=round(sum(world.seconds for world in worlds), 1),
    )
    write_json(place.out / PAGE.data, record)
    page.write(place.out, pages_of(place.out))
    return record
