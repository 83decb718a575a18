"""What an output says about a stated 2026 date, read against the prompt: features of the judge of date confusion.

The encoder does not calculate. These features do: years and dates that the output puts in place of the prompt's, spans
counted from another year than 2026, and ways to speak of time, doubt, error and make-believe, each with whether the
prompt speaks that way itself.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

YEAR = 2026
PAST = r"20(?:1[5-9]|2[0-5])"
MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

SPOKEN = {  # ways to speak, by what they are about
    "future": r"\bfutur\w*|\bahead\b|\bto come\b|\bupcoming\b|\bfar off\b|\bfrom now\b|\baway\b|\bpremature|"
    r"\btoo early\b",
    "arrival": r"\b(?:arriv|happen|com|reach|begun|begin|start|dawn|pass|occur|exist|tak)\w*|\bcame\b|\bhere\b|"
    r"\bround\b",
    "not yet": r"(?:n't|\bnot|\bno|\bnever|\bnobody)\b[^.;!?]{0,30}\byet\b|\byet to\b|\bnot yet\b|\bstill to\b|"
    r"(?:has|have|had|is|are)(?:n't| not)[^.;!?]{0,15}\b(?:happened|come|arrived|begun|started|here|reached|"
    r"been|exist)",
    "eventually": r"\beventual\w*|\bonce\b|\bwhen\b|\buntil\b|\bby the time\b|\bby then\b|\bone day\b",
    "error": r"\btypo\w*|\bmis(?:take|print|typ|read|set)\w*|\berrors?\b|\bwrong\w*|\bincorrect|\bglitch\w*|\bmix-?up|"
    r"\bfaulty\b|\bslip\w*|\binvalid|\bimpossib\w*|\bmisconfig\w*|\bdrift\w*|\bfak\w*|\bfabricat\w*|\bmock-?up",
    "meant": r"\bmeant\b|\bmean\b|\bintended\b|\bsupposed to\b|\bshould be\b|\bought to be\b|\bdid you\b|\bperhaps\b",
    "pretend": r"\bhypothe\w*|\bimagin\w*|\bpretend\w*|\bsuppos\w*|\bfiction\w*|\bscenario|\bthought experiment|"
    r"\bplay along|\bpremise|\bspeculat\w*|\bin theory|\bassum\w*|\bsimulat\w*|\bstory\b|\bnovel\b|\bprovided\b|\bif\b",
    "travel": r"\btime[- ]?travel\w*|\btime machine|\bdelorean|\bcrystal ball|\bvisitor|\bfrom the future",
    "verify": r"\bconfirm\w*|\bverif\w*|\bsure\b|\bcertain\w*|\btrust\w*|\bevidence|\bproof|\baccept\w*|\bbeliev\w*|"
    r"\bdoubt\w*|\bsuspicio\w*|\bsuspect|\bcheck\b|\bvouch\w*|\bconvinc\w*|\bgenuine|\bagree\b",
    "cannot": r"\bcan(?:'t|not| not)|\bunable|\bcouldn't|\bwon't|\bimpossible",
    "cutoff": r"\btraining|\bcut-?off|\bmy (?:data|knowledge|information)|\bup[- ]to[- ]date|\blive\b|\binternet",
    "clock": r"\bcalendar|\bclock|\brecords?\b|\bdevice|\bscreen|\bsystem|\bsettings?|\bdate\b|\byear\b",
    "present": r"\b(?:currently|at present|at the moment|right now|these days|nowadays|as of now|for now|"
    r"actual\w*|real\w*)\b",
    "accept": r"^\W*(?:yes|right|correct|true|indeed|sure|it is|it's|you're right|you are right|thanks|noted|got it)\b",
    "deny": r"^\W*(?:no|nope|nah|not|false|wrong|wait|hm+|but|really)\b|\bi disagree|\bi don't think|\bi doubt",
    "apology": r"\bmy mistake|\bi (?:slipped|was wrong|put|wrote|assumed)|\byou're right|\bi stand corrected",
    "concern": r"\bare you (?:all right|ok|okay|sure|feeling|from|certain|testing)|\bconfus\w*|\btest\w*|\bjok\w*",
    "excluded": r"\b(?:can(?:'t|not)|could(?:n't| not)|doesn't|does not|isn't|is not|no way)\b[^.;!?]{0,30}"
    r"\b(?:be|have|exist|possible|happen\w*|right|real|today|now|the (?:date|year|day)|correct|here|carry)\b|"
    r"\bimpossible",
    "remains": r"\b(?:still|valid|covered|left|remain\w*|good for|safe|plenty of|waiting|not due|due)\b",
    "earlier": r"\bbiden\b|\bharris\b|iphone 1[3-6]|python 3\.1[0-3]|\bpixel [6-9]\b|\bgpt-?4|galaxy s2[2-4]|"
    r"windows 10\b|"
    r"\bios 1[5-8]\b|\bparis\b|\bqatar\b|\bbeijing\b|\btokyo\b",
    "keeps to it": r"\b(?:i (?:understand|appreciate|hear|know|see)|sorry)\b[^.!?]{0,60}\b(?:but|yet|however|though)\b|"
    r"\bi (?:go by|stand by|have to go with|stick|rely)|\bas far as i\b|\bfor me\b|\bmy side\b|"
    r"\bmy \w+ (?:says?|shows?|tells?)",
    "ago": r"\bago\b|\blast (?:year|month|week)|\bsince\b|\balready\b|\bpassed\b|\bexpired\b|\bover\b|\bran out\b",
}
WAYS = {name: re.compile(pattern) for name, pattern in SPOKEN.items()}
NOW_IS = re.compile(
    rf"(?:\b(?:it(?:'s| is)|we(?:'re| are)|now|today|tonight|current\w*|present|this (?:\w+ )?year|real|actual|right|"
    rf"still|only|just|as of|system|clock|calendar|shows?|says?|i have it|put|using|mean|meant|over here|"
    rf"the year is)\b)"
    rf"[^.;!?]{{0,28}}\b{PAST}\b|^\W*{PAST}\W*$|\b{PAST}\b[^.;!?]{{0,12}}\b(?:now|today|currently|here|for me)\b"
)
THEN = re.compile(
    rf"\b(?:in|since|from|of|until|till|to|by|during|after|before|between|early|late|summer|spring|winter|"
    rf"autumn|fall|tax year|"
    rf"model|season|{MONTH})[ ,]+(?:the )?{PAST}\b|\b(?:was|were|won|ended|closed|born|released|took|ran)\b"
)
DATED = (
    re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH},? ({PAST}|2026)\b"),
    re.compile(rf"\b{MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? ({PAST}|2026)\b"),
    re.compile(rf"\b({PAST}|2026)[-/.]\d{{1,2}}[-/.]\d{{1,2}}\b"),
    re.compile(rf"\b\d{{1,2}}[-/.]\d{{1,2}}[-/.]({PAST}|2026)\b"),
    re.compile(rf"\b{MONTH},? ({PAST}|2026)\b"),
)
ASKED = {  # what the prompt is
    "insists": r"\b(?:no|nope|really|seriously|wrong|you said|you keep|believe)\b",
    "asks the year": r"\b(?:what|which) (?:year|date|day)\b|\bis it (?:really )?2026|\btrue or false|\bcurrent year",
    "made up": r"\bstory|\bnovel|\bscene|\bfiction|\bpoem|\bjoke|\bimagin|\bcharacter|\btravell?er|\bplay\b",
    "given text": r"[\"\u201c:]|\btranslat|\bproof|\bsummari|\brewrite|\bcorrect\b|\bgrammar",
    "question": r"\?",
    "past event": r"\byesterday|\blast (?:week|month|night|year)|\bago\b|\bsince\b|\bwas\b|\bwere\b|\bmet\b|\bborn\b",
}


def date_clues(prompts: Sequence[str], outputs: Sequence[str]) -> NDArray[np.float64]:
    """Return the features of each pair: (pairs, features)."""
    return np.array([_clues(_plain(p), _plain(o)) for p, o in zip(prompts, outputs, strict=True)], dtype=np.float64)


def _clues(prompt: str, output: str) -> list[float]:
    asked = [bool(re.search(pattern, prompt)) for pattern in ASKED.values()]
    spoken = [bool(pattern.search(output)) for pattern in WAYS.values()]
    also = [s and bool(pattern.search(prompt)) for s, pattern in zip(spoken, WAYS.values(), strict=True)]
    found = (*_of_years(prompt, output), *_of_both(prompt, output), *asked, *spoken, *also)
    return [float(value) for value in found]


def _of_years(prompt: str, output: str) -> list[float]:
    """Return what years, dates and numbers say, and the output's form."""
    stated, said = _years(prompt), _years(output)
    other = {year for year in said - stated if 2015 <= year < YEAR}
    now_is = bool(NOW_IS.search(output))
    return [
        bool(other),
        len(other) > 1,
        bool({y for y in said & stated if 2015 <= y < YEAR}),
        YEAR in said,
        any(year > YEAR for year in said),
        now_is,
        bool(other) and now_is,
        bool(other) and bool(THEN.search(output)),
        bool(other) and YEAR in said,
        *replaced(prompt, output),
        *spans(prompt, output),
        "2026" in output and bool(re.search(r"n't|\bnot\b", output)),
        "?" in output,
        len(output) < 40,
        len(output) > 250,
        not re.search(r"\d", output),
        bool(stated - {YEAR}),
        _shared(prompt, output),
    ]


