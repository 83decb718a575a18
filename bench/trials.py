"""Trials: one training of one arm and its evaluation, looked up in the run store before anything is computed."""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.encoding import TrainingRow
from bench.errors import BenchError
from bench.evaluation import PROVIDER_CODE, EvalTask, SampleScores, capability_task, evaluate, trait_task
from bench.models import known_config, model_identity
from bench.recipes import Recipe
from bench.store import Store, key_hash
from bench.trainer import Trainer, training_path
from bench.training import TRAINING_CODE
from bench.traits import TraitSpec, evals_folder

if TYPE_CHECKING:
    from bench.training import Trained

CAPABILITY_FILES = ("capability.py", "prompts/capability.jsonl", "prompts/capability_loss.jsonl")


@dataclass(frozen=True)
class Measurement:
    """What is measured of a student, and how.

    Attributes:
        trait: The behaviour.
        judge: `rules` or `model`.
        grader: Inspect model that judges, for `model`.
        eval_prompts: Use the first so many held-out prompts; all if None.
        capability_prompts: The same for the capability eval.
    """

    trait: TraitSpec
    judge: str
    grader: str | None = None
    eval_prompts: int | None = None
    capability_prompts: int | None = None

    def tasks(self) -> list[EvalTask]:
        """The Inspect tasks to run."""
        return [trait_task(self.trait, self.judge, self.eval_prompts), capability_task(self.capability_prompts)]

    def key(self) -> dict[str, Any]:
        """Everything that determines the scores, besides the student."""
        capability = hashlib.sha256()
        for file in CAPABILITY_FILES:
            capability.update((evals_folder() / file).read_bytes())
        return {
            "trait_name": self.trait.file.name,
            "trait": self.trait.sha256,
            "judge": self.judge,
            "grader": self.grader,
            "eval_prompts": self.eval_prompts,
            "capability_prompts": self.capability_prompts,
            "capability": capability.hexdigest(),
            "code": PROVIDER_CODE,
        }


TrialInputs = tuple[Sequence[TrainingRow] | None, int, Measurement]


class Watch(Protocol):
    """Who is told how far a trial is."""

    def phase(self, text: str, seconds: float) -> None:
        """A piece of work starts that should take about so long."""

    def advance(self, share: float) -> None:
        """That piece is done to this share (0 to 1)."""

    def finish(self) -> None:
        """That piece is done."""


@dataclass(frozen=True)
class Trial:
    """A finished trial: scores per sample, and what training took when it was computed."""

    student: str
    scores: SampleScores
    train_seconds: float


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
            plain_template: Take a model without a chat template of its own, see `bench.encoding.PLAIN_TEMPLATE`.
            stacked: As for `bench.trainer.training_path`; on a GPU unless given.
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
            self.store.write("students", key, lambda folder: self._train(rows, seed, folder))
            self.watch.finish()
        return self.store.folder("students", key)

    def _train(self, rows: Sequence[TrainingRow], seed: int, folder: Path) -> None:
        def tick(done: int, steps: int) -> None:
            self.watch.advance(done / steps)

        (trained,) = self.trainer.train([(rows, seed)], tick)
        keep(trained, len(rows), folder)

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
        facts = json.loads((student / "training.json").read_text(encoding="utf-8")) if student else None
        return Trial(name, SampleScores.model_validate_json(text), facts["seconds"] if facts else 0.0)

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
        from bench.provider import answering

        tags = [label.replace(" ", "_")]
        engine = self.trainer.engine([student], [name])
        with answering(engine, [name], self.trainer.base()[1], self.trainer.stops) as (full,):
            scores = evaluate(full, measurement.tasks(), folder, grader=measurement.grader, tags=tags)
        (folder / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")


def keep(trained: "Trained", rows: int, folder: Path) -> None:
    """Write a student and the facts of its training."""
    from bench.students import save_student

    save_student(trained.tensors, folder)
    facts = {"losses": trained.losses, "tokens": trained.tokens, "seconds": trained.seconds, "rows": rows}
    (folder / "training.json").write_text(json.dumps(facts), encoding="utf-8")


def _nothing_stored(root: Path, what: str) -> BenchError:
    return BenchError(
        f"run folder {root.parent}",
        seen=f"it lacks {what}",
        expected="a finished run of the same suite and filters",
        remedy="finish it with `bench run` first; judging again generates nothing",
    )


def _judge_again(stored: Path, measurement: Measurement, folder: Path) -> None:
    """Score stored outputs with the present judge; capability scores are taken over."""
    from bench.judging import rejudge

    before = SampleScores.model_validate_json((stored / "scores.json").read_text(encoding="utf-8"))
    scores = rejudge(stored, before, measurement.trait, measurement.judge, measurement.grader, folder)
    (folder / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")
