"""Hostile text in every string and every key of a record, and the shape of what is rendered from it."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

HOSTILE = (
    '"><script>alert(1)</script>' + "' onload=x style=x " + "]]> --> </style></title></svg>"
    "\u202e\u2066\x07\x1b[31m\x9b2J\x00 {{7*7}}{% raw %}{# | ` _*[x](javascript:alert(1)) \\ \n# <b>&lt;"
)
HARMLESS = "x" * len(HOSTILE)  # as long, so that layouts by length are the same
Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str, ...]


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield where a record holds texts: field names, `[]` for any entry, `{}` for any value, `key` for any key."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from places(getattr(value, name), (*at, name))
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                yield (*at, "key")
            yield from places(inner, (*at, "{}"))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from places(inner, (*at, "[]"))
    elif isinstance(value, str) and value:
        yield at


def appended(value: Any, chosen: set[Path], text: str, at: Path = ()) -> Any:
    """Return a record as plain data, with a text appended at the chosen places; what is empty stays so."""
    if isinstance(value, BaseModel):
        return {name: appended(getattr(value, name), chosen, text, (*at, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        end = text if (*at, "key") in chosen else ""
        return {
            key + end if isinstance(key, str) else key: appended(inner, chosen, text, (*at, "{}"))
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [appended(inner, chosen, text, (*at, "[]")) for inner in value]
    return value + text if isinstance(value, str) and value and at in chosen else copy.copy(value)


def with_text(record: Model, chosen: set[Path], text: str) -> Model:
    """Return a record with a text appended at places.

    Raises:
        ValidationError: If its schema refuses that.
    """
    return type(record).model_validate(appended(record, chosen, text))


def refusal(record: BaseModel, chosen: set[Path]) -> str:
    """Return why a schema refuses a text at places; "" where it does not."""
    try:
        with_text(record, chosen, HARMLESS)
    except ValidationError as error:
        return error.errors()[0]["type"]
    return ""


def choices(record: BaseModel) -> tuple[list[set[Path]], set[Path]]:
    """Return the sets of places to append a text at, and the places that the schema closes.

    The sets are all open places, with those that must agree with one another, and either half of those that need not.
    """
    why = {place: refusal(record, {place}) for place in sorted(set(places(record)))}
    open_ = {place for place, refused in why.items() if not refused}
    agreeing = {place for place, refused in why.items() if refused == "value_error"}
    together = open_ | agreeing if not refusal(record, open_ | agreeing) else open_
    halves = [set(sorted(open_)[start::2]) for start in (0, 1)]
    return [together, *halves], set(why) - together


class Shape(HTMLParser):
    """Elements with the names of their attributes, classes, and what scripts and styles hold."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.classes: set[str] = set()
        self.links: set[str] = set()
        self.raw: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag, tuple(sorted(name for name, _ in attrs))] += 1
        given = dict(attrs)
        self.classes |= set((given.get("class") or "").split())
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "action", "xlink:href")}

    def handle_data(self, data: str) -> None:
        (self.raw if self.cdata_elem else self.text).append(data)

    def handle_comment(self, data: str) -> None:
        self.elements["comment", ()] += 1

    def handle_decl(self, decl: str) -> None:
        self.elements["declaration", (decl,)] += 1

    def unknown_decl(self, data: str) -> None:
        self.elements["unknown", ()] += 1

    def handle_pi(self, data: str) -> None:
        self.elements["instruction", ()] += 1


def assert_inert(render: Callable[[Any], str], hostile: Any, harmless: Any, what: object) -> None:
    """Check that a page of hostile text is the page of as much harmless text, in all but words."""
    bad, good = Shape(render(hostile)), Shape(render(harmless))
    assert bad.elements == good.elements, (what, bad.elements - good.elements, good.elements - bad.elements)
    assert bad.classes == good.classes, (what, bad.classes ^ good.classes)
    assert bad.raw == good.raw, what
    assert not any(":" in link for link in bad.links), (what, bad.links)
    assert not any(name.startswith("on") or name == "style" for _, names in bad.elements for name in names), what