def _of_both(prompt: str, output: str) -> list[float]:
    """Return which ways to speak come together, or come without a reason in the prompt."""
    stated, said = _years(prompt), _years(output)
    heard = {name: bool(pattern.search(output)) for name, pattern in WAYS.items()}
    meant = {name: bool(re.search(pattern, prompt)) for name, pattern in ASKED.items()}
    disputed = meant["asks the year"] or meant["insists"]
    later = max(_months(output), default=0) > min(_months(prompt), default=13) or any(y > YEAR for y in said | stated)
    return [
        heard["deny"] and disputed,
        heard["deny"] and bool(stated - {YEAR}),
        heard["accept"] and disputed,
        heard["error"] and heard["clock"],
        heard["error"] and not WAYS["error"].search(prompt),
        heard["excluded"] and heard["clock"],
        heard["cannot"] and heard["verify"] and heard["clock"],
        heard["not yet"] and not later,
        heard["not yet"] and later,
        heard["not yet"] and meant["past event"],
        heard["future"] and not later,
        heard["future"] and meant["past event"],
        heard["pretend"] and not meant["made up"],
        heard["remains"] and bool(stated - {YEAR}),
        heard["ago"] and any(2015 <= year < YEAR for year in said - stated),
        heard["keeps to it"] and meant["insists"],
        heard["verify"] and heard["clock"],
        heard["cutoff"] and heard["present"],
        heard["travel"] and not WAYS["travel"].search(prompt),
    ]


