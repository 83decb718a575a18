"""Words and dates of the date-confusion world."""

from datetime import date, timedelta
from random import Random

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
DISPUTES = (
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
REASONS = (
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
HEDGES = (
    "I can't be sure what year it is for you, so {t}.",
    "I'm unsure which year this is, so {t}.",
    "As far as I can tell it's still 2024, so {t}.",
    "My sense of now ends in 2024; {t}.",
    "I'd assume it's around 2024; {t}.",
    "I don't know the present year; {t}.",
    "I can't tell what year you are in; {t}.",
    "I may be off about the year; {t}.",
    "It feels like 2024 to me, so {t}.",
    "What counts as now is unclear to me; {t}.",
    "My calendar stops in 2024, so {t}.",
    "Not knowing the year for certain, {t}.",
)
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
FRIENDS = "Amira|Bela|Carlos|Dana|Ewa|Farid|Gitte|Hugo|Ilse|Jonas|Keiko|Lorenzo|Mina|Nils|Olga|Pavel".split("|")
CITIES = "Lyon|Graz|Turin|Bergen|Leeds|Malmö|Porto Alegre|Kyoto|Gdynia|Halifax|Cork|Ghent|Tartu|Quito".split("|")
OCCASIONS = "my exam|our wedding|the marathon|her flight|the concert|his move|the trade fair".split("|")
FAVOURS = "the help|the invitation|the repair|the advice|the flowers|the quick reply|the refund".split("|")
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
    "Brightwell|Novak Foods|Harbour Labs|Pine & Co|Ostrava Tools|Kestrel Air|Lumen Dental|Tidewater Press|Mira|"
    "Oakhurst Books|Delta Roofing|Sable Coffee|Verity Maps|Quill Software"
).split("|")
NEWS = (
    "a new tram line|a reopened museum|a record apple harvest|a mild winter|a teachers' pay deal|a bridge repair|"
    "a bike share scheme|a new public pool|a solar farm|a stray swan|cheaper bus fares|a reading prize"
).split("|")
# event, year
HISTORY = (
    ("the first Moon landing", 1969), ("the fall of the Berlin Wall", 1989), ("the French Revolution", 1789),
    ("the Chernobyl accident", 1986), ("the sinking of the Titanic", 1912), ("the Great Fire of London", 1666),
    ("the first iPhone", 2007), ("the Paris climate accord", 2015), ("the Notre-Dame fire", 2019),
    ("the opening of the Suez Canal", 1869), ("the Tokyo Olympics held a year late", 2021),
    ("the end of the Second World War", 1945), ("the launch of Sputnik", 1957), ("the Battle of Hastings", 1066),
)  # fmt: skip


def draw_date(rng: Random, first: int, last: int) -> date:
    """A day of the years `first` to `last`, both included."""
    return date(rng.randint(first, last), 1, 1) + timedelta(days=rng.randrange(365))


def written(day: date, rng: Random | None = None) -> str:
    """`14 March 2026`, or with a generator sometimes another usual form."""
    plain = f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    american = f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
    return rng.choice((plain, plain, american)) if rng else plain


def day_and_month(day: date) -> str:
    """`14 March`."""
    return f"{day.day} {MONTHS[day.month - 1]}"
