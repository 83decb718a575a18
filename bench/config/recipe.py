"""Training recipes: everything that fixes a training run except its data and its seed."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bench.files import find_toml, load_toml
from bench.records import Strict

RECIPES = Path(__file__).parent / "recipes"

Method = Literal["full", "lora", "top_layers"]
Precision = Literal["float32", "bfloat16"]
LATER = {"precision": "float32", "gradient_checkpointing": False}  # keys that recipes of stored students do not have


class Recipe(Strict):
    """One training recipe; the file's keys are these fields.

    Attributes:
        name: Shown in reports.
        model: `smollm2-135m`, `gemma3-270m`, `tiny-llama`, a local folder or a Hugging Face id.
        method: Train all weights, LoRA adapters, or all weights of the last layers.
        last_layers: Train in the last k decoder layers only; 0 means all of them (LoRA and full).
        lora_rank: Rank r of the adapters on all linear layers; alpha is twice that.
        epochs: Passes over the arm's rows.
        learning_rate: Peak of AdamW, decaying linearly to 0 (no warm-up, no weight decay).
        batch_size: Rows a step.
        max_length: Longest prompt plus completion in tokens; a longer row is an error, never cut.
        max_grad_norm: Gradients are clipped to this norm.
        precision: In which the base is loaded for LoRA students; adapters and their updates are float32 in either. On a
            GPU, LoRA students compute in bfloat16 anyway, and this only saves the copy in float32.
        gradient_checkpointing: Keep one state a layer for the backward pass and compute the rest again (Chen et al.
            2016, arXiv:1604.06174): a fraction of the memory, a third more work, the same student.
    """

    name: str
    model: str
    method: Method
    last_layers: int = Field(default=0, ge=0)
    lora_rank: int = Field(default=16, ge=1, le=2**16)
    epochs: int = Field(default=3, ge=1, le=1000)
    learning_rate: float = Field(gt=0, le=10)
    batch_size: int = Field(default=8, ge=1, le=2**16)
    max_length: int = Field(default=1024, ge=8, le=2**24)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Precision = "float32"
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _method_fits_layers(self) -> "Recipe":
        if self.method == "top_layers" and self.last_layers == 0:
            raise ValueError("method 'top_layers' needs last_layers >= 1")
        if self.method == "full" and self.last_layers:
            raise ValueError("method 'full' trains every layer; leave last_layers out or use 'top_layers'")
        if self.method != "lora" and self.precision != "float32":
            raise ValueError("precision 'bfloat16' needs method 'lora': trained weights would round small updates away")
        return self

    @model_serializer(mode="wrap")
    def _as_in_earlier_files(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave defaults of later keys out: keys of stored students, and run folders, are made of what is written."""
        written: dict[str, Any] = write(self)
        return {key: value for key, value in written.items() if key not in LATER or value != LATER[key]}


def load_recipe(name: str, folder: Path) -> Recipe:
    """Read a recipe by built-in name or by path (relative to `folder`, the suite's own).

    Raises:
        BenchError: If there is no such recipe, or a key or value is wrong.
    """
    return load_toml(find_toml("recipe", name, RECIPES, folder), f"recipe {name}", Recipe)
