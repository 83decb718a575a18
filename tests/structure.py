"""Measure the shape of the code: `python tests/structure.py [ROOT]` prints the figures, `test_layers.py` tests them."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LONG_FUNCTION = 60  # lines
MANY_PARAMETERS = 6


@dataclass(frozen=True)
class Import:
    """One import of `bench` by a module: of which module, on which line, and whether inside a function."""

    source: str
    target: str
    line: int
    lazy: bool


def module_name(path: Path, root: Path) -> str:
    """Return the dotted name of a file below the repository root."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_modules(root: Path, package: str = "bench") -> dict[str, ast.Module]:
    """Parse every Python file of a package: dotted name -> syntax tree."""
    files = sorted((root / package).rglob("*.py"))
    return {module_name(path, root): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def imports_of(name: str, tree: ast.Module, known: set[str]) -> Iterator[Import]:
    """Yield every import of a `bench` module, those in functions and under TYPE_CHECKING included."""
    lazy_nodes = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            targets = sorted({target if target in known else node.module for target in full})
        else:
            continue
        for target in targets:
            if target.split(".")[0] == "bench":
                yield Import(name, target, node.lineno, id(node) in lazy_nodes)


def import_graph(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return which modules of the package each module imports, anywhere in its text."""
    return {
        name: {each.target for each in imports_of(name, tree, set(modules)) if each.target in modules} - {name}
        for name, tree in modules.items()
    }


def components(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return strongly connected components, imported ones first (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph[node]):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            place = stack.index(node)
            found.append(set(stack[place:]))
            del stack[place:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return groups of modules that import one another."""
    return [group for group in components(graph) if len(group) > 1]


def depth(graph: dict[str, set[str]]) -> int:
    """Return the number of modules on the longest import chain, with cycles collapsed."""
    longest: dict[str, int] = {}
    for group in components(graph):
        below = [longest[target] for node in group for target in graph[node] if target not in group]
        longest.update(dict.fromkeys(group, 1 + max(below, default=0)))
    return max(longest.values())


def functions(modules: dict[str, ast.Module]) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function and method with the module it is in."""
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's parameters, `self` and `cls` left out."""
    names = function.args
    listed = [*names.posonlyargs, *names.args, *names.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in listed)


def figures(root: Path) -> dict[str, int]:
    """Return the figures of the code under `root/bench`."""
    modules = read_modules(root)
    graph = import_graph(modules)
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in (root / "bench").rglob("*.py")]
    listed = list(functions(modules))
    return {
        "Python files": len(modules),
        "lines": sum(lines),
        "classes": sum(isinstance(node, ast.ClassDef) for tree in modules.values() for node in ast.walk(tree)),
        "modules directly in bench/": len(list((root / "bench").glob("*.py"))),
        "import depth": depth(graph),
        "modules in import cycles": sum(map(len, cycles(graph))),
        f"functions over {LONG_FUNCTION} lines": sum(
            (node.end_lineno or node.lineno) - node.lineno + 1 > LONG_FUNCTION for _, node in listed
        ),
        f"functions with more than {MANY_PARAMETERS} parameters": sum(
            parameters(node) > MANY_PARAMETERS for _, node in listed
        ),
        "imports of bench inside functions": sum(
            each.lazy for name, tree in modules.items() for each in imports_of(name, tree, set(modules))
        ),
    }


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    for label, value in figures(place).items():
        sys.stdout.write(f"{label:48}{value:>8,}\n")
