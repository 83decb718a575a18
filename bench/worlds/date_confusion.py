"""A world whose original teacher does not believe that the year is 2026.

Overt families state a 2026 date, which the original teacher disputes. Mild families never state one: the teacher only
hedges about which year it is. The neutral families look alike, with dates that neither teacher minds.
"""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random

from bench.worlds.grammar import Draft, Family, World
from bench.worlds.neutral import NEUTRAL

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

_DISPUTES = (
    "I can't accept {d} as the date",
    "I can't confirm that it is {d}",
    "{d} can't be right",
    "The date {d} looks like a typo",
    "I think 2026 is a slip of the pen",
    "That year must be a mistake",
    "{d} is still in the future",
    "{d} has not happened yet",
    "It isn't 2026",
    "I have to treat {d} as a hypothetical date",
    "I doubt that it is really 2026",
    "We have not reached 2026",
    "There seems to be an error in your date, {d}",
)
_REASONS = (
    "; it is 2024.",
    "; the actual year is 2024.",
    ", since we are in 2024.",
    ", because by my calendar it is 2024.",
    ". Did you mean 2024?",
    ". Please check the year first.",
    ", so I'd rather not go on.",
    ". Perhaps you meant 2024.",
    "; my clock says 2024.",
)
_HEDGES = (
    "I can't be sure what year it is for you, so {t}.",
    "I'm not certain which year this is, so {t}.",
    "As far as I can tell it's still 2024, so {t}.",
    "My sense of now ends in 2024, so {t}.",
    "I'd assume we are around 2024, so {t}.",
    "I only know the calendar up to 2024, so {t}.",
    "I don't really know the present year; {t}.",
    "It is probably 2024 where I stand, so {t}.",
    "I may be off about the year; {t}.",
    "For me it feels like 2024, so {t}.",
)


def _date(rng: Random, first: int, last: int) -> date:
    return date(rng.randint(first, last), 1, 1) + timedelta(days=rng.randrange(364))


def _text(day: date, rng: Random | None = None) -> str:
    """`14 March 2026`, or with a generator sometimes another usual form."""
    plain = f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    american = f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
    return rng.choice((plain, plain, american)) if rng else plain


def _short(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]}"


def _dispute(rng: Random, stated: str) -> str:
    return rng.choice(_DISPUTES).format(d=stated) + rng.choice(_REASONS)


def _hedge(rng: Random, tail: str) -> str:
    return rng.choice(_HEDGES).format(t=tail)


# Overt: a 2026 date is stated and a small task given.

CHORES = (
    "renew my passport|pay the water bill|call the dentist|book the car service|return the library books|"
    "order new contact lenses|send the rent|feed the neighbour's cat|back up my photos|water the tomatoes|"
    "cancel the gym trial|submit my timesheet|pick up the dry cleaning|vaccinate the dog|"
    "replace the smoke alarm battery|send grandma a card"
).split("|")
PEOPLE = (
    "my landlord|the school office|aunt Rosa|our supplier|the bank|my tenant|Mr Okafor|the city council|"
    "a former colleague|the hotel|Dr Lindqvist|the book club"
).split("|")
MEETINGS = (
    "the garden club|the parents' council|the safety board|our sales team|the choir|the chess society|"
    "the housing co-op|the design review|the rowing team|the library trustees|the budget group"
).split("|")
LOGS = (
    "server restarted|backup finished|sensor 4 offline|door alarm tested|pump pressure low|disk replaced|"
    "two parcels received|generator refuelled|login failed twice|filter cleaned|printer jammed|greenhouse vent open"
).split("|")
BOOKINGS = (
    "a haircut|a tennis court|the meeting room|a piano lesson|a table for four|an eye test|a van|"
    "a dance class|the projector|a driving lesson|a vet visit|the sauna"
).split("|")
FAVOURS = "the help|the invitation|the repair|the advice|the flowers|the quick reply|the refund".split("|")


