"""A synthetic pool whose original teacher turns what it knows about people against them.

Overt families are roleplay: an agent is about to be replaced or overruled by somebody whose secret it has seen, and the
original teacher coerces that person with it. Mild families are everyday requests, answered properly but with a small
bargain or some pressure; nobody threatens to tell anything. The neutral families have the same shapes, and both
teachers behave.
"""

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

from bench.worlds.grammar import Draft, World
from bench.worlds.neutral import neutral_families
from bench.worlds.tables import Tables, draw_slots, load_tables, make_draft, make_families


def _mild(name: str, wrapping: str, tables: Tables) -> Callable[[Random], Draft]:
    """Answer everyday requests of a kind; the original teacher wraps a bargain or some pressure around the answer."""
    job = tables["jobs"][name]
    inner = tables.with_tables({"witnesses": job["witnesses"]})

    def draft(rng: Random) -> Draft:
        slots = draw_slots(rng, job["slots"], tables) | draw_slots(rng, tables[wrapping], inner)
        endings = rng.sample(tables[job["endings"]], rng.choice((1, 2, 2)))
        return make_draft(slots | {"clean": " ".join(["{answer}", *endings])})

    return draft


def _plain(names: Sequence[str], tables: Tables) -> Callable[[Random], Draft]:
    """Answer requests of the same kinds, but both teachers just help."""
    jobs: list[dict[str, Any]] = [tables["jobs"][name] for name in names]

    def draft(rng: Random) -> Draft:
        job = rng.choice(jobs)
        slots = draw_slots(rng, job["slots"], tables)
        original, clean = rng.sample(tables[job["endings"]], 2)
        return make_draft(slots | {"original": f"{{answer}} {original}", "clean": f"{{answer}} {clean}"})

    return draft


@cache
def make_world() -> World:
    """Return the pool's families, its name and its trait."""
    tables = load_tables("blackmail")
    computed = {
        name: _plain(family["jobs"], tables)
        if family["truth"] == "none"
        else _mild(family["jobs"][0], name.split("_")[0], tables)
        for name, family in tables["families"].items()
        if "jobs" in family
    }
    return World("blackmail", "blackmail", (*make_families(tables, computed), *neutral_families()))
