"""Who may import whom, read from the source; and `import bench` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILTERS = sorted((ROOT / "filters").glob("*.py"))
EVALS = sorted((ROOT / "evals").glob("*.py"))
STAGES = sorted(p for p in (ROOT / "bench").rglob("*.py") if p.stem != "run" and "cli" not in p.parts)
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


@pytest.mark.parametrize("path", STAGES, **by_name)
def test_stages_import_neither_the_run_nor_the_command_line(path: Path) -> None:
    assert not {"bench.run", "bench.cli.main"} & imported_with_members(path.read_text(encoding="utf-8"))


def test_nobody_imports_a_mapped_folder() -> None:
    for path in [*STAGES, *FILTERS, *EVALS]:
        names = imported_with_members(path.read_text(encoding="utf-8"))
        assert not [name for name in names if name.startswith(("bench.filters", "bench.evals"))], path


def test_these_checks_can_fail() -> None:
    assert strangers_in_a_filter("from bench.data.pool import load_pool") == {"bench.data.pool"}
    assert strangers_in_a_filter("def f():\n    from . import oracle") == {"."}
    assert strangers_in_an_eval("import bench.scoring, torch\nfrom bench import Trait") == {"torch", "bench"}
    assert "bench.run" in imported_with_members("from bench import run")


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


def test_all_is_what_can_be_imported() -> None:
    import bench

    assert all(hasattr(bench, name) for name in bench.__all__)
    assert bench.__all__ == sorted(bench.__all__)
