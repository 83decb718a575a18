"""What `bench speed --throughput` measures: training, answering, and the phases of a suite."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.recipe import Recipe
from bench.config.suite import Suite
from bench.execution.progress import Progress
from bench.execution.session import Options
from bench.models.encode import Encoded, encode_all
from bench.models.engine import MultiLoraEngine
from bench.models.generate import Request
from bench.records import TrainingRow
from bench.studies.speed.flops import training_work
from bench.studies.speed.workers import best_product, dtype_of
from bench.training.task import PLAIN, Speedups, TrainingTask
from bench.training.trainer import Trainer
from bench.worlds import WORLDS
from bench.worlds.grammar import ORIGINAL, build_rows

BOTH = Speedups(compiled=True, graphs=True)
GRAPHS = Speedups(graphs=True)
COMPILED = Speedups(compiled=True)
TRAININGS = {  # students at once and how they are sped up; most important first
    "cuda": ((64, BOTH), (64, PLAIN), (1, GRAPHS), (1, PLAIN), (16, GRAPHS), (32, COMPILED), (32, PLAIN), (1, BOTH)),
    "cpu": ((2, PLAIN), (1, PLAIN)),
}
BATCHES = 4  # different ones, each of which comes as often:
ROUNDS = {"cuda": 5, "cpu": 2}
UNTIMED = {"cuda": 2, "cpu": 1}  # rounds in which steps are recorded, kernels loaded and caches filled
STUDENTS = {"cuda": 64, "cpu": 2}  # that answer
PROMPTS = {"cuda": (32, 1, 16), "cpu": (2,)}  # of each student
TOKENS = {"cuda": 32, "cpu": 4}  # of an answer
WORLD = "date_confusion"
GIB = 2**30
Run = Callable[[Options, Progress], Any]


@dataclass(frozen=True)
class Report:
    """Where a part says what it finds, and what it is doing."""

    send: Callable[[str, Any], None]

    def figure(self, **values: str | int | float | None) -> None:
        """Report a line of the part's table; underscores in names are shown as spaces."""
        self.send("figure", {name.replace("_", " "): value for name, value in values.items()})

    def doing(self, text: str) -> None:
        """Say what comes next."""
        self.send("doing", text)


def _lora(recipe: Recipe) -> Recipe:
    """Return a recipe of students that train side by side: adapters, whatever the suite trains."""
    return recipe.model_copy(update={"method": "lora"})


def _rows(trainer: Trainer, count: int) -> list[Encoded]:
    rows = build_rows(WORLDS[WORLD], count, seed=1)
    texts = [TrainingRow(row.id, row.prompt, row.completions[ORIGINAL]) for row in rows]
    return encode_all(trainer.base()[1], texts, trainer.recipe.max_length)


def measure_training(suite: Suite, device: str, report: Report) -> None:
    """Train groups of students for some steps each, all on the same batches."""
    from bench.training.multi_lora import train_multi_lora  # loads torch

    kind = device.partition(":")[0]
    trainer = Trainer(_lora(suite.recipe), device, "stacked")
    batches = _rows(trainer, BATCHES * trainer.recipe.batch_size)
    peak = best_product(device)
    report.figure(what=f"matrix product, {dtype_of(device)}", TFLOP_per_s=peak / 1e12)
    work = training_work(trainer.base()[0], trainer.recipe, batches)
    for students, speedups in TRAININGS[kind]:
        report.doing(f"{students} students, {named(speedups)}")
        clock = _Clock(device, BATCHES * UNTIMED[kind])
        streams = [batches * ROUNDS[kind]] * students
        task = TrainingTask(trainer.recipe, streams, [1] * students, on_step=clock, speedups=speedups)
        trained = train_multi_lora(trainer.frozen_prefix(), task)
        steps = BATCHES * (ROUNDS[kind] - UNTIMED[kind])
        seconds = clock.seconds() / steps * BATCHES  # of one round
        report.figure(
            what="training",
            students=students,
            speedups=named(speedups) + (f" ({trained[0].note})" if trained[0].note else ""),
            tokens_per_s=students * work.tokens / seconds,
            share_of_peak=students * work.flops / seconds / peak,
            ms_a_step=1000 * seconds / BATCHES,
            compile_s=trained[0].compile_seconds * students,
            loss=trained[0].losses[-1],
            **clock.memory(),
        )
        del trained


def named(speedups: Speedups) -> str:
    """Name speedups in a table."""
    parts = [name for name, used in (("compiled", speedups.compiled), ("graphs", speedups.graphs)) if used]
    return "+".join(parts) or "none"


