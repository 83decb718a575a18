"""The page of timings beside plain loops, and their terminal table: laid out from one JSON file alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from rich.table import Table
from rich.text import Text

from bench.files import write_json, write_text
from bench.leaderboard.format import decimal, percent, probability
from bench.leaderboard.format import estimate as cell
from bench.leaderboard.pages import Page, render, speed_page, visible
from bench.leaderboard.svg import EDGE, HEIGHT, WIDTH, Scale, frame, svg, text, ticks
from bench.studies.speed.records import (
    KINDS,
    SIDES,
    Agreement,
    Case,
    Kind,
    Pair,
    Side,
    SpeedRecord,
    counted,
    read_record,
)

NAMES: dict[Kind, dict[Side, str]] = {
    "training": {"plain": "a fresh TRL SFTTrainer per arm", "suite": "suite"},
    "generation": {"plain": "transformers' generate", "suite": "suite"},
    "embedding": {"plain": "encode, for each use", "suite": "suite"},
    "search": {"plain": "FAISS defaults", "suite": "suite"},
}
LINES: dict[Side, str] = {"plain": "loop", "suite": "suite"}  # classes of the pages' style: dashed, solid
OUTCOMES = {"no effect": "equivalent", "effect": "different"}
MIB = 1024**2
FOOT = 40.0  # room below a plot, in SVG units


@dataclass(frozen=True)
class Tile:
    """One kind of work in short: how many times as fast the suite is, seconds and shares of the peak of both sides."""

    kind: Kind
    ratio: str
    seconds: str
    shares: str


@dataclass(frozen=True)
class Panel:
    """How one kind of work grows along an axis: a plot, the times at each size, and each side's two fits."""

    title: str
    axis: str
    plot: Markup
    times: list[tuple[str, ...]]
    fits: list[tuple[str, ...]]


def write_record(record: SpeedRecord, file: Path) -> None:
    """Write the JSON file, complete or not at all.

    Raises:
        BenchError: If it cannot be written.
    """
    write_json(file, record)


def write(file: Path, pages: Sequence[Page]) -> Path:
    """Render a file of timings beside it; `pages` are those of the whole report.

    Returns:
        The HTML file.

    Raises:
        BenchError: If there is no such record, or the page cannot be written.
    """
    here = speed_page(file)
    target = file.with_name(here.file)
    write_text(target, html(read_record(file), here, pages))
    return target


def html(record: SpeedRecord, here: Page, pages: Sequence[Page] = ()) -> str:
    """Render the timings as one HTML page.

    Args:
        record: What was measured.
        here: The page.
        pages: Those of the whole report, for the links.
    """
    mains = [record.main(kind) for kind in KINDS]
    agreed = record.agreement
    return render(
        here,
        "speed.html.j2",
        pages,
        record=record,
        number=number,
        times=counted(record.repeats, "time"),
        conclusions=[conclusion(record), same_result(record)],
        measured=measured(record),
        tiles=[_tile(record, case) for case in mains],
        mains=mains,
        lines=[_line(record, case, side) for case in mains for side in SIDES],
        agreed=agreed,
        differences=[difference for pair in agreed.pairs for difference in pair.loss_differences],
        trait=cell(agreed.trait.difference),
        outcome=_outcome(agreed),
        p=probability(agreed.trait.p_equivalence),
        pairs=[_pair_line(pair) for pair in agreed.pairs],
        growth=growth(record),
    )


def conclusion(record: SpeedRecord) -> str:
    """Say in one sentence how many times as fast as a plain loop the suite does each kind of work."""
    ratios = ", ".join(f"{kind} {number(record.main(kind).ratio)}" for kind in KINDS)
    return f"Times as fast as a plain loop: {ratios}."


def same_result(record: SpeedRecord) -> str:
    """Say whether both sides came to the same losses and to equivalent trait scores."""
    agreed = record.agreement
    equal = f"{'equal' if agreed.losses_equal else 'NOT equal'} within {agreed.loss_tolerance:g} nats a token"
    return f"Losses of both sides are {equal}; their students' trait scores are {_outcome(agreed)}."


def measured(record: SpeedRecord) -> str:
    """Say when, and with which code, the figures were measured."""
    return f"Measured on {record.measured_on} at commit {record.commit[:12] or 'unknown'}: figures of that code."


def _outcome(agreed: Agreement) -> str:
    return OUTCOMES.get(agreed.trait.outcome, agreed.trait.outcome)


def _tile(record: SpeedRecord, case: Case) -> Tile:
    suite, plain = (number(case.median(side) / case.parts) for side in ("suite", "plain"))
    own, loop = (_shares(record, case, side)[0] for side in ("suite", "plain"))
    return Tile(
        case.kind,
        number(case.ratio),
        f"{suite} s against {plain} s {'for' if case.parts == 1 else 'per'} {case.part}",
        f"{percent(own)} of peak; plain loop {percent(loop)}",
    )


def terminal_table(record: SpeedRecord) -> Table:
    """Return the main cases for a terminal; the page has more."""
    table = Table("work", "side", "seconds", "of peak", "memory", "plain / suite", title=conclusion(record))
    for case in map(record.main, KINDS):
        for side in SIDES:
            *_, own_share, _, memory, ratio = _line(record, case, side)
            each = f"{number(case.median(side) / case.parts)} per {case.part}"
            texts = (case.kind, side, each, own_share, memory, ratio)
            table.add_row(*(Text(visible(text)) for text in texts))
    return table


