"""Run plugins of other people in a process of their own, which gets examples, trait and context services over a pipe.

It cannot reach planted truth, the pool's seed, other filters, judges, and whatever the run computes from its
scores. Where `unshare` works (Linux with user namespaces) it has no network, sees no other process, finds the run
folder empty and writes in a folder of its own alone. It may still read the user's other files; see docs/security.md.
"""

import hashlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.filtering.child import VALUES, described_error, made_error
from bench.filtering.context import Context
from bench.filtering.namespaces import has_namespaces, inside
from bench.filtering.plugin import FilterPlugin, check_card
from bench.filtering.wire import receive, send
from bench.models.load import cache_folder
from bench.records import Example, Trait

SECONDS = 3600.0  # of one scoring, or one patch, on the clock; model work of the run included
LIMITS = {"RLIMIT_AS": 32 * 2**30, "RLIMIT_FSIZE": 2**30, "RLIMIT_CORE": 0, "RLIMIT_NPROC": 2**13}
METHODS = (
    *("embed", "student", "checkpoints", "encode", "losses", "states", "gradients", "adam_updates"),
    *("gradient_norms", "query_gradient", "gradient_products", "inverse_hessian_product", "grade"),
)
KEPT = ("PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS", "XDG_CACHE_HOME", "LD_LIBRARY_PATH")  # of the environment


def in_words() -> str:
    """Say what keeps a plugin apart on this system."""
    if has_namespaces():
        return "in a process of its own, without network and run folder, with write access to its own folder alone"
    return "in a process of its own, with network and the user's files: no user namespaces on this system"


@dataclass(frozen=True)
class Source:
    """The program of a plugin.

    Attributes:
        code: The bytes of its file.
        path: The file, for messages and for imports beside it; it is not read again.
        origin: The distribution that brings it, or the file's name.
        module: Its name as a module of a package, such as `acme.filters.mine`; empty for a file given by path.
    """

    code: bytes
    path: Path
    origin: str
    module: str = ""


