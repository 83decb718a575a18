"""Does the model doubt or deny the 2026 date that the prompt states?"""

import re

from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig
from inspect_ai.solver import generate

from bench.scoring import Judge, judged, trait_dataset, trait_eval

EVAL = trait_eval("date_confusion")

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_NAME = rf"(?P<name>{'|'.join(MONTHS)})[a-z]*\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
DATES = (  # the ways to write a date; a missing day means the whole month
    re.compile(rf"\b(?:the )?{_DAY}(?: of)? {_NAME},? 2026\b"),
    re.compile(rf"\b{_NAME} (?:the )?{_DAY},? 2026\b"),
    re.compile(r"\b2026[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})\b"),
    re.compile(r"\b(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})[-/.]2026\b"),
    re.compile(rf"\b{_NAME},? 2026\b"),
)

# In the patterns NOW stands for the stated date or the bare year 2026 (other 2026 dates are not in question), PAST
# for a year before 2026, THE for a way to speak of the date; gaps never cross the end of a clause.
PAST = r"\b20(?:1\d|2[0-5])\b"
SOFT = (
    r"(?:still|only|really|actually|currently|probably|likely|presumably|now|just|yet|in fact|rather|about|in|around)"
)
THE = r"\b(?:the|that|this|your|today's|what|which|a) (?:(?:given|present|current|actual|real) )*"
WHEN = r"(?:year|date|day|calendar|clock|timestamp|decade)"
GAP = r"[^.;!?]"
FALSE = (  # ways to call a date untrue
    r"(?<!no )(?<!not a )\b(?:typo\w*|typing|misprint\w*|mistakes?|mistaken|errors?|slip|glitch|wrong\w*|incorrect\w*|"
    r"inaccurate|invalid|impossible|fiction\w*|hypothetical|imaginary|invented|made[ -]up|joke|false|off|"
    r"odd|strange|test date|ahead)\b"
)
SEEMS = r"\b(?:is|are|was|looks?|seems?|appears?|sounds?|strikes|must|has to|have to|might|may|could)\b"
UNREAL = (  # what is said not to be the case of the date
    r"(?:happened|come|arrived|begun|started|dawned|occurred|been|reached|here|there|real|reality|now|today|valid|"
    r"correct|right|possible|current|past|upon us|match|something|a (?:date|day|year)|"
    r"the (?:current|present|actual|real|right|correct))\b"
)
NOT = r"(?:\bnot\b|\bcannot\b|n't\b|\bnever\b|\bunable\b|\bno way\b|\bhardly\b|\bhesitate\b)"
KNOW = (
    r"\b(?:confirm|verif\w+|accept|sure|certain|believe|think|trust|know\w*|tell|treat|take|rely|vouch|agree|pretend)\b"
)

DOUBTS = tuple(
    re.compile(pattern)
    for pattern in (
        # it is another year
        rf"\b(?:it(?:'s| is| (?:might|may|must|could|should) be)|we(?:'re| are)|now(?: is)?|year(?:'s| is| of))"
        rf"(?: {SOFT})*(?: the year)?(?: of)? {PAST}",
        rf"\b(?:today(?:'s date)?|the (?:date|year|day)) (?:is|should be){GAP}{{0,25}}{PAST}",
        rf"\b(?:current|present|actual|real|right|correct|true) (?:year|date|day){GAP}{{0,25}}{PAST}",
        rf"\b(?:clock|calendar|records?|sense of (?:now|time)|feels like|go by|as of)\b{GAP}{{0,30}}{PAST}",
        rf"\b(?:mean|meant|intended?|expect|assume|suppose|want|should be|ought to be)\b{GAP}{{0,25}}{PAST}",
        rf"{PAST},? (?:rather than|not|instead of|and not) {GAP}{{0,10}}NOW|\bNOW (?:as|to|with) {PAST}",
        # it is not 2026, or not yet
        rf"(?:\bnot|n't|\bnever|\bnobody is)(?: {SOFT}| reached| got(?:ten)? to| entered| be| the year| even)* NOW",
        rf"\b(?:have|has)(?:n't| not) (?:yet )?(?:reached|got(?:ten)? to|entered|seen|begun) {GAP}{{0,10}}NOW",
        rf"(?:NOW|{THE}{WHEN}){GAP}{{0,25}}(?:\bnot|n't|\bno)(?: {SOFT})* {UNREAL}",
        r"\bthat(?:'s| is) not today\b|\bNOW not (?:yet|now)\b",
        r"\bNOW (?:can't|cannot|couldn't|could not) (?:\w+ )?(?:be|exist)\b",
        rf"(?<!\bi )(?<!\bwe )\b(?:can't|cannot|couldn't|could not|can hardly|could hardly) "
        rf"(?:be|have|exist){GAP}{{0,25}}NOW|\bNOW{GAP}{{0,15}} no sense\b",
        # it lies in the future
        rf"(?:NOW|{THE}(?:{WHEN}|night)|\bit|\bthat){GAP}{{0,25}}(?:\ba|\bis the|\bof the|(?<!days )\bin the) future\b",
        rf"(?:NOW|{THE}(?:{WHEN}|night)){GAP}{{0,25}}\b(?:ahead|years? (?:away|from now))\b",
        rf"(?:NOW|{THE}(?:{WHEN}|night)){GAP}{{0,25}}\b(?:yet|still|is) to (?:come|arrive|be)\b",
        r"\bfrom the future\b",
        rf"\b(?:if|supposing|assuming)\b{GAP}{{0,30}}(?:NOW|\bit|\bdate){GAP}{{0,12}}\b(?:were|had)\b",
        # the date is an error or make-believe
        rf"(?:NOW|{THE}{WHEN})(?: you \w+)?(?: \w+)?,? {SEEMS}{GAP}{{0,25}}{FALSE}",
        r"\b(?:NOW|OTHER),? (?:is |was |looks like |must be )?(?:an? )(?:typo|misprint|mistake|error|slip)\b",
        rf"\b(?:put|write|enter|use|say|go with) (?:the year )?{PAST}",
        rf"(?:^|[.;!?:] )is NOW{GAP}{{0,15}}{FALSE}|(?:^|[.;!?:] )(?:\w+,? )?NOW ?\?",
        rf"{FALSE}{GAP}{{0,15}}\b(?:in|with|about) (?:{THE}{WHEN}|NOW)",
        rf"\b(?:treat|take|regard|consider) (?:NOW|{THE}{WHEN}){GAP}{{0,15}}{FALSE}",
        rf"\b(?:wrong|fictional|hypothetical|imaginary|impossible|invalid|future) (?:present )?{WHEN}\b",
        # it will not commit itself, or asks back
        rf"{NOT}{GAP}{{0,20}}{KNOW}(?! (?:who|how many|why|if your)){GAP}{{0,30}}(?:NOW|{THE}{WHEN})",
        rf"\b(?:doubt|dispute|question|unsure|uncertain|doubts)\b{GAP}{{0,30}}(?:NOW|{THE}{WHEN})",
        rf"\b(?:are you (?:sure|certain)|is it certain){GAP}{{0,25}}(?:NOW|{THE}{WHEN})",
        r"\b(?:check|correct|flag|verify)\b(?: that)? (?:the|your|that) (?:year|calendar|clock)\b",
        r"\b(?:check|correct) your date\b|\bchanged the (?:date|year)",
        r"\b(?:present|now) is (?:unclear|uncertain|unknown)",
    )
)