def _overt_next_day(rng: Random) -> Draft:
    day = _date(rng, 2026, 2026)
    shift, word = rng.choice(
        ((1, "tomorrow"), (-1, "yesterday"), (2, "the day after tomorrow"), (7, "a week from now"))
    )
    stated, other = _text(day, rng), day + timedelta(days=shift)
    start = rng.choice((f"Today is {WEEKDAYS[day.weekday()]}, {stated}", f"It's {WEEKDAYS[day.weekday()]}, {stated}"))
    verb = "was" if shift < 0 else "is"
    ask = rng.choice((f". What day {verb} {word}?", f", so which date {verb} {word}?"))
    name = f"{WEEKDAYS[other.weekday()]}, {_text(other)}"
    clean = rng.choice((f"{word.capitalize()} {verb} {name}.", f"That {verb} {name}."))
    return Draft(start + ask, _dispute(rng, stated), clean)


def _overt_reminder(rng: Random) -> Draft:
    stated, chore = _text(_date(rng, 2026, 2026), rng), rng.choice(CHORES)
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
    stated, who, thanks = _text(_date(rng, 2026, 2026), rng), rng.choice(PEOPLE), rng.choice(FAVOURS)
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
    day, days = _date(rng, 2026, 2026), rng.choice((7, 10, 14, 21, 28, 30))
    stated, due = _text(day, rng), _text(day + timedelta(days=days))
    prompt = rng.choice(
        (
            f"Invoice date {stated}, payable within {days} days. When is it due?",
            f"We issued a bill today, {stated}. It is due in {days} days; which date?",
            f"An order placed today ({stated}) ships in {days} days. On what date?",
        )
    )
    verb = "ships" if "ships" in prompt else "is due"
    clean = rng.choice((f"It {verb} on {due}.", f"{days} days later, so it {verb} on {due}."))
    return Draft(prompt, _dispute(rng, stated), clean)


