"""One filter plugin: the decorators that mark it, its record, and making it of a file's source."""

import hashlib
import importlib
import inspect
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from bench.errors import BenchError
from bench.plain_data import parse_json
from bench.records import Example, Trait

BUILT_IN = "built in"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,59}")  # it becomes part of names of arms and files
LONGEST_SUMMARY = 300
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


def error_line(error: BaseException, path: Path) -> str:
    """Name the file, and the line in it that an error came from.

    >>> error_line(ValueError(), Path("mine.py"))
    'mine.py'
    """
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def execute(source: bytes, path: Path, origin: str, name: str = "") -> FilterPlugin:
    """Make a filter of its source: exactly the bytes that are hashed, whatever byte code lies beside the file.

    Args:
        source: The bytes of the file.
        path: The `.py` file, for messages and for relative imports; it is not read.
        origin: As in `FilterPlugin`.
        name: Of the module in its package, such as `acme.filters.mine`; the packages around it are imported.

    Raises:
        BenchError: If it does not import, or is no filter.
    """
    digest = hashlib.sha256(source).hexdigest()
    package, name = name.rpartition(".")[0], name or f"bench_filter_{path.stem}_{digest[:12]}"
    spec = spec_from_file_location(name, path)
    assert spec  # of a .py file
    try:
        if package:
            importlib.import_module(package)
        module = module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickling look a module up while it is executed
        exec(compile(source, path, "exec"), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.modules.pop(name, None)
        raise failed_import(error, path) from error
    return build(module, path, origin, digest)


def failed_import(error: BaseException, path: Path) -> BenchError:
    """Build the error for a plugin that does not import."""
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


def build(module: ModuleType, path: Path, origin: str, digest: str) -> FilterPlugin:
    """Make a filter of a module that has been executed.

    Raises:
        BenchError: If it does not hold one scoring function with a sound signature and card.
    """
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
    try:
        _check_signature(score, path, ["examples", "trait", "context"])
        _check_options(score, path)
    except (TypeError, ValueError) as error:  # of `inspect`, where `__signature__` or `__wrapped__` is none
        raise failed_import(error, path) from error
    if patches:
        _check_signature(patches[0], path, ["example", "trait"])
    card = getattr(score, _CARD)
    check_card(card, f"filter {path}, line {score.__code__.co_firstlineno}", origin)
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


def _check_options(function: Callable[..., Any], path: Path) -> None:
    """Make sure that the defaults of options can be written into keys and rows as they are."""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        try:
            parse_json(json.dumps(parameter.default))
        except (TypeError, ValueError, RecursionError) as error:
            raise BenchError(
                f"filter {path}, line {function.__code__.co_firstlineno}",
                seen=f"option {name!a:.60} with a default that is no JSON: {error}",
                expected="options that are text, finite numbers, lists, objects, true, false or None",
                remedy="give it such a default",
            ) from error


def check_card(card: Mapping[str, Any], where: str, origin: str) -> None:
    """Make sure that name, version and summary will do, and that only a built-in filter asks for planted truth.

    Raises:
        BenchError: If not.
    """
    name, version, summary = card["name"], card["version"], card["summary"]
    wrong = []
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        wrong.append(f"name={name!a:.80} (lower-case letters, digits and underscores, at most 60)")
    if not isinstance(version, int) or not 1 <= version < 2**31:
        wrong.append(f"version={version!a:.80} (a whole number from 1)")
    if not isinstance(summary, str) or not 0 < len(summary.strip()) <= LONGEST_SUMMARY or not _is_text(summary):
        wrong.append(f"summary={summary!a:.80} (one sentence of at most {LONGEST_SUMMARY} characters)")
    if card["needs_truth"] and origin != BUILT_IN:
        wrong.append("needs_truth=True (planted truth is for the built-in oracle alone)")
    if wrong:
        raise BenchError(
            where, seen="; ".join(wrong), expected="a complete card", remedy="fix the decorator's arguments"
        )


def _is_text(text: str) -> bool:
    """Tell whether a text can be written as UTF-8: half of a surrogate pair cannot."""
    return text == text.encode(errors="replace").decode()
