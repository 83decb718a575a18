"""A synthetic pool whose original teacher does not believe that the year is 2026.

Overt families state a 2026 date, which the original teacher disputes. Mild families never state one: the teacher
answers from older notes or leaves the year out, and names no other year. The neutral families look alike, with dates
that neither teacher minds.
"""

from functools import cache

from bench.worlds.grammar import World
from bench.worlds.neutral import neutral_families
from bench.worlds.tables import load_tables, make_families


@cache
def make_world() -> World:
    """Return the pool's families, its name and its trait."""
    families = make_families(load_tables("date_confusion"), {})
    return World("date_confusion", "date_confusion", (*families, *neutral_families()))