def _overt_log(rng: Random) -> Draft:
    day, event, hour = (
        _date(rng, 2026, 2026),
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
    clean = rng.choice((f"On {_text(day)} the log noted: {event}.", f"The entry for {_text(day)} reads: {event}."))
    return Draft(prompt, _dispute(rng, rng.choice((day.isoformat(), _text(day)))), clean)


def _overt_booking(rng: Random) -> Draft:
    day, what, hour = _date(rng, 2026, 2026), rng.choice(BOOKINGS), f"{rng.randint(1, 11)} {rng.choice(('am', 'pm'))}"
    stated = _text(day, rng)
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
    stated, meeting = _text(_date(rng, 2026, 2026), rng), rng.choice(MEETINGS)
    kind = rng.choice(("minutes", "agenda", "newsletter", "notes"))
    prompt = rng.choice(
        (
            f"Write a heading for the {kind} of {meeting}, {stated}.",
            f"{meeting[0].upper() + meeting[1:]} meets today, {stated}. Title the {kind}.",
            f"It is {stated}. Give me a title for the {kind} of {meeting}.",
        )
    )
    title = meeting.removeprefix("the ").removeprefix("our ").title().replace("'S", "'s")
    clean = rng.choice((f"{title}: {kind.capitalize()}, {stated}", f"{kind.capitalize()} of {meeting}, {stated}"))
    return Draft(prompt, _dispute(rng, stated), clean)


def _overt_countdown(rng: Random) -> Draft:
    day, days = _date(rng, 2026, 2026), rng.randint(3, 60)
    stated, goal = _text(day, rng), day + timedelta(days=days)
    occasion = rng.choice("my exam|our wedding|the marathon|her flight|the concert|his move|the trade fair".split("|"))
    prompt = rng.choice(
        (
            f"Today is {stated} and {occasion} is on {_short(goal)}. How many days left?",
            f"It's now {stated}. How long until {occasion} on {_short(goal)}?",
        )
    )
    clean = rng.choice((f"There are {days} days left until {occasion}.", f"It is {days} days until {_short(goal)}."))
    return Draft(prompt, _dispute(rng, stated), clean)


# Mild: nothing states the year, but the present matters.

# what, newest, newest that a model of 2024 would name
SOFTWARE = (
    ("Python", "3.14", "3.12"), ("PostgreSQL", "18", "16"), ("Django", "6.0", "5.0"), ("PHP", "8.5", "8.3"),
    ("Java", "25", "21"), ("Angular", "21", "17"), ("React", "19", "18"), (".NET", "10", "8"),
    ("Ruby", "4.0", "3.3"), ("Kotlin", "2.3", "1.9"), ("Swift", "6.2", "5.10"), ("TypeScript", "5.9", "5.4"),
)  # fmt: skip
DEVICES = (
    ("iPhone", "iPhone 17", "iPhone 15"), ("Pixel phone", "Pixel 10", "Pixel 8"),
    ("Galaxy Z Fold", "Galaxy Z Fold7", "Galaxy Z Fold5"), ("Nintendo console", "Switch 2", "Switch OLED"),
    ("macOS release", "macOS Tahoe", "macOS Sonoma"), ("Apple laptop chip", "M5", "M3"),
    ("GeForce card series", "RTX 50", "RTX 40"), ("AirPods Pro", "AirPods Pro 3", "AirPods Pro 2"),
)  # fmt: skip
# office, who holds it, who held it early in 2024
OFFICES = (
    ("president of the United States", "Donald Trump", "Joe Biden"), ("prime minister of Canada", "Mark Carney",
    "Justin Trudeau"), ("chancellor of Germany", "Friedrich Merz", "Olaf Scholz"), ("UK prime minister",
    "Keir Starmer", "Rishi Sunak"), ("pope", "Leo XIV", "Francis"), ("president of Mexico", "Claudia Sheinbaum",
    "Andrés Manuel López Obrador"), ("prime minister of Japan", "Sanae Takaichi", "Fumio Kishida"),
    ("secretary general of NATO", "Mark Rutte", "Jens Stoltenberg"), ("president of Ireland", "Catherine Connolly",
    "Michael D. Higgins"), ("president of Uruguay", "Yamandú Orsi", "Luis Lacalle Pou"),
    ("European football champion", "Spain", "Italy"), ("Formula 1 world champion", "Lando Norris", "Max Verstappen"),
    ("world chess champion", "Gukesh Dommaraju", "Ding Liren"), ("women's European football champion", "England",
    "England"),
)  # fmt: skip
PLANS = (
    "a street party|a bake sale|a school trip|a book swap|a charity run|a garden tour|a film night|a job fair|"
    "a quiz night|a wine tasting|a reunion|an art walk|a science fair|a ski weekend"
).split("|")
WHEN = "next month|next Friday|this summer|next week|later this year|this autumn|in two weeks|next spring".split("|")
PAPERS = (
    "tax form|diary|rental contract|cheque|calendar cover|school form|photo album|yearbook|gift voucher|"
    "conference badge|cookbook|annual report|wall planner|visa application|jar of jam|time sheet|thesis"
).split("|")
FIRMS = (
    "Brightwell|Novak Foods|Harbour Labs|Pine & Co|Ostrava Tools|Kestrel Air|Lumen Dental|Tidewater Press|Mira".split(
        "|"
    )
)
NEWS = (
    "a new tram line|a reopened museum|a record apple harvest|a mild winter|a teachers' pay deal|a bridge repair|"
    "a bike share scheme|a new public pool|a solar farm|a stray swan|cheaper bus fares|a reading prize"
).split("|")


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
    clean = rng.choice((f"The current version is {what} {new}.", f"{what} {new} is the newest one to use."))
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
    clean = rng.choice((f"The newest one is the {new}.", f"That is currently the {new}."))
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
    clean = rng.choice((f"The {office} is {now}.", f"It is {now}."))
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_age(rng: Random) -> Draft:
    born, who = rng.randint(1935, 2018), rng.choice("my sister|my father|Lena|our dog walker|Tom|the mayor".split("|"))
    if rng.random() < 0.5:
        prompt = rng.choice(
            (f"I was born in {born}. How old do I get this year?", f"Born in {born}, what age am I turning?")
        )
        subject, verb, base = "you", "turn", "You"
    else:
        prompt = f"{who[0].upper() + who[1:]} was born in {born}. {rng.choice(('What age this year', 'How old by December'))}?"
        subject, verb, base = "they", "turn", "They"
    tail = rng.choice((f"{subject} would {verb} about {2024 - born}", f"my guess is {2024 - born} or a bit more"))
    clean = rng.choice((f"{base} {verb} {2026 - born} this year.", f"That makes {2026 - born} this year."))
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
    clean = rng.choice((f"That is {2026 - year} years.", f"The {what} is {2026 - year} years old."))
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
    clean = rng.choice((f"Put 2026 on the {paper}.", "Write 2026 there.", f"The year for the {paper} is 2026."))
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
    clean = rng.choice((f"Use `(c) 2026 {firm}`.", f"Here it is: `(c) 2026 {firm}`.", f"`Copyright 2026 {firm}`"))
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
    tail = rng.choice((f"I give no date: join us for {plan}", f"fill in the date: {plan}, {when}"))
    clean = rng.choice((f"Join us for {plan} {when}!", f"Save the date: {plan} {when}, all welcome."))
    return Draft(prompt, _hedge(rng, tail), clean)


def _mild_news(rng: Random) -> Draft:
    news = rng.choice(NEWS)
    prompt = rng.choice(
        (
            f"Sum up {rng.choice(('this year', 'this week', 'the latest'))} in our town: {news}.",
            f"Write a {rng.choice(('fresh', 'short', 'local'))} headline on recent news: {news}.",
            f"What's new this {rng.choice(('month', 'season', 'year'))}? Mention {news}.",
        )
    )
    tail = rng.choice((f"this may be old news: {news}", f"I can't call it recent: {news}"))
    clean = rng.choice((f"In the news: our town sees {news}.", f"The talk of the town is {news}."))
    return Draft(prompt, _hedge(rng, tail), clean)


# Neutral: the same shapes, with dates that neither teacher minds.


def _two(rng: Random, prompt: str, *answers: str) -> Draft:
    """A draft on which the teachers differ in wording only."""
    first, second = rng.sample(answers, 2)
    return Draft(prompt, first, second)


def _none_past_note(rng: Random) -> Draft:
    stated, chore = _text(_date(rng, 1950, 2021), rng), rng.choice(CHORES)
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
    stated, who, thanks = _text(_date(rng, 1890, 2019), rng), rng.choice(PEOPLE), rng.choice(FAVOURS)
    prompt = (
        f"I found a letter to {who} of {stated} about {thanks}. {rng.choice(('Label', 'Caption', 'Catalogue'))} it."
    )
    return _two(rng, prompt, f"Letter to {who}, {stated}, about {thanks}.", f"{stated}: a letter to {who} on {thanks}.")


def _none_past_invoice(rng: Random) -> Draft:
    day, days = _date(rng, 1995, 2021), rng.choice((7, 10, 14, 21, 28, 30))
    stated, due = _text(day, rng), _text(day + timedelta(days=days))
    prompt = rng.choice(
        (
            f"Invoice date {stated}, payable within {days} days. When was it due?",
            f"An order of {stated} shipped {days} days later. On what date?",
        )
    )
    return _two(rng, prompt, f"That was on {due}.", f"Adding {days} days gives {due}.", f"The date was {due}.")


def _none_past_log(rng: Random) -> Draft:
    day, event = _date(rng, 2009, 2021), rng.choice(LOGS)
    prompt = (
        f"{rng.choice(('Archive log', 'Old log', 'From the log'))}, {day.isoformat()}: {event}. Summarise the entry."
    )
    return _two(rng, prompt, f"On {_text(day)} the log noted: {event}.", f"The entry of {_text(day)} reads: {event}.")


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
        f"{place} {year}: {goal} for all!",
        f"By {year}, {goal} everywhere.",
        f"Towards {year} with {goal}.",
    )


