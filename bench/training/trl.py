"""SFT with TRL, the path that every other one is held against."""

import tempfile
import time
from typing import Any

from bench.errors import BenchError
from bench.models.student import trainable_copy, trained_tensors
from bench.training.checkpoints import Checkpoint, take
from bench.training.task import Trained, TrainingTask, count_tokens


def train_with_trl(base: Any, tokenizer: Any, task: TrainingTask) -> list[Trained]:
    """Train one student with TRL's SFTTrainer on rows that are already tokenised and ordered.

    Args:
        base: Causal language model; it is copied, not changed. Its device decides where training runs.
        tokenizer: The model's tokenizer (pads the batches).
        task: Of one student.

    Returns:
        The trained tensors and the loss of every step.

    Raises:
        BenchError: If TRL leaves rows out.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTTrainer

    (stream,), (seed,) = task.streams, task.seeds
    model = trainable_copy(base, task.recipe, seed)
    data = Dataset.from_list([{"input_ids": list(row.ids), "labels": row.labels} for row in stream])

    kept: list[Checkpoint] = []

    class Tick(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step in task.checkpoints:
                kept.append(take(more["model"], more["optimizer"]))
            task.on_step(state.global_step, state.max_steps)

    with tempfile.TemporaryDirectory() as scratch:
        trainer: Any = SFTTrainer(
            model=model,
            args=_sft_config(task, seed, scratch, base.device.type),
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
    return [Trained(trained, losses, count_tokens(stream), seconds, "trl", 1, kept)]


def _sft_config(task: TrainingTask, seed: int, folder: str, device: str) -> Any:
    from trl import SFTConfig

    recipe = task.recipe
    return SFTConfig(
        output_dir=folder,
        seed=seed,
        data_seed=seed,
        num_train_epochs=1,  # the stream already holds every epoch, in our order
        train_sampling_strategy="sequential",
        per_device_train_batch_size=task.part,
        gradient_accumulation_steps=recipe.batch_size // task.part,
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
