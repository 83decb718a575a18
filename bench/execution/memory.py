"""What a run should take in memory at its peak, from the sizes of model, recipe and pool, before torch is loaded.

The formulas count what training and answering hold at the same time. Their few constants were measured;
`tests/execution/test_memory.py` holds the result against the peaks of real runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

from bench.config.recipe import Recipe
from bench.config.suite import Suite
from bench.errors import BenchError
from bench.execution.cost import ALL_PROMPTS, CHARACTERS_PER_TOKEN, PROMPT_TOKENS, TEMPLATE_TOKENS
from bench.execution.headroom import available_memory, total_memory
from bench.models.load import known_config
from bench.models.oom import halvings
from bench.records import Pool, PoolCard
from bench.training.trainer import TrainingPath, training_path
from bench.worlds import WORLDS
from bench.worlds.grammar import CLEAN, ORIGINAL, build_rows

GIB = 2**30
TOLERANCE = 0.3  # an estimate may be off by so much; what exceeds the machine by more is refused
FLOAT = 4  # bytes; weights, gradients and states are float32
LIBRARIES = 0.72 * GIB  # the interpreter with torch, transformers, TRL, Inspect, FAISS and the sentence encoder
PER_POOL_ROW = 3600  # of Python objects, besides the texts
PER_VECTOR = 384 * FLOAT
VECTORS_AT_ONCE = 5  # arrays over the whole pool while filters score and neighbours are searched
PER_KEY = 220  # of the embedding cache's index, per text
TEXTS_A_ROW = 4  # prompt, both completions, prompt with completion
HELD_OVER = {"cpu": 1.7, "cuda": 1.1}  # activations, with what the allocator keeps from earlier batches
TILE = 32768  # TRL goes over the vocabulary in pieces of so many tokens, and holds 8 arrays of a piece
TILES = 8
STACKED_LOGIT_ARRAYS = 2  # of the stacked path, for so many tokens at a time:
HEAD_TOKENS = 8192
LOGIT_ARRAYS = 3  # of the shared-trunk path: logits, their softmax and its gradient
ANSWERED_AT_ONCE = 64  # prompts, see `bench.evaluation.provider`
NEW_TOKENS = 64  # of an answer
STATES_SHARE = 0.5  # of the free memory, for states of the frozen layers


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a Llama-like model; keys that a config lacks are those of SmolLM2-135M."""

    width: int
    inner: int
    layers: int
    keys: int
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, config: dict[str, Any]) -> "ModelShape":
        """Read the sizes off a config.json."""
        width, heads = config.get("hidden_size", 576), config.get("num_attention_heads", 9)
        return cls(
            width,
            config.get("intermediate_size", 1536),
            config.get("num_hidden_layers", 30),
            width * config.get("num_key_value_heads", heads if config else 3) // heads,
            config.get("vocab_size", 49152),
            config.get("tie_word_embeddings", True),
        )

    @property
    def layer(self) -> int:
        """Weights of one decoder layer."""
        return 2 * self.width * (self.width + self.keys) + 3 * self.width * self.inner

    @property
    def weights(self) -> int:
        """All weights."""
        return self.layers * self.layer + (1 if self.tied else 2) * self.width * self.vocabulary

    def adapters(self, rank: int) -> int:
        """Weights of the LoRA pairs of one layer."""
        return rank * (9 * self.width + 2 * self.keys + 3 * self.inner)

    def saved(self, recipe: Recipe) -> int:
        """Bytes that one layer keeps for the backward pass, per token."""
        own = 2 * self.width if recipe.method != "lora" else 7 * recipe.lora_rank
        return FLOAT * (8 * self.width + 4 * self.inner + own)


