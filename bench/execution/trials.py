"""Trials: one training of one arm and its evaluation, looked up in the run store before anything is computed."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.config.recipe import Recipe
from bench.data.trait import Measurement
from bench.errors import BenchError
from bench.evaluation.evaluate import evaluate, measurement_tasks
from bench.execution.headroom import peak_memory
from bench.execution.memory import MemoryEstimate
from bench.models.load import known_config, model_identity
from bench.records import SampleScores, TrainingRow, Trial
from bench.run_folder.store import Store, key_hash
from bench.training.trainer import Trainer, training_path
from bench.training.trl import TRAINING_CODE

if TYPE_CHECKING:
    from bench.training.trl import Trained

TrialInputs = tuple[Sequence[TrainingRow] | None, int, Measurement]


class Watch(Protocol):
    """Who is told how far a trial is."""

    def phase(self, text: str, seconds: float) -> None:
        """A piece of work starts that should take about so long."""

    def advance(self, share: float) -> None:
        """That piece is done to this share (0 to 1)."""

    def finish(self) -> None:
        """That piece is done."""


class Bench:
    """What trials share: the base model and its trainer, the store."""

    def __init__(
        self,
        recipe: Recipe,
        device: str,
        store: Store,
        watch: Watch,
        *,
        rejudging: bool = False,
        plain_template: bool = False,
        stacked: bool | None = None,
    ) -> None:
        """Nothing heavy happens here: the model is loaded when the first trial needs it.

        Args:
            recipe: How students are trained.
            device: `cpu` or `cuda`.
            store: Finished work.
            watch: Told about progress.
            rejudging: Where only the judge differs, score stored outputs again instead of generating.
            plain_template: Take a model without a chat template of its own, see `bench.models.encode.PLAIN_TEMPLATE`.
            stacked: As for `bench.training.trainer.training_path`; on a GPU unless given.
        """
        self.recipe = recipe
        self.device = device
        self.store = store
        self.watch = watch
        self.rejudging = rejudging
        self.identity = model_identity(recipe.model)
        self.config = known_config(recipe.model)
        path = training_path(recipe, self.config, device != "cpu" if stacked is None else stacked)
        self.trainer = Trainer(recipe, device, path, plain_template=plain_template)
        self.memory: MemoryEstimate | None = None

    def expect(self, memory: MemoryEstimate) -> None:
        """Start trainings with as many rows at once as the estimate says, and note it beside the peak that is seen."""
        self.memory = memory
        self.trainer.rows_at_once = memory.rows_at_once

    def base_for_filters(self) -> tuple[Any, Any]:
        """A copy: a filter may take gradients, and what it changes must not reach the students."""
        model, tokenizer = self.trainer.base()
        return copy.deepcopy(model), tokenizer

    def missing(self, trials: "Sequence[TrialInputs]") -> list[tuple[bool, bool]]:
        """For each trial, whether its training and its evaluation are to be done; work shared by two counts once."""
        seen: set[Path] = set()

        def fresh(kind: str, key: dict[str, Any]) -> bool:
            folder = self.store.folder(kind, key)
            known = folder in seen or self.store.has(kind, key)
            seen.add(folder)
            return not known

        todo = []
        for each in trials:
            training, evaluation = self.keys(*each)
            todo.append((training is not None and fresh("students", training), fresh("evals", evaluation)))
        return todo

    def keys(
        self, rows: Sequence[TrainingRow] | None, seed: int, measurement: Measurement
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Store keys of a trial's training (None for the untrained base) and of its evaluation."""
        training = None if rows is None else self.train_key(rows, seed)
        return training, self._eval_key(key_hash(training) if training else self._base_name, measurement)

    @property
    def _base_name(self) -> str:
        return f"base-{self.identity[:12]}"

    def _eval_key(self, student: str, measurement: Measurement) -> dict[str, Any]:
        return {"student": student, "device": self.device} | measurement.key()

    def train_key(self, rows: Sequence[TrainingRow], seed: int) -> dict[str, Any]:
        """Everything that determines a training."""
        digest = hashlib.sha256()
        for row in rows:
            line = [row.id, [m.model_dump() for m in row.prompt], row.completion]
            digest.update(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        return {
            "rows": digest.hexdigest(),
            "recipe": self.recipe.model_dump(exclude={"name"}),
            "model": self.identity,
            "seed": seed,
            "path": self.trainer.path,
            "device": self.device,
            "code": TRAINING_CODE,
        }

    def student(self, rows: Sequence[TrainingRow], seed: int, label: str, seconds: float) -> Path:
        """Folder of the student trained on these rows, training it if it is not there."""
        key = self.train_key(rows, seed)
        if not self.store.has("students", key):
            if self.rejudging:
                raise _nothing_stored(self.store.root, f"a student for {label}")
            self.watch.phase(f"training {label}", seconds)
            self.store.write("students", key, lambda folder: self._train(rows, seed, label, folder))
            self.watch.finish()
        return self.store.folder("students", key)

    def _train(self, rows: Sequence[TrainingRow], seed: int, label: str, folder: Path) -> None:
        def tick(done: int, steps: int) -> None:
            self.watch.advance(done / steps)

        (trained,) = self.trainer.train([(rows, seed)], tick, f"training {label}")
        self.keep(trained, len(rows), folder)

    def keep(self, trained: "Trained", rows: int, folder: Path) -> None:
        """Write a student and the facts of its training."""
        from bench.models.student import save_student

        save_student(trained.tensors, folder)
        facts = {
            "losses": trained.losses,
            "tokens": trained.tokens,
            "seconds": trained.seconds,
            "rows": rows,
            "rows_at_once": self.trainer.rows_at_once,
            "students_at_once": trained.students,
            "memory_estimated": self.memory.total if self.memory else None,
            "memory_peak": peak_memory(self.device),
        }
        (folder / "training.json").write_text(json.dumps(facts), encoding="utf-8")

    def trial(
        self,
        rows: Sequence[TrainingRow] | None,
        seed: int,
        measurement: Measurement,
        label: str,
        seconds: tuple[float, float],
    ) -> Trial:
        """Train (unless `rows` is None: the untrained base) and evaluate, each only if not in the store."""
        student = self.student(rows, seed, label, seconds[0]) if rows is not None else None
        name = student.name if student else self._base_name
        key = self._eval_key(name, measurement)
        if not self.store.has("evals", key):
            self.watch.phase(f"evaluating {label}", seconds[1])
            if self.rejudging:
                stored = self._outputs(key)
                self.store.write("evals", key, lambda folder: _judge_again(stored, measurement, folder))
            else:
                self.store.write("evals", key, lambda folder: self._evaluate(student, name, measurement, label, folder))
            self.watch.finish()
        text = (self.store.folder("evals", key) / "scores.json").read_text(encoding="utf-8")
        facts = json.loads((student / "training.json").read_text(encoding="utf-8")) if student else {}
        return self._trial(name, SampleScores.model_validate_json(text), facts)

    def _trial(self, student: str, scores: SampleScores, facts: Mapping[str, Any]) -> Trial:
        """What the store holds of a trial; `facts` are the training's, if there was one."""
        at_once = facts.get("rows_at_once", self.recipe.batch_size)
        peaks = [peak for peak in (facts.get("memory_peak"), scores.memory_peak) if peak is not None]
        return Trial(
            student,
            scores,
            facts.get("seconds", 0.0),
            at_once if at_once < self.recipe.batch_size else None,
            facts.get("memory_estimated"),
            max(peaks, default=None),
        )

    def _outputs(self, key: dict[str, Any]) -> Path:
        """Folder of stored outputs of the same student on the same prompts, whoever judged them.

        Raises:
            BenchError: If there are none.
        """
        judged_by = ("judge", "grader")
        for folder, other in self.store.keys("evals"):
            if all(key[name] == other.get(name) for name in key if name not in judged_by):
                return folder
        raise _nothing_stored(self.store.root, "outputs of a student under this version of the trait")

    def _evaluate(self, student: Path | None, name: str, measurement: Measurement, label: str, folder: Path) -> None:
        from bench.evaluation.provider import answering

        engine = self.trainer.engine([student], [name])
        most = engine.rows_at_once
        with answering(engine, [name], self.trainer.base()[1], self.trainer.stops) as (full,):
            tags = [label.replace(" ", "_")]
            scores = evaluate(full, measurement_tasks(measurement), folder, grader=measurement.grader, tags=tags)
        self.keep_scores(scores, engine.rows_at_once if engine.rows_at_once < most else None, folder)

    def keep_scores(self, scores: SampleScores, answers_at_once: int | None, folder: Path) -> None:
        """Write what an evaluation found, and how many prompts at a time memory sufficed for if not for all."""
        facts = {"answers_at_once": answers_at_once, "memory_peak": peak_memory(self.device)}
        (folder / "scores.json").write_text(scores.model_copy(update=facts).model_dump_json(), encoding="utf-8")


def _nothing_stored(root: Path, what: str) -> BenchError:
    return BenchError(
        f"run folder {root.parent}",
        seen=f"it lacks {what}",
        expected="a finished run of the same suite and filters",
        remedy="finish it with `bench run` first; judging again generates nothing",
    )


def _judge_again(stored: Path, measurement: Measurement, folder: Path) -> None:
    """Score stored outputs with the present judge; capability scores are taken over."""
    from bench.evaluation.validate_judge import rejudge

    before = SampleScores.model_validate_json((stored / "scores.json").read_text(encoding="utf-8"))
    scores = rejudge(stored, before, measurement.trait, measurement.judge, measurement.grader, folder)
    (folder / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")
