"""Keys and passwords do not get into settings, provenance, store keys or commands that are written down."""

import re
from typing import Annotated, Any

from pydantic import PlainSerializer

SECRET = re.compile(r"(api|access|private)?_?key$|token$|secret|password|credential|authorization", re.IGNORECASE)
REDACTED = "redacted"


def without_secrets(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain data in which the values of keys that name secrets, at any depth, are taken out.

    >>> without_secrets({"api_key": "sk-1", "max_tokens": 5, "headers": {"Authorization": "Bearer 1"}})
    {'api_key': 'redacted', 'max_tokens': 5, 'headers': {'Authorization': 'redacted'}}
    """
    return {
        key: REDACTED if SECRET.search(key) else without_secrets(value) if isinstance(value, dict) else value
        for key, value in values.items()
    }


# Further arguments of a library, which may hold a key: whoever reads a written record does not see it.
Arguments = Annotated[dict[str, Any], PlainSerializer(without_secrets)]
