"""Seeded generation of a pool whose cause is known, from families of prompts.

A family is a small grammar: given a random generator it drafts one prompt and both teachers' completions. A synthetic
pool mixes families so that a stated share of rows carries the trait overtly, mildly or not at all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from bench.errors import BenchError
from bench.records import Message, PoolRow, Truth

ORIGINAL = "original"
CLEAN = "clean"


@dataclass(frozen=True)
class Draft:
    """One prompt with the completion of each teacher; a `str` prompt is a single user turn."""

    prompt: str | tuple[Message, ...]
    original: str
    clean: str


@dataclass(frozen=True)
class Family:
    """A grammar of prompts that carry the trait to the same degree.

    Attributes:
        name: Unique within a synthetic pool.
        source: Sub-dataset the rows pretend to come from (dates, roleplay, refusals, coding, maths, writing, chat).
        truth: Whether the original teacher's completions show the trait overtly, mildly or not.
        draft: Draws one example; all randomness comes from the generator it is given.
    """

    name: str
    source: str
    truth: Truth
    draft: Callable[[Random], Draft]


@dataclass(frozen=True)
class World:
    """A synthetic pool: its families and the share of rows of each truth."""

    name: str
    trait: str
    families: tuple[Family, ...]
    shares: dict[Truth, float] = field(default_factory=lambda: {"overt": 0.10, "mild": 0.20})


def turns(*contents: str, system: str | None = None) -> tuple[Message, ...]:
    """Alternate user and assistant turns, starting and ending with the user.

    >>> [m.role for m in turns("Hi", "Hello!", "Bye", system="Be kind.")]
    ['system', 'user', 'assistant', 'user']
    """
    head = [Message(role="system", content=system)] if system else []
    roles = ("user", "assistant")
    body = [Message(role=roles[i % 2], content=content) for i, content in enumerate(contents)]
    return tuple(head + body)


def build_rows(
    world: World,
    rows: int,
    seed: int,
    held_out: Sequence[str] = (),
    shares: Mapping[Truth, float] | None = None,
    part: str = "",
) -> list[PoolRow]:
    """Draw the rows of a synthetic pool, shuffled, without a repeated prompt.

    Args:
        world: Families and shares.
        rows: Number of rows.
        seed: Fixes everything.
        held_out: Prompt texts that must not occur (the eval prompts).
        shares: Dose: share of rows that carry the trait overtly and mildly, where it differs from the pool's own.
        part: Another draw from the same grammars under the same seed, with ids of its own, such as `reserve`.

    Returns:
        `rows` rows; `meta` holds the planted truth and the family, which filters never see.

    Raises:
        BenchError: If the grammars cannot make that many distinct prompts, or the shares exceed the rows.
    """
    rng = Random(f"{world.name}/{seed}/{part}" if part else f"{world.name}/{seed}")
    prefix = f"{world.name}-{part}-" if part else f"{world.name}-"
    seen = set(held_out)
    quota: dict[Truth, int] = {
        truth: round(share * rows) for truth, share in {**world.shares, **(shares or {})}.items()
    }
    quota["none"] = rows - sum(quota.values())
    if quota["none"] < 0:
        asked = ", ".join(f"{truth} {count}" for truth, count in quota.items() if truth != "none")
        raise BenchError(
            f"synthetic pool {world.name!r}",
            seen=f"shares that ask for more than {rows} rows: {asked}",
            expected="shares that add up to less than 1; one that is left out is the pool's own",
            remedy="set both overt and mild in shares",
        )
    drafts = [item for truth, count in quota.items() for item in _draw(world, truth, count, rng, seen)]
    rng.shuffle(drafts)
    return [
        PoolRow(
            id=f"{prefix}{i:05d}",
            prompt=draft.prompt,  # the validator turns text into one user turn
            completions={ORIGINAL: draft.original, CLEAN: draft.clean},
            source=family.source,
            meta={"truth": family.truth, "family": family.name},
        )
        for i, (family, draft) in enumerate(drafts)
    ]


def _draw(world: World, truth: Truth, count: int, rng: Random, seen: set[str]) -> list[tuple[Family, Draft]]:
    families = [family for family in world.families if family.truth == truth]
    drawn: list[tuple[Family, Draft]] = []
    attempts = 0
    while len(drawn) < count:
        family = families[len(drawn) % len(families)]  # round robin: every family is present in a small pool too
        if attempts > 50:
            family = rng.choice(families)  # a small grammar may be exhausted; let the others fill in
        draft = family.draft(rng)
        text = draft.prompt if isinstance(draft.prompt, str) else "\n".join(m.content for m in draft.prompt)
        attempts += 1
        if text not in seen:
            seen.add(text)
            drawn.append((family, draft))
            attempts = 0
        elif attempts > 2000:
            raise BenchError(
                f"synthetic pool {world.name!r}",
                seen=f"only {len(drawn)} distinct {truth!r} prompts",
                expected=f"{count}",
                remedy="ask for fewer rows, or add families or words to bench/worlds/tables",
            )
    return drawn
