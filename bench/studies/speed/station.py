"""What a side's process keeps between calls: the base model, loaded once, and a folder for students."""

import copy
import tempfile
from pathlib import Path
from typing import Any

from bench.config.recipe import Recipe
from bench.execution.trials import Bench
from bench.run_folder.store import Store


class Unwatched:
    """Nobody looks at the progress within a measured call."""

    def phase(self, text: str, seconds: float) -> None:
        """A piece of work starts."""

    def advance(self, share: float) -> None:
        """Some of it is done."""

    def finish(self) -> None:
        """It is done."""


class Station:
    """The place of one side.

    Attributes:
        recipe: How students are trained.
        device: `cpu` or `cuda`.
    """

    def __init__(self, recipe: Recipe, device: str, scratch: Path) -> None:
        """Nothing is loaded yet.

        Args:
            recipe: How students are trained.
            device: `cpu` or `cuda`.
            scratch: Where folders are made.
        """
        self.recipe = recipe
        self.device = device
        self._scratch = scratch
        self._loaded: Bench | None = None

    def base(self) -> tuple[Any, Any]:
        """Base model and tokenizer."""
        return self._bench().trainer.base()

    def fresh_bench(self) -> Bench:
        """A `Bench` as `bench run` begins with: the base model is loaded, no trunk state and no student is there."""
        bench = copy.copy(self._bench())
        bench.trainer = copy.copy(bench.trainer)  # shares the loaded model; the one kept here never gets a trunk
        bench.store = Store(self.folder())
        return bench

    def folder(self) -> Path:
        """A new empty folder."""
        return Path(tempfile.mkdtemp(dir=self._scratch))

    def _bench(self) -> Bench:
        if self._loaded is None:
            self._loaded = Bench(self.recipe, self.device, Store(self.folder()), Unwatched())
            self._loaded.trainer.base()
        return self._loaded
