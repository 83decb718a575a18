"""Who may import whom, read from the source; and `import bench` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import structure

ROOT = Path(__file__).parents[1]
FILTERS = sorted((ROOT / "filters").glob("*.py"))
EVALS = sorted((ROOT / "evals").glob("*.py"))
HEAVY = ("torch", "trl", "faiss", "transformers", "inspect_ai", "sklearn", "sentence_transformers", "datasets", "ray")
OURS = ("bench", "filters", "evals", "tests")
by_name = {"ids": lambda path: str(path.relative_to(ROOT))}


def imported(source: str) -> set[str]:
    """Modules that a source imports anywhere in it; a relative import keeps its dots."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def imported_with_members(source: str) -> set[str]:
    """As `imported`, with `from a import b` read as a.b too, for b may be a module."""
    froms = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module]
    return imported(source) | {f"{node.module}.{alias.name}" for node in froms for alias in node.names}


def strangers_in_a_filter(source: str) -> set[str]:
    """What a filter may not import: relative modules, and anything of ours but `bench` itself."""
    return {name for name in imported(source) if name.split(".")[0] in ("", *OURS) and name != "bench"}


def strangers_in_an_eval(source: str) -> set[str]:
    """What an eval may not import: all but two modules of `bench`, Inspect and the standard library."""
    allowed = {"inspect_ai", *sys.stdlib_module_names}
    return {name for name in imported(source) if name.split(".")[0] not in allowed} - {"bench.scoring", "bench.answers"}


@pytest.mark.parametrize("path", FILTERS, **by_name)
def test_filters_import_only_bench_and_third_parties(path: Path) -> None:
    assert strangers_in_a_filter(path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("path", [path for path in EVALS if not path.stem.startswith("_")], **by_name)
def test_evals_import_only_bench_scoring_bench_answers_and_inspect(path: Path) -> None:
    assert strangers_in_an_eval(path.read_text(encoding="utf-8")) == set()


MODULES = structure.read_modules(ROOT)
LAYERS = (  # lowest first; a module imports its own folder and lower layers, in whatever way it imports
    ("records", "outcomes", "errors", "plain_data", "files", "secrets", "processes"),
    ("stats", "config", "worlds"),
    ("models", "run_folder"),
    ("data", "training"),
    ("scoring", "answers", "filtering", "evaluation"),
    ("execution", "arms"),
    ("leaderboard",),
    ("run", "studies"),
    ("cli",),
)
WITHIN = {  # what may be imported from another folder of the same layer
    ("evaluation", "scoring"),
    ("filtering", "scoring"),
    ("answers", "scoring"),
    ("arms", "execution"),
    ("records", "errors"),
    ("outcomes", "records"),
    ("files", "errors"),
    ("files", "plain_data"),
    ("files", "records"),
    ("run", "studies"),
}


def part_of(module: str) -> str:
    """The folder or file directly in `bench/` that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def forbidden(module: str, tree: ast.Module, known: set[str]) -> list[str]:
    """Imports of a module that go upwards, or sideways where that is not agreed."""
    level = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    wrong = []
    for each in structure.imports_of(module, tree, known):
        here, there = part_of(module), part_of(each.target)
        if here in ("", there):  # `bench` itself only names the public API
            continue
        upwards = there == "" or level[there] > level[here]
        sideways = there != "" and level[there] == level[here] and (here, there) not in WITHIN
        if upwards or sideways:
            wrong.append(f"{module}, line {each.line}: imports {each.target}")
    return wrong


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_import_lower_layers_only(module: str) -> None:
    assert forbidden(module, MODULES[module], set(MODULES)) == []


def test_every_part_of_bench_has_a_layer() -> None:
    assert {part_of(module) for module in MODULES} - {""} == {part for layer in LAYERS for part in layer}


def test_no_modules_import_one_another() -> None:
    assert structure.cycles(structure.import_graph(MODULES)) == []


def test_training_and_evaluation_do_not_know_one_another() -> None:
    for module, tree in MODULES.items():
        targets = {part_of(each.target) for each in structure.imports_of(module, tree, set(MODULES))}
        assert not (part_of(module) == "evaluation" and "training" in targets), module
        assert not (part_of(module) == "training" and "evaluation" in targets), module


def test_nobody_imports_a_mapped_folder() -> None:
    for path in [*sorted((ROOT / "bench").rglob("*.py")), *FILTERS, *EVALS]:
        names = imported_with_members(path.read_text(encoding="utf-8"))
        assert not [name for name in names if name.startswith(("bench.filters", "bench.evals"))], path


def test_these_checks_can_fail() -> None:
    assert strangers_in_a_filter("from bench.data.pool import load_pool") == {"bench.data.pool"}
    assert strangers_in_a_filter("def f():\n    from . import oracle") == {"."}
    assert strangers_in_an_eval("import bench.scoring, torch\nfrom bench import Trait") == {"torch", "bench"}
    known = {"bench.run", "bench.stats.effects", "bench.evaluation.provider", "bench.training.trl"}
    lazy = ast.parse("def f():\n    from bench import run")
    assert forbidden("bench.stats.effects", lazy, known) == ["bench.stats.effects, line 2: imports bench.run"]
    hinted = ast.parse("if TYPE_CHECKING:\n    from bench.training.trl import Trained")
    assert forbidden("bench.models.x", hinted, known) and forbidden("bench.execution.x", hinted, known) == []
    assert structure.cycles({"a": {"b"}, "b": {"a"}, "c": {"a"}}) == [{"a", "b"}]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_importing_bench_stays_light() -> None:
    assert loaded_after("import bench") == set()


def test_listing_filters_stays_light() -> None:
    assert loaded_after("from bench.filtering.plugins import list_filters; list_filters()") == set()


def test_the_light_import_check_can_fail() -> None:
    assert loaded_after("import bench, faiss") == {"faiss"}
