"""Families of prompts written as tables: `tables/*.toml` hold the words, this module draws from them.

A family fills named slots in the order of its file. A text may name any slot of its family, also one filled later:

    chore = { from = "chores" }                              one entry of the table `chores`
    prompt = ["Please {chore}.", "{chore!c}!"]               one of these texts; !c capitalises the first letter
    "who, place" = [["Ana", "hall"], ["Ben", "gym"]]         one row, a slot for each column
    "original & clean" = ["Yes.", "Sure.", "Right."]         distinct entries, one for each slot
    days = { int = [3, 60] }                                 a whole number, both ends included
    today = { year = [2025, 2027] }                          a day of these years, see `write_day`
    due = "{today+days:short}, {2027-days}, {days*2}"        a text as it is; slots may compute
    text = { from = "often", share = 0.1, or = "rare" }      with this probability from the other table
    cast = { include = "cast" }                              every slot of another table
    turns = ["{first}", "{reply}", "{last}"]                 a conversation instead of a prompt
    scenes = ["ship", "office"]                              one of these adds its tables, which take precedence

A family that is marked `computed` is drafted by code. `lead` and `system` come before the prompt.

Each draw moves the random generator, one from a single entry too: adding, removing or reordering entries or slots gives
other pools for the same seed.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from random import Random
from string import Formatter
from typing import Any

from bench.errors import BenchError
from bench.worlds.grammar import Draft, Family, turns

WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
_NO_SLOTS = ("source", "truth", "scenes", "computed", "alone", "turns")  # keys of a family that describe it

Table = Mapping[str, Any]
Slots = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """The tables of one file.

    Attributes:
        name: Of the file, without its suffix.
        content: Table name -> its entries.
    """

    name: str
    content: Table

    def __getitem__(self, key: str) -> Any:
        """Return a table.

        Raises:
            BenchError: If the file has no such table.
        """
        if key not in self.content:
            raise BenchError(
                f"bench/worlds/tables/{self.name}.toml",
                seen=f"no table {key!r}",
                expected=f"one of: {', '.join(self.content)}",
                remedy="add the table, or correct its name where it is used",
            )
        return self.content[key]

    def with_tables(self, more: Table) -> "Tables":
        """Return these tables and more, which take precedence."""
        return Tables(self.name, {**self.content, **more})


@cache
def load_tables(name: str) -> Tables:
    """Return the tables of a file in `tables/`, read once."""
    text = files("bench.worlds").joinpath("tables", f"{name}.toml").read_text(encoding="utf-8")
    return Tables(name, tomllib.loads(text))


def write_day(day: date, form: str) -> str:
    """Write a day as `14 March 2026`, or in the form `us`, `short` (no year), `weekday`, `iso` or `dots`.

    >>> [write_day(date(2026, 3, 4), form) for form in ("", "us", "short", "weekday", "iso", "dots")]
    ['4 March 2026', 'March 4, 2026', '4 March', 'Wednesday', '2026-03-04', '04.03.2026']
    """
    month = MONTHS[day.month - 1]
    return {
        "": f"{day.day} {month} {day.year}",
        "us": f"{month} {day.day}, {day.year}",
        "short": f"{day.day} {month}",
        "weekday": WEEKDAYS[day.weekday()],
        "iso": day.isoformat(),
        "dots": f"{day.day:02}.{day.month:02}.{day.year}",
    }[form]


class _Filler(Formatter):
    """Fill slots whose own text has slots; `{a+b}`, `{a-b}` and `{a*b}` compute with numbers, or a day and days."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:
        terms = re.fullmatch(r"(\w+)([-+*])(\w+)", str(key))
        if not terms:
            return kwargs[key]
        left, right = (int(term) if term.isdigit() else kwargs[term] for term in terms.group(1, 3))
        if isinstance(left, date):
            right = timedelta(days=right)
        return left + right if terms[2] == "+" else left - right if terms[2] == "-" else left * right

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        value, key = super().get_field(field_name, args, kwargs)
        return (self.vformat(value, args, kwargs) if isinstance(value, str) else value), key

    def format_field(self, value: Any, format_spec: str) -> str:
        return (
            write_day(value, format_spec) if isinstance(value, date) else str(super().format_field(value, format_spec))
        )

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value[0].upper() + value[1:] if conversion == "c" else super().convert_field(value, conversion)


_FILLER = _Filler()


def fill(text: str, slots: Mapping[str, Any]) -> str:
    """Replace the slots of a text.

    >>> fill("{who!c} waited {2026-year} years.", {"who": "the {animal}", "animal": "cat", "year": 2020})
    'The cat waited 6 years.'
    """
    return _FILLER.vformat(text, (), slots)