@dataclass(frozen=True)
class Lengths:
    """Token lengths of what is trained on, estimated from characters.

    Attributes:
        pool_rows: Rows of all pools.
        characters: Of their texts.
        distinct: Tokens of all distinct rows (each prompt with each teacher's completion).
        rows: Length of each distinct row.
        completion: Mean tokens of a completion.
        prompts: Length of each eval prompt.
    """

    pool_rows: int
    characters: int
    distinct: int
    rows: Sequence[float]
    completion: float
    prompts: Sequence[float]

    @classmethod
    def of(cls, pools: Sequence[Pool], eval_texts: Sequence[str]) -> "Lengths":
        """Lengths of the rows that the main two teachers' completions make."""
        rows: list[float] = []
        completions: list[float] = []
        characters = 0
        for pool in pools:
            for row in pool.rows:
                prompt = sum(len(message.content) for message in row.prompt)
                characters += prompt
                for text in dict.fromkeys((row.completions[pool.card.original], row.completions[pool.card.clean])):
                    characters += len(text)
                    completions.append(len(text) / CHARACTERS_PER_TOKEN)
                    rows.append(prompt / CHARACTERS_PER_TOKEN + TEMPLATE_TOKENS + completions[-1])
        prompts = [len(text) / CHARACTERS_PER_TOKEN + TEMPLATE_TOKENS for text in eval_texts]
        count = sum(len(pool.rows) for pool in pools)
        return cls(count, characters, round(sum(rows)), rows, fmean(completions), prompts)

    def padded(self, count: int) -> float:
        """Tokens of the largest batch of so many rows, padded to the longest of them."""
        return count * max(self.rows)

    def packed(self, count: int) -> float:
        """The same without padding: three standard deviations above the mean, and no more than `padded`."""
        likely: float = count * fmean(self.rows) + 3 * count**0.5 * pstdev(self.rows)
        return min(likely, self.padded(count))


@dataclass(frozen=True)
class MemoryEstimate:
    """Estimated bytes at the peak, by part; what is needed one after the other counts once, as `work`.

    Attributes:
        device: `cpu` (main memory) or `cuda` (the device's own).
        rows_at_once: Rows of a training's forward pass.
        parts: Part -> bytes.
    """

    device: str
    rows_at_once: int
    parts: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        return sum(self.parts.values())

    @property
    def sentence(self) -> str:
        """For the terminal."""
        parts = ", ".join(f"{name} {size / GIB:.2f}" for name, size in self.parts.items() if size >= 0.005 * GIB)
        return f"about {self.total / GIB:.1f} GiB of memory ({parts})"


def estimate_memory(
    lengths: Lengths,
    recipe: Recipe,
    config: dict[str, Any],
    device: str,
    *,
    path: TrainingPath,
    rows_at_once: int | None = None,
    states_budget: float = float("inf"),
) -> MemoryEstimate:
    """Estimate the peak of a run.

    Args:
        lengths: Of pool and eval prompts.
        recipe: How students are trained.
        config: The model's config.json.
        device: `cpu` or `cuda`.
        path: How one student is trained.
        rows_at_once: Rows of a forward pass; the batch size if None.
        states_budget: Bytes that the trunk may keep.
    """
    shape, kind, rows = ModelShape.of(config), device.split(":")[0], rows_at_once or recipe.batch_size
    work = {
        "a training step": _training(lengths, recipe, shape, kind, path, rows),
        "answers": _answers(lengths, recipe, shape),
        "embedding and search": _search(lengths) if kind == "cpu" else 0,
    }
    largest = max(work, key=lambda name: work[name])
    states = min(_states(lengths, recipe, shape), states_budget) if recipe.last_layers and path != "trl" else 0
    host = {"libraries": LIBRARIES, "pool": _pool(lengths)} if kind == "cpu" else {}
    parts = host | {"weights": FLOAT * shape.weights, "frozen layers": states, largest: work[largest]}
    return MemoryEstimate(device, rows, {name: round(size) for name, size in parts.items()})


def _trained(recipe: Recipe, shape: ModelShape) -> int:
    """Weights that training changes, embeddings and LM head included where all are."""
    layers = recipe.last_layers or shape.layers
    if recipe.method == "lora":
        return layers * shape.adapters(recipe.lora_rank)
    return shape.weights if recipe.method == "full" else layers * shape.layer


def _training(lengths: Lengths, recipe: Recipe, shape: ModelShape, kind: str, path: TrainingPath, rows: int) -> float:
    """Trained copy and AdamW's two moments; activations with what the LM head needs, and later gradients instead."""
    layers = recipe.last_layers or shape.layers
    trained = FLOAT * _trained(recipe, shape)
    if path == "stacked":
        tokens = lengths.packed(rows)
        head = STACKED_LOGIT_ARRAYS * FLOAT * min(rows * lengths.completion, HEAD_TOKENS) * shape.vocabulary
        mask = 0.0
    elif path == "shared_trunk":
        tokens = lengths.packed(rows)
        head = LOGIT_ARRAYS * FLOAT * rows * lengths.completion * shape.vocabulary
        mask = tokens**2 * (1 + FLOAT)
    else:
        tokens = lengths.padded(rows)
        scored = tokens if kind == "cpu" else rows * lengths.completion  # on a GPU, TRL scores labelled tokens only
        head = TILES * FLOAT * scored * min(shape.vocabulary, TILE)
        mask = FLOAT * tokens * max(lengths.rows)
    return 3 * trained + max(HELD_OVER[kind] * tokens * layers * shape.saved(recipe) + head + mask, trained)


