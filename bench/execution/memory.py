"""Estimate bytes at a run's peak and on disk, from sizes of model, recipe and pool, and measure the machine's memory.

The formulas count what training and answering hold at the same time. Their few constants were measured;
`tests/execution/test_memory.py` holds the result against the peaks of real runs.
"""

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.config.recipe import Recipe
from bench.config.suite import Suite
from bench.data.reserve import reserve_size
from bench.errors import BenchError
from bench.execution.cost import ALL_PROMPTS, PROMPT_TOKENS, planted_rows
from bench.models.load import known_config
from bench.models.oom import halvings
from bench.models.shape import FLOAT, ModelShape
from bench.records import Pool, PoolCard
from bench.training.lengths import CHARACTERS_PER_TOKEN, TEMPLATE_TOKENS, Lengths
from bench.training.methods import METHODS, TrainingPath, training_path
from bench.worlds.grammar import CLEAN, ORIGINAL

GIB = 2**30
BFLOAT16 = 2  # bytes
TOLERANCE = 0.3  # an estimate may be off by so much; what exceeds the machine by more is refused
LIBRARIES = 0.72 * GIB  # the interpreter with torch, transformers, TRL, Inspect, FAISS and the sentence encoder
PER_POOL_ROW = 3600  # of Python objects, besides the texts
PER_VECTOR = 384 * FLOAT
VECTORS_AT_ONCE = 5  # arrays over the whole pool while filters score and neighbours are searched
PER_KEY = 220  # of the embedding cache's index, per text
TEXTS_A_ROW = 4  # prompt, both completions, prompt with completion
HELD_OVER = {"cpu": 1.7, "cuda": 1.1}  # activations, with what the allocator keeps from earlier batches
ANSWERED_AT_ONCE = 64  # prompts of a student, see `bench.models.engine`
TOGETHER = 8  # students that answer at once on a CPU: with 7 and 8, one took 0.8 of the time that it took with 4
ANSWERS_SHARE = 0.25  # of the memory that is free when a run starts, which several students' answers may take
NEW_TOKENS = 64  # of an answer
STATES_SHARE = 0.5  # of the free memory, for states of the frozen layers
CGROUP = Path("/sys/fs/cgroup")
CGROUP_FILES = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class MemoryEstimate:
    """Estimated bytes at the peak, by part; what is needed one after the other counts once, as `work`.

    Attributes:
        device: `cpu` (main memory) or `cuda` (the device's own).
        rows_at_once: Rows of a training's forward pass.
        parts: Part -> bytes.
        together: Students that answer at once, on a CPU.
    """

    device: str
    rows_at_once: int
    parts: dict[str, int]
    together: int = 1

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        return sum(self.parts.values())

    @property
    def sentence(self) -> str:
        """Total and parts in words."""
        parts = ", ".join(f"{name} {size / GIB:.2f}" for name, size in self.parts.items() if size >= 0.005 * GIB)
        return f"about {self.total / GIB:.1f} GiB of memory ({parts})"


@dataclass(frozen=True)
class Workload:
    """What a run does, as far as its memory goes.

    Attributes:
        lengths: Of pool and eval prompts.
        recipe: How students are trained.
        shape: Sizes of the model.
        device: `cpu` or `cuda`.
        path: How one student is trained.
    """

    lengths: Lengths
    recipe: Recipe
    shape: ModelShape
    device: str
    path: TrainingPath


def estimate_memory(
    work: Workload, *, rows_at_once: int | None = None, states_budget: float = float("inf"), together: int = 1
) -> MemoryEstimate:
    """Estimate the peak of a run.

    Args:
        work: What is done.
        rows_at_once: Rows of a forward pass; the batch size if None.
        states_budget: Bytes that states of the frozen layers may take.
        together: Students that answer at once.
    """
    lengths, on_cpu, rows = work.lengths, work.device == "cpu", rows_at_once or work.recipe.batch_size
    phases = {
        "a training step": _training(work, rows),
        "answers": _answers(work, together),
        "embedding and search": VECTORS_AT_ONCE * PER_VECTOR * lengths.pool_rows if on_cpu else 0,
    }
    largest = max(phases, key=lambda name: phases[name])
    keeps_states = work.recipe.last_layers and METHODS[work.path].uses_prefix
    states = min(_states(work), states_budget) if keeps_states else 0
    pool = lengths.pool_rows * (PER_POOL_ROW + TEXTS_A_ROW * PER_KEY) + lengths.characters
    host = {"libraries": LIBRARIES, "pool": pool} if on_cpu else {}
    # Besides the base in float32: `bench.models.packed_linear` on a CPU, `Trainer.frozen_prefix` on a GPU.
    copy = BFLOAT16 if METHODS[work.path].multi_lora else 0
    if on_cpu:
        copy = FLOAT if work.recipe.method != "full" else 0
    weight = BFLOAT16 if work.recipe.precision == "bfloat16" else FLOAT + copy
    parts = host | {"weights": weight * work.shape.weights, "frozen layers": states, largest: phases[largest]}
    return MemoryEstimate(work.device, rows, {name: round(size) for name, size in parts.items()}, together)


def students_together(work: Workload, free: float) -> int:
    """Return how many students may answer at once on a CPU, given the bytes that are free."""
    if work.device != "cpu" or work.recipe.method != "lora" or not METHODS[work.path].uses_prefix:
        return 1
    return next((n for n in halvings(TOGETHER) if _answers(work, n) <= ANSWERS_SHARE * free), 1)


def _training(work: Workload, rows: int) -> float:
    """Trained copy and AdamW's two moments; activations with what the LM head needs, and later gradients instead."""
    shape, recipe = work.shape, work.recipe
    trained = FLOAT * shape.trained(recipe)
    kind = work.device.split(":")[0]
    tokens, head_and_mask = METHODS[work.path].cost(work.lengths, shape, rows, kind)
    activations = HELD_OVER[kind] * tokens * shape.saved(recipe)
    return 3 * trained + max(activations + head_and_mask, trained)