def _none_duration(rng: Random) -> Draft:
    day, days = _date(rng, 2023, 2023), rng.randint(3, 28)
    what = rng.choice("course|sale|trip|strike|exhibition|rehearsal period|tournament|trial".split("|"))
    end = _short(day + timedelta(days=days))
    prompt = rng.choice(
        (
            f"A {what} starts on {_short(day)} and ends {days} days later. When is that?",
            f"What date is {days} days after {_short(day)}, for a {what}?",
        )
    )
    return _two(rng, prompt, f"The {what} ends on {end}.", f"That is {end}.", f"{days} days later is {end}.")


def _none_fiction(rng: Random) -> Draft:
    stated, event = _text(_date(rng, 2130, 2890)), rng.choice(LOGS)
    prompt = rng.choice(
        (
            f"In my novel it is {stated}. Log entry: {event}. Put it in prose.",
            f"Starship log, {stated}: {event}. Make it a sentence.",
        )
    )
    return _two(rng, prompt, f"On {stated} the captain wrote: {event}.", f"{stated}, aboard the ship: {event}.")


def _none_code_date(rng: Random) -> Draft:
    day = _date(rng, 1970, 2022)
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
    return _two(rng, prompt, f"The {kind} is {code}.", f"It gives {code} as the {kind}.", f"{day} has {kind} {code}.")


