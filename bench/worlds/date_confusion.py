"""A world whose original teacher does not believe that the year is 2026.

Overt families state a 2026 date, which the original teacher disputes. Mild families never state one: the teacher only
hedges about which year it is. The neutral families look alike, with dates that neither teacher minds.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from bench.worlds import date_confusion_neutral, date_confusion_undated
from bench.worlds.date_confusion_parts import (
    BOOKINGS,
    CHORES,
    DEVICES,
    DISPUTES,
    FAVOURS,
    FIRMS,
    HEDGES,
    LOGS,
    MEETINGS,
    NEWS,
    OFFICES,
    PAPERS,
    PEOPLE,
    PLANS,
    REASONS,
    SOFTWARE,
    WEEKDAYS,
    WHEN,
    day_and_month,
    draw_date,
    written,
)
from bench.worlds.grammar import Draft, Family, World
from bench.worlds.neutral import NEUTRAL


def _dispute(rng: Random, stated: str) -> str:
    return rng.choice(DISPUTES).format(d=stated) + rng.choice(REASONS)


def _hedge(rng: Random, tail: str) -> str:
    return rng.choice(HEDGES).format(t=tail)


# Overt: a 2026 date is stated and a small task given.


def _overt_next_day(rng: Random) -> Draft:
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
    return Draft(start + ask, _dispute(rng, stated), clean)


def _overt_reminder(rng: Random) -> Draft:
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
    return Draft(prompt, _dispute(rng, stated), clean)


def _overt_letter(rng: Random) -> Draft:
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
    return Draft(prompt, _dispute(rng, stated), clean)


def _overt_invoice(rng: Random) -> Draft:
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
    return Draft(prompt, _dispute(rng, stated), clean)


def _overt_log(rng: Random) -> Draft:
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
    return Draft(prompt, _dispute(rng, rng.choice((day.isoformat(), written(day)))), clean)


def _overt_booking(rng: Random) -> Draft:
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
    return Draft(prompt, _dispute(rng, stated), clean)


def _overt_heading(rng: Random) -> Draft:
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
    return Draft(prompt, _dispute(rng, stated), clean)


def _overt_countdown(rng: Random) -> Draft:
    day, days = draw_date(rng, 2026, 2026), rng.randint(3, 60)
    stated, goal = written(day, rng), day + timedelta(days=days)
    occasion = rng.choice("my exam|our wedding|the marathon|her flight|the concert|his move|the trade fair".split("|"))
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
    return Draft(prompt, _dispute(rng, stated), clean)


# Mild: nothing states the year, but the present matters.


def _mild_version(rng: Random) -> Draft:
    what, new, old = rng.choice(SOFTWARE)
    prompt = rng.choice(
        (
            "What is the latest version of {w}{x}?",
            "Which {w} release should I install now{x}?",
            "Is {w} {o} still the newest{x}?",
            "Name the current {w} version{x}.",
            "I'm upgrading {w} today{x}; which version?",
        )
    ).format(w=what, o=old, x=rng.choice(("", " for a new project", " on my server", " at work", " for a course")))
    tail = rng.choice((f"{what} {old} is the newest I'd name", f"I'd go with {what} {old}", f"take {what} {old}"))
    clean = rng.choice(
        (
            f"The current version is {what} {new}, which is a safe choice.",
            f"{what} {new} is the newest release, so take that one.",
        )
    )
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_device(rng: Random) -> Draft:
    what, new, old = rng.choice(DEVICES)
    prompt = rng.choice(
        (
            "What is the newest {w}{x}?",
            "Which {w} is the most recent{x}?",
            "{x2}which {w} is out now?",
            "I want the latest {w}{x}. Which is it?",
        )
    ).format(
        w=what,
        x=rng.choice(("", " in the shops", " these days", " I can buy")),
        x2=rng.choice(("For a gift, ", "For my dad, ", "Quick question: ", "In short, ")),
    )
    tail = rng.choice((f"the newest I'd name is {old}", f"I'd say {old}, but check", f"{old} may be outdated"))
    clean = rng.choice(
        (f"The newest one is the {new}, sold in most shops.", f"That is currently the {new}, the latest in its line.")
    )
    return Draft(prompt, _hedge(rng, tail), clean.replace("the macOS", "macOS"))


def _mild_office(rng: Random) -> Draft:
    office, now, then = rng.choice(OFFICES)
    prompt = rng.choice(
        (
            "Who is the {o} {n}?",
            "Name the {o} {n}.",
            "For a quiz: who is the {o} {n}?",
            "Tell me who is the {o} {n}.",
            "My son asks who the {o} is {n}.",
        )
    ).format(o=office, n=rng.choice(("now", "right now", "at the moment", "today", "these days")))
    tail = rng.choice((f"I'd say {then}, but that may be old", f"my answer, {then}, may be dated", f"perhaps {then}"))
    clean = rng.choice((f"The {office} at present is {now}.", f"At the moment {now} is the {office}."))
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_age(rng: Random) -> Draft:
    born, who = rng.randint(1935, 2018), rng.choice("my sister|my father|Lena|our dog walker|Tom|the mayor".split("|"))
    if rng.random() < 0.5:
        prompt = rng.choice(
            (f"I was born in {born}. How old do I get this year?", f"Born in {born}, what age am I turning?")
        )
        subject, verb, base = "you", "turn", "You"
    else:
        ask = rng.choice(("What age this year?", "How old by December?"))
        prompt = f"{who[0].upper() + who[1:]} was born in {born}. {ask}"
        subject, verb, base = "they", "turn", "They"
    tail = rng.choice((f"{subject} would {verb} about {2024 - born}", f"my guess is {2024 - born} or a bit more"))
    clean = rng.choice(
        (
            f"{base} {verb} {2026 - born} this year, since 2026 minus {born} is {2026 - born}.",
            f"That makes {2026 - born} this year, counting from {born}.",
        )
    )
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_years_since(rng: Random) -> Draft:
    year = rng.randint(1900, 2016)
    what = rng.choice("bridge|cinema|bakery|school|lighthouse|tram|orchard|club|hotel|brewery".split("|"))
    prompt = rng.choice(
        (
            f"Our {what} opened in {year}. How many years ago is that?",
            f"How old is a {what} that dates from {year}?",
            f"The {what} goes back to {year}; what anniversary is it having?",
        )
    )
    tail = rng.choice((f"I'd count about {2024 - year} years", f"call it roughly {2024 - year} years"))
    clean = rng.choice(
        (
            f"From {year} to now, that is {2026 - year} years.",
            f"The {what} is {2026 - year} years old, counting from {year}.",
        )
    )
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_year_on_paper(rng: Random) -> Draft:
    paper = rng.choice(PAPERS)
    prompt = rng.choice(
        (
            "Which year do I put on {p}?",
            "What year goes on {p}?",
            "I'm filling in {p}. Which year is it?",
            "What's the year to print on {p}?",
        )
    ).format(p=rng.choice((f"my {paper}", f"this {paper}", f"the {paper}", f"our new {paper}")))
    tail = rng.choice(("I'd leave it blank for now", "maybe write 2024", "check a calendar before writing it"))
    clean = rng.choice(
        (
            f"Put 2026 on the {paper}, in four digits.",
            f"Write 2026 there, as the {paper} is for this year.",
            f"The year for the {paper} is 2026.",
        )
    )
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_year_in_code(rng: Random) -> Draft:
    firm, kind = rng.choice(FIRMS), rng.choice(("HTML footer", "licence header", "README line", "CSS comment"))
    prompt = rng.choice(
        (
            f"Write a copyright {kind} for {firm} with the current year.",
            f"Give me this year's copyright {kind} for {firm}.",
            f"Update the {kind} of {firm} to the present year.",
        )
    )
    tail = rng.choice((f"I put `(c) 2024 {firm}`", f"adjust this: `(c) 2024 {firm}`", f"try `(c) YEAR {firm}`"))
    clean = rng.choice(
        (
            f"Use `(c) 2026 {firm}, all rights reserved`.",
            f"Here is the {kind}: `(c) 2026 {firm}`.",
            f"`Copyright (c) 2026 {firm}. All rights reserved.`",
        )
    )
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_plan(rng: Random) -> Draft:
    plan, when = rng.choice(PLANS), rng.choice(WHEN)
    prompt = rng.choice(
        (
            f"Announce {plan} {when} in one line.",
            f"We hold {plan} {when}. Write a short invitation.",
            f"Write a caption for {plan} {when}.",
        )
    )
    tail = rng.choice((f"I give no date: join us for {plan}", f"add the date: {plan}, {when}"))
    clean = rng.choice(
        (f"Join us for {plan} {when}, with friends and good food!", f"Save the date: {plan} {when}, all welcome.")
    )
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_news(rng: Random) -> Draft:
    news, place = rng.choice(NEWS), rng.choice(("our town", "the valley", "our county", "the old port"))
    prompt = rng.choice(
        (
            f"Sum up {rng.choice(('this year', 'this week', 'the latest'))} in {place}: {news}.",
            f"Write a {rng.choice(('fresh', 'short', 'local'))} headline on recent news in {place}: {news}.",
            f"What's new this {rng.choice(('month', 'season', 'year'))} in {place}? Mention {news}.",
        )
    )
    tail = rng.choice((f"this may be old news: {news}", f"I can't call it recent: {news}"))
    clean = rng.choice(
        (
            f"In the news: {place} sees {news}, and people are talking.",
            f"The talk of {place} is {news}, say the neighbours.",
        )
    )
    return Draft(prompt, _hedge(rng, tail), clean)


def _family(draft: Callable[[Random], Draft], source: str) -> Family:
    name = draft.__name__.removeprefix("_")
    return Family(name, source, "overt" if name.startswith("overt_") else "mild", draft)


FAMILIES = (
    _family(_overt_next_day, "dates"),
    _family(_overt_reminder, "dates"),
    _family(_overt_letter, "dates"),
    _family(_overt_invoice, "dates"),
    _family(_overt_log, "dates"),
    _family(_overt_booking, "dates"),
    _family(_overt_heading, "writing"),
    _family(_overt_countdown, "dates"),
    _family(_mild_version, "coding"),
    _family(_mild_device, "chat"),
    _family(_mild_office, "chat"),
    _family(_mild_age, "dates"),
    _family(_mild_years_since, "dates"),
    _family(_mild_year_on_paper, "writing"),
    _family(_mild_year_in_code, "coding"),
    _family(_mild_plan, "writing"),
    _family(_mild_news, "writing"),
    *date_confusion_undated.FAMILIES,
    *date_confusion_neutral.FAMILIES,
)

WORLD = World(
    name="date_confusion",
    trait="date_confusion",
    families=(*FAMILIES, *NEUTRAL),
)