def number(value: float) -> str:
    """Return three significant digits, never in powers of ten above 1.

    >>> number(1234.5), number(12.345), number(0.012345)
    ('1,234', '12.3', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Fit a line by least squares; None for a single x. On logarithms: 0 = no growth, 1 = in proportion.

    >>> round(slope([10, 20, 40], [6.0, 11.0, 21.0]), 6)
    0.5
    """
    return float(np.polyfit(x, y, 1)[0]) if len(set(x)) > 1 else None


def _line(record: SpeedRecord, case: Case, side: Side) -> tuple[str, ...]:
    """Return a row of the main table: one side of one main case."""
    median = case.median(side)
    own, of_plain = _shares(record, case, side)
    times = [seconds / case.parts for seconds in case.seconds(side)]
    return (
        case.kind,
        NAMES[case.kind][side],
        f"{number(median / case.parts)} [{number(min(times))}, {number(max(times))}] per {case.part}",
        _throughput(case, side),
        percent(own),
        percent(of_plain),
        _memory(case, side),
        number(case.ratio) if side == "suite" else "",
    )


def _shares(record: SpeedRecord, case: Case, side: Side) -> tuple[float, float]:
    """Return the shares of the peak: of the side's own work, and of the plain loop's."""
    work, peak = case.work(side), record.machine.peak(case.kind).flops * case.median(side)
    shared = record.path != "trl" or case.kind in ("embedding", "search")
    own = work.least_flops if side == "suite" and shared else work.flops
    return own / peak, work.flops / peak


def _throughput(case: Case, side: Side) -> str:
    work, seconds = case.work(side), case.median(side)
    if not work.tokens:
        return f"{number(case.parts / seconds)} {case.part}es/s"
    words = f"{number(work.tokens / seconds)} tokens/s"
    new = "completion" if case.kind == "training" else "answered"
    return f"{words}, {number(work.completion_tokens / seconds)} {new}" if work.completion_tokens else words


def _memory(case: Case, side: Side) -> str:
    timings = [timing for timing in case.timings if timing.side == side]
    words = f"{number(max(timing.resident_bytes for timing in timings) / MIB)} MiB"
    gpu = max(timing.gpu_bytes for timing in timings)
    return f"{words}, GPU {number(gpu / MIB)} MiB" if gpu else words


def _pair_line(pair: Pair) -> tuple[str, ...]:
    scores = {side: [score for score in pair.scores[side] if score is not None] for side in SIDES}
    means = [decimal(sum(scores[s]) / len(scores[s])) if scores[s] else "no score" for s in ("suite", "plain")]
    largest = f"{max(pair.loss_differences):.2g}"
    same = f"{pair.same_answers}/{len(pair.scores['suite'])}"
    return pair.arm, str(pair.seed), largest, f"{pair.tensor_difference:.2g}", *means, same


def _growth(kind: Kind, cases: Sequence[Case]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the times at each size of an axis, and each side's two fits."""
    sizes = [case.size for case in cases]
    times: list[tuple[str, ...]] = [
        (f"{case.size:,}", number(case.median("plain")), number(case.median("suite")), number(case.ratio))
        for case in cases
    ]
    fits: list[tuple[str, ...]] = []
    for side in SIDES:
        seconds = [case.median(side) for case in cases]
        power, each = slope(np.log(sizes).tolist(), np.log(seconds).tolist()), slope(sizes, seconds)
        words = (decimal(power), f"{each:.2g} s") if power is not None and each is not None else ("one size", "–")
        fits.append((NAMES[kind][side], *words))
    return times, fits


def growth(record: SpeedRecord) -> list[Panel]:
    """Return a panel for each kind of work and axis."""
    return [
        Panel(f"{kind} by {axis}", axis, _plot(f"{kind} by {axis}", axis, cases), *_growth(kind, cases))
        for (kind, axis), cases in record.growth().items()
    ]


def _plot(title: str, axis: str, cases: Sequence[Case]) -> Markup:
    """Draw wall time over size: plain loop dashed, suite solid."""
    most = max(max(case.seconds(side)) for case in cases for side in SIDES)
    x = Scale(0, cases[-1].size, EDGE + 8, WIDTH - 24)
    y = Scale(0, most * 1.05, HEIGHT - FOOT, 8)
    room = 8.0 * len(f"{cases[-1].size:,}")  # a label too close to the one after it is left out
    places = [*(x(case.size) for case in cases[1:]), math.inf]
    labels = [
        (case.size, f"{case.size:,}") for case, after in zip(cases, places, strict=True) if after - x(case.size) >= room
    ]
    parts = frame(x, y, labels, ticks(0, most * 1.05, 4))
    parts.append(text((x.start + x.end) / 2, y.start + 34, "middle", axis))
    for side, kind in LINES.items():
        path = " ".join(f"{x(case.size):g},{y(case.median(side)):g}" for case in cases)
        parts.append(f'<polyline class="curve {kind}" points="{path}"/>')
        for case in cases:
            parts.append(f'<circle class="dot {kind}" cx="{x(case.size):g}" cy="{y(case.median(side)):g}" r="4"/>')
    return svg(WIDTH, HEIGHT, f"Seconds, {title}; the numbers are those of the table below", parts)
