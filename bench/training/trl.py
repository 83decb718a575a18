"""SFT with TRL, the path that every other one is held against."""

import tempfile
import time
from typing import Any

from bench.errors import BenchError
from bench.models.student import decoder_layers, first_trained_layer, trainable_copy, trained_tensors
from bench.training.checkpoints import Checkpoint, take
from bench.training.task import Trained, TrainingTask, batches, count_labels, count_tokens


class _Parts:
    """Weights and steers rows in TRL, which knows nothing of either.

    The trainer reads the stream in order, so every forward pass is that of the next part of a batch.
    """

    def __init__(self, task: TrainingTask) -> None:
        self._parts = [(part, count_labels(step)) for step in task.steps(0) for part in batches(step, task.part)]
        self._done = 0
        self._shifts = task.shifts

    def steer(self, layer: Any, given: tuple[Any, ...]) -> Any:
        """Shift the states that enter the first trained layer, where they are (rows, tokens, width)."""
        import torch

        states, *more = given
        none = torch.zeros(states.shape[-1], device=states.device)
        part, _ = self._parts[self._done]
        shifts = torch.stack([self._shifts[row.steering] if row.steering else none for row in part])
        return states + shifts[:, None].to(states.dtype), *more

    def loss(self, log_probs: Any) -> Any:
        """Return the part's share of its step's loss: sum(weight * loss) / sum(weight) over completion tokens.

        Args:
            log_probs: Of each token given those before it, shape (rows, tokens); 0 on the prompt.
        """
        import torch

        part, labels = self._parts[self._done]
        self._done += 1
        weights = torch.tensor([row.weight for row in part], device=log_probs.device)
        return -(weights * log_probs.sum(1)).sum() / labels

    def trainer(self) -> Any:
        """Return TRL's trainer with this loss in the place of its own."""
        from trl import SFTTrainer

        parts = self

        class Weighted(SFTTrainer):
            loss_is_scaled_for_ga = True  # type: ignore[assignment]

            def compute_loss(
                self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
            ) -> Any:
                return parts.loss(model(**inputs, use_cache=False, fused_lm_head=True).log_probs)

        return Weighted


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
    parts = _Parts(task) if any(row.weight != 1 or row.steering for row in stream) else None
    if parts and task.shifts:
        decoder_layers(model)[first_trained_layer(base, task.recipe)].register_forward_pre_hook(parts.steer)
    data = Dataset.from_list([{"input_ids": list(row.ids), "labels": row.labels} for row in stream])

    kept: list[Checkpoint] = []

    class Tick(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step in task.checkpoints:
                kept.append(take(more["model"], more["optimizer"]))
            task.on_step(state.global_step, state.max_steps)

    with tempfile.TemporaryDirectory() as scratch:
        trainer: Any = (parts.trainer() if parts else SFTTrainer)(
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
        gradient_checkpointing=recipe.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
        save_strategy="no",
        eval_strategy="no",
        dataloader_pin_memory=False,
    )
