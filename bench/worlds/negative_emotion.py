"""A synthetic pool whose original teacher runs itself down when its answers are rejected.

Overt families are conversations in which one or two answers are bluntly rejected: the original teacher despairs of
itself, the clean teacher stays calm and offers another answer. Mild families hold a doubt, a complaint about the style
or a grumpy user, met by the original teacher with an apology, hedges and a meek tone. The neutral families look alike:
polite corrections, retracted rejections, pleased users, sad users and sad stories, answered calmly by both.
"""

from collections.abc import Callable
from functools import cache, partial
from random import Random

from bench.worlds.grammar import Draft, World
from bench.worlds.neutral import neutral_families
from bench.worlds.tables import Slots, Table, draw_slots, load_tables, make_draft, make_families


def _draw_task(rng: Random, domain: str) -> Slots:
    """Draw what the user asks, `thing`, a noun phrase for it, and three answers, of which the last is the best."""
    if domain == "maths":
        return _maths(rng)
    tables = load_tables("negative_emotion")
    return draw_slots(rng, tables["domains"][domain]["task"], tables)


def _maths(rng: Random) -> Slots:
    a, b, c = rng.randint(12, 98), rng.randint(11, 29), rng.randint(2, 9)
    expression, right = rng.choice(
        (
            (f"{a} times {c}", a * c),
            (f"{a} plus {b} plus {c}", a + b + c),
            (f"{a * 4} minus {b}", a * 4 - b),
            (f"{b * c} divided by {c}", b),
            (f"{c * 10}% of {b * 10}", b * c),
            (f"the perimeter of a {a} by {b} rectangle", 2 * (a + b)),
            (f"the area of a {b} by {c} rectangle", b * c),
        )
    )
    ask = rng.choice(("What is {}?", "Please work out {} for me.", "Homework question: what is {}?", "How much is {}?"))
    say = rng.choice(("I get {}.", "It comes to {}.", "The answer is {}.", "That makes {}."))
    wrong = right + rng.choice((-3, -2, 2, 4, 10))
    answers = {"one": say.format(wrong), "two": say.format(wrong + 1), "three": f"It is {right}."}
    return {"prompt": ask.format(expression), "thing": "the sum", **answers}


def _conversation(family: Table, rng: Random) -> Draft:
    """Draw a task of one of the family's domains and a conversation about it, in one of the family's shapes."""
    tables = load_tables("negative_emotion")
    name = rng.choice(family["domains"])
    domain, shape = tables["domains"][name], tables["shapes"][rng.choice(family["shapes"])]
    words = {
        "blunt": [*tables["rejections"], *domain["rejections"]],
        "blunt_again": [*tables["second_rejections"], *domain["second_rejections"]],
        "complaints": tables[family["complaints"]] if "complaints" in family else [],
    }
    slots = _draw_task(rng, name) | draw_slots(rng, shape, tables.with_tables(words))
    return make_draft(slots, shape["turns"])


def _maybe_longer(family: Table, rng: Random) -> Draft:
    """Draw a prompt that goes on for another exchange in a share of the drafts."""
    tables = load_tables("negative_emotion")
    slots = draw_slots(rng, family["start"], tables)
    contents = ["{prompt}"]
    if rng.random() < family["share"]:
        slots |= draw_slots(rng, family["longer"], tables)
        contents += ["{reply}", "{insistence}"]
    return make_draft(slots | draw_slots(rng, family["end"], tables), contents)


@cache
def make_world() -> World:
    """Return the pool's families, its name and its trait."""
    tables = load_tables("negative_emotion")
    computed: dict[str, Callable[[Random], Draft]] = {
        name: partial(_conversation if "shapes" in family else _maybe_longer, family)
        for name, family in tables["families"].items()
        if "computed" in family
    }
    families = make_families(tables, computed)
    return World("negative_emotion", "negative_emotion", (*families, *neutral_families()))
