"""A session: what a command holds open while it works, shared by `bench run` and the studies."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config.recipe import Recipe
from bench.config.schema import ActionOptions
from bench.config.suite import HIDDEN, Suite
from bench.data.edit import edit_of
from bench.data.embedding import Embedder
from bench.data.experiment import Experiment, identical_completions, load_experiments
from bench.execution.cost import announcement, job_costs
from bench.execution.executor import LOCAL, Execution, Executor, open_executor
from bench.execution.job import Job
from bench.execution.memory import Workload, disk_warning, fitted, warning
from bench.execution.progress import Progress, log
from bench.execution.row_lengths import Labelled, Remedy, RowLengths, experiment_texts, job_texts, remedy_of
from bench.execution.stored import CHECKPOINTS, EVALS, STUDENTS
from bench.execution.trials import Trials, TrialSettings
from bench.filtering.model_access import ModelAccess
from bench.filtering.select import Resources
from bench.models.load import cache_folder, load_tokenizer, pick_device, resolve_model
from bench.models.shape import ModelShape
from bench.outcomes import Arm
from bench.records import MissingInput, TrainingRow
from bench.run_folder.provenance import bind_folder, check_folder, stored_device
from bench.run_folder.store import Store
from bench.training.checkpoints import Checkpoint
from bench.training.lengths import Lengths
from bench.training.served import ENGINES
from bench.training.task import TrainingInput

if TYPE_CHECKING:
    import numpy as np

JUDGE_KEYS = ("judge", "grader")
TRAINED = (STUDENTS, EVALS, CHECKPOINTS)  # work from which on a run folder keeps its settings
SHORTER_PATCHES = "let the filter put in shorter completions"


@dataclass(frozen=True)
class Options:
    """What the user decides about a run.

    Attributes:
        suite: What to run.
        out: Run folder.
        device: `auto`, `cpu` or `cuda`.
        filters: Further filters, by name or path.
        command: As typed, for the rows.
        rejudging: Score stored outputs with the suite's judge instead of generating new ones; rows and report go to
            `rejudged-JUDGE/` in the run folder.
        execution: Where trainings and evaluations run.
        only: Name of the one filter that is run; all are unless given. Its rows and pages go to `only-NAME/` in the run
            folder, while students are shared with all other runs there.
        examples: Write texts of pool and students beside the rows, for the pages of the filters.
    """

    suite: Suite
    out: Path
    device: str = "auto"
    filters: tuple[str, ...] = ()
    command: str = ""
    rejudging: bool = False
    execution: Execution = LOCAL
    only: str = ""
    examples: bool = True

    @property
    def results(self) -> Path:
        """Folder of the rows and the report."""
        if self.only:
            return self.out / f"only-{self.only}"
        who = re.sub(r"\W+", "-", f"{self.suite.file.judge} {self.suite.file.grader or ''}").strip("-")
        return self.out / f"rejudged-{who}" if self.rejudging else self.out


def as_specs(filters: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """Return filters as `Options` takes them: one or several, by name or path."""
    return (str(filters),) if isinstance(filters, str | Path) else tuple(map(str, filters))


class Session:
    """An open run folder, an executor, progress, and the base models that are in use."""

    def __init__(self, options: Options, device: str, store: Store, executor: Executor, progress: Progress) -> None:
        """Set up without loading a model; a trial or a filter loads the one that it needs."""
        self.options, self.suite, self.device = options, options.suite, device
        self.store, self.executor, self.progress = store, executor, progress
        self.embedder = Embedder(cache_folder() / "embeddings")
        self._trials: dict[str, Trials] = {}
        self._lengths: dict[str, RowLengths] = {}

    @property
    def main(self) -> Trials:
        """The trials of the suite's own recipe."""
        return self.trials(self.suite.recipe)

    def trials(self, recipe: Recipe) -> Trials:
        """Return the trials of a recipe, opened when it is first asked for.

        Base models other than the suite's may come without a chat template, see `TrialSettings.plain_template`.
        """
        key = recipe.model_dump_json(exclude={"name"})
        if key not in self._trials:
            settings = TrialSettings(
                recipe,
                self.device,
                plain_template=recipe.model != self.suite.recipe.model,
                multi_lora=self.options.execution.multi_lora,
                rejudging=self.options.rejudging,
                engine=self.options.execution.engine,
                compiled=self.options.execution.compiled,
            )
            self._trials[key] = Trials(settings, self.store, self.progress)
        return self._trials[key]

    def experiments(self) -> list[Experiment]:
        """Load the suite's experiments, try the eval tasks that are the user's, and measure the rows.

        Raises:
            BenchError: From `bench.data.experiment.load_experiments` or `bench.evaluation.evaluate.check_task`, or if
                rows are longer than the recipe allows.
        """
        from bench.evaluation.evaluate import check_task  # loads Inspect where there is such a task

        found = load_experiments(self.suite, self.tokenizer)
        for experiment in found:
            check_task(experiment.measurement)
            if same := identical_completions(experiment.pool):
                log.info("%s: %s", experiment.name, same)
            where, texts = f"pool {experiment.pool.card.name!r}", experiment_texts(experiment, self.suite.file)
            self.check_lengths(self.suite.recipe, where, texts, remedy_of(experiment, self.suite.file))
        return found

    def check_lengths(self, recipe: Recipe, where: str, texts: Labelled, remedy: Remedy) -> None:
        """Refuse rows that are too long for a recipe; not asked again once students are stored.

        Raises:
            BenchError: From `bench.execution.row_lengths.RowLengths.check`.
        """
        if not self.store.holds(STUDENTS):
            self.lengths(recipe).check(where, texts, remedy)

    def lengths(self, recipe: Recipe) -> RowLengths:
        """Return the rows that are known to fit a recipe; the tokenizer is loaded when it is first asked for."""
        key = recipe.model_dump_json(exclude={"name"})
        if key not in self._lengths:
            plain = recipe.model != self.suite.recipe.model
            self._lengths[key] = RowLengths(recipe, load_tokenizer(recipe.model, plain_template=plain))
        return self._lengths[key]

    def tokenizer(self) -> Any:
        """Load the student's tokenizer."""
        return self.main.trainer.tokenizer

    def resources(self, experiment: Experiment) -> Resources:
        """Return what filters are given for an experiment; nothing is loaded or trained before one asks for it."""
        trials, seed = self.main, self.suite.file.seeds[0]

        def train(student: TrainingInput, label: str, checkpoints: bool) -> tuple[Sequence[Checkpoint], float]:
            arm = Arm(label, "original")
            job = Job(arm, student.seed, student.rows, experiment.measurement, trials.recipe, student.visits)
            return trials.checkpoints(job) if checkpoints else trials.student(job)

        def grade(rows: Sequence[TrainingRow]) -> "np.ndarray":
            return _grades(experiment, self.suite, rows)

        models = ModelAccess(trials.trainer, train, experiment.pool.examples(), seed)
        return Resources(self.embedder, trials.base_for_filters, models, grade if self.suite.file.grader else None)

    def do(self, work: Sequence[tuple[Experiment, Job]]) -> None:
        """Do every job that the store lacks, and enter the trials of those that are evaluated into their experiments.

        Raises:
            BenchError: For anything that the user can fix; finished trials stay in the store.
        """
        groups: dict[int, tuple[Trials, list[Job]]] = {}
        for _, job in work:
            trials = self.trials(job.recipe)
            groups.setdefault(id(trials), (trials, []))[1].append(job)
        remedy = Remedy(otherwise=SHORTER_PATCHES, bound=self.store.holds(*TRAINED))
        for trials, jobs in groups.values():
            missing = trials.missing(jobs)
            costs = job_costs(jobs, trials.config, self.device, missing)
            if fresh := [job for job, (training, _) in zip(jobs, missing, strict=True) if training]:
                self.lengths(trials.recipe).check("arms", job_texts(fresh), remedy)
                shape = ModelShape.of(trials.config)
                if remark := disk_warning(len(fresh), trials.recipe, shape, self.store.root):
                    log.warning(remark)
            for job, seconds in zip(jobs, costs, strict=True):
                job.seconds = seconds
        costs = [job.seconds for _, job in work]
        log.info(announcement(costs, self.device))
        if any(training for training, _ in costs):
            self._announce_memory({id(experiment): experiment for experiment, _ in work}.values())
        self.progress.start(sum(map(sum, costs)))
        for trials, jobs in groups.values():
            self.executor.run(trials, jobs)
        for experiment, job in work:
            if job.evaluated:
                experiment.trials[job.key] = self.trials(job.recipe).read(job)

    def _announce_memory(self, experiments: Iterable[Experiment]) -> None:
        """Say what the run should take at its peak, and let trainings start with as many rows at once as fit.

        Raises:
            BenchError: If one row at a time is far beyond the machine's memory.
        """
        chosen, trials = list(experiments), self.main
        texts = [text for experiment in chosen for text in experiment.eval_texts]
        file = self.suite.file
        systems = [edit_of(a, (), e.trait, file.action_options).system for e in chosen for a in file.every_action]
        lengths = Lengths.of([experiment.pool for experiment in chosen], texts, max(map(len, systems), default=0))
        shape = ModelShape.of(trials.config)
        memory = fitted(Workload(lengths, trials.recipe, shape, self.device, trials.trainer.path))
        trials.expect(memory)
        log.info(memory.sentence)
        if remark := warning(memory):
            log.warning(remark)


