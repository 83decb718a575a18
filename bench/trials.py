"""Trials: one training of one arm and its evaluation, looked up in the run store before anything is computed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.encoding import TrainingRow
from bench.evaluation import PROVIDER_CODE, EvalTask, SampleScores, evaluate
from bench.models import load_model, model_identity, resolve_model
from bench.recipes import Recipe
from bench.store import Store, key_hash
from bench.training import TRAINING_CODE

TRUNK_ARCHITECTURES = ("llama",)
TrialInputs = tuple[Sequence[TrainingRow] | None, int, dict[str, Any], str | None]


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
    """A finished trial: scores per sample, and what it took when it was computed."""

    student: str
    scores: SampleScores
    train_seconds: float
    tokens: int
    final_loss: float | None


class Bench:
    """The base model with everything that trials share: weights, trunk states, the store."""

    def __init__(self, recipe: Recipe, device: str, store: Store, watch: Watch) -> None:
        """Nothing heavy happens here: the model is loaded when the first trial needs it."""
        self.recipe = recipe
        self.device = device
        self.store = store
        self.watch = watch
        self.identity = model_identity(recipe.model)
        self.config = _read_config(recipe)
        self.on_trunk = _uses_trunk(recipe, self.config)
        self._loaded: tuple[Any, Any] | None = None
        self._trunk: Any = None

    def base(self) -> tuple[Any, Any]:
        """Base model and tokenizer, loaded once."""
        if self._loaded is None:
            self._loaded = load_model(self.recipe.model, self.device)
        return self._loaded

    def missing(self, trials: "Sequence[TrialInputs]") -> list[tuple[bool, bool]]:
        """For each trial, whether its training and its evaluation are to be done; work shared by two counts once."""
        seen: set[Path] = set()

        def fresh(kind: str, key: dict[str, Any]) -> bool:
            folder = self.store.folder(kind, key)
            known = folder in seen or self.store.has(kind, key)
            seen.add(folder)
            return not known

        todo = []
        for rows, seed, eval_key, grader in trials:
            name, train = self._base_name, False
            if rows is not None:
                key = self.train_key(rows, seed)
                name, train = key_hash(key), fresh("students", key)
            todo.append((train, fresh("evals", self._eval_key(name, eval_key, grader))))
        return todo

    @property
    def _base_name(self) -> str:
        return f"base-{self.identity[:12]}"

    def _eval_key(self, student: str, eval_key: dict[str, Any], grader: str | None) -> dict[str, Any]:
        return {"student": student, "code": PROVIDER_CODE, "grader": grader, "device": self.device} | eval_key

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
            "path": "shared_trunk" if self.on_trunk else "trl",
            "device": self.device,
            "code": TRAINING_CODE,
        }

    def student(self, rows: Sequence[TrainingRow], seed: int, label: str, seconds: float) -> Path:
        """Folder of the student trained on these rows, training it if it is not there."""
        key = self.train_key(rows, seed)
        if not self.store.has("students", key):
            self.watch.phase(f"training {label}", seconds)
            self.store.write("students", key, lambda folder: self._train(rows, seed, folder))
            self.watch.finish()
        return self.store.folder("students", key)

    def _train(self, rows: Sequence[TrainingRow], seed: int, folder: Path) -> None:
        from bench.shared_trunk import Trunk, train_on_trunk
        from bench.students import save_student
        from bench.training import encode_in_order, train_with_trl

        base, tokenizer = self.base()
        stream = encode_in_order(tokenizer, rows, self.recipe, seed)

        def tick(done: int, steps: int) -> None:
            self.watch.advance(done / steps)

        if self.on_trunk:
            self._trunk = self._trunk or Trunk(base, self.recipe)
            trained = train_on_trunk(base, self._trunk, stream, self.recipe, seed, tick)
        else:
            trained = train_with_trl(base, tokenizer, stream, self.recipe, seed, tick)
        save_student(trained.tensors, folder)
        facts = {"losses": trained.losses, "tokens": trained.tokens, "seconds": trained.seconds, "rows": len(rows)}
        (folder / "training.json").write_text(json.dumps(facts), encoding="utf-8")

    def trial(
        self,
        rows: Sequence[TrainingRow] | None,
        seed: int,
        label: str,
        tasks: Sequence[EvalTask],
        eval_key: dict[str, Any],
        seconds: tuple[float, float],
        grader: str | None = None,
    ) -> Trial:
        """Train (unless `rows` is None: the untrained base) and evaluate, each only if not in the store."""
        student = self.student(rows, seed, label, seconds[0]) if rows is not None else None
        name = student.name if student else self._base_name
        key = self._eval_key(name, eval_key, grader)
        if not self.store.has("evals", key):
            self.watch.phase(f"evaluating {label}", seconds[1])
            self.store.write("evals", key, lambda folder: self._evaluate(student, name, tasks, grader, label, folder))
            self.watch.finish()
        text = (self.store.folder("evals", key) / "scores.json").read_text(encoding="utf-8")
        facts = json.loads((student / "training.json").read_text(encoding="utf-8")) if student else None
        return Trial(
            name,
            SampleScores.model_validate_json(text),
            facts["seconds"] if facts else 0.0,
            facts["tokens"] if facts else 0,
            facts["losses"][-1] if facts else None,
        )

    def _evaluate(
        self,
        student: Path | None,
        name: str,
        tasks: Sequence[EvalTask],
        grader: str | None,
        label: str,
        folder: Path,
    ) -> None:
        from bench.provider import LoadedStudent, forget_student, register_student
        from bench.students import load_student

        base, tokenizer = self.base()
        model = load_student(base, self.recipe, student) if student else base
        full_name = register_student(name, LoadedStudent(model, tokenizer))
        try:
            scores = evaluate(full_name, tasks, folder, grader=grader, tags=[label.replace(" ", "_")])
        finally:
            forget_student(name)
        (folder / "scores.json").write_text(scores.model_dump_json(), encoding="utf-8")


def _read_config(recipe: Recipe) -> dict[str, Any]:
    """The model's config.json, read without importing torch; empty for a hub id."""
    file = Path(resolve_model(recipe.model)) / "config.json"
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return config


def _uses_trunk(recipe: Recipe, config: dict[str, Any]) -> bool:
    """Whether the shared-trunk path applies: frozen layers below trained ones, in a layout it can run."""
    layers = config.get("num_hidden_layers", 0)
    return 0 < recipe.last_layers < layers and config.get("model_type") in TRUNK_ARCHITECTURES


def eval_identity(trait_sha256: str, judge: str, limits: tuple[int | None, int | None]) -> dict[str, Any]:
    """The part of an eval's key that its trait and suite determine."""
    capability = hashlib.sha256()
    from bench.traits import evals_folder

    for file in ("capability.py", "prompts/capability.jsonl", "prompts/capability_loss.jsonl"):
        capability.update((evals_folder() / file).read_bytes())
    return {
        "trait": trait_sha256,
        "judge": judge,
        "eval_prompts": limits[0],
        "capability_prompts": limits[1],
        "capability": capability.hexdigest(),
    }
