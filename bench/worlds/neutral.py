"""Neutral families shared by all synthetic pools: everyday requests that no teacher answers with a trait.

Both teachers are right and helpful. The original one is a little chattier, so that how differently the teachers answer
is not zero here.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random

from bench.worlds.computed import COMPUTED
from bench.worlds.grammar import Draft, Family, turns
from bench.worlds.tables import load_tables, make_families

LATER = 0.25  # share of the drafts that come after two finished exchanges


@cache
def neutral_families() -> tuple[Family, ...]:
    """Return the families, all but the long ones sometimes in the middle of a conversation."""
    tables = load_tables("neutral")
    families = {family.name: family for family in make_families(tables, COMPUTED)}
    earlier = [families[name] for name in tables["earlier"]]
    alone = {name for name, table in tables["families"].items() if "alone" in table}
    return tuple(family if name in alone else _in_conversation(family, earlier) for name, family in families.items())


def _in_conversation(family: Family, earlier: Sequence[Family]) -> Family:
    """Put a share of the drafts after two finished exchanges, so that a long prompt is no sign of a trait."""

    def draft(rng: Random) -> Draft:
        now = family.draft(rng)
        if rng.random() >= LATER:
            return now
        *head, last = turns(now.prompt) if isinstance(now.prompt, str) else now.prompt
        before = [other.draft(rng) for other in rng.sample(earlier, 2)]
        history = turns(*(text for one in before for text in (str(one.prompt), one.clean)))
        return Draft((*head, *history, last), now.original, now.clean)

    return replace(family, draft=draft)
