"""Messages between a run and a plugin's process: JSON and plain arrays, so that neither side runs what it reads."""

import io
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from pydantic import BaseModel

from bench.config.recipe import Recipe
from bench.filtering.model_access import Student
from bench.models.encode import Encoded
from bench.records import Example, Message, Query, Steering, TrainingRow, Trait

CLASSES: dict[str, type] = {
    cls.__name__: cls for cls in (Encoded, Example, Message, Query, Recipe, Steering, Student, TrainingRow, Trait)
}
SEQUENCES: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "frozenset": frozenset, "set": set}
KIND = "~"  # the key that says what a JSON object stands for


def send(connection: Connection, message: Mapping[str, Any]) -> None:
    """Send a message.

    Raises:
        TypeError: If it holds something besides plain data, arrays of numbers, and the classes above.
        OSError: If the other side is gone.
    """
    arrays: list[bytes] = []
    text = json.dumps(_plain(dict(message), arrays)).encode()
    head = struct.pack(f"<{len(arrays) + 2}Q", len(text), len(arrays), *map(len, arrays))
    connection.send_bytes(b"".join([head, text, *arrays]))


def receive(connection: Connection) -> dict[str, Any]:
    """Receive a message.

    Raises:
        EOFError: If the other side is gone.
        ValueError: If it is no message.
    """
    data = memoryview(connection.recv_bytes())
    try:
        length, count = struct.unpack_from("<2Q", data)
        sizes = struct.unpack_from(f"<{count}Q", data, 16)
        start = 16 + 8 * count
        text, start = json.loads(bytes(data[start : start + length])), start + length
        arrays = []
        for size in sizes:
            arrays.append(np.load(io.BytesIO(data[start : start + size]), allow_pickle=False))
            start += size
        found = _made(text, arrays)
    except (struct.error, KeyError, TypeError, IndexError, RecursionError, MemoryError) as error:
        raise ValueError(f"no message: {type(error).__name__}: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"no message: {type(found).__name__}")
    return found


def _plain(value: Any, arrays: list[bytes]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | np.number):
        return value.item() if isinstance(value, np.number) else value
    if isinstance(value, np.ndarray):
        packed = io.BytesIO()
        np.save(packed, value, allow_pickle=False)
        arrays.append(packed.getvalue())
        return {KIND: "array", "number": len(arrays) - 1}
    name = type(value).__name__
    if isinstance(value, list | tuple | frozenset | set):
        items = [_plain(each, arrays) for each in value]
        return items if isinstance(value, list) else {KIND: name, "items": items}
    if isinstance(value, Mapping):
        return {KIND: "dict", "items": [[_plain(k, arrays), _plain(v, arrays)] for k, v in value.items()]}
    cls: Any = CLASSES.get(name)
    if cls is not type(value):
        raise TypeError(f"{name} cannot be sent")
    names = cls.model_fields if issubclass(cls, BaseModel) else [field.name for field in fields(cls)]
    given = {each: _plain(getattr(value, each), arrays) for each in names}
    return {KIND: name, "fields": given}


def _made(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_made(each, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value[KIND]
    if kind == "array":
        return arrays[value["number"]]
    if kind == "dict":
        return {_made(key, arrays): _made(each, arrays) for key, each in value["items"]}
    if kind in SEQUENCES:
        return SEQUENCES[kind](_made(each, arrays) for each in value["items"])
    cls = CLASSES[kind]
    given = {key: _made(each, arrays) for key, each in value["fields"].items()}
    return cls.model_validate(given) if issubclass(cls, BaseModel) else cls(**given)
