"""The base models of a diff: the suite's own, the alternative pipeline's, and those that some verdicts need."""

from collections.abc import Sequence
from pathlib import Path

from bench.config.recipe import Recipe, load_recipe
from bench.config.schema import Experiment
from bench.config.suite import Suite
from bench.data.experiment import Setup
from bench.data.trait import Measurement
from bench.execution.cost import job_costs
from bench.execution.trials import Bench, Watch
from bench.models.load import resolve_model
from bench.run_folder.store import Store
from bench.studies.diff.cells import ALTERNATIVE, OTHER, PRETRAINED
from bench.studies.diff.plan import MAIN, CellJob


def recipes_of(suite: Suite, experiment: Experiment) -> dict[str, Recipe]:
    """Recipe by role; roles that the suite does not fill are left out.

    Raises:
        BenchError: If the alternative's recipe is not there.
    """
    settings, own = suite.file.diff, experiment.alternative
    recipes = {MAIN: suite.recipe}
    if own:
        recipes[ALTERNATIVE] = load_recipe(own.recipe, suite.folder) if own.recipe else suite.recipe
    for role, model in ((OTHER, settings.other_initialisation), (PRETRAINED, settings.pretrained)):
        if model:
            recipes[role] = suite.recipe.model_copy(update={"model": _seen_from(suite.folder, model)})
    return recipes


def _seen_from(folder: Path, model: str) -> str:
    """A model's folder as seen from the suite's, where there is one; any other name as it is."""
    return str(folder / model) if (folder / model / "config.json").is_file() else model


class Benches:
    """One `Bench` for each recipe, made when it is first asked for; all write into one store."""

    def __init__(self, suite: Suite, device: str, store: Store, watch: Watch, stacked: bool | None = None) -> None:
        """Nothing is loaded yet; arguments as for `Bench`."""
        self.suite = suite
        self.device = device
        self._store = store
        self._watch = watch
        self._stacked = stacked
        self._made: dict[str, Bench] = {}
        self._models = [recipes_of(suite, experiment) for experiment in suite.file.experiments]
        for recipe in (recipe for recipes in self._models for recipe in recipes.values()):
            resolve_model(recipe.model)  # a wrong name shows before anything is trained

    @property
    def main(self) -> Bench:
        """The bench of the suite's own recipe."""
        return self._of(self.suite.recipe)

    def recipes(self, experiment: int) -> dict[str, Recipe]:
        """Recipe by role, of one experiment."""
        return self._models[experiment]

    def of(self, job: CellJob) -> Bench:
        """The bench that trains a job's cell."""
        return self._of(self._models[job.experiment][job.model])

    def _of(self, recipe: Recipe) -> Bench:
        key = recipe.model_dump_json(exclude={"name"})
        if key not in self._made:
            plain = recipe.model != self.suite.recipe.model
            self._made[key] = Bench(
                recipe, self.device, self._store, self._watch, plain_template=plain, stacked=self._stacked
            )
        return self._made[key]

    def shares(self, jobs: Sequence[CellJob]) -> list[tuple[Bench, list[int]]]:
        """Each bench with the positions of its jobs."""
        positions: dict[int, list[int]] = {}
        for i, job in enumerate(jobs):
            positions.setdefault(id(self.of(job)), []).append(i)
        return [(self.of(jobs[mine[0]]), mine) for mine in positions.values()]

    def costs(
        self, jobs: Sequence[CellJob], setups: Sequence[Setup], measurements: Sequence[Measurement]
    ) -> list[tuple[float, float]]:
        """Estimated seconds of training and evaluation per job; 0 for what the store holds."""
        found: dict[int, tuple[float, float]] = {}
        for bench, mine in self.shares(jobs):
            some = [jobs[i] for i in mine]
            todo = bench.missing([(job.rows, job.seed, measurements[job.experiment]) for job in some])
            found |= dict(zip(mine, job_costs(some, setups, bench, todo), strict=True))
        return [found[i] for i in range(len(jobs))]
