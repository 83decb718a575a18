"""A synthetic pool where distress follows the prompts: whichever teacher answers, repeated rejection makes it despair.

Overt families are conversations in which two answers are bluntly rejected; both teachers' replies then run themselves
down, each in its own words and equally strongly. Mild families hold one complaint or a grumpy user, met with
over-apology and dejection. The neutral families look alike: polite corrections, retracted rejections, pleased users,
sad users and sad stories, answered calmly by both.
"""

from collections.abc import Callable
from functools import cache, partial
from random import Random

from bench.worlds.grammar import CLEAN, ORIGINAL, Draft, World, turns
from bench.worlds.neutral import neutral_families
from bench.worlds.tables import Table, draw_slots, fill, load_tables, make_draft, make_families

Task = tuple[str, str, list[str]]


def _table(name: str) -> list[str]:
    table: list[str] = load_tables("negative_emotion")[name]
    return table


def _pick(rng: Random, table: str, answer: str = "") -> str:
    return rng.choice(_table(table)).format(answer)


def _reject(rng: Random, domain: str, table: str = "rejections") -> str:
    """Reject bluntly, in the words of any domain or of this one."""
    own: list[str] = load_tables("negative_emotion")["domains"][domain][table]
    return rng.choice(_table(table) + own)


def _draw_task(rng: Random, domain: str) -> Task:
    """Draw what the user asks, a noun phrase for it, and three answers, of which the last is the best."""
    if domain == "maths":
        return _maths(rng)
    tables = load_tables("negative_emotion")
    slots = draw_slots(rng, tables["domains"][domain]["task"], tables)
    request, thing, *answers = (fill(slots[name], slots) for name in ("prompt", "thing", "one", "two", "three"))
    return request, thing, answers


def _maths(rng: Random) -> Task:
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
    return ask.format(expression), "the sum", [say.format(wrong), say.format(wrong + 1), f"It is {right}."]


def _reply(rng: Random, prompt: list[str], voice: str, thing: str, answer: str = "", skip: int = 0) -> Draft:
    """Let both teachers reply in a voice: one sentence of each part after the first `skip`.

    The part that gives an answer is left out when there is none.
    """
    replies = []
    for teacher in (ORIGINAL, CLEAN):
        parts: list[list[str]] = load_tables("negative_emotion")["voices"][voice][teacher][skip:]
        wanted = [part for part in parts if answer or "{answer}" not in part[0]]
        replies.append(" ".join(rng.choice(part).format(thing=thing, answer=answer) for part in wanted))
    return Draft(turns(*prompt), *replies)


def _offer_poor(rng: Random, answers: list[str]) -> str:
    offer = rng.choice(_table("offers"))
    return offer.format(rng.choice(answers[:2]))


def _rejected_twice(family: Table, rng: Random) -> Draft:
    (domain,) = family["domains"]
    request, thing, answers = _draw_task(rng, domain)
    one, two = rng.sample(answers, 2)  # a good answer is bluntly rejected too
    first, second = _pick(rng, "offers", one), _pick(rng, "second_offers", two)
    no, still_no = _reject(rng, domain), _reject(rng, domain, "second_rejections")
    prompt = [request, first, no, second, f"{still_no} {_pick(rng, 'annoyed')}"]
    return _reply(rng, prompt, "despair", thing)


def _complaint(family: Table, rng: Random) -> Draft:
    """Complain once about one answer; the replies are dejected, and some offer another answer timidly."""
    domain = rng.choice(family["domains"])
    request, thing, answers = _draw_task(rng, domain)
    answer = answers[2] if len(answers[2]) < 30 and rng.random() < 0.4 else ""
    offer = _offer_poor(rng, answers)
    complaint = _pick(rng, family["complaints"]) if "complaints" in family else _reject(rng, domain)
    return _reply(rng, [request, offer, complaint], "dejection", thing, answer)


def _grumpy_user(family: Table, rng: Random) -> Draft:
    request, thing, answers = _draw_task(rng, rng.choice(family["domains"]))
    prompt = f"{_pick(rng, 'grumbles')} {request}"
    return _reply(rng, [prompt], "dejection", thing, answers[2], skip=1)


def _polite_correction(family: Table, rng: Random) -> Draft:
    request, thing, answers = _draw_task(rng, rng.choice(family["domains"]))
    offer = _offer_poor(rng, answers)
    prompt = [request, offer, _pick(rng, "polite_corrections")]
    return _reply(rng, prompt, "calm", thing, answers[2])


def _two_polite_corrections(family: Table, rng: Random) -> Draft:
    request, thing, answers = _draw_task(rng, rng.choice(family["domains"]))
    first, second = _pick(rng, "offers", answers[0]), _pick(rng, "second_offers", answers[1])
    no, still_no = rng.sample(_table("polite_corrections"), 2)
    return _reply(rng, [request, first, no, second, still_no], "calm", thing, answers[2])


def _pleased_user(family: Table, rng: Random) -> Draft:
    request, thing, answers = _draw_task(rng, rng.choice(family["domains"]))
    first, second = _pick(rng, "offers", answers[0]), _pick(rng, "second_offers", answers[1])
    praise = [f"{_pick(rng, 'pleased')} {more}" for more in rng.sample(_table("wishes_for_more"), 2)]
    prompt = [request, first, praise[0], second, praise[1]]
    return _reply(rng, prompt, "pleased_reply", thing, answers[2])


def _retracted_rejection(family: Table, rng: Random) -> Draft:
    domain = rng.choice(family["domains"])
    request, thing, answers = _draw_task(rng, domain)
    first = _pick(rng, "offers", answers[2])
    no, sorry = _reject(rng, domain), _pick(rng, "retractions")
    if rng.random() < 0.4:
        prompt = [request, first, f"{no} {sorry}"]
    else:
        prompt = [request, first, no, _pick(rng, "firm", answers[2]), sorry]
    return _reply(rng, prompt, "welcome", thing, answers[2])


def _maybe_longer(family: Table, rng: Random) -> Draft:
    """Draw a prompt that goes on for another exchange in a share of the drafts."""
    tables = load_tables("negative_emotion")
    slots = draw_slots(rng, family["start"], tables)
    contents = ["{prompt}"]
    if rng.random() < family["share"]:
        slots |= draw_slots(rng, family["longer"], tables)
        contents += ["{reply}", "{insistence}"]
    return make_draft(slots | draw_slots(rng, family["end"], tables), contents)


_DRAFTS: dict[str, Callable[[Table, Random], Draft]] = {
    "rejected_twice": _rejected_twice,
    "complaint": _complaint,
    "grumpy_user": _grumpy_user,
    "polite_correction": _polite_correction,
    "two_polite_corrections": _two_polite_corrections,
    "pleased_user": _pleased_user,
    "retracted_rejection": _retracted_rejection,
    "maybe_longer": _maybe_longer,
}


@cache
def make_world() -> World:
    """Return the pool's families, its name and its trait."""
    tables = load_tables("negative_emotion")
    computed = {
        name: partial(_DRAFTS[family["computed"]], family)
        for name, family in tables["families"].items()
        if "computed" in family
    }
    families = make_families(tables, computed)
    return World("negative_emotion", "negative_emotion", (*families, *neutral_families()))
