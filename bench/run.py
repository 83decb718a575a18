"""The main job, in order: pool and trait -> flagged sets -> arms -> SFT -> eval -> effects -> rows -> report.

The only file that knows the order of the stages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bench.arms import CLEAN, ORIGINAL, filter_arm, make_jobs
from bench.config.suite import Suite, load_suite, with_pool
from bench.data.experiment import Experiment
from bench.errors import BenchError
from bench.execution.progress import Progress, progress_for
from bench.execution.session import Options, as_specs, open_session
from bench.filtering.confounds import add_overlaps, check_names
from bench.filtering.plugin import FilterPlugin
from bench.filtering.select import select_all, suite_filters
from bench.leaderboard.assemble import make_rows
from bench.leaderboard.row import Row
from bench.records import Action
from bench.run_folder.arm_index import ArmEntry, write_arms
from bench.studies.pages import write_pages
from bench.studies.rollouts.rate import measure_teacher

if TYPE_CHECKING:
    import pandas


NAMES = ("filter", "budget", "trait", "action")  # columns of `Results.frame`
NUMBERS = (
    *("score", "original", "clean", "difference", "removal", "removal_low", "removal_high"),
    *("lift", "lift_low", "lift_high", "p_holm", "precision", "recall", "prompts", "seeds"),
)


@dataclass(frozen=True, repr=False)
class Results:
    """What a run found.

    Attributes:
        rows: One row per filter and budget.
        folder: Where rows, evidence and pages lie.
    """

    rows: list[Row]
    folder: Path

    @property
    def report(self) -> Path:
        """The board, one HTML page."""
        return self.folder / "report.html"

    def frame(self) -> "pandas.DataFrame":
        """Return a table with one line per filter, budget, trait and action; what is missing is NaN."""
        import pandas

        lines = [line for row in self.rows for line in _lines(row)]
        return pandas.DataFrame(lines, columns=[*NAMES, *NUMBERS]).astype(dict.fromkeys(NUMBERS, float))

    def __repr__(self) -> str:
        """Say how many rows there are, and where they lie."""
        return f"Results({len(self.rows)} rows in {self.folder})"


def _lines(row: Row) -> list[dict[str, object]]:
    """Return a row's actions as lines of a table; effects are missing where the trait is not scored."""
    lines: list[dict[str, object]] = []
    for trait in row.traits.values():
        for action in get_args(Action):
            arm, effect = filter_arm(action, row.filter.name, row.budget).name, trait.effects.get(action)
            if arm not in trait.arms:
                continue
            lines.append(
                {
                    "filter": row.filter.name,
                    "budget": row.budget,
                    "trait": trait.trait,
                    "action": action,
                    "score": trait.arms[arm].trait.value,
                    "original": trait.arms[ORIGINAL.name].trait.value,
                    "clean": trait.arms[CLEAN.name].trait.value,
                    "difference": effect and effect.difference.value,
                    "removal": effect and effect.removal.value,
                    "removal_low": effect and effect.removal.low,
                    "removal_high": effect and effect.removal.high,
                    "lift": effect and effect.lift and effect.lift.value,
                    "lift_low": effect and effect.lift and effect.lift.low,
                    "lift_high": effect and effect.lift and effect.lift.high,
                    "p_holm": effect and effect.p_holm,
                    "precision": trait.found and trait.found.precision,
                    "recall": trait.found and trait.found.recall,
                    "prompts": trait.prompts,
                    "seeds": len(row.seeds),
                }
            )
    return lines


def run_suite(
    suite: str | Path | Suite,
    *,
    filters: str | Path | Sequence[str | Path] = (),
    pool: str | Path | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    progress: bool = False,
    examples: bool = True,
) -> Results:
    """Run a suite, using whatever its run folder already holds.

    Args:
        suite: Name of a built-in suite, path of a suite file, or a loaded suite.
        filters: Further filters, by name or path of a `.py` file.
        pool: Pool file to use in place of the one that the suite file names.
        out: Run folder; `out/SUITE` unless given.
        device: `auto`, `cpu` or `cuda`.
        progress: Draw a bar on the error stream, and print there what is done. Without it, what is done is logged by
            the logger `bench` at level INFO, which Python leaves out unless told otherwise.
        examples: Write texts of pool and students beside the rows, for the pages of the filters.

    Returns:
        The rows, and the folder that holds them and the report.

    Raises:
        BenchError: For anything that the user can fix; finished trainings stay in the folder.
    """
    loaded = suite if isinstance(suite, Suite) else load_suite(str(suite))
    if pool is not None:
        loaded = with_pool(loaded, Path(pool))
    folder = Path(out) if out is not None else Path("out") / loaded.file.name
    command = f"bench run {loaded.file.name}{'' if examples else ' --no-examples'}"
    options = Options(loaded, folder, device, as_specs(filters), command=command, examples=examples)
    with progress_for(progress) as shown:
        return run(options, shown)


def run(options: Options, progress: Progress) -> Results:
    """Run a suite as the command line does; see `run_suite`."""
    suite = options.suite
    plugins = [p for p in suite_filters(suite, options.filters) if options.only in ("", p.name)]
    check_names(suite)
    with open_session(options, progress) as session:
        experiments = session.experiments()
        for experiment in experiments if "regenerate" in suite.file.every_action else ():
            measure_teacher(session, experiment, suite.file.action_options.regenerate)
        for experiment in experiments:
            resources = session.resources(experiment)
            select_all(plugins, experiment, suite, resources, session.store)
            add_overlaps(plugins, experiment, suite, resources, session.store)
        _check_any_selected(plugins, experiments)
        session.do([(experiment, job) for experiment in experiments for job in make_jobs(experiment, suite)])
        write_arms(options.out, [entry for experiment in experiments for entry in _students(experiment)])
        rows = make_rows(session, experiments)
    write_pages(options.results)
    return Results(rows, options.results)


def _check_any_selected(plugins: Sequence[FilterPlugin], experiments: Sequence[Experiment]) -> None:
    """Refuse, before anything is trained, a run that would end without a row.

    Raises:
        BenchError: If every filter was left out of every experiment.
    """
    if not any(experiment.selections for experiment in experiments):
        reasons = [note for experiment in experiments for note in experiment.notes if ": left out" in note]
        raise BenchError(
            f"filters {', '.join(plugin.name for plugin in plugins)}",
            seen="; ".join(["all are left out", *reasons]),
            expected="at least one filter that can score the pool",
            remedy="add one to `filters` or with --filter, such as keyword or bm25, which need neither truth nor model",
        )


def _students(experiment: Experiment) -> list[ArmEntry]:
    return [
        ArmEntry(trait=experiment.name, arm=arm.name, seed=seed, student=trial.student)
        for (arm, seed), trial in experiment.trials.items()
    ]