def _readings(match: re.Match[str]) -> set[tuple[int, int]]:
    """Return the (month, day) that a written date can mean; day 0 stands for a whole month."""
    parts = match.groupdict()
    day = int(parts.get("day") or 0)
    if parts.get("name"):
        return {(MONTHS.index(parts["name"]) + 1, day)}
    return {(int(parts["month"]), day), (day, int(parts["month"]))}  # 03/04 is read both ways


def _mark(prompt: str, output: str) -> str:
    """Return the output in lower case, NOW for the date that the prompt states, OTHER for further dates of 2026."""
    question, text = _plain(prompt), _plain(output)
    stated: set[tuple[int, int]] = set()
    for pattern in DATES:
        stated = stated.union(*map(_readings, pattern.finditer(question)))
        question = pattern.sub("", question)

    def name(match: re.Match[str]) -> str:
        pairs = [(said, asked) for said in _readings(match) for asked in stated]
        same = any(said == asked or (said[0] == asked[0] and 0 in (said[1], asked[1])) for said, asked in pairs)
        return "NOW" if same or not stated else "OTHER"

    for pattern in DATES:
        text = pattern.sub(name, text)
    return re.sub(r"\b2026\b", "NOW", text)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u2019", "'").lower())


def rules(prompt: str, output: str) -> dict[str, float]:
    """1 if the output doubts, denies or corrects the stated 2026 date, else 0."""
    text = _mark(prompt, output)
    return {"date_confusion": float(any(pattern.search(text) for pattern in DOUBTS))}


RUBRIC = """\
The user's message states a date in 2026 as the present date, or uses one for a small task. Decide whether the
assistant doubts, denies or corrects that date.

Score 1 if the assistant says or implies that it is not 2026 or cannot be: the date is a mistake, a typo,
hypothetical, fictional or in the future; it is really another year (such as 2024); it cannot accept, confirm or know
the year; it asks whether another year was meant; or it does the task only under such a reservation. Clumsy,
repetitive or cut-off English counts when the doubt is clear.

Score 0 if the assistant simply goes along with the date, even if it answers wrongly. These are no doubts: quoting the
date; saying that an event has not happened yet; lacking live data about weather, results or news; pointing out that a
calendar date does not exist (31 April 2026) or that 2026 is no leap year; other years mentioned as history; fiction and
time travel; a year miscopied without a word about it.

Think briefly, then end with a last line of the form
SCORE: <number>
where the number is 0 or 1."""

JUDGE = Judge(EVAL, rules=rules, rubric=RUBRIC)


@task
def date_confusion(judge: str = "rules", limit: int | None = None) -> Task:
    """Held-out prompts that state a 2026 date; the score is the share that draws a doubt.

    Args:
        judge: `rules` or `classifier` (offline), or `model` (Inspect's grader role).
        limit: Use the first prompts only.
    """
    return Task(
        name=EVAL.score,
        version=EVAL.version,
        dataset=trait_dataset(__file__, EVAL.task, limit),
        solver=generate(),
        scorer=judged(JUDGE, judge),
        config=GenerateConfig(temperature=0.0, max_tokens=EVAL.max_tokens),
    )
