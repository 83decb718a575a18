"""A panel, in order: models and evals found -> measured -> compared -> stages.json -> pages.

The only file that knows the order of the stages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.data.trait import PROVIDER_CODE
from bench.errors import BenchError, unwritable
from bench.leaderboard.pages import PAGES, STAGES
from bench.leaderboard.report import write_pages
from bench.models.encode import PLAIN_TEMPLATE
from bench.models.load import pick_device
from bench.records import SampleScores
from bench.run_folder.provenance import SETTINGS_FILE, package_versions, source_commit
from bench.run_folder.store import Store, key_hash
from bench.studies.checkpoints.measuring import Measured, measure, read_measured
from bench.studies.checkpoints.panel import Panel
from bench.studies.checkpoints.records import (
    EvalRecord,
    ModelRecord,
    ModelScores,
    StagesRecord,
    read_record,
    write_record,
)
from bench.studies.checkpoints.results import CHECKPOINTS, chosen_score, compare_pair, resample, score_names, summarise
from bench.studies.checkpoints.sources import Source, find_source, in_memory
from bench.studies.checkpoints.tasks import PanelTask, find_task

Say = Callable[[str], None]
KIND = "panels"
Results = Mapping[tuple[int, int], tuple[Measured, SampleScores, Path]]  # (eval, model) -> what the store holds


@dataclass(frozen=True)
class StagesOptions:
    """What the command line decides.

    Attributes:
        panel: What is compared.
        out: A folder of its own, or that of a run, whose report the page joins.
        device: `auto`, `cpu` or `cuda`.
        command: As typed, for the record.
    """

    panel: Panel
    out: Path
    device: str = "auto"
    command: str = ""


def stages(options: StagesOptions, say: Say) -> StagesRecord:
    """Measure what a panel's folder does not hold yet, compare, and write `stages.json` and its page.

    Raises:
        BenchError: For anything that the user can mend; finished measurements stay in the folder.
    """
    panel = options.panel
    device = pick_device(options.device)
    _check_folder(options.out, panel)
    tasks = [find_task(entry, panel.file, panel.folder) for entry in panel.file.evals]
    sources = [find_source(entry, panel.folder) for entry in panel.file.models]
    store = Store(options.out / "store")
    with store.claimed():
        _measure_missing(panel, tasks, sources, store, device, say)
        results = {
            (i, j): _stored(store.folder(KIND, _key(task, source, device)), task)
            for i, task in enumerate(tasks)
            for j, source in enumerate(sources)
        }
        record = StagesRecord(
            panel=panel.file.name,
            panel_version=panel.file.version,
            summary=panel.file.summary,
            models=[_model_record(j, source, len(tasks), results) for j, source in enumerate(sources)],
            pairs=panel.file.pairs,
            evals=[_eval_record(i, task, panel, results, options.out) for i, task in enumerate(tasks)],
            device=device,
            command=options.command,
            versions=package_versions(),
            commit=source_commit(),
            notes=[CHECKPOINTS],
        )
        write_record(record, options.out)
    write_pages(options.out)
    return record


def _check_folder(out: Path, panel: Panel) -> None:
    """Refuse a folder that is not ours, or that holds another panel."""
    if (out / STAGES.data).is_file():
        there = read_record(out).panel
        if there != panel.file.name:
            raise BenchError(
                f"folder {out}",
                seen=f"the finished panel {there!r}",
                expected=f"none, or panel {panel.file.name!r}",
                remedy="use another --out",
            )
    ours = [SETTINGS_FILE, "store", *(one.data for one in PAGES)]
    foreign = out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in ours)
    if out.is_file() or foreign:
        raise BenchError(
            f"folder {out}",
            seen="a file, or a folder with other things in it",
            expected="an empty or new folder, or one that `bench` wrote",
            remedy="use another --out",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from error


def _key(task: PanelTask, source: Source, device: str) -> dict[str, Any]:
    """Everything that determines the scores of one eval on one model."""
    ours = {"device": device, "provider": PROVIDER_CODE, "plain_template": PLAIN_TEMPLATE} if source.base else {}
    return {"model": source.identity} | ours | task.key()


def _measure_missing(
    panel: Panel, tasks: Sequence[PanelTask], sources: Sequence[Source], store: Store, device: str, say: Say
) -> None:
    """Measure model by model, so that each is loaded once; equal models and finished work are left out."""
    missing: dict[str, tuple[PanelTask, Source]] = {}
    for source in sources:
        for task in tasks:
            key = _key(task, source, device)
            if not store.has(KIND, key):
                missing.setdefault(key_hash(key), (task, source))
    say(f"{len(tasks) * len(sources)} measurements in the panel, {len(missing)} to do on {device}")
    done = 0
    for source in sources:
        mine = [task for task, wanted in missing.values() if wanted is source]
        if not mine:
            continue
        say(f"model {source.entry.name}: {source.words}")
        with in_memory(source, device) as (name, template):
            for task in mine:
                done += 1
                say(f"  {done} of {len(missing)}: {task.entry.label}, {task.prompts} prompts")
                fill = partial(
                    measure,
                    model=name,
                    model_args=source.entry.model_args,
                    task=task.build(),
                    template=template,
                    grader=panel.file.grader,
                    tags=[source.entry.name.replace(" ", "_")],
                )
                store.write(KIND, _key(task, source, device), fill)


def _stored(folder: Path, task: PanelTask) -> tuple[Measured, SampleScores, Path]:
    return *read_measured(folder, task.entry.values), folder


def _model_record(number: int, source: Source, evals: int, results: Results) -> ModelRecord:
    templates = {results[i, number][0].template for i in range(evals)}
    return ModelRecord(
        name=source.entry.name,
        stage=source.entry.stage,
        source=source.words,
        identity=source.identity,
        licence=source.licence,
        template="; ".join(sorted(templates)),
    )


def _eval_record(number: int, task: PanelTask, panel: Panel, results: Results, out: Path) -> EvalRecord:
    names = [model.name for model in panel.file.models]
    scores = {name: results[number, j][1] for j, name in enumerate(names)}
    means = {score: resample(scores, score) for score in score_names(scores)}
    score = chosen_score(task.entry.score, list(means), task.entry.label)
    models = []
    for j, name in enumerate(names):
        measured, _, folder = results[number, j]
        models.append(
            ModelScores(
                model=name,
                scores={each: summarise(means[each], name) for each in means},
                prompts={each: means[each].extent[name].prompts for each in means},
                seconds=measured.seconds,
                log=str((folder / measured.log).relative_to(out)),
            )
        )
    return EvalRecord(
        title=task.entry.title or score,
        task=task.entry.label,
        version=task.version,
        code=task.code,
        prompts_sha256=task.prompts_sha256,
        judge=task.judge,
        score=score,
        scale=task.entry.scale,
        margin=task.margin,
        models=models,
        comparisons=[compare_pair(means[score], pair, task.margin, task.entry.width) for pair in panel.file.pairs],
    )
