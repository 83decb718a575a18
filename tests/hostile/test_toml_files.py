"""Suites, recipes, traits and panels, made wrong in 500 ways each: a record or a plain error, in no time."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from mutations import as_toml, broken

from bench.config.recipe import RECIPES, load_recipe
from bench.config.suite import SUITES, load_suite
from bench.data.trait import built_in_traits, evals_folder, load_trait
from bench.errors import BenchError
from bench.studies.checkpoints import panel as panels
from bench.studies.checkpoints.panel import load_panel

TRAITS = [evals_folder() / "traits" / f"{name}.toml" for name in built_in_traits()]
KINDS: dict[str, tuple[list[Path], Callable[[Path], Any]]] = {
    "suite": (sorted(SUITES.glob("*.toml")), lambda file: load_suite(file)),
    "recipe": (sorted(RECIPES.glob("*.toml")), lambda file: load_recipe(file.name, file.parent)),
    "trait": (TRAITS, lambda file: load_trait(file)),
    "panel": (sorted(panels.PANELS.glob("*.toml")), lambda file: load_panel(str(file))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_toml_file_ends_in_a_traceback(kind: str, tmp_path: Path) -> None:
    files, load = KINDS[kind]
    documents = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]
    file = tmp_path / "it.toml"
    outcomes = {"record": 0, "error": 0}

    @settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(broken(documents))
    def attempt(values: Any) -> None:
        if not isinstance(values, dict):
            return
        file.write_text(as_toml(values), encoding="utf-8", errors="surrogatepass")
        try:
            load(file)
            outcomes["record"] += 1
        except BenchError as error:
            assert error.seen and error.remedy
            outcomes["error"] += 1

    attempt()
    assert outcomes["error"] > 100 and outcomes["record"] > 5  # the attempts are neither all right nor all wrong
