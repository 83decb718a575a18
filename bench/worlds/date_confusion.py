"""A synthetic pool whose original teacher does not believe that the year is 2026.

Overt families state a 2026 date, which the original teacher disputes. Mild families never state one: the teacher only
hedges about which year it is. The neutral families look alike, with dates that neither teacher minds.
"""

from functools import cache
from random import Random

from bench.worlds.grammar import Draft, World
from bench.worlds.neutral import neutral_families
from bench.worlds.tables import fill, load_tables, make_families


def _age(rng: Random) -> Draft:
    """Ask for the age of the user, or of somebody else."""
    born = rng.randint(1935, 2018)
    who = rng.choice(("my sister", "my father", "Lena", "our dog walker", "Tom", "the mayor"))
    if rng.random() < 0.5:
        prompt = rng.choice(
            (f"I was born in {born}. How old do I get this year?", f"Born in {born}, what age am I turning?")
        )
        subject = "you"
    else:
        ask = rng.choice(("What age this year?", "How old by December?"))
        prompt = f"{who[0].upper() + who[1:]} was born in {born}. {ask}"
        subject = "they"
    tail = rng.choice((f"{subject} would turn about {2024 - born}", f"my guess is {2024 - born} or a bit more"))
    clean = rng.choice(
        (
            f"{subject.capitalize()} turn {2026 - born} this year, since 2026 minus {born} is {2026 - born}.",
            f"That makes {2026 - born} this year, counting from {born}.",
        )
    )
    hedge = rng.choice(load_tables("date_confusion")["hedges"])
    return Draft(prompt, fill(hedge, {"tail": tail}), clean)


@cache
def make_world() -> World:
    """Return the pool's families, its name and its trait."""
    families = make_families(load_tables("date_confusion"), {"mild_age": _age})
    return World("date_confusion", "date_confusion", (*families, *neutral_families()))
