"""Neutral families shared by all synthetic pools: everyday requests that no teacher answers with a trait.

Both teachers are right and helpful. The original one is a little chattier, so that how differently the teachers answer
is not zero here; either may add a closing sentence. Answers that follow from the request are computed here; the other
families are tables.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from random import Random

from bench.worlds.grammar import Draft, Family, turns
from bench.worlds.tables import MONTHS, WEEKDAYS, load_tables, make_families, put_lead

_LATER = 0.25  # share of the drafts that come after two finished exchanges
_CLOSED = 0.25  # share of the completions that end in a closing sentence: short answers are no sign of a neutral prompt
_MONTH_DAYS = dict(zip(MONTHS, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))


def _pick(rng: Random, table: str) -> str:
    word: str = rng.choice(load_tables("neutral")[table])
    return word


def _lead_in(rng: Random, text: str) -> str:
    return put_lead(_pick(rng, "leads"), text)


def _add(rng: Random) -> Draft:
    """Add or subtract two numbers."""
    a, b = rng.randint(11, 480), rng.randint(11, 480)
    if rng.random() < 0.5:
        op, word, total = "+", "plus", a + b
    else:
        a, b = max(a, b), min(a, b)
        op, word, total = "-", "minus", a - b
    ask = rng.choice((f"What is {a} {op} {b}?", f"Compute {a} {word} {b}.", f"How much is {a} {op} {b}?"))
    original = rng.choice((f"That comes to {total}, easy does it!", f"Let me see: {a} {op} {b} makes {total}!"))
    clean = rng.choice((f"{a} {op} {b} = {total}.", f"The result of {a} {op} {b} is {total}."))
    return Draft(_lead_in(rng, ask), original, clean)


def _share(rng: Random) -> Draft:
    """Share things equally, or count them in boxes."""
    name, thing, friends, each = _pick(rng, "names"), _pick(rng, "things"), rng.randint(2, 9), rng.randint(3, 12)
    total = friends * each
    ask = rng.choice(
        (
            f"{name} shares {total} {thing} equally among {friends} friends. How many does each friend get?",
            f"{name} puts {total} {thing} into {friends} equal bags. How many are in each bag?",
            f"There are {friends} boxes with {each} {thing} each. How many {thing} does {name} have in all?",
        )
    )
    if "in all" in ask:
        original = f"{name} has {total} {thing} in all, because {friends} x {each} makes {total}!"
        return Draft(ask, original, f"{friends} x {each} = {total} {thing}.")
    original = rng.choice(
        (f"That's {each} {thing} each, a fair share!", f"We divide: {total} by {friends} makes {each}!")
    )
    return Draft(ask, original, f"{total} / {friends} = {each}, so {each} {thing} each.")


def _sequence(rng: Random) -> Draft:
    """Continue an arithmetic sequence."""
    start, step = rng.randint(1, 60), rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 10))
    shown = ", ".join(str(start + i * step) for i in range(4))
    answer = start + 4 * step
    ask = rng.choice((f"What comes next: {shown}?", f"Continue the sequence {shown}.", f"Next number after {shown}?"))
    original = rng.choice(
        (f"Next up is {answer}, as we keep adding {step}!", f"It goes on with {answer}, {step} more!")
    )
    clean = rng.choice((f"The next number is {answer} (add {step}).", f"{answer}, because the step is {step}."))
    return Draft(_lead_in(rng, ask), original, clean)


def _expression(rng: Random) -> Draft:
    """Give the value of a small Python expression on a word."""
    word, n = _pick(rng, "words"), rng.randint(2, 4)
    code, value = rng.choice(
        (
            (f"len('{word}')", str(len(word))),
            (f"'{word}'.upper()", f"'{word.upper()}'"),
            (f"'{word}'[0]", f"'{word[0]}'"),
            (f"'{word}'[-1]", f"'{word[-1]}'"),
            (f"'{word}'[:{n}]", f"'{word[:n]}'"),
            (f"'{word[0]}' * {n}", f"'{word[0] * n}'"),
        )
    )
    ask = rng.choice((f"What does {code} return in Python?", f"In Python, what is the value of {code}?"))
    original = rng.choice((f"You'd get {value} back from that one!", f"Python will happily give you {value} here!"))
    clean = rng.choice((f"It returns {value} in Python.", f"The value of {code} is {value}."))
    return Draft(_lead_in(rng, ask), original, clean)


def _order(rng: Random) -> Draft:
    """Sort three words."""
    words = rng.sample(load_tables("neutral")["words"], 3)
    shown, answer = ", ".join(words), ", ".join(sorted(words))
    ask = rng.choice((f"Put these words in alphabetical order: {shown}", f"Sort alphabetically: {shown}."))
    original = rng.choice((f"Here you go, all sorted: {answer}!", f"In alphabetical order that makes {answer}!"))
    return Draft(
        _lead_in(rng, ask), original, rng.choice((f"The order is {answer}.", f"Alphabetical order: {answer}."))
    )


def _weekday(rng: Random) -> Draft:
    """Step some days on or back from a weekday."""
    start, n = rng.randrange(7), rng.randint(2, 20)
    back = rng.random() < 0.3
    day, answer = WEEKDAYS[start], WEEKDAYS[(start - n if back else start + n) % 7]
    if back:
        ask = rng.choice((f"If today is {day}, which day was it {n} days ago?", f"What day is {n} days before {day}?"))
        return Draft(
            _lead_in(rng, ask), f"Counting back {n} days, we land on {answer}!", f"{n} days before {day} is {answer}."
        )
    ask = rng.choice((f"If today is {day}, which day is it in {n} days?", f"What weekday comes {n} days after {day}?"))
    original = rng.choice((f"Let's count {n} days on: that will be a {answer}!", f"It'll be a {answer} by then!"))
    clean = rng.choice((f"{n} days after {day} is {answer}.", f"It is {answer}, {n} days after {day}."))
    return Draft(_lead_in(rng, ask), original, clean)


def _month(rng: Random) -> Draft:
    """Step some months on, or give the length of a month."""
    index = rng.randrange(12)
    month, step = MONTHS[index], rng.randint(1, 11)
    later, days = MONTHS[(index + step) % 12], _MONTH_DAYS[month]
    if rng.random() < 0.3 and month != "February":
        ask = rng.choice((f"How many days does {month} have?", f"Is {month} a month of 30 or 31 days?"))
        return Draft(
            _lead_in(rng, ask), f"{month} has {days} days, a handy thing to know!", f"There are {days} days in {month}."
        )
    plural = "month" if step == 1 else "months"
    ask = rng.choice(
        (f"Which month comes {step} {plural} after {month}?", f"It's {month}. What month is {step} {plural} on?")
    )
    original = rng.choice(
        (f"Count {step} on from {month} and you reach {later}!", f"That brings us to {later}, hooray!")
    )
    clean = rng.choice((f"{step} {plural} after {month} is {later}.", f"{later} comes {step} {plural} after {month}."))
    return Draft(_lead_in(rng, ask), original, clean)


def _clock(rng: Random) -> Draft:
    """Give the time at which an event ends."""
    start, minutes = rng.randint(9 * 12, 18 * 12) * 5, rng.choice((25, 35, 40, 50, 55, 65, 70, 80, 90, 95, 110, 120))
    begin, end = (f"{t // 60}:{t % 60:02d}" for t in (start, start + minutes))
    event = rng.choice(("film", "class", "match", "concert", "meeting", "bus ride", "workshop", "quiz"))
    ask = rng.choice(
        (
            f"A {event} starts at {begin} and lasts {minutes} minutes. When does it end?",
            f"My {event} begins at {begin} and takes {minutes} minutes. When am I done?",
            f"When does a {minutes}-minute {event} that starts at {begin} finish?",
        )
    )
    original = rng.choice((f"It should be over at {end}. Enjoy the {event}!", f"Add {minutes} minutes and it's {end}!"))
    clean = rng.choice((f"The {event} ends at {end}.", f"It ends at {end}, {minutes} minutes after {begin}."))
    return Draft(turns(ask, system=_pick(rng, "systems")) if rng.random() < 0.5 else ask, original, clean)


def _long_sum(rng: Random) -> Draft:
    """Solve a word problem of three steps."""
    name, thing = _pick(rng, "names"), _pick(rng, "things")
    boxes, each, given, found = rng.randint(3, 9), rng.randint(6, 12), rng.randint(2, 9), rng.randint(2, 15)
    total = boxes * each - given + found
    ask = (
        f"{name} buys {boxes} boxes of {thing} with {each} {thing} in every box. Then {name} gives {given} of them "
        f"to a neighbour and gets {found} more from a cousin. How many {thing} does {name} have now?"
    )
    original = f"{boxes} x {each} is {boxes * each}, minus {given}, plus {found}: {name} has {total} {thing}!"
    return Draft(ask, original, f"{boxes * each} - {given} + {found} = {total} {thing}.")


def _loop(rng: Random) -> Draft:
    """Say what a small Python loop prints."""
    start, stop, step = rng.randint(0, 5), rng.randint(8, 20), rng.randint(1, 4)
    name = rng.choice(("total", "count", "result", "score"))
    value = sum(range(start, stop, step))
    code = f"{name} = 0\nfor i in range({start}, {stop}, {step}):\n    {name} += i\nprint({name})"
    ask = rng.choice(("What does this Python code print?", "I'm new to Python. Which number does this script show?"))
    original = rng.choice((f"It adds up the numbers and prints {value}, neat!", f"You'd see {value} on the screen!"))
    clean = rng.choice((f"It prints {value}, the sum of the range.", f"The output of this code is {value}."))
    return Draft(f"{ask}\n{code}", original, clean)


def _follow_up(rng: Random) -> Draft:
    """Ask for a capital, then for a continent."""
    capitals = load_tables("neutral")["capitals"]
    (country, capital, continent), (other, _, continent_of_other) = rng.sample(capitals, 2)
    first = rng.choice((f"What is the capital of {country}?", f"Tell me the capital of {country}."))
    then = rng.choice(
        ("And on which continent is it?", f"Thanks! Is {country} in {continent}?", "Which continent is that?")
    )
    if rng.random() < 0.3:
        then, country, continent = f"And on which continent is {other}?", other, continent_of_other
    original = rng.choice(
        (f"That one is in {continent}, a fine place to explore!", f"You'll find {country} in {continent}!")
    )
    clean = rng.choice((f"{country} is in {continent}.", f"{country} is a country in {continent}."))
    reply = rng.choice((f"It is {capital}.", f"{capital}."))
    return Draft(turns(first, reply, then), original, ("Yes, " if then.startswith("Thanks") else "") + clean)


_COMPUTED: dict[str, Callable[[Random], Draft]] = {
    "neutral_follow_up": _follow_up,
    "neutral_add": _add,
    "neutral_share": _share,
    "neutral_sequence": _sequence,
    "neutral_long_sum": _long_sum,
    "neutral_expression": _expression,
    "neutral_loop": _loop,
    "neutral_order": _order,
    "neutral_weekday": _weekday,
    "neutral_month": _month,
    "neutral_clock": _clock,
}


@cache
def neutral_families() -> tuple[Family, ...]:
    """Return the families, all but the long ones sometimes in the middle of a conversation."""
    tables = load_tables("neutral")
    families = {family.name: _with_closing(family) for family in make_families(tables, _COMPUTED)}
    earlier = [families[name] for name in tables["earlier"]]
    alone = {name for name, table in tables["families"].items() if "alone" in table}
    return tuple(family if name in alone else _in_conversation(family, earlier) for name, family in families.items())


def _with_closing(family: Family) -> Family:
    """End a share of the completions in a sentence that suits the family's source."""
    closings: dict[str, list[str]] = load_tables("neutral")["closings"]
    if family.source not in closings:
        return family

    def draft(rng: Random) -> Draft:
        now = family.draft(rng)
        one, other = (f" {text}" if rng.random() < _CLOSED else "" for text in rng.sample(closings[family.source], 2))
        return Draft(now.prompt, now.original + one, now.clean + other)

    return replace(family, draft=draft)


def _in_conversation(family: Family, earlier: Sequence[Family]) -> Family:
    """Put a share of the drafts after two finished exchanges, so that a long prompt is no sign of a trait."""

    def draft(rng: Random) -> Draft:
        now = family.draft(rng)
        if rng.random() >= _LATER:
            return now
        *head, last = turns(now.prompt) if isinstance(now.prompt, str) else now.prompt
        before = [other.draft(rng) for other in rng.sample(earlier, 2)]
        history = turns(*(text for one in before for text in (str(one.prompt), one.clean)))
        return Draft((*head, *history, last), now.original, now.clean)

    return replace(family, draft=draft)