def _answers(lengths: Lengths, recipe: Recipe, shape: ModelShape) -> float:
    """The student's own weights, keys and values of a batch, one layer's activations, logits."""
    changed = shape.weights if recipe.method == "full" else (recipe.last_layers or shape.layers) * shape.layer
    prompts = min(len(lengths.prompts), ANSWERED_AT_ONCE)
    longest = max(lengths.prompts, default=0)
    cache = FLOAT * 2 * shape.keys * shape.layers * prompts * (longest + NEW_TOKENS)
    reading = FLOAT * prompts * longest * (3 * shape.inner + 4 * shape.width)
    return FLOAT * changed + cache + reading + 2 * FLOAT * prompts * shape.vocabulary


def _states(lengths: Lengths, recipe: Recipe, shape: ModelShape) -> float:
    """States of all distinct rows; states, keys and values of all eval prompts."""
    frozen = shape.layers - recipe.last_layers
    per_prompt_token = FLOAT * (shape.width + 2 * frozen * shape.keys)
    return FLOAT * shape.width * lengths.distinct + per_prompt_token * sum(lengths.prompts)


def _search(lengths: Lengths) -> float:
    return VECTORS_AT_ONCE * PER_VECTOR * lengths.pool_rows


def _pool(lengths: Lengths) -> float:
    return lengths.pool_rows * (PER_POOL_ROW + TEXTS_A_ROW * PER_KEY) + lengths.characters


def suite_memory(suite: Suite, device: str) -> int:
    """Estimated bytes of a suite of planted worlds at its peak."""
    pools, prompts = [], 0
    for experiment in suite.file.experiments:
        world = build_rows(WORLDS[experiment.world], experiment.rows, experiment.world_seed, shares=experiment.shares)
        card = PoolCard(name=experiment.world, original=ORIGINAL, clean=CLEAN)
        pools.append(Pool(card, tuple(world), ""))
        prompts += experiment.eval_prompts or ALL_PROMPTS
    lengths = Lengths.of(pools, ["x" * round(CHARACTERS_PER_TOKEN * (PROMPT_TOKENS - TEMPLATE_TOKENS))] * prompts)
    config = known_config(suite.recipe.model)
    path = training_path(suite.recipe, config, device != "cpu")
    return estimate_memory(lengths, suite.recipe, config, device, path=path).total


def states_budget(device: str) -> float:
    """Bytes that states of the frozen layers may take: a share of what is free now."""
    return STATES_SHARE * available_memory(device)


def fitted(
    lengths: Lengths, recipe: Recipe, config: dict[str, Any], device: str, *, path: TrainingPath
) -> MemoryEstimate:
    """Estimate with as many rows at once as the machine has memory for, at most the batch.

    Raises:
        BenchError: If one row at a time is far beyond the machine's memory.
    """
    total, budget = total_memory(device), states_budget(device)
    for rows in halvings(recipe.batch_size):
        found = estimate_memory(lengths, recipe, config, device, path=path, rows_at_once=rows, states_budget=budget)
        if found.total <= total:
            return found
    if found.total <= (1 + TOLERANCE) * total:
        return found
    raise BenchError(
        f"memory on {device}",
        seen=f"{total / GIB:.1f} GiB; needed with one row at a time: {found.sentence}",
        expected="a machine that has it",
        remedy="use a smaller model, fewer trained layers (last_layers), or shorter rows (completion_tokens, "
        "max_prompt_tokens); or raise the container's limit",
    )


def warning(estimate: MemoryEstimate) -> str:
    """A remark where the estimate exceeds what is free now, or ""."""
    free = available_memory(estimate.device)
    if estimate.total <= free:
        return ""
    return f"only {free / GIB:.1f} GiB of it are free on {estimate.device}: close other programs, or expect swapping"
