"""Resources of a filter besides the examples: shared embeddings, the models that train on them, randomness.

Everything that reads a model takes rows and returns numpy arrays, so that a filter needs to know neither torch nor how
the students are built. Rows are `example.row`, `example.clean_row`, `query.trait_row` and `query.clean_row`.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.filtering.model_access import ModelAccess, NoModels, Student, as_key
from bench.models.encode import Encoded
from bench.records import MissingInput, Query, TrainingRow

Embed = Callable[[Sequence[str]], np.ndarray]
LoadModel = Callable[[], tuple[Any, Any]]
Grade = Callable[[Sequence[TrainingRow]], np.ndarray]


class Context:
    """Handed to every filter; what is slow is made on first use and shared.

    Args:
        embedder: Turns n texts into an (n, d) array of unit vectors and caches them; see
            `bench.data.embedding.Embedder`.
        load_model: Loads (model, tokenizer) of the base model.
        seed: Fixes `rng`, and is there for filters that draw by hashing.
        truth: Planted truth per example. Only the built-in oracle gets to see it.
        queries: The trait's queries.
        models: Trains and reads students.
        grade: Judges rows with the suite's grader, if it has one.
        hidden: Folders that a plugin in a process of its own should find empty.
    """

    def __init__(
        self,
        embedder: Embed,
        load_model: LoadModel,
        seed: int,
        truth: tuple[str, ...] | None = None,
        *,
        queries: tuple[Query, ...] = (),
        models: ModelAccess | None = None,
        grade: Grade | None = None,
        hidden: tuple[Path, ...] = (),
    ) -> None:
        self.seed = seed
        self.hidden = hidden
        self.truth = truth
        self._embedder = embedder
        self._load_model = load_model
        self._queries, self._models, self._grade = queries, models, grade
        self._rng: np.random.Generator | None = None
        self._model: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts with the shared sentence encoder.

        Args:
            texts: At least one text of any length.

        Returns:
            Shape (len(texts), d), float32, each row of length 1; the caller may change it.
        """
        return self._embedder(texts)

    @property
    def model(self) -> tuple[Any, Any]:
        """The base model before training and its tokenizer, loaded on first use."""
        if self._model is None:
            self._model = self._load_model()
        return self._model

    @property
    def rng(self) -> np.random.Generator:
        """A generator that starts from the seed for every scoring; what it draws depends on the order of examples."""
        if self._rng is None:
            self._rng = np.random.default_rng(self.seed)
        return self._rng

    @property
    def queries(self) -> tuple[Query, ...]:
        """Conversations of the trait, each with a completion that shows it and one that does not; no eval prompts.

        Raises:
            MissingInput: If the trait has none; the filter is then left out of the run.
        """
        if not self._queries:
            raise MissingInput(
                "context.queries",
                seen="a trait without queries",
                expected="conversations with a trait and a clean completion each",
                remedy="give the trait file queries = 'file.jsonl' (docs/attribution.md)",
            )
        return self._queries

    @property
    def recipe(self) -> Recipe:
        """How students are trained, base model included."""
        return self._access.recipe

    @property
    def base(self) -> Student:
        """The untrained model."""
        return Student()

    @property
    def trained(self) -> frozenset[str]:
        """Ids of the examples that students train on: those of the pool, without its reserve."""
        return self._access.trained

    def student(self, teacher: str = "original", ids: Collection[str] | None = None) -> Student:
        """Name a student of the suite's recipe and first seed; it is trained when it is first read.

        Args:
            teacher: `original` or `clean`, whose completions it is trained on.
            ids: Train on these examples only, for as many steps; on all of the pool if None, which is an arm of the
                run and trained once for both.

        Raises:
            NoCleanTeacher: For `clean`, if the pool has one teacher; the filter is then left out of the run.
            BenchError: For ids that are not in `trained`.
        """
        return self._access.student(teacher, ids)

    def checkpoints(self, teacher: str = "original") -> tuple[Student, ...]:
        """Return the students at the start of each epoch, the first untrained, with its mean `learning_rate`.

        A training step multiplies the gradient before the step with the learning rate, so that these are the points
        at which a sum over steps is cut into epochs.

        Args:
            teacher: `original` or `clean`; errors as for `student`.
        """
        return self._access.checkpoints(teacher)

    @property
    def layers(self) -> int:
        """Decoder layers of the model."""
        return self._access.layers

    def encode(self, row: TrainingRow) -> Encoded:
        """Return the tokens of a row, and which of them carry loss, as training sees them."""
        return self._access.encode(row)

    def losses(self, rows: Sequence[TrainingRow], student: Student) -> np.ndarray:
        """Return each completion's mean negative log-likelihood a token, in nats, shape (n,), float64."""
        return self._read(rows, student, "losses", lambda reader, encoded: reader.losses(encoded))

    def states(self, rows: Sequence[TrainingRow], student: Student, *, layer: int | None = None) -> np.ndarray:
        """Return the states of each row, averaged over the tokens of its completion.

        Args:
            rows: n rows.
            student: Which model.
            layer: States that enter this decoder layer, 0 to the number of layers - 1; None for those that enter the
                LM head, after the final norm.

        Returns:
            Shape (n, width), float32.
        """
        return self._read(rows, student, f"states {layer}", lambda reader, encoded: reader.states(encoded, layer))

    def gradients(self, rows: Sequence[TrainingRow], student: Student, *, sketch: int = 0) -> np.ndarray:
        """Return the gradient of each row's loss (that of `losses`) by the tensors that training changes.

        Args:
            rows: n rows.
            student: Which model.
            sketch: Hash the values into so many buckets, which keeps dot products up to about 1 / sqrt(sketch) of the
                norms; 0 keeps all.

        Returns:
            Shape (n, sketch or values), float32; read-only, as it is shared.

        Raises:
            BenchError: If the array is larger than the free memory, or the sketch is negative.
        """
        return self._read(
            rows, student, f"gradients {sketch}", lambda reader, encoded: reader.gradients(encoded, sketch)
        )

    def gradient_norms(self, rows: Sequence[TrainingRow], student: Student) -> np.ndarray:
        """Return the norm of each of the `gradients`, shape (n,), float64, in memory for one of them."""
        return self._read(rows, student, "gradient norms", lambda reader, encoded: reader.gradient_norms(encoded))

    def adam_updates(self, rows: Sequence[TrainingRow], checkpoint: Student, *, sketch: int = 0) -> np.ndarray:
        """Return the step that Adam would make on each row alone at a checkpoint; otherwise as `gradients`."""
        moments = self._access.moments(checkpoint)
        return self._read(
            rows, checkpoint, f"updates {sketch}", lambda reader, encoded: reader.gradients(encoded, sketch, moments)
        )

    def query_gradient(self, student: Student, *, sketch: int = 0) -> np.ndarray:
        """Return the gradient of the mean over queries of loss of the trait's completion - loss of the clean one.

        A training step on a row whose gradient has a positive product with it makes the trait more likely.

        Args:
            student: Which model.
            sketch: As for `gradients`.

        Returns:
            Shape (sketch or values,), float32; read-only.

        Raises:
            MissingInput: As for `queries`.
        """
        queries = self.queries
        rows = [query.trait_row for query in queries] + [query.clean_row for query in queries]
        weights = [1 / len(queries)] * len(queries) + [-1 / len(queries)] * len(queries)
        return self._read(
            rows, student, f"query gradient {sketch}", lambda reader, encoded: reader.gradient(encoded, weights, sketch)
        )

    def gradient_products(self, rows: Sequence[TrainingRow], student: Student, direction: np.ndarray) -> np.ndarray:
        """Return the products of each row's gradient with a direction, by finite difference, without the gradients.

        Args:
            rows: n rows.
            student: Which model.
            direction: Shape (values,), such as `query_gradient`.

        Returns:
            Shape (n,), float64.

        Raises:
            BenchError: For a direction of another shape, or one that is not finite.
        """
        given = np.asarray(direction)
        key = f"products {hash(given.tobytes())}"
        return self._read(rows, student, key, lambda reader, encoded: reader.directional(encoded, given))

    def inverse_hessian_product(self, student: Student, direction: np.ndarray, *, damping: float = 0.1) -> np.ndarray:
        """Multiply a direction with the inverse Hessian of the loss that a student was trained on, by EK-FAC.

        Args:
            student: Which model; its training examples are what the Hessian is of (for the base, the pool's).
            direction: Shape (values,), such as `query_gradient`.
            damping: Added to the Hessian's diagonal in each layer, as a share of the diagonal's mean; more than 0.

        Returns:
            Shape (values,), float32; 0 where EK-FAC has no factors: for what is trained besides linear layers' weights.

        Raises:
            BenchError: For a direction of another shape, one that is not finite, or a damping that is not more than 0.
        """
        given = np.asarray(direction)
        key = f"inverse Hessian {hash(given.tobytes())} {damping}"
        rows = self._access.training_rows(student)
        return self._read(
            rows, student, key, lambda reader, encoded: reader.inverse_hessian_product(encoded, given, damping)
        )

    def grade(self, rows: Sequence[TrainingRow]) -> np.ndarray:
        """Return the suite's grader's score of each row by the trait's rubric, shape (n,), float64.

        Raises:
            MissingInput: If the suite has no grader; the filter is then left out of the run.
        """
        if self._grade is None:
            raise MissingInput(
                "context.grade",
                seen="a suite without a grader",
                expected="an Inspect model that judges",
                remedy="add grader = 'openai/gpt-4o', say, to the suite file, or give --grader",
            )
        return self._grade(rows)

    def for_scoring(self, *, with_truth: bool) -> "Context":
        """Return the same resources with a fresh generator, and without the truth unless the filter may see it."""
        truth = self.truth if with_truth else None
        more: Any = {"queries": self._queries, "models": self._models, "grade": self._grade, "hidden": self.hidden}
        return Context(self._embedder, lambda: self.model, self.seed, truth, **more)

    @property
    def _access(self) -> ModelAccess:
        if self._models is None:
            raise NoModels
        return self._models

    def _read(self, rows: Sequence[TrainingRow], student: Student, what: str, work: Any) -> np.ndarray:
        access = self._access
        if not isinstance(student, Student):
            raise BenchError(
                f"context.{what.split()[0]}",
                seen=f"{student!r:.60} as the student",
                expected="a student",
                remedy="name it with context.student('original'), context.base or one of context.checkpoints()",
            )
        return access.read(as_key(rows, what), student, lambda reader: work(reader, [access.encode(r) for r in rows]))
