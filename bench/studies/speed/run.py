"""The benchmark in order: plan -> training -> agreement -> generation -> embedding -> search -> one record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from bench.config.suite import Suite
from bench.models.load import pick_device
from bench.run_folder.provenance import source_commit
from bench.studies.speed import agreement, generation, machine, search, training
from bench.studies.speed.generation import Questions
from bench.studies.speed.measure import Ask, Done, measure, warm_up
from bench.studies.speed.plan import Plan, make_plan
from bench.studies.speed.records import Agreement, BenchmarkRecord, Case, Peak, Side, counted
from bench.studies.speed.workers import Worker, workers

D = TypeVar("D", bound=Done)

Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchmarkOptions:
    """What the command line decides.

    Attributes:
        suite: Whose arms, rows, order and prompts are used.
        arms: Names of arms; see `make_plan` for none.
        seeds: Training seeds of each arm.
        repeats: Times that each main case is measured on each side.
        device: `auto`, `cpu` or `cuda`.
        command: As typed.
    """

    suite: Suite
    arms: tuple[str, ...] = ()
    seeds: int = 1
    repeats: int = 2
    device: str = "auto"
    command: str = ""


@dataclass
class _Course:
    """What is measured so far."""

    sides: Mapping[Side, Worker]
    say: Say
    cases: list[Case]

    def take(self, ask: Ask[D]) -> dict[Side, D]:
        """Measure one case and tell how it went."""
        done = measure(self.sides, ask)
        case = ask.case()
        self.cases.append(case)
        times = f"plain {case.median('plain'):.3g} s, suite {case.median('suite'):.3g} s, ratio {case.ratio:.2f}"
        self.say(f"{case.kind}{f' by {case.axis}' if case.axis else ''}, {case.what}: {times}")
        return done

    def take_all(self, asks: Sequence[Ask[D]]) -> dict[Side, D]:
        """Measure the main case and what grows; what came out of the main case."""
        main = self.take(asks[0])
        for ask in asks[1:]:
            self.take(ask)
        return main


def run_benchmark(options: BenchmarkOptions, say: Say) -> BenchmarkRecord:
    """Measure both sides; nothing is written but temporary files.

    Raises:
        BenchError: For anything that the user can mend.
    """
    device = pick_device(options.device)
    plan = make_plan(options.suite, options.arms, options.seeds, device)
    say(f"{counted(len(plan.jobs), 'training')} a side and repeat: {', '.join(job.label for job in plan.jobs)}")
    with workers(plan.suite.recipe, device) as sides:
        course = _Course(sides, say, [])
        suite_side = sides["suite"]
        places = list(dict.fromkeys([device, "cpu"]))
        before = suite_side.call(machine.peak_flops, places)[0]
        agreed = _measure(course, plan, options.repeats, machine.dtype_of(device))
        after = suite_side.call(machine.peak_flops, places)[0]
        threads, card = suite_side.call(machine.torch_threads)[0], suite_side.call(machine.gpu)[0]
    peaks = [
        Peak(place=place, dtype=machine.dtype_of(place), measured=list(pair))
        for place, *pair in zip(places, before, after, strict=True)
    ]
    return BenchmarkRecord(
        suite=plan.suite.file.name,
        suite_version=plan.suite.file.version,
        pool_rows=len(plan.setup.pool.rows),
        pool_sha256=plan.setup.pool.sha256,
        trait=plan.setup.trait.name,
        recipe=plan.suite.recipe,
        path=plan.path,
        arms=plan.arms,
        seeds=plan.seeds,
        repeats=options.repeats,
        plain_batch=generation.PLAIN_BATCH,
        machine=machine.describe(device, threads, card, peaks),
        measured_on=datetime.now(UTC).date().isoformat(),
        command=options.command,
        commit=source_commit(),
        cases=course.cases,
        agreement=agreed,
    )


def _measure(course: _Course, plan: Plan, repeats: int, dtype: str) -> Agreement:
    """Everything that is measured, and whether the sides agree."""
    batch_size = plan.suite.recipe.batch_size
    warm_up(course.sides, training.warm_up(plan.jobs, batch_size))
    trained = course.take_all(training.asks(plan.jobs, repeats, batch_size))

    ours, theirs = trained["suite"].folders, trained["plain"].folders
    judge = course.sides["suite"]
    apart = judge.call(agreement.tensor_differences, list(zip(ours, theirs, strict=True)))[0]
    scored_all = judge.call(agreement.score_students, [*ours, *theirs], plan.measurement)[0]
    scored: dict[Side, list[agreement.Scored]] = {"suite": scored_all[: len(ours)], "plain": scored_all[len(ours) :]}
    pairs = agreement.make_pairs(plan.jobs, trained, scored, apart)
    first = scored_all[0]

    texts = judge.call(agreement.render, first.chats)[0]
    questions = Questions(tuple(texts), first.max_tokens)
    warm_up(course.sides, generation.warm_up(ours, questions))
    answered = course.take_all(generation.asks(ours, questions, repeats))
    both = [
        pair
        for side in zip(answered["suite"].texts, answered["plain"].texts, strict=True)
        for pair in zip(*side, strict=True)
    ]

    embedding = search.embedding_asks(plan.uses, repeats)
    warm_up(course.sides, search.embedding_asks([["warm-up"]], 1)[0])
    embedded = course.take_all(embedding)
    searches = search.search_asks(repeats)
    warm_up(course.sides, searches[1])
    found = course.take_all(searches)
    return Agreement(
        pairs=pairs,
        loss_tolerance=agreement.LOSS_TOLERANCE[dtype],
        prompts=first.ids,
        families=first.families,
        trait=agreement.trait_comparison(pairs, first.families, plan.setup.experiment.minimum_gap, _scale(plan)),
        same_texts=(sum(a == b for a, b in both), len(both)),
        vector_difference=agreement.largest_difference({side: done.vectors for side, done in embedded.items()}),
        similarity_difference=agreement.largest_difference({side: done.similarities for side, done in found.items()}),
    )


def _scale(plan: Plan) -> float:
    """Highest minus lowest possible score of the trait."""
    low, high = plan.setup.trait.eval.scale
    return high - low
