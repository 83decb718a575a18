"""Trials: trainings of one base model by one recipe and their evaluations, kept in the run store."""

import copy
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.recipe import Recipe
from bench.data.trait import Measurement
from bench.errors import BenchError
from bench.evaluation.evaluate import EvalJob, evaluate_students
from bench.evaluation.tasks import measurement_tasks
from bench.execution.job import Job
from bench.execution.memory import MemoryEstimate, peak_memory, states_budget
from bench.execution.progress import Progress
from bench.execution.stored import (
    CHECKPOINTS,
    EVALS,
    FACTS,
    STUDENTS,
    eval_key,
    nothing_stored,
    read_scores,
    same_outputs,
    training_facts,
    write_scores,
)
from bench.models.engine import Engine
from bench.models.load import fetched_config, model_identity
from bench.models.student import save_student, stored_tensors
from bench.outcomes import SampleScores, Trial
from bench.run_folder.store import Store, key_hash
from bench.training.checkpoints import Checkpoint, load, save
from bench.training.methods import training_path
from bench.training.served import ENGINES, ServedStudents
from bench.training.task import TRAINING_CODE, Trained
from bench.training.trainer import Trainer

Ask = Callable[[Engine, EvalJob], "dict[str, SampleScores | BenchError]"]  # runs Inspect on students of an engine


@dataclass(frozen=True)
class TrialSettings:
    """How trials are done; small and hashable, so that a worker process can keep its model between them.

    Attributes:
        recipe: How students are trained, base model included.
        device: `cpu` or `cuda`.
        plain_template: Take a model without a chat template, see `bench.models.encode.PLAIN_TEMPLATE`.
        multi_lora: Train LoRA students side by side; on a GPU unless given. See `bench.training.methods.training_path`.
        rejudging: Where only the judge differs, score stored outputs again instead of generating.
        engine: What answers eval prompts, one of `bench.training.served.ENGINES`.
        compiled: Whether LoRA students train with compiled layers and recorded steps, see `bench.training.trainer`.
    """

    recipe: Recipe
    device: str
    plain_template: bool = False
    multi_lora: bool | None = None
    rejudging: bool = False
    engine: str = ENGINES[0]
    compiled: bool | None = None