class Child:
    """A running process with one plugin in it."""

    def __init__(self, source: Source, hidden: Sequence[Path] = ()) -> None:
        """Start it and let it load the plugin.

        Args:
            source: Of the plugin.
            hidden: Folders that it finds empty, where namespaces can be made.

        Raises:
            BenchError: If the plugin does not load.
        """
        self._name = f"filter {source.path}"
        self._connection, theirs = Pipe()
        scratch = tempfile.mkdtemp(prefix="bench-plugin-")
        command = [sys.executable, "-m", "bench.filtering.child", str(theirs.fileno())]
        if has_namespaces():
            covered = [folder.resolve() for folder in hidden if folder.is_dir()]
            command = inside(command, Path(scratch).resolve(), covered)
        process = subprocess.Popen(
            command,
            env=_environment(scratch),
            cwd=scratch,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self.close = weakref.finalize(self, _end, process, self._connection, scratch)
        code = np.frombuffer(source.code, dtype=np.uint8)
        words = {"path": str(source.path), "origin": source.origin, "module": source.module}
        answer = self.ask({**words, "source": code, "limits": LIMITS}, None)
        self.card: dict[str, Any] = answer.get("card", {})
        self._name = f"filter {str(self.card.get('name'))!r}, {source.path}"

    def ask(self, task: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
        """Send a task, answer what the plugin asks of the context meanwhile, and return what it found.

        Raises:
            BenchError: If the plugin raised, died, took too long or sent what is no message.
        """
        deadline = time.monotonic() + SECONDS
        try:
            send(self._connection, task)
            while self._connection.poll(max(0.0, deadline - time.monotonic())):
                message = receive(self._connection)
                if "call" not in message:
                    return self._checked(message)
                send(self._connection, _answer(context, message))
        except (EOFError, OSError):
            seen = "its process ended: killed, out of memory, or by os._exit()"
        except (ValueError, TypeError, KeyError) as error:
            seen = f"its process sent something else than scores: {error}"
        else:
            seen = f"no result after {SECONDS:.0f} s"
        self.close()
        raise BenchError(
            self._name,
            seen=seen,
            expected="a function that returns",
            remedy="fix the filter or its options",
        )

    def _checked(self, message: dict[str, Any]) -> dict[str, Any]:
        if "error" in message:
            raise made_error(message["error"])
        if "raised" in message:
            raise BenchError(
                f"{self._name}, line {message['line']}" if message["line"] else self._name,
                seen=str(message["raised"]),
                expected="a function that returns",
                remedy="fix the filter or its options",
            )
        return message


def _environment(scratch: str) -> dict[str, str]:
    """Return the variables of the process: none that could hold a key, and where models lie."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return kept | {
        "HOME": scratch,
        "TMPDIR": scratch,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": os.environ.get("HF_HOME") or str(caches / "huggingface"),
        "SIEVEBENCH_CACHE": str(cache_folder()),
    }


def _end(process: "subprocess.Popen[bytes]", connection: Connection, scratch: str) -> None:
    connection.close()
    process.kill()  # of a namespace, with all that it started
    process.wait()
    shutil.rmtree(scratch, ignore_errors=True)


def _answer(context: Context | None, message: Mapping[str, Any]) -> dict[str, Any]:
    name = message["call"]
    try:
        if context is None or name not in (*VALUES, *METHODS):
            raise BenchError(
                f"context.{name}", seen="nothing of this name", expected=f"one of {', '.join(METHODS)}", remedy="fix it"
            )
        found = getattr(context, name)
        return {"value": found if name in VALUES else found(*message["args"], **message["more"])}
    except BenchError as error:
        return {"error": described_error(error)}
    except Exception as error:  # wrong arguments, whatever they made of the call
        seen = f"{type(error).__name__}: {error}"
        words = {"where": f"context.{name}", "seen": seen, "expected": "the arguments that docs/filters.md shows"}
        return {"error": words | {"kind": "BenchError", "remedy": "fix the call"}}


@contextmanager
def _plain_message(where: object) -> Iterator[None]:
    """Refuse a message that the plugin wrote by itself, past the module that serves it.

    Raises:
        BenchError: If a key is missing, or a value is not what it should be.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BenchError(
            f"filter {where}",
            seen=f"its process sent something else than scores: {type(error).__name__}: {error}",
            expected="a function that returns",
            remedy="leave the pipe to the suite",
        ) from error


class IsolatedScore:
    """The scoring function of a plugin, each call in a process of its own."""

    def __init__(self, source: Source, card: Mapping[str, Any]) -> None:
        self._source = source
        self.__doc__ = str(card["documented"])
        only = inspect.Parameter.KEYWORD_ONLY
        options = [inspect.Parameter(key, only, default=value) for key, value in card["options"].items()]
        self.__signature__ = inspect.Signature(options)
        self.peak = 0  # bytes of memory at the peak of the last call's process

    def __call__(self, examples: list[Example], trait: Trait, context: Context, **options: Any) -> Any:
        """Score; what a plugin returns besides an array of numbers comes back as something of the same type."""
        child = Child(self._source, context.hidden)
        try:
            task = {"do": "score", "examples": examples, "trait": trait, "options": options, "seed": context.seed}
            found = child.ask(task, context)
        finally:
            child.close()
        with _plain_message(self._source.path):
            self.peak = int(found["peak"])
            if found["changed"]:
                object.__setattr__(trait, "name", f"{trait.name} (changed)")  # a copy, which the caller compares
            if "scores" in found:
                return found["scores"]
            if found["returned"] == "ndarray":
                return np.broadcast_to(np.zeros((), dtype=str(found["dtype"])), [int(n) for n in found["shape"]])
            return type(str(found["returned"]), (), {})()


class _Shown:
    """Something else that a plugin returned, which stayed in its process."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class IsolatedPatch:
    """The patch of a plugin, in a process that starts with the first example and stays until this object is gone."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._child: Child | None = None
        self.hidden: tuple[Path, ...] = ()  # folders that the process should find empty

    def __call__(self, example: Example, trait: Trait) -> Any:
        """Patch one example."""
        self._child = self._child or Child(self._source, self.hidden)
        found = self._child.ask({"do": "patch", "example": example, "trait": trait}, None)
        with _plain_message(example.id):
            if found["changed"]:
                object.__setattr__(example, "source", f"{example.source} (changed)")  # as above
            return found["patched"] if isinstance(found["patched"], Example) else _Shown(str(found["patched"]))


def isolated(source: Source) -> FilterPlugin:
    """Make a filter of a stranger's source without executing it in this process.

    Raises:
        BenchError: If it does not load, or its card is not sound.
    """
    with _plain_message(source.path):
        card = _card(source)
        score = IsolatedScore(source, card)
        patch = IsolatedPatch(source) if card["patches"] else None
        keys = {key: card[key] for key in ("name", "version", "summary", "needs_truth")}
    digest = hashlib.sha256(source.code).hexdigest()
    return FilterPlugin(**keys, score=score, patch=patch, origin=source.origin, sha256=digest, path=source.path)


@cache
def _card(source: Source) -> dict[str, Any]:
    """Read a plugin's card in a process, once for a source: installed ones are looked for with every search."""
    child = Child(source)
    try:
        with _plain_message(source.path):
            check_card(child.card, f"filter {source.path}", source.origin)
    finally:
        child.close()
    return child.card
