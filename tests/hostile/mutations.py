"""Valid documents made wrong: strategies for property tests of everything that reads a file."""

import json
import math
from collections.abc import Iterator
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


@st.composite
def broken(draw: st.DrawFn, documents: list[Any]) -> Any:
    """One of the documents with one to three changes; some stay valid."""
    value = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(value))[1:] or [()]))
        how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "double"]))
        value = changed(value, path, how, draw(st.sampled_from(HOSTILE)))
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