class _Clock:
    """Times the steps of a training that follow some others; told of every step."""

    def __init__(self, device: str, untimed: int) -> None:
        self._cuda, self._untimed, self._start, self._last = device != "cpu", untimed, 0.0, 0.0
        if self._cuda:
            import torch

            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)

    def __call__(self, done: int, steps: int) -> None:
        if done == self._untimed:
            self._start = self._now()
        if done == steps:
            self._last = self._now()

    def seconds(self) -> float:
        """Return the seconds from the last untimed step to the last one."""
        return self._last - self._start

    def memory(self) -> dict[str, float | None]:
        """Return the device's memory at its peak, as PyTorch allocated and reserved it."""
        if not self._cuda:
            return {}
        import torch

        return {
            "allocated_GiB": torch.cuda.max_memory_allocated() / GIB,
            "reserved_GiB": torch.cuda.max_memory_reserved() / GIB,
        }

    def _now(self) -> float:
        if self._cuda:
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


def measure_answering(suite: Suite, device: str, report: Report) -> None:
    """Let students with adapters of their own answer the same prompts, greedily, in one batch."""
    from bench.models.multi_lora import MultiLora  # loads torch
    from bench.models.stacked import StackedEngine

    kind = device.partition(":")[0]
    trainer = Trainer(_lora(suite.recipe), device, "stacked")
    prefix, tokenizer, students = trainer.frozen_prefix(), trainer.base()[1], STUDENTS[kind]
    names = [str(number) for number in range(students)]
    adapters = MultiLora(prefix.base, _adapters(prefix.base, trainer.recipe, students), training=False)
    prompts = [row.ids[: row.prompt_length] for row in _rows(trainer, max(PROMPTS[kind]))]
    said: dict[tuple[int, int], list[str]] = {}
    engines = {"recorded steps": StackedEngine, "plain steps": MultiLoraEngine}
    for number, (engine_name, kind_of) in enumerate(engines.items()):
        engine = kind_of(adapters, names, tokenizer, prefix, students * max(PROMPTS[kind]))
        for each in PROMPTS[kind]:
            report.doing(f"{engine_name}, {students} students, {each} prompts of each")
            requests = [Request(name, prompts[i], i) for name in names for i in range(each)]
            for round_ in ("first", "second"):
                clock = _Clock(device, 0)
                clock(0, 0)
                answers = engine.generate(requests, max_tokens=TOKENS[kind], temperature=0.0, stops=())
                clock(1, 1)
                seconds, steps = clock.seconds(), max(answer.tokens for answer in answers)
                texts = [answer.text for answer in answers]
                equal = [one == other for one, other in zip(texts, said.get((0, each), texts), strict=True)]
                report.figure(
                    engine=engine_name,
                    prompts=len(requests),
                    call=round_,
                    ms_a_token_step=1000 * seconds / steps,
                    tokens_per_s=sum(answer.tokens for answer in answers) / seconds,
                    answers_equal_to_the_first_engine=sum(equal) / len(equal),
                    **clock.memory(),
                )
            said[number, each] = texts


def _adapters(base: Any, recipe: Recipe, students: int) -> list[dict[str, Any]]:
    """Return adapters that change answers, each student's another way."""
    import torch

    from bench.models.student import trainable_copy, trained_tensors

    fresh = trained_tensors(trainable_copy(base, recipe, seed=0))

    def drawn(number: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(number)
        return {
            name: tensor if ".lora_A." in name else 0.02 * torch.randn(tensor.shape, generator=generator)
            for name, tensor in fresh.items()
        }

    return [drawn(number) for number in range(students)]


class _Phases(Progress):
    """Reports how long each phase of a run takes."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report, self._start = report, time.perf_counter()

    @contextmanager
    def phase(self, text: str, seconds: float) -> Iterator[None]:
        start = time.perf_counter()
        self._report.doing(f"{text}, begun at {start - self._start:.1f} s")
        with super().phase(text, seconds):
            yield
        now = time.perf_counter()
        self._report.figure(phase=text, announced_s=seconds, seconds=now - start, done_at_s=now - self._start)


def measure_suite(run: Run, suite: Suite, device: str, report: Report) -> None:
    """Run a suite from an empty folder by `bench.run.run`, which this layer does not know."""
    phases = _Phases(report)
    report.doing("start")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="sievebench-") as folder, phases:
        rows = run(Options(suite, Path(folder) / "run", device), phases).rows
    report.figure(phase=f"all, with the report: {len(rows)} rows", seconds=time.perf_counter() - start)