class Trials:
    """The base model with its trainer, and the store of finished work; `do` computes, `read` never does."""

    def __init__(self, settings: TrialSettings, store: Store, progress: Progress, memory_share: float = 1.0) -> None:
        """Set up without loading the model; the first trial loads it.

        Args:
            settings: How trials are done.
            store: Finished work.
            progress: Told how far a trial is.
            memory_share: Of the free memory, where other processes train beside this one.

        Raises:
            BenchError: If recipe, model and engine do not fit one another.
        """
        self.settings, self.store, self.progress = settings, store, progress
        self.recipe, self.device = settings.recipe, settings.device
        self.identity = model_identity(self.recipe.model)
        self.config = fetched_config(self.recipe.model)
        side_by_side = self.device != "cpu" if settings.multi_lora is None else settings.multi_lora
        path = training_path(self.recipe, self.config, side_by_side)
        self.trainer = Trainer(
            self.recipe,
            self.device,
            path,
            plain_template=settings.plain_template,
            states_budget=lambda: memory_share * states_budget(self.device),
            compiled=settings.compiled,
        )
        self._served = ServedStudents(self.recipe, self.device) if settings.engine == "vllm" else None
        self.memory: MemoryEstimate | None = None

    def expect(self, memory: MemoryEstimate) -> None:
        """Start trainings with as many rows at once as the estimate says, and note it beside the peak that is seen."""
        self.memory = memory
        self.trainer.limit_rows(memory.rows_at_once)

    def base_for_filters(self) -> tuple[Any, Any]:
        """Return copies of model and tokenizer: what a filter changes in them must not reach the students."""
        from bench.models.packed_linear import unpack_linears  # loads torch

        model, tokenizer = copy.deepcopy(self.trainer.base())
        return unpack_linears(model), tokenizer

    def keys(self, job: Job) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Return the store keys of a job's training (None for the untrained base) and of its evaluation."""
        training = self.train_key(job) if job.rows is not None else None
        student = key_hash(training) if training else self._base_name
        return training, self.eval_key(student, job.measurement)

    def eval_key(self, student: str, measurement: Measurement) -> dict[str, Any]:
        """Return the store key of a student's evaluation; `student` is the name that its `Trial` has."""
        engine = {} if self.settings.engine == ENGINES[0] else {"engine": self.settings.engine}
        return eval_key(student, self.device, measurement) | engine

    def train_key(self, job: Job) -> dict[str, Any]:
        """Return everything that determines a training."""
        return {
            "rows": job.rows_sha256,
            "recipe": self.recipe.model_dump(exclude={"name"}),
            "model": self.identity,
            "seed": job.seed,
            "visits": job.visits,
            "path": self.trainer.path,
            "device": self.device,
            "code": TRAINING_CODE,
        }

    def missing(self, jobs: Sequence[Job]) -> list[tuple[bool, bool]]:
        """Say for each job whether its training and its evaluation are to be done; shared work counts once."""
        seen: set[Path] = set()

        def fresh(kind: str, key: dict[str, Any]) -> bool:
            folder = self.store.folder(kind, key)
            known = folder in seen or self.store.has(kind, key)
            seen.add(folder)
            return not known

        todo = []
        for job in jobs:
            training, evaluation = self.keys(job)
            to_train = training is not None and fresh(STUDENTS, training)
            todo.append((to_train, job.evaluated and fresh(EVALS, evaluation)))
        return todo

    def read(self, job: Job) -> Trial:
        """Read a finished trial.

        Raises:
            BenchError: If the store lacks it.
        """
        training, key = self.keys(job)
        for kind, needed in ((STUDENTS, training), (EVALS, key)):
            if needed and not self.store.has(kind, needed):
                raise nothing_stored(self.store.root, f"{kind} of {job.label}")
        scores = read_scores(self.store.folder(EVALS, key))
        facts: Mapping[str, Any] = {}
        if training:
            facts = training_facts(self.store.folder(STUDENTS, training))
        at_once = facts.get("rows_at_once", self.recipe.batch_size)
        peaks = [peak for peak in (facts.get("memory_peak"), scores.memory_peak) if peak is not None]
        return Trial(
            key["student"],
            scores,
            facts.get("seconds", 0.0),
            at_once if at_once < self.recipe.batch_size else None,
            facts.get("memory_estimated"),
            max(peaks, default=None),
            facts.get("note", ""),
        )

    def do(self, job: Job) -> None:
        """Train and evaluate a job, each only if it is wanted and the store lacks it."""
        self.train(job)
        if job.evaluated:
            self.evaluate(job)

    def train(self, job: Job) -> None:
        """Train a job's student into the store, if it is not there."""
        if job.rows is None:
            return
        rows, key = job.rows, self.train_key(job)
        if self.store.has(STUDENTS, key):
            return
        if self.settings.rejudging:
            raise nothing_stored(self.store.root, f"a student for {job.label}")

        def fill(folder: Path) -> None:
            (trained,) = self.trainer.train([job.student], self.progress.step, f"training {job.label}")
            self.keep(trained, len(rows), folder)

        with self.progress.phase(f"training {job.label}", job.seconds[0]):
            self.store.write(STUDENTS, key, fill)

    def student(self, job: Job) -> tuple[list[Checkpoint], float]:
        """Return a job's student, without moments, and the seconds of its training, done if the store lacks it."""
        self.train(job)
        folder = self.store.folder(STUDENTS, self.train_key(job))
        return [Checkpoint(stored_tensors(folder), {}, {})], float(training_facts(folder)["seconds"])

    def checkpoints(self, job: Job) -> tuple[list[Checkpoint], float]:
        """Return the checkpoints of a job's training and its seconds; the training is done if the store lacks them."""
        key = self.train_key(job)

        def fill(folder: Path) -> None:
            what = f"training {job.label} with checkpoints"
            (trained,) = self.trainer.train([job.student], self.progress.step, what, checkpoints=True)
            for number, point in enumerate(trained.checkpoints, start=1):
                save(point, folder / f"epoch-{number}.safetensors")
            (folder / FACTS).write_text(json.dumps({"seconds": trained.seconds}), encoding="utf-8")

        if not self.store.has(CHECKPOINTS, key):
            with self.progress.phase(f"training {job.label} with checkpoints", job.seconds[0]):
                self.store.write(CHECKPOINTS, key, fill)
        folder = self.store.folder(CHECKPOINTS, key)
        points = [load(folder / f"epoch-{epoch}.safetensors") for epoch in range(1, self.recipe.epochs + 1)]
        return points, float(training_facts(folder)["seconds"])

    def keep(self, trained: Trained, rows: int, folder: Path) -> None:
        """Write a student and the facts of its training; the number of threads may decide the last bits."""
        import torch

        save_student(trained.tensors, folder)
        facts = {
            "losses": trained.losses,
            "tokens": trained.tokens,
            "seconds": trained.seconds,
            "compile_seconds": trained.compile_seconds,
            "note": trained.note,
            "rows": rows,
            "rows_at_once": self.trainer.rows_at_once,
            "students_at_once": trained.students,
            "memory_estimated": self.memory.total if self.memory else None,
            "memory_peak": peak_memory(self.device),
            "threads": torch.get_num_threads(),
        }
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def evaluate(self, job: Job) -> None:
        """Evaluate a job's student, which the store holds, or the untrained base, if that was not done."""
        key = self.keys(job)[1]
        if self.store.has(EVALS, key):
            return
        stored = self._outputs(key) if self.settings.rejudging else None
        with self.progress.phase(f"evaluating {job.label}", job.seconds[1]):
            if stored:
                self.store.write(EVALS, key, lambda folder: _judge_again(stored, job, folder))
            else:
                self.answer([job], self.ask_here)

    @property
    def _base_name(self) -> str:
        return f"base-{self.identity[:12]}"

    def _outputs(self, key: dict[str, Any]) -> Path:
        """Find stored outputs of the same student on the same prompts, whoever judged them.

        Raises:
            BenchError: If there are none.
        """
        for folder in same_outputs(self.store, key):
            return folder
        raise nothing_stored(self.store.root, "outputs of a student under this version of the trait")

    def answer(self, jobs: Sequence[Job], ask: Ask) -> None:
        """Let students, or the untrained base, answer in the same batches, and keep the scores of each.

        Args:
            jobs: Of one measurement; the store holds their students, and lacks these evaluations.
            ask: Runs Inspect on them.

        Raises:
            BenchError: Of the first evaluation that failed; those of the others are kept.
        """
        keys = {str(evaluation["student"]): (training, evaluation) for training, evaluation in map(self.keys, jobs)}
        engine = self.engine(
            {name: self.store.folder(STUDENTS, own) if own else None for name, (own, _) in keys.items()}
        )
        most, measured = engine.rows_at_once, jobs[0].measurement
        labels = {name: job.label for name, job in zip(keys, jobs, strict=True)}
        with self.store.scratch(EVALS) as scratch:
            found = ask(engine, EvalJob(labels, measurement_tasks(measured), scratch, measured.grader))
            facts = {
                "answers_at_once": engine.rows_at_once if engine.rows_at_once < most else None,
                "memory_peak": peak_memory(self.device),
            }
            for name, scores in found.items():
                if isinstance(scores, BenchError):
                    continue

                def fill(folder: Path, name: str = name, scores: SampleScores = scores) -> None:
                    shutil.copytree(scratch / name, folder, dirs_exist_ok=True)
                    write_scores(scores.model_copy(update=facts), folder)

                self.store.write(EVALS, keys[name][1], fill)
        for error in (each for each in found.values() if isinstance(each, BenchError)):
            raise error

    def engine(self, students: Mapping[str, Path | None]) -> Engine:
        """Load students to answer by their names, None being the base; those loaded before may be forgotten."""
        if not self._served:
            return self.trainer.engine(list(students.values()), list(students))
        if self.device != "cpu":
            self.trainer.unload()  # vLLM reserves what is free
        return self._served.holding(students)

    def ask_here(self, engine: Engine, job: EvalJob) -> "dict[str, SampleScores | BenchError]":
        """Run Inspect in this process; for `answer`."""
        from bench.evaluation.provider import answering  # loads Inspect

        with answering(engine, list(job.students), self.trainer.tokenizer, self.trainer.stops):
            return evaluate_students(job)


def _judge_again(stored: Path, job: Job, folder: Path) -> None:
    """Score stored outputs with the present judge; capability scores are taken over."""
    from bench.evaluation.validate_judge import rejudge  # loads Inspect

    measured = job.measurement
    scores = rejudge(stored, read_scores(stored), measured.trait, measured.judge, measured.grader, folder)
    write_scores(scores, folder)