def _answers(work: Workload, students: int = 1) -> float:
    """Count the students' own weights, keys and values of a batch, one layer's activations, logits."""
    lengths, recipe, shape = work.lengths, work.recipe, work.shape
    changed = shape.weights if recipe.method == "full" else shape.trained_layers(recipe) * shape.layer
    if recipe.precision == "bfloat16":  # adapters stay beside the base's weights
        changed = shape.trained(recipe)
    prompts = students * min(len(lengths.prompts), ANSWERED_AT_ONCE)
    longest = max(lengths.prompts, default=0)
    cache = FLOAT * 2 * shape.keys * shape.layers * prompts * (longest + NEW_TOKENS)
    held = HELD_OVER["cpu"] if students > 1 else 1.0  # buffers that shrink leave gaps; 8 students took 1.8 of the sum
    reading = FLOAT * prompts * longest * (3 * shape.inner + 4 * shape.width)
    return FLOAT * changed + held * (cache + reading) + 2 * FLOAT * prompts * shape.vocabulary


def _states(work: Workload) -> float:
    """Count states of all distinct rows; states, keys and values of all eval prompts."""
    frozen = work.shape.layers - work.recipe.last_layers
    per_prompt_token = FLOAT * (work.shape.width + 2 * frozen * work.shape.keys)
    return FLOAT * work.shape.width * round(sum(work.lengths.rows)) + per_prompt_token * sum(work.lengths.prompts)


def suite_memory(suite: Suite, device: str) -> int:
    """Estimate the bytes of a suite of synthetic pools at its peak."""
    pools, prompts = [], 0
    for experiment in suite.file.experiments:
        card = PoolCard(name=experiment.world, original=ORIGINAL, clean=CLEAN)
        rows = planted_rows(experiment)
        reserve = rows[: reserve_size(experiment, suite.file, len(rows))]  # as long as these, to count on
        pools.append(Pool(card, tuple(rows), "", reserve=tuple(reserve)))
        prompts += experiment.eval_prompts or ALL_PROMPTS
    lengths = Lengths.of(pools, ["x" * round(CHARACTERS_PER_TOKEN * (PROMPT_TOKENS - TEMPLATE_TOKENS))] * prompts)
    config = known_config(suite.recipe.model)
    path = training_path(suite.recipe, config, device != "cpu")
    work = Workload(lengths, suite.recipe, ModelShape.of(config), device, path)
    return estimate_memory(work, together=students_together(work, total_memory(device))).total


def states_budget(device: str) -> float:
    """Return the bytes that states of the frozen layers may take: a share of what is free now."""
    return STATES_SHARE * available_memory(device)


def fitted(work: Workload) -> MemoryEstimate:
    """Estimate with as many rows at once as the machine has memory for, at most the batch.

    Raises:
        BenchError: If one row at a time is far beyond the machine's memory.
    """
    total, budget = total_memory(work.device), states_budget(work.device)
    together = students_together(work, available_memory(work.device))
    for rows in halvings(work.recipe.batch_size):
        found = estimate_memory(work, rows_at_once=rows, states_budget=budget, together=together)
        if found.total <= total:
            return found
    if found.total <= (1 + TOLERANCE) * total:
        return found
    raise BenchError(
        f"memory on {work.device}",
        seen=f"{total / GIB:.1f} GiB; needed with one row at a time: {found.sentence}",
        expected="a machine that has it",
        remedy="use a smaller model, fewer trained layers (last_layers), or shorter rows (completion_tokens, "
        "max_prompt_tokens); or raise the container's limit",
    )


def warning(estimate: MemoryEstimate) -> str:
    """Return a remark where the estimate exceeds what is free now, or ""."""
    free = available_memory(estimate.device)
    if estimate.total <= free:
        return ""
    return f"only {free / GIB:.1f} GiB of it are free on {estimate.device}: close other programs, or expect swapping"


def disk_warning(students: int, recipe: Recipe, shape: ModelShape, folder: Path) -> str:
    """Return a remark where the trained tensors of so many students exceed the disk space that is free, or ""."""
    needed, free = students * FLOAT * shape.trained(recipe), shutil.disk_usage(folder).free
    if needed <= free:
        return ""
    return (
        f"{students} students need about {needed / GIB:.1f} GiB of disk space, and {free / GIB:.1f} are free in "
        f"{folder}: make room or choose another folder with --out, or the run will stop on the way; what is finished "
        "stays"
    )


def total_memory(device: str) -> int:
    """Return the most bytes a process may have: the CUDA device's, or the machine's up to the container's limit."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[1])
    return min([int(psutil.virtual_memory().total), *(limit for limit, _ in _container_limits())])


def available_memory(device: str) -> int:
    """Return the bytes that are free now, with what the system would give up."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return min([int(psutil.virtual_memory().available), *(limit - used for limit, used in _container_limits())])


def peak_memory(device: str) -> int:
    """Return the bytes at this process's peak so far, on the CUDA device (allocated) or in main memory."""
    if device != "cpu":
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    # Elsewhere psutil has no peak, and getrusage also counts what the parent held before it started this process.
    if STATUS.is_file() and (found := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))):
        return 1024 * int(found[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _container_limits() -> list[tuple[int, int]]:
    """Return (limit, used) of the container, in bytes; none outside of one, and none where the limit is "max"."""
    found = []
    for limit, used in CGROUP_FILES:
        try:
            found.append((int((CGROUP / limit).read_text()), int((CGROUP / used).read_text())))
        except (OSError, ValueError):
            continue
    return found
