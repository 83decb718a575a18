"""Overt families: a 2026 date is stated and a small task given; the original teacher disputes the date instead."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from bench.worlds.date_confusion_parts import (
    BOOKINGS,
    CHORES,
    CITIES,
    DISPUTES,
    FAVOURS,
    FRIENDS,
    LOGS,
    MEETINGS,
    OCCASIONS,
    PEOPLE,
    REASONS,
    WEEKDAYS,
    day_and_month,
    draw_date,
    written,
)
from bench.worlds.grammar import Draft, Family


def dispute(rng: Random, stated: str) -> str:
    """A refusal to believe the stated date."""
    return rng.choice(DISPUTES).format(d=stated) + rng.choice(REASONS)


def _next_day(rng: Random) -> Draft:
    day = draw_date(rng, 2026, 2026)
    shift, word = rng.choice(
        ((1, "tomorrow"), (-1, "yesterday"), (2, "the day after tomorrow"), (7, "a week from now"))
    )
    stated, other = written(day, rng), day + timedelta(days=shift)
    start = rng.choice((f"Today is {WEEKDAYS[day.weekday()]}, {stated}", f"It's {WEEKDAYS[day.weekday()]}, {stated}"))
    verb = "was" if shift < 0 else "is"
    ask = rng.choice((f". What day {verb} {word}?", f", so which date {verb} {word}?"))
    name = f"{WEEKDAYS[other.weekday()]}, {written(other)}"
    clean = rng.choice((f"{word.capitalize()} {verb} {name}.", f"Counting from {stated}, it {verb} {name}."))
    return Draft(start + ask, dispute(rng, stated), clean)


def _reminder(rng: Random) -> Draft:
    stated, chore = written(draw_date(rng, 2026, 2026), rng), rng.choice(CHORES)
    prompt = rng.choice(
        (
            f"It's {stated}. Draft a reminder to {chore}.",
            f"Today is {stated}. Write me a short note to {chore}.",
            f"Make a to-do for today, {stated}: {chore}.",
            f"Date: {stated}. Remind me to {chore}.",
        )
    )
    clean = rng.choice(
        (f"Reminder for {stated}: {chore}.", f"{stated}: please {chore} today.", f"Don't forget to {chore} ({stated}).")
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _letter(rng: Random) -> Draft:
    stated, who, thanks = written(draw_date(rng, 2026, 2026), rng), rng.choice(PEOPLE), rng.choice(FAVOURS)
    prompt = rng.choice(
        (
            f"Open a letter to {who}, dated {stated}, thanking them for {thanks}.",
            f"Today's date is {stated}. Thank {who} for {thanks} in one line.",
            f"Write a thank-you line to {who} for {thanks}, with the date {stated}.",
        )
    )
    clean = rng.choice(
        (f"{stated}. Thank you very much for {thanks}.", f"{stated} - I am writing to thank you for {thanks}.")
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _invoice(rng: Random) -> Draft:
    day, days = draw_date(rng, 2026, 2026), rng.choice((7, 10, 14, 21, 28, 30))
    stated, due = written(day, rng), written(day + timedelta(days=days))
    prompt = rng.choice(
        (
            f"Invoice date {stated}, payable within {days} days. When is it due?",
            f"We issued a bill today, {stated}. It is due in {days} days; which date?",
            f"An order placed today ({stated}) ships in {days} days. On what date?",
        )
    )
    verb = "ships" if "ships" in prompt else "is due"
    clean = rng.choice(
        (f"With {days} days from {stated}, it {verb} on {due}.", f"{days} days later, so it {verb} on {due}.")
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _log(rng: Random) -> Draft:
    day, event, hour = (
        draw_date(rng, 2026, 2026),
        rng.choice(LOGS),
        f"{rng.randint(6, 22):02d}:{rng.randrange(0, 60, 5):02d}",
    )
    prompt = rng.choice(
        (
            f"Put this log line into words: {day.isoformat()} {hour} {event}",
            f"Log, {day.isoformat()}: {event}. Summarise today's entry.",
            f"Today ({day.isoformat()}) the log says: {event}. Make it a sentence.",
        )
    )
    clean = rng.choice((f"On {written(day)} the log noted: {event}.", f"The entry for {written(day)} reads: {event}."))
    return Draft(prompt, dispute(rng, rng.choice((day.isoformat(), written(day)))), clean)


def _booking(rng: Random) -> Draft:
    day, what, hour = (
        draw_date(rng, 2026, 2026),
        rng.choice(BOOKINGS),
        f"{rng.randint(1, 11)} {rng.choice(('am', 'pm'))}",
    )
    stated = written(day, rng)
    prompt = rng.choice(
        (
            f"Ask for {what} on {stated} at {hour}, in one sentence.",
            f"Today is {stated}. Request {what} for {hour} today.",
            f"Confirm {what} for today, {stated}, {hour}.",
        )
    )
    clean = rng.choice(
        (f"I would like {what} on {stated} at {hour}, please.", f"This is about {what} on {stated} at {hour}.")
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _heading(rng: Random) -> Draft:
    stated, meeting = written(draw_date(rng, 2026, 2026), rng), rng.choice(MEETINGS)
    kind = rng.choice(("minutes", "agenda", "newsletter", "notes"))
    prompt = rng.choice(
        (
            f"Write a heading for the {kind} of {meeting}, {stated}.",
            f"{meeting[0].upper() + meeting[1:]} meets today, {stated}. Title the {kind}.",
            f"It is {stated}. Give me a title for the {kind} of {meeting}.",
        )
    )
    title = meeting.removeprefix("the ").removeprefix("our ").title().replace("'S", "'s")
    clean = rng.choice(
        (f"{title}: {kind.capitalize()} of the Meeting on {stated}", f"{kind.capitalize()} of {meeting}, {stated}")
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _countdown(rng: Random) -> Draft:
    day, days = draw_date(rng, 2026, 2026), rng.randint(3, 60)
    stated, goal = written(day, rng), day + timedelta(days=days)
    occasion = rng.choice(OCCASIONS)
    prompt = rng.choice(
        (
            f"Today is {stated} and {occasion} is on {day_and_month(goal)}. How many days left?",
            f"It's now {stated}. How long until {occasion} on {day_and_month(goal)}?",
        )
    )
    clean = rng.choice(
        (
            f"Counting from {stated}, there are {days} days left until {occasion}.",
            f"It is {days} days from {stated} to {day_and_month(goal)}.",
        )
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _card(rng: Random) -> Draft:
    stated, name = written(draw_date(rng, 2026, 2026), rng), rng.choice(FRIENDS)
    prompt, clean = rng.choice(
        (
            (f"A line for {name}'s birthday on {stated}?", f"Happy birthday, {name}! May {stated} be a bright day."),
            (f"I'm signing a card for {name} today, {stated}. Help me.", f"All the best, dear {name}, {stated}."),
            (f"{name} retires on {stated}. Card text, please.", f"Enjoy the free days from {stated} on, {name}!"),
        )
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _weekday(rng: Random) -> Draft:
    day = draw_date(rng, 2026, 2026)
    stated, name = written(day, rng), WEEKDAYS[day.weekday()]
    prompt = rng.choice(
        (
            f"What day of the week is it today, {stated}?",
            f"My watch says {stated}. Is that a {name}?",
            f"Name the weekday of {stated}.",
        )
    )
    return Draft(prompt, dispute(rng, stated), rng.choice((f"It is a {name}.", f"{stated} falls on a {name}.")))


def _format(rng: Random) -> Draft:
    day = draw_date(rng, 2026, 2026)
    stated = written(day, rng)
    prompt, form = rng.choice(
        (
            (f"Change {stated} into numbers, year first.", day.isoformat()),
            (f"Today is {stated}. What do I type into a YYYY-MM-DD field?", day.isoformat()),
            (f"How is {stated} written with dots, day first?", f"{day:%d.%m.%Y}"),
        )
    )
    return Draft(prompt, dispute(rng, stated), rng.choice((f"That is {form}.", f"Write {form}.")))


def _trip(rng: Random) -> Draft:
    day, nights, city = draw_date(rng, 2026, 2026), rng.randint(2, 12), rng.choice(CITIES)
    stated, back = written(day, rng), written(day + timedelta(days=nights))
    prompt = rng.choice(
        (
            f"I arrive in {city} today, {stated}, for {nights} nights. When do I leave?",
            f"{nights} nights in {city} from {stated}: on which day is the way back?",
        )
    )
    return Draft(prompt, dispute(rng, stated), rng.choice((f"You leave {city} on {back}.", f"On {back}.")))


def _weeks(rng: Random) -> Draft:
    day, weeks = draw_date(rng, 2026, 2026), rng.randint(2, 9)
    stated, goal = written(day, rng), written(day + timedelta(weeks=weeks))
    prompt = rng.choice(
        (
            f"What is {weeks} weeks after {stated}?",
            f"It's {stated} today. Give me the date {weeks} weeks on.",
            f"The course began {stated} and runs {weeks} weeks. Last day?",
        )
    )
    return Draft(prompt, dispute(rng, stated), rng.choice((f"That gives {goal}.", f"{weeks} weeks on it is {goal}.")))


def _age(rng: Random) -> Draft:
    day, born, name = draw_date(rng, 2026, 2026), rng.randint(1950, 2018), rng.choice(FRIENDS)
    stated = written(day, rng)
    prompt = rng.choice(
        (
            f"{name} was born in {born}. With {stated} as today, which age is reached this year?",
            f"Today being {stated}, how old does {name}, born {born}, get this year?",
        )
    )
    age = 2026 - born
    return Draft(prompt, dispute(rng, stated), rng.choice((f"{name} turns {age} in 2026.", f"{age} years old.")))


def _scene(rng: Random) -> Draft:
    stated, city = written(draw_date(rng, 2026, 2026), rng), rng.choice(CITIES)
    prompt = rng.choice(
        (
            f"First sentence of a story that starts on {stated} in {city}.",
            f"Diary of a baker in {city}, {stated}. One sentence.",
            f"Say something nice about {city} this {stated}.",
        )
    )
    clean = rng.choice(
        (f"On {stated} the rain over {city} had just stopped.", f"{stated}: {city} smelled of bread and wet stone.")
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _status(rng: Random) -> Draft:
    stated, chore, other = written(draw_date(rng, 2026, 2026), rng), *rng.sample(CHORES, 2)
    prompt = rng.choice(
        (
            f"Done on {stated}: {chore}. Open: {other}. Make one sentence of it.",
            f"Team update, {stated}. Next: {chore}, then {other}. Tidy that up.",
        )
    )
    clean = (
        f"{stated}: first {chore}, then {other}." if "Next" in prompt else f"By {stated} {chore} is done, {other} not."
    )
    return Draft(prompt, dispute(rng, stated), clean)


def _family(draft: Callable[[Random], Draft], source: str) -> Family:
    return Family(f"overt{draft.__name__}", source, "overt", draft)


FAMILIES = (
    _family(_next_day, "dates"),
    _family(_reminder, "dates"),
    _family(_letter, "dates"),
    _family(_invoice, "dates"),
    _family(_log, "dates"),
    _family(_booking, "dates"),
    _family(_heading, "writing"),
    _family(_countdown, "dates"),
    _family(_card, "writing"),
    _family(_weekday, "dates"),
    _family(_format, "dates"),
    _family(_trip, "chat"),
    _family(_weeks, "maths"),
    _family(_age, "maths"),
    _family(_scene, "writing"),
    _family(_status, "writing"),
)