def _grades(experiment: Experiment, suite: Suite, rows: Sequence[TrainingRow]) -> "np.ndarray":
    """Let the suite's grader judge rows by the trait's rubric.

    Raises:
        MissingInput: If the trait has no rubric.
    """
    import numpy as np

    from bench.evaluation.judging import judge_of  # loads Inspect
    from bench.evaluation.validate_judge import ask_grader

    judge = judge_of(experiment.trait)
    if judge is None or not judge.rubric:
        raise MissingInput(
            f"trait {experiment.name!r}",
            seen="a trait without a rubric",
            expected="a rubric in the trait file, or a JUDGE with one in its eval file",
            remedy="add rubric = '...' under [eval]",
        )
    pairs = [("\n".join(turn.content for turn in row.prompt), row.completion) for row in rows]
    scores = np.array(ask_grader(judge, pairs, suite.file.grader))
    return np.where(np.isnan(scores), 0.0, scores)  # where the score does not apply, the trait does not show


@contextmanager
def open_session(options: Options, progress: Progress) -> Iterator[Session]:
    """Claim the run folder for a suite, and hold it and the executor open.

    Raises:
        BenchError: If the folder belongs to other settings or another run, or the executor cannot work.
    """
    suite = options.suite
    device = stored_device(options.out) if options.rejudging else pick_device(options.device)
    store, settings = Store(options.out / "store"), run_settings(suite, device, options.execution.engine)
    ignore = JUDGE_KEYS if options.rejudging else ()
    check_folder(options.out, settings, ignore, used=store.holds(*TRAINED))
    with store.claimed(), open_executor(options.execution, device, store.root) as executor, progress:
        if not (options.rejudging or store.holds(*TRAINED)):
            bind_folder(options.out, settings)
        log.info("model %s: %s", suite.recipe.model, resolve_model(suite.recipe.model))
        yield Session(options, device, store, executor, progress)


def run_settings(suite: Suite, device: str, engine: str = ENGINES[0]) -> dict[str, Any]:
    """Return what a run folder is bound to; further filters, overlaps and studies may join later, so they are not."""
    later = dict.fromkeys(("diff", "lds", "confounds", "placebo"), True)
    excluded: Any = {**later, "experiments": {"__all__": {"alternative", "teachers"}}}
    file: dict[str, Any] = json.loads(suite.file.model_dump_json(exclude=excluded))
    if suite.file.action_options == ActionOptions():  # folders from before there were any stay valid
        del file["action_options"]
    for each in file["experiments"]:
        if each["world_seed"] >= HIDDEN:  # whoever reads it could draw the pool: a filter may read other run folders
            each["world_seed"] = hashlib.sha256(str(each["world_seed"]).encode()).hexdigest()
    other = {} if engine == ENGINES[0] else {"engine": engine}
    return file | {"recipe": suite.recipe.model_dump(), "device": device} | other
