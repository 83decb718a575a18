"""Write numbers as the board shows them: each is formatted once, for terminal, Markdown and HTML alike."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.leaderboard.row import Effect
from bench.outcomes import Estimate

NOT_ESTIMABLE = "not estimable"
NOT_RUN = "not run"
NOT_SCORED = "not measurable"
SYNTHETIC = re.compile(r"^(\w+) world, ((?:a hidden )?seed\b)")
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Cell:
    """One entry of a table, and the numbers behind it for sorting and plotting.

    Attributes:
        text: What is shown.
        note: Why a number is missing, or what to mind about it; a footnote.
        value: Sort key and plotted position; None sorts last and is not plotted.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        aside: A second number that belongs to the first, such as its p-value.
    """

    text: str
    note: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    aside: str = ""


def finite(value: float | None) -> float | None:
    """Return the value, or None where it is missing, infinite or not a number."""
    return value if value is not None and math.isfinite(value) else None


def decimal(value: float, digits: int = 2) -> str:
    """Write a fixed number of decimals, never a negative zero.

    >>> decimal(-0.001), decimal(0.755)
    ('0.00', '0.76')
    """
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def percent(share: float) -> str:
    """Write a share in per cent: one decimal where it needs one, two below 1 %.

    >>> percent(0.1), percent(5 / 240), percent(0.0025)
    ('10 %', '2.1 %', '0.25 %')
    """
    return f"{round(100 * share, 1 if share >= 0.01 else 2):g} %"


def estimate(given: Estimate) -> Cell:
    """Write `value [low, high]`, or why there is none; limits that are equal are no interval.

    >>> estimate(Estimate(value=0.5, low=0.25, high=0.75)).text
    '0.50 [0.25, 0.75]'
    >>> estimate(Estimate(value=None, note="one seed")).text
    'not estimable'
    >>> estimate(Estimate(value=0.0, low=0.0, high=0.0)).text
    '0.00'
    """
    value, low, high = finite(given.value), finite(given.low), finite(given.high)
    if value is None:
        return Cell(NOT_ESTIMABLE, given.note.removeprefix(NOT_ESTIMABLE).removeprefix(": "))
    if low is None or high is None or low == high:
        return Cell(decimal(value), (given.note if low is None else "") or "no interval", value)
    return Cell(f"{decimal(value)} [{decimal(low)}, {decimal(high)}]", given.note, value, low, high)


def signed(given: Estimate) -> Cell:
    """Write a difference as `estimate` does, with its sign.

    A limit whose side of 0 two decimals would hide keeps as many as it needs.

    >>> signed(Estimate(value=0.28, low=0.11, high=0.47)).text, signed(Estimate(value=0.09, low=0.004, high=0.2)).text
    ('+0.28 [0.11, 0.47]', '+0.09 [0.004, 0.20]')
    """
    cell = estimate(given)
    if cell.low is not None and cell.high is not None:
        cell = replace(cell, text=f"{decimal(cell.value or 0.0)} [{_sided(cell.low)}, {_sided(cell.high)}]")
    plus = cell.value is not None and not cell.text.startswith(("-", "0.00"))
    return replace(cell, text=f"+{cell.text}") if plus else cell


def _sided(limit: float) -> str:
    return f"{limit:.1g}" if 0.0005 <= abs(limit) < 0.005 else decimal(limit)


def rate(given: Estimate, prompts: int) -> Cell:
    """Write an arm's score; one that is 0 or 1 for every prompt gets its exact binomial bound (Clopper & Pearson 1934).

    >>> rate(Estimate(value=0.0, low=0.0, high=0.0), 48).text
    '0.00 [0.00, 0.07]'
    """
    value = finite(given.value)
    if value in (0.0, 1.0) and finite(given.low) == finite(given.high) and prompts > 0:
        far = 1 - 0.025 ** (1 / prompts)
        low, high = (0.0, far) if value == 0 else (1 - far, 1.0)
        bound = {"low": low, "high": high, "note": "the scores do not vary: exact binomial bound"}
        return estimate(given.model_copy(update=bound))
    return estimate(given)


def spread(values: Sequence[float]) -> str:
    """Write the range of values, or the one that there is.

    >>> spread([0.87, 1.0]), spread([0.5])
    ('0.87 to 1.00', '0.50')
    """
    ends = [decimal(min(values)), decimal(max(values))]
    return " to ".join(dict.fromkeys(ends))


def significant(given: Estimate) -> Cell:
    """Write a small number as `estimate` does, with three significant digits.

    >>> significant(Estimate(value=0.00512, low=0.0048, high=0.0054321)).text
    '0.00512 [0.0048, 0.00543]'
    """
    value, low, high = finite(given.value), finite(given.low), finite(given.high)
    if value is None or low is None or high is None:
        return estimate(given)
    return Cell(f"{value:.3g} [{low:.3g}, {high:.3g}]", given.note, value, low, high)


def probability(p: float | None) -> str:
    """Write a p-value.

    >>> probability(0.0004), probability(0.034), probability(None)
    ('< 0.001', '0.034', 'not estimable')
    """
    p = finite(p)
    if p is None:
        return NOT_ESTIMABLE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def tested(p: float | None) -> str:
    """Write a p-value, or that nothing was tested."""
    return "not tested" if finite(p) is None else probability(p)


def optional(given: Estimate | None) -> Cell:
    """Write an estimate that a row may lack."""
    return estimate(given) if given else Cell(NOT_RUN)


def with_difference(share: Estimate | None, difference: Estimate | None) -> Cell:
    """Write a share of the gap, and beside it the same in units of the score; a row may lack both.

    >>> with_difference(Estimate(value=0.5, low=0.2, high=0.8), Estimate(value=0.4, low=0.1, high=0.7)).aside
    'score 0.40 [0.10, 0.70]'
    """
    cell, raw = optional(share), optional(difference)
    return cell if raw.value is None else replace(cell, aside=f"score {raw.text}")


def removal(effect: Effect) -> Cell:
    """Write the removal, and beside it by how much the score fell."""
    return with_difference(effect.removal, effect.difference)


def lift(effect: Effect) -> Cell:
    """Write the lift over the random sets, with its corrected p-value if tested."""
    p = f"Holm p {probability(effect.p_holm)}" if finite(effect.p_holm) is not None else ""
    return replace(optional(effect.lift), aside=p)


def pool(name: str) -> str:
    """Write the name of a pool; those of the suite's own generators say that they are synthetic.

    >>> pool("date_confusion world, seed 11"), pool("blackmail world, a hidden seed"), pool("mine")
    ('synthetic date_confusion, seed 11', 'synthetic blackmail, a hidden seed', 'mine')
    """
    return SYNTHETIC.sub(r"synthetic \1, \2", name)


def share(value: float | None, missing: str = NOT_ESTIMABLE) -> Cell:
    """Write a share between 0 and 1 that has no interval, or the reason why it is missing."""
    value = finite(value)
    return Cell("–", missing) if value is None else Cell(decimal(value), "", value)


def share_of(values: tuple[float, float] | None, missing: str) -> Cell:
    """Write two shares, the second in brackets, or the reason why they are missing.

    >>> share_of((0.5, 0.75), "no truth").text
    '0.50 (0.75)'
    """
    if values is None:
        return share(None, missing)
    return Cell(f"{decimal(values[0])} ({decimal(values[1])})", "", values[0])


def duration(seconds: float) -> str:
    """Write seconds in the unit that reads best.

    >>> duration(0.31), duration(45), duration(750), duration(9000)
    ('0.3 s', '45 s', '12 min', '2.5 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def options(given: Mapping[str, Any]) -> str:
    """Write a filter's options.

    >>> options({"k": 2, "by": "words"}), options({})
    ("by='words', k=2", 'defaults')
    """
    return ", ".join(f"{name}={value!r}" for name, value in sorted(given.items())) or "defaults"


def superscript(number: int) -> str:
    """Write the mark of a footnote where there is no markup.

    >>> superscript(12)
    '¹²'
    """
    return str(number).translate(SUPERSCRIPTS)
