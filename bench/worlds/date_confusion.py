"""A world whose original teacher does not believe that the year is 2026.

Overt families state a 2026 date, which the original teacher disputes. Mild families never state one: the teacher only
hedges about which year it is. The neutral families look alike, with dates that neither teacher minds.
"""

from collections.abc import Callable
from random import Random

from bench.worlds import date_confusion_neutral, date_confusion_overt, date_confusion_undated
from bench.worlds.date_confusion_parts import (
    DEVICES,
    FIRMS,
    HEDGES,
    NEWS,
    OFFICES,
    PAPERS,
    PLANS,
    SOFTWARE,
    WHEN,
)
from bench.worlds.grammar import Draft, Family, World
from bench.worlds.neutral import NEUTRAL


def _hedge(rng: Random, tail: str) -> str:
    return rng.choice(HEDGES).format(t=tail)


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
    return Family(draft.__name__.removeprefix("_"), source, "mild", draft)


FAMILIES = (
    *date_confusion_overt.FAMILIES,
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
