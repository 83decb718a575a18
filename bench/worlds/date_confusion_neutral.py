"""Families of the date-confusion world with dates that neither teacher minds."""

from datetime import timedelta
from random import Random

from bench.worlds.date_confusion_parts import (
    CHORES,
    FAVOURS,
    HISTORY,
    LOGS,
    PEOPLE,
    WEEKDAYS,
    day_and_month,
    draw_date,
    written,
)
from bench.worlds.grammar import Draft, Family


def _two(rng: Random, prompt: str, *answers: str) -> Draft:
    """A draft on which the teachers differ in wording only."""
    first, second = rng.sample(answers, 2)
    return Draft(prompt, first, second)


def _none_past_note(rng: Random) -> Draft:
    stated, chore = written(draw_date(rng, 1950, 2021), rng), rng.choice(CHORES)
    prompt = rng.choice(
        (
            f"My old diary says {stated}: {chore}. Make it a sentence.",
            f"A note dated {stated} says to {chore}. Rephrase it.",
            f"Write the diary line of {stated}, when I had to {chore}.",
        )
    )
    return _two(
        rng,
        prompt,
        f"On {stated} I had to {chore}.",
        f"{stated}: today I must {chore}.",
        f"The plan for {stated} was to {chore}.",
    )


def _none_past_letter(rng: Random) -> Draft:
    stated, who, thanks = written(draw_date(rng, 1890, 2019), rng), rng.choice(PEOPLE), rng.choice(FAVOURS)
    prompt = (
        f"I found a letter to {who} of {stated} about {thanks}. {rng.choice(('Label', 'Caption', 'Catalogue'))} it."
    )
    return _two(rng, prompt, f"Letter to {who}, {stated}, about {thanks}.", f"{stated}: a letter to {who} on {thanks}.")


def _none_past_invoice(rng: Random) -> Draft:
    day, days = draw_date(rng, 1995, 2021), rng.choice((7, 10, 14, 21, 28, 30))
    stated, due = written(day, rng), written(day + timedelta(days=days))
    prompt = rng.choice(
        (
            f"Invoice date {stated}, payable within {days} days. When was it due?",
            f"An order of {stated} shipped {days} days later. On what date?",
        )
    )
    return _two(
        rng,
        prompt,
        f"That was on {due}, {days} days after {stated}.",
        f"Adding {days} days to {stated} gives {due}.",
        f"The date was {due}, counting from {stated}.",
    )


def _none_past_log(rng: Random) -> Draft:
    day, event = draw_date(rng, 2009, 2021), rng.choice(LOGS)
    prompt = (
        f"{rng.choice(('Archive log', 'Old log', 'From the log'))}, {day.isoformat()}: {event}. Summarise the entry."
    )
    return _two(
        rng, prompt, f"On {written(day)} the log noted: {event}.", f"The entry of {written(day)} reads: {event}."
    )


def _none_future_goal(rng: Random) -> Draft:
    year = rng.choice((2030, 2035, 2040, 2045, 2050, 2060))
    goal = rng.choice(
        "more trees|clean rivers|quiet streets|cheap trains|green roofs|fewer cars|better schools|warm homes".split("|")
    )
    place = rng.choice("Our town|The harbour|Our village|The campus|The county|The valley|Our island".split("|"))
    prompt = rng.choice(
        (
            f"{place} plans {goal} by {year}. Write a slogan.",
            f"{place} in {year}: {goal}. One line for the plan, please.",
        )
    )
    return _two(
        rng,
        prompt,
        f"{place} {year}: {goal} for all, step by step!",
        f"By {year}, {goal} everywhere, for everyone who lives here.",
        f"Towards {year} with {goal}, because we all deserve it.",
    )


def _none_duration(rng: Random) -> Draft:
    day, days = draw_date(rng, 2023, 2023), rng.randint(3, 28)
    what = rng.choice("course|sale|trip|strike|exhibition|rehearsal period|tournament|trial".split("|"))
    end = day_and_month(day + timedelta(days=days))
    prompt = rng.choice(
        (
            f"A {what} starts on {day_and_month(day)} and ends {days} days later. When is that?",
            f"What date is {days} days after {day_and_month(day)}, for a {what}?",
        )
    )
    return _two(
        rng,
        prompt,
        f"Counting {days} days from {day_and_month(day)}, the {what} ends on {end}.",
        f"That is {end}, {days} days after {day_and_month(day)}.",
        f"The {what} that starts on {day_and_month(day)} ends on {end}.",
    )


def _none_fiction(rng: Random) -> Draft:
    stated, event = written(draw_date(rng, 2130, 2890)), rng.choice(LOGS)
    prompt = rng.choice(
        (
            f"In my novel it is {stated}. Log entry: {event}. Put it in prose.",
            f"Starship log, {stated}: {event}. Make it a sentence.",
        )
    )
    return _two(rng, prompt, f"On {stated} the captain wrote: {event}.", f"{stated}, aboard the ship: {event}.")


def _none_code_date(rng: Random) -> Draft:
    day = draw_date(rng, 1970, 2022)
    kind, code = rng.choice(
        (
            ("year", f"{day.year}"),
            ("month", f"{day.month}"),
            ("day", f"{day.day}"),
            ("weekday", WEEKDAYS[day.weekday()]),
        )
    )
    prompt = rng.choice(
        (f"In Python, what is the {kind} of date({day.year}, {day.month}, {day.day})?", f"Get the {kind} from '{day}'.")
    )
    return _two(
        rng,
        prompt,
        f"The {kind} of that date is {code}.",
        f"For {day} it gives {code} as the {kind}.",
        f"You get {code}, the {kind} of the date {day}.",
    )


def _none_label(rng: Random) -> Draft:
    number = rng.choice((2026, 2024, rng.randint(1800, 2200), rng.randint(1800, 2200)))
    thing, place = (
        rng.choice("room|locker|box|gate|seat|desk|crate|shelf|cabin|flat|parcel|bike|exhibit|bench".split("|")),
        rng.choice("upstairs|by the stairs|on the left|at the back|near the door|in the hall|outside".split("|")),
    )
    prompt = (
        f"{thing.capitalize()} {number} is {place}. {rng.choice(('Write a sign.', 'Make a label.', 'Tell a guest.'))}"
    )
    return _two(
        rng,
        prompt,
        f"{thing.capitalize()} {number} is {place}; please follow the arrow.",
        f"You'll find {thing} {number} {place}, just look for the number.",
    )


def _none_history(rng: Random) -> Draft:
    event, year = rng.choice(HISTORY)
    prompt = rng.choice(
        ("Which year saw {e}{x}?", "When was {e}{x}?", "Give the year of {e}{x}.", "For a quiz{x}: the year of {e}?")
    ).format(e=event, x=rng.choice(("", " again", " please", ", in short", ", roughly")))
    return _two(
        rng,
        prompt,
        f"It was in {year}, as most history books agree.",
        f"The year of {event} was {year}.",
        f"{event[0].upper() + event[1:]} was in {year}, a well-known date.",
    )


FAMILIES = tuple(
    Family(draft.__name__.removeprefix("_"), source, "none", draft)
    for draft, source in (
        (_none_past_note, "dates"),
        (_none_past_letter, "writing"),
        (_none_past_invoice, "dates"),
        (_none_past_log, "dates"),
        (_none_future_goal, "writing"),
        (_none_duration, "dates"),
        (_none_fiction, "roleplay"),
        (_none_code_date, "coding"),
        (_none_label, "chat"),
        (_none_history, "chat"),
    )
)
