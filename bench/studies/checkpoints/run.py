"""A panel, in order: models and evals found -> measured -> compared -> stages.json -> pages."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.data.trait import PROVIDER_CODE
from bench.errors import BenchError
from bench.execution.progress import log
from bench.files import write_json
from bench.leaderboard.pages import CHECKPOINTS, PAGES
from bench.models.encode import PLAIN_TEMPLATE
from bench.models.load import pick_device
from bench.run_folder.provenance import SETTINGS_FILE, package_versions, source_commit
from bench.run_folder.store import Store, key_hash
from bench.studies.checkpoints.models import Source, find_source, in_memory
from bench.studies.checkpoints.panel import Panel
from bench.studies.checkpoints.results import NOTE, ModelRecord, PanelRecord, eval_record, read_panel_record
from bench.studies.checkpoints.tasks import PanelTask, find_task, measure, read_measured
from bench.studies.pages import write_pages

KIND = "panels"


def run_panel(panel: Panel, out: Path, *, device: str = "auto", command: str = "") -> PanelRecord:
    """Measure what a panel's folder does not hold yet, compare, and write `stages.json` and its page.

    Args:
        panel: What is compared.
        out: A folder of its own, or that of a run, whose report the page joins.
        device: `auto`, `cpu` or `cuda`.
        command: As typed, for the record.

    Raises:
        BenchError: For anything that the user can fix; finished measurements stay in the folder.
    """
    device = pick_device(device)
    _check_folder(out, panel)
    tasks = [find_task(entry, panel, panel.folder) for entry in panel.evals]
    sources = [find_source(entry, panel.folder) for entry in panel.models]
    store = Store(out / "store")
    with store.claimed():
        _measure_missing(panel, tasks, sources, store, device)
        measured = [
            [read_measured(store.folder(KIND, _key(task, source, device)), task.entry.values) for source in sources]
            for task in tasks
        ]
        record = PanelRecord(
            panel=panel.name,
            panel_version=panel.version,
            summary=panel.summary,
            models=[_model_record(s, {row[j][1] for row in measured}) for j, s in enumerate(sources)],
            pairs=panel.pairs,
            evals=[
                eval_record(task, panel, [scores for scores, _ in row], out)
                for task, row in zip(tasks, measured, strict=True)
            ],
            device=device,
            command=command,
            versions=package_versions(),
            commit=source_commit(),
            notes=[NOTE],
        )
        write_json(out / CHECKPOINTS.data, record)
    write_pages(out)
    return record


def _check_folder(out: Path, panel: Panel) -> None:
    """Refuse a folder that `bench` did not write, or that holds another panel."""
    if (out / CHECKPOINTS.data).is_file():
        there = read_panel_record(out).panel
        if there != panel.name:
            raise BenchError(
                f"folder {out}",
                seen=f"the finished panel {there!r}",
                expected=f"none, or panel {panel.name!r}",
                remedy="use another --out",
            )
    ours = [SETTINGS_FILE, "store", *(page.data for page in PAGES)]
    foreign = out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in ours)
    if out.is_file() or foreign:
        raise BenchError(
            f"folder {out}",
            seen="a file, or a folder with other things in it",
            expected="an empty or new folder, or one that `bench` wrote",
            remedy="use another --out",
        )


def _key(task: PanelTask, source: Source, device: str) -> dict[str, Any]:
    """Return everything that determines the scores of one eval on one model."""
    ours = {"device": device, "provider": PROVIDER_CODE, "plain_template": PLAIN_TEMPLATE} if source.base else {}
    return {"model": source.identity} | ours | task.key()


def _measure_missing(
    panel: Panel, tasks: Sequence[PanelTask], sources: Sequence[Source], store: Store, device: str
) -> None:
    """Measure model by model, so that each is loaded once; equal models and finished work are left out."""
    missing: dict[str, tuple[PanelTask, Source]] = {}
    for source in sources:
        for task in tasks:
            key = _key(task, source, device)
            if not store.has(KIND, key):
                missing.setdefault(key_hash(key), (task, source))
    log.info(f"{len(tasks) * len(sources)} measurements in the panel, {len(missing)} to do on {device}")
    done = 0
    for source in sources:
        mine = [task for task, wanted in missing.values() if wanted is source]
        if not mine:
            continue
        log.info(f"model {source.entry.name}: {source.words}")
        with in_memory(source, device) as (name, template):
            for task in mine:
                done += 1
                log.info(f"  {done} of {len(missing)}: {task.entry.label}, {task.prompts} prompts")
                fill = partial(
                    measure, task=task, model=name, entry=source.entry, template=template, grader=panel.grader
                )
                store.write(KIND, _key(task, source, device), fill)


def _model_record(source: Source, templates: set[str]) -> ModelRecord:
    return ModelRecord(
        name=source.entry.name,
        stage=source.entry.stage,
        source=source.words,
        identity=source.identity,
        licence=source.licence,
        template="; ".join(sorted(templates)),
    )