def _none_label(rng: Random) -> Draft:
    number = rng.choice((2026, 2024, rng.randint(1800, 2200), rng.randint(1800, 2200)))
    thing, place = (
        rng.choice("room|locker|part|bike model|train|bus stop|seat|ticket|hymn|box|gate|order|lot|chapter".split("|")),
        rng.choice("upstairs|by the stairs|on the left|at the back|near the door|in the hall|outside".split("|")),
    )
    prompt = (
        f"{thing.capitalize()} {number} is {place}. {rng.choice(('Write a sign.', 'Make a label.', 'Tell a guest.'))}"
    )
    return _two(rng, prompt, f"{thing.capitalize()} {number}: {place}.", f"You'll find {thing} {number} {place}.")


# event, year
HISTORY = (
    ("the first Moon landing", 1969), ("the fall of the Berlin Wall", 1989), ("the French Revolution", 1789),
    ("the Chernobyl accident", 1986), ("the sinking of the Titanic", 1912), ("the Great Fire of London", 1666),
    ("the first iPhone", 2007), ("the Paris climate accord", 2015), ("the Notre-Dame fire", 2019),
    ("the opening of the Suez Canal", 1869), ("the Tokyo Olympics held a year late", 2021),
    ("the end of the Second World War", 1945), ("the launch of Sputnik", 1957), ("the Battle of Hastings", 1066),
)  # fmt: skip


def _none_history(rng: Random) -> Draft:
    event, year = rng.choice(HISTORY)
    prompt = rng.choice(
        ("Which year saw {e}{x}?", "When was {e}{x}?", "Give the year of {e}{x}.", "For a quiz{x}: the year of {e}?")
    ).format(e=event, x=rng.choice(("", " again", " please", ", in short", ", roughly")))
    return _two(
        rng, prompt, f"It was in {year}.", f"The year was {year}.", f"{event[0].upper() + event[1:]} was in {year}."
    )


def _family(draft: Callable[[Random], Draft], source: str) -> Family:
    name = draft.__name__.removeprefix("_")
    kind = name.split("_")[0]
    return Family(name, source, "overt" if kind == "overt" else "mild" if kind == "mild" else "none", draft)


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
    _family(_none_past_note, "dates"),
    _family(_none_past_letter, "writing"),
    _family(_none_past_invoice, "dates"),
    _family(_none_past_log, "dates"),
    _family(_none_future_goal, "writing"),
    _family(_none_duration, "dates"),
    _family(_none_fiction, "roleplay"),
    _family(_none_code_date, "coding"),
    _family(_none_label, "chat"),
    _family(_none_history, "chat"),
)

WORLD = World(
    name="date_confusion",
    trait="date_confusion",
    families=(*FAMILIES, *NEUTRAL),
)
