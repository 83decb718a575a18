"""The process of one plugin: it scores or patches what a pipe brings, and asks back for everything else.

Run as `python -m bench.filtering.child FD`, by `bench.filtering.isolation`. There is no pool here, no planted truth, no
store and no model; a filter that looks for them finds nothing.
"""

import copy
import resource
import sys
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.filtering.plugin import FilterPlugin, error_line, execute
from bench.filtering.wire import receive, send
from bench.records import Example, MissingInput, NoCleanTeacher

ERRORS = {cls.__name__: cls for cls in (BenchError, MissingInput, NoCleanTeacher)}
VALUES = ("queries", "recipe", "base", "trained", "layers", "seed")  # of a context that are no methods


class RemoteContext:
    """What `bench.filtering.context.Context` offers, asked for through the pipe."""

    def __init__(self, connection: Connection, seed: int) -> None:
        self._connection = connection
        self.rng = np.random.default_rng(seed)
        self.truth = None
        self._values: dict[str, Any] = {"seed": seed}
        self._model: Any = None

    def __getattr__(self, name: str) -> Any:
        """Ask for a value, once, or return a method that asks."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name in VALUES:
            if name not in self._values:
                self._values[name] = self._ask(name)
            return self._values[name]
        return lambda *args, **more: self._ask(name, args, more)

    @property
    def model(self) -> Any:
        """The base model and its tokenizer, loaded in this process on first use."""
        if self._model is None:
            from bench.models.load import load_model  # loads torch

            self._model = load_model(self.recipe.model, "cpu")
        return self._model

    def _ask(self, name: str, args: tuple[Any, ...] = (), more: dict[str, Any] | None = None) -> Any:
        send(self._connection, {"call": name, "args": list(args), "more": more or {}})
        answer = receive(self._connection)
        if "error" in answer:
            raise made_error(answer["error"])
        return answer["value"]


def described_error(error: BenchError) -> dict[str, str]:
    """Return an error as plain data."""
    kind = next(name for name in reversed(ERRORS) if isinstance(error, ERRORS[name]))
    return {"kind": kind, "where": error.where, "seen": error.seen, "expected": error.expected, "remedy": error.remedy}


def made_error(words: dict[str, str]) -> BenchError:
    """Make an error of its plain data."""
    kind, where, *others = (str(words[key]) for key in ("kind", "where", "seen", "expected", "remedy"))
    return ERRORS.get(kind, BenchError)(where, **dict(zip(("seen", "expected", "remedy"), others, strict=True)))


def serve(connection: Connection) -> None:
    """Load the plugin that the first message brings, say what it is, and work until the pipe closes."""
    first = receive(connection)
    for limit, value in first["limits"].items():
        number = getattr(resource, limit)
        resource.setrlimit(number, (min(value, _hard(number)), _hard(number)))
    path = Path(first["path"])
    try:
        plugin = execute(first["source"].tobytes(), path, first["origin"], first["module"])
        card = _card(plugin)
    except BenchError as error:
        send(connection, {"error": described_error(error)})
        return
    send(connection, {"card": card})
    loaded = _peak()
    while True:
        try:
            task = receive(connection)
        except EOFError:
            return
        try:
            done = _scored(plugin, task, connection) if task["do"] == "score" else _patched(plugin, task)
        except BenchError as error:
            done = {"error": described_error(error)}
        except BaseException as error:
            _, _, line = error_line(error, path).rpartition(", line ")
            done = {"raised": f"{type(error).__name__}: {error}"[:2000], "line": line if line.isdigit() else ""}
        send(connection, done | {"peak": _peak() - loaded})


def _peak() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hard(limit: int) -> int:
    hard = resource.getrlimit(limit)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _card(plugin: FilterPlugin) -> dict[str, Any]:
    card = {key: getattr(plugin, key) for key in ("name", "version", "summary", "needs_truth")}
    documented = str(plugin.score.__doc__ or "")
    return card | {"options": plugin.options, "documented": documented, "patches": plugin.patch is not None}


def _scored(plugin: FilterPlugin, task: dict[str, Any], connection: Connection) -> dict[str, Any]:
    examples, trait = task["examples"], task["trait"]
    before = copy.deepcopy([asdict(each) for each in (*examples, trait)])
    context: Any = RemoteContext(connection, task["seed"])
    scores = plugin.score(examples, trait, context, **task["options"])
    changed = [asdict(each) for each in (*examples, trait)] != before
    if isinstance(scores, np.ndarray) and not isinstance(scores, np.ma.MaskedArray):
        if scores.dtype.kind in "fiub":
            return {"scores": scores, "changed": changed}
        return {"returned": "ndarray", "shape": list(scores.shape), "dtype": scores.dtype.str, "changed": changed}
    return {"returned": type(scores).__name__, "changed": changed}


def _patched(plugin: FilterPlugin, task: dict[str, Any]) -> dict[str, Any]:
    example = task["example"]
    before = copy.deepcopy(asdict(example))
    assert plugin.patch is not None  # asked for only where the card says so
    patched = plugin.patch(example, task["trait"])
    changed = asdict(example) != before
    return {"changed": changed, "patched": patched if type(patched) is Example else f"{patched!r:.80}"}


if __name__ == "__main__":
    sys.stdout = sys.stderr  # what a plugin prints does not mix with what the command prints
    serve(Connection(int(sys.argv[1])))