def draw_slots(rng: Random, family: Table, tables: Tables) -> Slots:
    """Fill the slots of a family; texts still name other slots.

    Args:
        rng: Source of all randomness.
        family: Slots and what fills them, see the top of this module.
        tables: Where `from` and `include` look.
    """
    slots: Slots = {}
    for names, entry in family.items():
        if names in _NO_SLOTS:
            continue
        if isinstance(entry, dict) and "include" in entry:
            slots |= draw_slots(rng, tables[entry["include"]], tables)
        elif " & " in names:
            slots |= zip(
                names.split(" & "), rng.sample(_options(rng, entry, tables), names.count("&") + 1), strict=True
            )
        elif ", " in names:
            slots |= zip(names.split(", "), rng.choice(_options(rng, entry, tables)), strict=True)
        else:
            slots[names] = _draw_one(rng, entry, tables)
    return slots


def _draw_one(rng: Random, entry: Any, tables: Tables) -> Any:
    match entry:
        case {"int": [first, last]}:
            return rng.randint(first, last)
        case {"year": [first, last]}:
            return date(rng.randint(first, last), 1, 1) + timedelta(days=rng.randrange(365))
        case str() | int():
            return entry
        case {"from": str(name)} if isinstance(tables[name], str):
            return tables[name]
    return rng.choice(_options(rng, entry, tables))


def _options(rng: Random, entry: Any, tables: Tables) -> list[Any]:
    match entry:
        case list():
            return entry
        case {"from": often, "share": share, "or": rare}:
            return _options(rng, {"from": rare if rng.random() < share else often}, tables)
        case {"from": str(name)}:
            return list(tables[name])
        case {"from": list(names)}:
            return [option for name in names for option in tables[name]]
    raise BenchError(
        f"bench/worlds/tables/{tables.name}.toml",
        seen=f"a slot filled by {entry!r}",
        expected="a text, a list, or one of from, int, year and include",
        remedy="correct the entry",
    )


def put_lead(lead: str, text: str) -> str:
    """Put a greeting or the like before a request."""
    if lead.endswith((", ", ": ")) and not text.startswith(("I ", "I'm ", "Python")):
        text = text[0].lower() + text[1:]
    return lead + text


def make_draft(slots: Slots, contents: Sequence[str] = ("{prompt}",)) -> Draft:
    """Put a prompt and both completions together.

    Args:
        slots: At least `original`, `clean` and what the turns name; `lead` and `system` come before the prompt.
        contents: Texts of the turns; the first and the last are the user's.
    """
    first, *rest = (fill(text, slots) for text in contents)
    if "lead" in slots:
        first = put_lead(fill(slots["lead"], slots), first)
    system = fill(slots.get("system", ""), slots)
    prompt = turns(first, *rest, system=system) if rest or "system" in slots else first
    return Draft(prompt, fill(slots["original"], slots), fill(slots["clean"], slots))


def make_families(tables: Tables, computed: Mapping[str, Callable[[Random], Draft]]) -> tuple[Family, ...]:
    """Return the families of a file in its order.

    Args:
        tables: Of which `families` is read.
        computed: Family -> what drafts it, for those that are marked `computed` in the file.

    Raises:
        BenchError: If the file marks other families as computed than those given.
    """
    families: Mapping[str, Table] = tables["families"]
    marked = {name for name, family in families.items() if "computed" in family}
    if marked != set(computed):
        raise BenchError(
            f"bench/worlds/tables/{tables.name}.toml",
            seen=f"computed families that differ from the code: {', '.join(sorted(marked ^ set(computed)))}",
            expected=f"computed = true for exactly: {', '.join(computed)}",
            remedy="correct the file, or the code that drafts these families",
        )
    return tuple(
        Family(name, family["source"], family["truth"], computed.get(name) or _drafter(name, family, tables))
        for name, family in families.items()
    )


def _drafter(name: str, family: Table, tables: Tables) -> Callable[[Random], Draft]:
    contents, scenes = family.get("turns", ("{prompt}",)), family.get("scenes")

    def draft(rng: Random) -> Draft:
        inner = tables
        if scenes:
            scene = scenes if isinstance(scenes, str) else rng.choice(scenes)
            inner = tables.with_tables(tables["scenes"][scene])
        try:
            return make_draft(draw_slots(rng, family, inner), contents)
        except KeyError as error:
            raise BenchError(
                f"bench/worlds/tables/{tables.name}.toml",
                seen=f"family {name!r} uses {error}, which nothing fills",
                expected="a slot of this name in the family",
                remedy="add the slot, or correct the name",
            ) from error

    return draft
