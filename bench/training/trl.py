"""SFT with TRL, the path that every other one is held against, and what all paths share."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.encode import Encoded, data_order, encode
from bench.models.student import trainable_copy, trained_tensors
from bench.records import TrainingRow

if TYPE_CHECKING:
    import torch

TRAINING_CODE = 1  # part of every run's key: raise it when the same inputs would train to other weights
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Trained:
    """Result of one training.

    Attributes:
        tensors: The trained tensors by name (see `bench.models.student`).
        losses: Mean loss per labelled token of each step.
        tokens: Tokens seen, prompts included, padding excluded.
        seconds: Wall time of the steps.
        path: See `bench.training.trainer.training_path`.
        students: How many were trained together.
    """

    tensors: "dict[str, torch.Tensor]"
    losses: list[float]
    tokens: int
    seconds: float
    path: str
    students: int = 1


def encode_in_order(tokenizer: Any, rows: Sequence[TrainingRow], recipe: Recipe, seed: int) -> list[Encoded]:
    """Tokenise an arm and lay it out in the order in which every training path sees it."""
    encoded = [encode(tokenizer, row, recipe.max_length) for row in rows]
    return [encoded[i] for i in data_order(rows, recipe.epochs, seed)]


def batches(stream: Sequence[Encoded], batch_size: int) -> list[Sequence[Encoded]]:
    """Cut a stream of rows into steps; only the last one may be smaller."""
    return [stream[i : i + batch_size] for i in range(0, len(stream), batch_size)]


def train_with_trl(
    base: Any,
    tokenizer: Any,
    stream: Sequence[Encoded],
    recipe: Recipe,
    seed: int,
    on_step: OnStep | None = None,
    rows_at_once: int | None = None,
) -> Trained:
    """Train with TRL's SFTTrainer on rows that are already tokenised and ordered.

    Args:
        base: Causal language model; it is copied, not changed. Its device decides where training runs.
        tokenizer: The model's tokenizer (pads the batches).
        stream: Rows in training order, all epochs (see `encode_in_order`).
        recipe: Method, learning rate and batch size.
        seed: Initialises the adapters.
        on_step: Called with (steps done, steps in all).
        rows_at_once: Rows of a forward pass, a divisor of the batch size: gradients add up to those of the whole
            batch. All rows of the batch if None.

    Returns:
        The trained tensors and the loss of every step.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTTrainer

    model = trainable_copy(base, recipe, seed)
    data = Dataset.from_list([{"input_ids": list(row.ids), "labels": row.labels} for row in stream])

    class Tick(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if on_step:
                on_step(state.global_step, state.max_steps)

    with tempfile.TemporaryDirectory() as scratch:
        trainer: Any = SFTTrainer(
            model=model,
            args=_sft_config(recipe, seed, scratch, base.device.type, rows_at_once or recipe.batch_size),
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[Tick()],
        )
        trainer.remove_callback(PrinterCallback)
        if len(trainer.train_dataset) != len(stream):
            raise BenchError(
                "TRL's SFTTrainer",
                seen=f"{len(trainer.train_dataset)} rows kept of {len(stream)}",
                expected="every row",
                remedy="raise the recipe's max_length",
            )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        trained = trained_tensors(trainer.accelerator.unwrap_model(trainer.model))
    return Trained(trained, losses, sum(len(row.ids) for row in stream), seconds, "trl")


def _sft_config(recipe: Recipe, seed: int, folder: str, device: str, rows_at_once: int) -> Any:
    from trl import SFTConfig

    return SFTConfig(
        output_dir=folder,
        seed=seed,
        data_seed=seed,
        num_train_epochs=1,  # the stream already holds every epoch, in our order
        train_sampling_strategy="sequential",
        per_device_train_batch_size=rows_at_once,
        gradient_accumulation_steps=recipe.batch_size // rows_at_once,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=recipe.max_grad_norm,
        max_length=recipe.max_length,
        use_cpu=device == "cpu",
        bf16=device == "cuda",  # autocast; the weights stay in float32, so small updates are not rounded away
        fp16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
        save_strategy="no",
        eval_strategy="no",
        dataloader_pin_memory=False,
    )