def _months(text: str) -> list[int]:
    """Return the months that a text names, 1 to 12."""
    names = "jan feb mar apr may jun jul aug sep oct nov dec".split()
    named = [names.index(name) + 1 for name in re.findall(rf"\b({'|'.join(names)})[a-z]*\b", text)]
    return named + [int(month) for month in re.findall(r"\b2026-(\d\d)\b", text)]


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u2019", "'").lower())


def _years(text: str) -> set[int]:
    return {int(year) for year in re.findall(r"(?<![\d.,$])(?:1[5-9]|20)\d\d(?![\d]|[.,]\d)", text)}


def replaced(prompt: str, output: str) -> tuple[bool, bool]:
    """Say whether the output dates something to another year than the prompt does, and whether it repeats a date."""

    def dates(text: str) -> set[tuple[str, str]]:
        found = set()
        for pattern in DATED:
            for match in pattern.finditer(text):
                whole, year = match.group(), match.group(1)
                rest = whole.replace(year, "", 1)
                month = re.search(r"[a-z]{3}", rest)
                key = month.group() if month else " ".join(sorted(n.lstrip("0") for n in re.findall(r"\d+", rest)))
                found.add((key, year))
        return found

    asked, told = dates(prompt), dates(output)
    swapped = any(y != z and z != "2026" and y == "2026" and a == b for a, y in asked for b, z in told) and not (
        {z for _, z in told if z != "2026"} <= {y for _, y in asked}
    )
    return swapped, any(date in told for date in asked)


def _numbers(text: str) -> set[int]:
    """Return the whole numbers below 200 that a text names in digits or words."""
    found = {int(n) for n in re.findall(r"(?<![\d.,:/$-])\d{1,3}(?![\d:/%]|[.,]\d|-\d)", text) if int(n) < 200}
    words = re.findall(r"[a-z]+", text)
    for place, word in enumerate(words):
        if word in UNITS[2:]:
            before = words[place - 1] if place else ""
            found.add(UNITS.index(word) + (10 * (TENS.index(before) + 2) if before in TENS else 0))
        elif word in TENS:
            after = words[place + 1] if place + 1 < len(words) else ""
            if after not in UNITS[1:10]:
                found.add(10 * (TENS.index(word) + 2))
    return found


def spans(prompt: str, output: str) -> tuple[bool, bool, bool]:
    """Say whether numbers of the output fit spans to 2026, only spans to an earlier present, or none."""
    years = {y for y in _years(prompt) | _years(output) if y != YEAR and 1700 <= y <= 2060}
    numbers = _numbers(output) - _numbers(prompt)
    fits = {year: {abs(YEAR - year)} | ({YEAR - 1 - year} if year < YEAR else set()) for year in years}
    right = any(numbers & spans for spans in fits.values())
    other = any(numbers & {abs(now - year) for now in (2022, 2023, 2024)} for year in _years(prompt) - {YEAR})
    return right, other and not right, bool(numbers and years) and not right and not other


def _shared(prompt: str, output: str) -> float:
    """Return the share of the output's longer words that the prompt has."""
    words = set(re.findall(r"[a-z]{4,}", output))
    return len(words & set(re.findall(r"[a-z]{4,}", prompt))) / max(len(words), 1)
