"""Valid documents made wrong: strategies for property tests of everything that reads a file."""

import json
import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

TEXTS = [
    "",
    " ",
    "\0",
    "\ud800",
    "\u202e",
    "../../x",
    "x" * 5000,
    '"><script>',
    "é" * 300,
    "nan",
    "-1",
    "a\nb",
    "{{7*7}}",
]
NUMBERS = [0, -1, 1, 2**31, 2**63, 10**400, -(10**400), 0.5, -0.0, 1e308, math.nan, math.inf, -math.inf]
BYTES = [b"\xff", b"\0", b"{", b'"', b",", b"\xef\xbb\xbf", b"9" * 5000]
DEEP: Any = json.loads("[" * 200 + "]" * 200)
HOSTILE = [*TEXTS, *NUMBERS, None, True, False, [], {}, [[]], {"": {}}, {"a": None}, [None], ["a"] * 3, DEEP]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, the whole included."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def changed(value: Any, path: tuple[Any, ...], how: str, new: Any) -> Any:
    """The document with one place replaced, removed, doubled, or with a further key."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    key, *rest = path
    if rest:
        copy[key] = changed(copy[key], tuple(rest), how, new)
    elif how == "remove":
        del copy[key]
    elif how == "add" and isinstance(copy, dict):
        copy[new if isinstance(new, str) else "more"] = copy[key]
    elif how == "double" and isinstance(copy, list):
        copy.insert(key, copy[key])
    else:
        copy[key] = new
    return copy


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a place."""
    for key in path:
        value = value[key]
    return value


def alike(value: Any) -> list[Any]:
    """Other values of the same type, which a schema is likelier to let through."""
    if isinstance(value, list):
        return [[], value[:1], value[1:], value * 2, value[::-1]]
    if isinstance(value, dict):
        return [{}, dict(list(value.items())[:1]), dict(list(value.items())[1:])]
    kind = int | float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
    return [each for each in HOSTILE if isinstance(each, kind) and isinstance(each, bool) == isinstance(value, bool)]


@st.composite
def broken(draw: st.DrawFn, documents: list[Any]) -> Any:
    """One of the documents with one to three changes; some stay valid."""
    value = draw(st.sampled_from(documents))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        path = draw(st.sampled_from(list(places(value))[1:] or [()]))
        how = draw(st.sampled_from(["replace", "alike", "alike", "remove", "add", "double"]))
        news = alike(at(value, path)) if how == "alike" else HOSTILE
        value = changed(value, path, how, draw(st.sampled_from(news)))
        if not isinstance(value, dict | list):
            break
    return value


def as_toml(values: dict[str, Any]) -> str:
    """Write plain data as TOML, a line a key; what TOML has no word for is written as it is, and so is wrong."""
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in values.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii="\ud800" in value if isinstance(value, str) else True)


@st.composite
def damaged(draw: st.DrawFn, documents: list[Any], write: Callable[[Any], bytes] | None = None) -> bytes:
    """A broken document as a file, JSON unless `write` makes another; one in four is cut off or has a byte changed."""
    return draw(mangled((write or as_json)(draw(broken(documents)))))


def as_json(value: Any) -> bytes:
    """Write plain data as JSON, half surrogate pairs included."""
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


@st.composite
def mangled(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes as they are, or in one of four cases cut off or with one of them changed."""
    how = draw(st.sampled_from(["whole"] * 6 + ["cut off", "changed"]))
    place = draw(st.integers(0, max(len(data) - 1, 0)))
    if how == "cut off":
        return data[:place]
    if how == "changed":
        return data[:place] + draw(st.sampled_from(BYTES)) + data[place + 1 :]
    return data


@contextmanager
def returns_soon(seconds: float = 20.0) -> Iterator[None]:
    """Fail what takes longer than this on the processor's clock, or ten times as long on the wall's."""

    def stop(number: int, frame: object) -> None:
        raise AssertionError(f"no end after {seconds:g} s")

    clocks = {signal.ITIMER_PROF: (signal.SIGPROF, seconds), signal.ITIMER_REAL: (signal.SIGALRM, 10 * seconds)}
    before = {number: signal.signal(number, stop) for number, _ in clocks.values()}
    for clock, (_, after) in clocks.items():
        signal.setitimer(clock, after)
    try:
        yield
    finally:
        for clock in clocks:
            signal.setitimer(clock, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
