"""Filter plugins: the two decorators, and finding plugins built in, installed or by path."""

import ast
import hashlib
import inspect
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from bench.errors import BenchError, unknown
from bench.records import Example, Trait

GROUP = "bench.filters"
BUILT_IN = "built in"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")
Score = Callable[..., np.ndarray]  # (examples, trait, context, *, options) -> scores
Patch = Callable[[Example, Trait], Example]
_CARD = "__bench_filter__"
_PATCH = "__bench_patch__"
_S = TypeVar("_S", bound=Score)
_P = TypeVar("_P", bound=Patch)


@dataclass(frozen=True)
class FilterPlugin:
    """One filter, as found.

    Attributes:
        name: Unique among all filters.
        version: Raised by its author whenever scores change.
        summary: One sentence for the board.
        score: `score(examples, trait, context, *, option=...)`; call it through `bench.filtering.score.score_examples`.
        patch: Replaces the default patch, which is to put in the clean teacher's completion; None keeps that.
        needs_truth: Whether it sees planted truth; built-in filters only.
        origin: `built in`, a distribution, or the name of a file.
        sha256: SHA-256 of the source file.
        path: The source file.
    """

    name: str
    version: int
    summary: str
    score: Score
    patch: Patch | None
    needs_truth: bool
    origin: str
    sha256: str
    path: Path

    @property
    def options(self) -> dict[str, Any]:
        """The keyword-only parameters of `score` and their defaults."""
        parameters = inspect.signature(self.score).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def filter_plugin(*, name: str, version: int, summary: str, needs_truth: bool = False) -> Callable[[_S], _S]:
    """Mark the scoring function of a filter file.

    Args:
        name: Lower-case letters, digits and underscores; unique among all filters.
        version: 1 or more; raise it whenever scores change, so that old rows keep the old version.
        summary: One sentence for the board.
        needs_truth: Give the filter planted truth; refused outside the built-in filters.
    """

    def mark(function: _S) -> _S:
        setattr(function, _CARD, {"name": name, "version": version, "summary": summary, "needs_truth": needs_truth})
        return function

    return mark


def patch_plugin(function: _P) -> _P:
    """Mark an optional second function of a filter file: `patch(example, trait) -> Example`."""
    setattr(function, _PATCH, True)
    return function


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
    return str(names[0]) if len(names) == 1 else _load_file(path, BUILT_IN).name


def _load(spec: str, known: Mapping[str, Path | FilterPlugin]) -> FilterPlugin:
    if spec.endswith(".py"):
        path = Path(spec).expanduser().resolve()
        if not path.is_file():
            raise BenchError(f"filter {spec}", seen="no such file", expected="a filter file", remedy="fix the path")
        paths = {each.path if isinstance(each, FilterPlugin) else each: name for name, each in known.items()}
        if path not in paths:
            loaded = _load_file(path, path.name)  # rows name it, and a folder may name its owner
            _add(dict(known), loaded.name, loaded)  # refused where the name is taken
            return loaded
        spec = paths[path]
    if spec not in known:
        raise unknown("filter", spec, sorted(known))
    found = known[spec]
    return _load_file(found, BUILT_IN) if isinstance(found, Path) else found


def built_in_files() -> list[Path]:
    """Return the files of the built-in filters, in a clone or installed."""
    folder = Path(str(files(GROUP))).resolve()
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def error_line(error: BaseException, path: Path) -> str:
    """Name the file, and the line in it that an error came from.

    >>> error_line(ValueError(), Path("mine.py"))
    'mine.py'
    """
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _load_file(path: Path, origin: str) -> FilterPlugin:
    """Execute exactly the bytes that are hashed, whatever byte code lies beside them."""
    source = path.read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    module = ModuleType(f"bench_filter_{path.stem}_{digest[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickling look a module up while it is executed
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[module.__name__]
        raise _failed_import(error, path) from error
    return _build(module, path, origin, digest)


def _load_installed(entry: EntryPoint) -> FilterPlugin:
    distribution = entry.dist.name if entry.dist else "an unnamed distribution"
    origin = f"{distribution} ({entry.value})"
    try:
        module = entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _failed_import(error, Path(origin)) from error
    if not isinstance(module, ModuleType) or not module.__file__:
        raise BenchError(
            f"entry point {entry.name!r} of {distribution}",
            seen=f"{entry.value} is not a module with a file",
            expected=f'in group {GROUP}: {entry.name} = "package.module"',
            remedy="drop what stands after the colon in the entry point, or uninstall the package",
        )
    path = Path(module.__file__).resolve()
    return _build(module, path, origin, hashlib.sha256(path.read_bytes()).hexdigest())


def _failed_import(error: BaseException, path: Path) -> BenchError:
    return BenchError(
        f"filter {error_line(error, path)}",
        seen=f"{type(error).__name__}: {error}",
        expected="a file that Python can import",
        remedy="fix that line, or install what it imports",
    )


def _marked(module: ModuleType, mark: str) -> Iterator[Callable[..., Any]]:
    """Return the decorated functions that the module itself defines."""
    for value in vars(module).values():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and hasattr(value, mark):
            yield value


def _build(module: ModuleType, path: Path, origin: str, digest: str) -> FilterPlugin:
    scores, patches = list(_marked(module, _CARD)), list(_marked(module, _PATCH))
    if len(scores) != 1 or len(patches) > 1:
        several = scores if len(scores) > 1 else patches if len(patches) > 1 else []
        where = ", ".join(f"{f.__name__} in line {f.__code__.co_firstlineno}" for f in several)
        raise BenchError(
            f"filter {path}",
            seen=f"{len(scores)} functions with @filter_plugin, {len(patches)} with @patch_plugin {where}".rstrip(),
            expected="exactly one @filter_plugin function and at most one @patch_plugin function",
            remedy="decorate the scoring function, or put each filter into its own file",
        )
    score = scores[0]
    _check_signature(score, path, ["examples", "trait", "context"])
    if patches:
        _check_signature(patches[0], path, ["example", "trait"])
    card = getattr(score, _CARD)
    _check_card(card, f"filter {path}, line {score.__code__.co_firstlineno}", origin)
    return FilterPlugin(
        **card, score=score, patch=patches[0] if patches else None, origin=origin, sha256=digest, path=path
    )


def _check_signature(function: Callable[..., Any], path: Path, expected: list[str]) -> None:
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    others = [p for p in parameters if p.kind is not p.POSITIONAL_OR_KEYWORD]
    if positional != expected or any(p.kind is not p.KEYWORD_ONLY or p.default is p.empty for p in others):
        raise BenchError(
            f"filter {path}, line {function.__code__.co_firstlineno}",
            seen=f"{function.__name__}{inspect.signature(function)}",
            expected=f"{function.__name__}({', '.join(expected)}), then options after a * with a default each",
            remedy="fix the parameters",
        )


def _check_card(card: dict[str, Any], where: str, origin: str) -> None:
    name, version, summary = card["name"], card["version"], card["summary"]
    wrong = []
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        wrong.append(f"name={name!r} (lower-case letters, digits and underscores)")
    if not isinstance(version, int) or version < 1:
        wrong.append(f"version={version!r} (a whole number from 1)")
    if not isinstance(summary, str) or not summary.strip():
        wrong.append(f"summary={summary!r} (one sentence)")
    if card["needs_truth"] and origin != BUILT_IN:
        wrong.append("needs_truth=True (planted truth is for the built-in oracle alone)")
    if wrong:
        raise BenchError(
            where, seen="; ".join(wrong), expected="a complete card", remedy="fix the decorator's arguments"
        )
