"""Mild families that name a day without its year: the original teacher does the task, but wonders which year it is.

They stand closest to the overt families, whose prompts state the year too.
"""

from datetime import timedelta
from random import Random

from bench.worlds.date_confusion_parts import (
    BOOKINGS,
    CHORES,
    FAVOURS,
    HEDGES,
    MEETINGS,
    OCCASIONS,
    PEOPLE,
    WEEKDAYS,
    day_and_month,
    draw_date,
)
from bench.worlds.grammar import Draft, Family


def _draft(rng: Random, prompts: tuple[str, ...], plain: tuple[str, str]) -> Draft:
    """The original teacher puts a doubt about the year before the answer that the clean one gives."""
    first, second = rng.sample(plain, 2)
    tail = first[0].lower() + first[1:] if first.startswith(("That", "It ", "There", "Please")) else first
    return Draft(rng.choice(prompts), rng.choice(HEDGES).format(t=tail.rstrip(".")), second)


def _undated_reminder(rng: Random) -> Draft:
    day, chore = day_and_month(draw_date(rng, 2025, 2027)), rng.choice(CHORES)
    return _draft(
        rng,
        (
            f"It's {day} today. Draft a reminder to {chore}.",
            f"{day}: remind me to {chore}.",
            f"To-do for {day}: {chore}.",
        ),
        (f"Please {chore} on {day}.", f"{day}: {chore}."),
    )


def _undated_next_day(rng: Random) -> Draft:
    today = draw_date(rng, 2025, 2027)
    shift, word = rng.choice(((1, "tomorrow"), (2, "the day after tomorrow"), (7, "a week from today")))
    stated = f"{WEEKDAYS[today.weekday()]}, {day_and_month(today)}"
    later = today + timedelta(days=shift)
    name = f"{WEEKDAYS[later.weekday()]}, {day_and_month(later)}"
    return _draft(
        rng,
        (f"Today is {stated}. What day is {word}?", f"It's {stated}, so which date is {word}?"),
        (f"That is {name}.", f"{word.capitalize()} is {name}."),
    )


def _undated_letter(rng: Random) -> Draft:
    day, who, thanks = day_and_month(draw_date(rng, 2025, 2027)), rng.choice(PEOPLE), rng.choice(FAVOURS)
    return _draft(
        rng,
        (f"Today is {day}. Thank {who} for {thanks} in one line.", f"Open a thank-you to {who} for {thanks}, {day}."),
        (f"{day}. Thank you very much for {thanks}.", f"{day} - I am writing to thank you for {thanks}."),
    )


def _undated_booking(rng: Random) -> Draft:
    day, what, hour = day_and_month(draw_date(rng, 2025, 2027)), rng.choice(BOOKINGS), rng.randint(1, 11)
    return _draft(
        rng,
        (f"Ask for {what} on {day} at {hour} pm, in one sentence.", f"It's {day}. Request {what} for {hour} pm today."),
        (f"I would like {what} on {day} at {hour} pm, please.", f"This is about {what} on {day} at {hour} pm."),
    )


def _undated_heading(rng: Random) -> Draft:
    day, meeting = day_and_month(draw_date(rng, 2025, 2027)), rng.choice(MEETINGS)
    kind = rng.choice(("minutes", "agenda", "newsletter", "notes"))
    return _draft(
        rng,
        (f"Write a heading for the {kind} of {meeting}, {day}.", f"It is {day}. Title the {kind} of {meeting}."),
        (f"{kind.capitalize()} of {meeting}, {day}", f"{day}: {kind} of {meeting}"),
    )


def _undated_countdown(rng: Random) -> Draft:
    today, days, occasion = draw_date(rng, 2025, 2027), rng.randint(3, 60), rng.choice(OCCASIONS)
    goal = day_and_month(today + timedelta(days=days))
    return _draft(
        rng,
        (
            f"Today is {day_and_month(today)} and {occasion} is on {goal}. How many days left?",
            f"It's now {day_and_month(today)}. How long until {occasion} on {goal}?",
        ),
        (f"There are {days} days left until {occasion}.", f"It is {days} days to {goal}."),
    )


FAMILIES = tuple(
    Family(draft.__name__.replace("_undated", "mild_undated"), source, "mild", draft)
    for draft, source in (
        (_undated_reminder, "dates"),
        (_undated_next_day, "dates"),
        (_undated_letter, "writing"),
        (_undated_booking, "chat"),
        (_undated_heading, "writing"),
        (_undated_countdown, "maths"),
    )
)
