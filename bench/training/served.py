"""Stored LoRA students behind one vLLM in this process: adapters come and go, the base stays."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.config.recipe import Recipe
from bench.models.student import check_adapters, export_adapter
from bench.models.vllm import VllmEngine

ENGINES = ("transformers", "vllm")  # what answers: this package's decoding of a transformers model, or vLLM
MOST_STUDENTS = 64  # at a time on a GPU, where those that are not computed with lie in main memory
SHARE_OF_FREE_MEMORY = 0.9  # of the GPU, for the base, the adapters, and keys and values


class ServedStudents:
    """An engine that holds the students of one recipe, some at a time."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        """Set up without starting vLLM; `holding` starts it.

        Args:
            recipe: How the students were trained.
            device: `cpu` or `cuda`.

        Raises:
            BenchError: If the recipe trains no adapters.
        """
        check_adapters(recipe)
        self._recipe, self._device = recipe, device
        self._adapters = tempfile.TemporaryDirectory(prefix="sievebench-")  # vLLM reads them when they are first asked
        self._engine: VllmEngine | None = None
        self._room = 0

    def holding(self, students: Mapping[str, Path | None]) -> VllmEngine:
        """Return the engine with these students, and no others.

        Args:
            students: Name -> folder of the stored student; None is the untrained base.
        """
        if self._engine is None or len(students) > self._room:
            self._engine = None  # before another takes the memory
            self._room = MOST_STUDENTS if self._device != "cpu" else len(students)
            self._engine = self._start(max(self._room, len(students)))
        for known in self._engine.students:
            self._engine.forget(known)
        for name, folder in students.items():
            target = Path(self._adapters.name) / name
            self._engine.add(name, export_adapter(folder, self._recipe, target) if folder else None)
        return self._engine

    def _start(self, students: int) -> VllmEngine:
        recipe, options = self._recipe, dict[str, object]()
        if self._device != "cpu" or recipe.precision != "float32":
            options["dtype"] = "bfloat16"  # as this package's own engine of many students
        if self._device != "cpu":
            import torch

            free, total = torch.cuda.mem_get_info(self._device)
            options["gpu_memory_utilization"] = round(SHARE_OF_FREE_MEMORY * free / total, 3)
        return VllmEngine(recipe.model, self._device, rank=recipe.lora_rank, students=students, options=options)
