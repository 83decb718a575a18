"""Finding filter plugins: built in, installed or by path."""

import ast
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path

from bench.errors import BenchError, unknown
from bench.filtering.isolation import Source, isolated
from bench.filtering.plugin import BUILT_IN, FilterPlugin, execute, filter_plugin

GROUP = "bench.filters"


def list_filters(on_broken: Callable[[BenchError], None] | None = None) -> list[FilterPlugin]:
    """Return all filters that are built in or installed, by name.

    Args:
        on_broken: Called with the error of every installed plugin that fails to load; by default it becomes a warning.

    Raises:
        BenchError: If two filters share a name.
    """
    known = _discover(on_broken)
    return [_load(name, known) for name in sorted(known)]


def load_filter(spec: str | Path) -> FilterPlugin:
    """Find one filter, see `load_filters`."""
    return load_filters([str(spec)])[0]


def load_filters(specs: Sequence[str]) -> list[FilterPlugin]:
    """Find filters; of the built-in files only those are executed, each once.

    Args:
        specs: For each filter its name, or the path of a `.py` file.

    Raises:
        BenchError: If there is no such filter, its file is at fault, or its name is taken.
    """
    known = _discover()
    loaded = {spec: _load(spec, known) for spec in dict.fromkeys(specs)}
    return [loaded[spec] for spec in specs]


def _discover(on_broken: Callable[[BenchError], None] | None = None) -> dict[str, Path | FilterPlugin]:
    """Return every filter by name: a built-in one as its file, an installed one as loaded."""
    report = on_broken or (lambda error: warnings.warn(str(error), stacklevel=4))
    known: dict[str, Path | FilterPlugin] = {}
    for path in built_in_files():
        _add(known, _declared_name(path), path)
    for entry in entry_points(group=GROUP):
        try:
            plugin = _load_installed(entry)
        except BenchError as error:
            report(error)
        else:
            _add(known, plugin.name, plugin)
    return known


def _add(known: dict[str, Path | FilterPlugin], name: str, found: Path | FilterPlugin) -> None:
    if name in known:
        origins = " and ".join(map(_place, (known[name], found)))
        raise BenchError(
            f"filter {name!r}",
            seen=f"two filters have this name: {origins}",
            expected="unique names",
            remedy="rename one of them in its @filter_plugin(name=...), or uninstall its package",
        )
    known[name] = found


def _place(found: Path | FilterPlugin) -> str:
    if isinstance(found, Path):
        return str(found)
    return str(found.path) if found.origin == found.path.name else found.origin


def _declared_name(path: Path) -> str:
    """Read a filter's name from its source, or execute the file where the name is not written out there."""
    try:
        calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    except SyntaxError:
        calls = []  # the error is reported by loading it
    names = [
        word.value.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == filter_plugin.__name__
        for word in call.keywords
        if word.arg == "name" and isinstance(word.value, ast.Constant)
    ]
    return str(names[0]) if len(names) == 1 else execute(path.read_bytes(), path, BUILT_IN).name


def _load(spec: str, known: Mapping[str, Path | FilterPlugin]) -> FilterPlugin:
    if spec.endswith(".py"):
        path = Path(spec).expanduser().resolve()
        if not os.path.isfile(path):
            raise BenchError(f"filter {spec}", seen="no such file", expected="a filter file", remedy="fix the path")
        paths = {each.path if isinstance(each, FilterPlugin) else each: name for name, each in known.items()}
        if path not in paths:
            loaded = isolated(Source(path.read_bytes(), path, path.name))
            _add(dict(known), loaded.name, loaded)  # refused where the name is taken
            return loaded
        spec = paths[path]
    if spec not in known:
        raise unknown("filter", spec, sorted(known))
    found = known[spec]
    return execute(found.read_bytes(), found, BUILT_IN) if isinstance(found, Path) else found


def built_in_files() -> list[Path]:
    """Return the files of the built-in filters, in a clone or installed."""
    folder = Path(str(files(GROUP))).resolve()
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _load_installed(entry: EntryPoint) -> FilterPlugin:
    """Read the card of a package's filter in a process of its own; nothing of the package is imported in this one."""
    distribution = entry.dist.name if entry.dist else "an unnamed distribution"
    origin = f"{distribution} ({entry.value})"
    path = _module_file(entry.value)
    if path is None:
        raise BenchError(
            f"entry point {entry.name!r} of {distribution}",
            seen=f"{entry.value} is not a module with a source file",
            expected=f'in group {GROUP}: {entry.name} = "package.module"',
            remedy="drop what stands after the colon in the entry point, or uninstall the package",
        )
    try:
        return isolated(Source(path.read_bytes(), path, origin, entry.value))
    except BenchError as error:
        where = f"{error.where}, of {origin}"
        raise BenchError(where, seen=error.seen, expected=error.expected, remedy=error.remedy) from error


def _module_file(name: str) -> Path | None:
    """Find a module's source; unlike `importlib.util.find_spec`, without importing the packages around it."""
    found, places = "", None
    for number in range(1, name.count(".") + 2):
        package = ".".join(name.split(".")[:number])
        try:
            spec = next((spec for finder in sys.meta_path if (spec := finder.find_spec(package, places))), None)
        except (KeyError, ValueError):  # a namespace package in a namespace package; a name that cannot be
            return None
        if spec is None:
            return None
        found, places = str(spec.origin), spec.submodule_search_locations
    return Path(found).resolve() if found.endswith(".py") and os.path.isfile(found) else None  # not within a zip file
