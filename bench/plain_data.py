"""What JSON and TOML from outside may hold, so that nothing that reads it later fails on it."""

import json
import math
from typing import Any

MAX_DEPTH = 60


def parse_json(text: str) -> Any:
    """Parse JSON from outside.

    Raises:
        ValueError: If it is no JSON, an object has a key twice, or it holds what `plain_data` refuses.
    """
    try:
        return plain_data(json.loads(text, object_pairs_hook=_object))
    except RecursionError as error:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys and values; of a key that is there twice, readers would see one value each."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!a:.60} is there twice in one object")
    return made


def plain_data(value: Any) -> Any:
    """Return parsed JSON or TOML as it is, if all that reads it later can bear it.

    Raises:
        ValueError: If it nests too deep, or holds a number that is not finite or beyond 64 bits, or half a surrogate
            pair, which cannot be written as UTF-8.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += [*each, *each.values()]
            elif isinstance(each, list):
                inner += each
            elif isinstance(each, str):
                _check_characters(each)
            elif isinstance(each, int) and not -(2**63) <= each < 2**63:
                raise ValueError(f"an integer of {each.bit_length()} bits")
            elif isinstance(each, float) and not math.isfinite(each):
                raise ValueError("a number that is not finite")
        if not inner:
            return value
        level = inner
    raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half of a surrogate pair in {text!a:.60}") from error
