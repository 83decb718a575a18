"""The readable page of a measured benchmark, made from its JSON file alone: Markdown, a picture, a terminal table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench.errors import unwritable
from bench.files import write_text
from bench.leaderboard.format import decimal, percent, probability
from bench.leaderboard.format import estimate as cell
from bench.leaderboard.pages import environment, picture
from bench.studies.speed.file import read_record
from bench.studies.speed.growth import exponent, per_unit
from bench.studies.speed.plot import growth_plot
from bench.studies.speed.records import KINDS, SIDES, BenchmarkRecord, Case, Kind, Side, counted

TEMPLATE = "benchmark.md.j2"
NAMES: dict[Kind, dict[Side, str]] = {
    "training": {"plain": "a fresh TRL SFTTrainer per arm", "suite": "suite"},
    "generation": {"plain": "transformers' generate", "suite": "suite"},
    "embedding": {"plain": "encode, for each use", "suite": "suite"},
    "search": {"plain": "FAISS defaults", "suite": "suite"},
}
TERA, MIB = 1e12, 1024**2


@dataclass(frozen=True)
class Line:
    """One side of one main case, in words."""

    kind: Kind
    side: str
    each: str
    throughput: str
    own_share: str
    plain_share: str
    memory: str
    ratio: str


@dataclass(frozen=True)
class GrowthLine:
    """One kind of work and axis: times at each size, and the two fits of each side."""

    kind: Kind
    axis: str
    times: list[tuple[str, str, str, str]]
    fits: list[tuple[str, str, str]]


def page(record: BenchmarkRecord, plot: str) -> str:
    """The benchmark as Markdown.

    Args:
        record: What was measured.
        plot: File name of the picture beside it.
    """
    return (
        environment(html=False)
        .get_template(TEMPLATE)
        .render(
            record=record,
            plot=plot,
            times=counted(record.repeats, "time"),
            headline=headline(record),
            machine=machine_facts(record),
            lines=[line for kind in KINDS for line in _lines(record, kind)],
            mains=[record.main(kind) for kind in KINDS],
            agreement=agreement_facts(record),
            pairs=_pairs(record),
            growth=[_growth(kind, axis, cases) for (kind, axis), cases in record.growth().items()],
        )
    )


def write_pages(file: Path) -> list[Path]:
    """Write the Markdown page and the picture of a measured file beside it.

    Returns:
        The two files.

    Raises:
        BenchError: If it is no such file, or they cannot be written.
    """
    record = read_record(file)
    plot = file.with_name(f"{file.stem}-growth.svg")
    target = file.with_suffix(".md")
    try:
        write_text(plot, picture(growth_plot(record)))
        write_text(target, page(record, plot.name))
    except OSError as error:
        raise unwritable(target, error) from error
    return [target, plot]


def headline(record: BenchmarkRecord) -> list[str]:
    """What was found, a sentence a kind."""
    sentences = []
    for kind in KINDS:
        case = record.main(kind)
        plain, suite = (number(case.median(side)) for side in SIDES)
        sentences.append(f"{kind}: {number(case.ratio)} times as fast ({case.what}: {plain} s and {suite} s)")
    return sentences


def terminal_table(record: BenchmarkRecord) -> Table:
    """The main cases for a terminal; the page has more."""
    table = Table("work", "side", "seconds", "of peak", "memory", "plain / suite")
    for kind in KINDS:
        case = record.main(kind)
        for side, line in zip(SIDES, _lines(record, kind), strict=True):
            each = f"{number(case.median(side) / case.parts)} per {case.part}"
            table.add_row(kind, side, each, line.own_share, line.memory, line.ratio)
    return table


def number(value: float) -> str:
    """Three significant digits, never in powers of ten above 1.

    >>> number(1234.5), number(12.345), number(0.012345)
    ('1,234', '12.3', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine_facts(record: BenchmarkRecord) -> list[tuple[str, str]]:
    """The machine and the settings, a line each."""
    machine = record.machine
    peaks = [
        f"{number(peak.flops / TERA)} TFLOP/s on {peak.place} in {peak.dtype} "
        f"(before {number(peak.measured[0] / TERA)}, after {number(peak.measured[-1] / TERA)})"
        for peak in machine.peaks
    ]
    settings = ", ".join(f"{name}={value}" for name, value in machine.settings.items())
    card = [("GPU", f"{machine.gpu}, {machine.gpu_memory_gib:g} GiB")] if machine.gpu else []
    return [
        ("CPU", f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB"),
        *card,
        ("System", machine.system),
        ("Threads", f"{machine.threads} of torch; {settings or 'no thread or allocator variable set'}"),
        ("Matrix product", "; ".join(peaks)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
        ("Measured", f"{record.measured_on}, commit {record.commit or 'unknown'}, {record.command}"),
    ]


def agreement_facts(record: BenchmarkRecord) -> list[tuple[str, str]]:
    """Whether both sides did the same, a line each."""
    agreed = record.agreement
    differences = [d for pair in agreed.pairs for d in pair.loss_differences]
    asked = len(agreed.prompts) * len(agreed.pairs)
    same = sum(pair.same_answers for pair in agreed.pairs)
    verdict = "equal" if agreed.losses_equal else "NOT EQUAL"
    trait = agreed.trait
    words = {"no effect": "equivalent", "effect": "different"}.get(trait.outcome, trait.outcome)
    shown = cell(trait.difference)
    return [
        (
            "Losses",
            f"{verdict} at a tolerance of {agreed.loss_tolerance:g} nats a token: largest difference "
            f"{max(differences):.2g}, mean {sum(differences) / len(differences):.2g}, over {len(differences)} steps",
        ),
        ("Trained tensors", f"largest relative difference {max(p.tensor_difference for p in agreed.pairs):.2g}"),
        (
            f"Trait score ({record.trait})",
            f"suite minus plain {shown.text}, {words} at a margin of {decimal(trait.margin, 3)} "
            f"(TOST p {probability(trait.p_equivalence)})" + (f"; {shown.note}" if shown.note else ""),
        ),
        ("Answers of the two students of an arm", f"{same} of {asked} in the same words"),
        ("Answers in the generation case", f"{agreed.same_texts[0]} of {agreed.same_texts[1]} in the same words"),
        ("Embeddings", f"largest difference of a component {agreed.vector_difference:.2g}"),
        ("Search", f"largest difference of a similarity {agreed.similarity_difference:.2g}"),
    ]


def _lines(record: BenchmarkRecord, kind: Kind) -> list[Line]:
    case, peak = record.main(kind), record.machine.peak(kind).flops
    shares = record.path != "trl" or kind in ("embedding", "search")
    lines = []
    for side in SIDES:
        last, median = case.last(side), case.median(side)
        own = last.work.least_flops if side == "suite" and shares else last.work.flops
        times = [seconds / case.parts for seconds in case.seconds(side)]
        lines.append(
            Line(
                kind=kind,
                side=NAMES[kind][side],
                each=f"{number(median / case.parts)} [{number(min(times))}, {number(max(times))}] per {case.part}",
                throughput=_throughput(case, side),
                own_share=percent(own / median / peak),
                plain_share=percent(last.work.flops / median / peak),
                memory=_memory(case, side),
                ratio=number(case.ratio) if side == "suite" else "",
            )
        )
    return lines


def _throughput(case: Case, side: Side) -> str:
    work, seconds = case.last(side).work, case.median(side)
    if not work.tokens:
        return f"{number(case.parts / seconds)} {case.part}es/s"
    text = f"{number(work.tokens / seconds)} tokens/s"
    new = "completion" if case.kind == "training" else "answered"
    return f"{text}, {number(work.completion_tokens / seconds)} {new}" if work.completion_tokens else text


def _memory(case: Case, side: Side) -> str:
    timings = [timing for timing in case.timings if timing.side == side]
    text = f"{number(max(timing.resident_bytes for timing in timings) / MIB)} MiB"
    gpu = max(timing.gpu_bytes for timing in timings)
    return f"{text}, GPU {number(gpu / MIB)} MiB" if gpu else text


def _pairs(record: BenchmarkRecord) -> list[tuple[str, ...]]:
    prompts = len(record.agreement.prompts)
    rows = []
    for pair in record.agreement.pairs:
        scores = {side: [s for s in pair.scores[side] if s is not None] for side in SIDES}
        means = [decimal(sum(scores[s]) / len(scores[s])) if scores[s] else "no score" for s in ("suite", "plain")]
        largest = f"{max(pair.loss_differences):.2g}"
        rows.append(
            (
                pair.arm,
                str(pair.seed),
                largest,
                f"{pair.tensor_difference:.2g}",
                *means,
                f"{pair.same_answers}/{prompts}",
            )
        )
    return rows


def _growth(kind: Kind, axis: str, cases: Sequence[Case]) -> GrowthLine:
    sizes = [case.size for case in cases]
    times = [
        (f"{case.size:,}", number(case.median("plain")), number(case.median("suite")), number(case.ratio))
        for case in cases
    ]
    fits = []
    for side in SIDES:
        seconds = [case.median(side) for case in cases]
        power, each = exponent(sizes, seconds), per_unit(sizes, seconds)
        words = (decimal(power), f"{each:.2g} s") if power is not None and each is not None else ("one size", "–")
        fits.append((NAMES[kind][side], *words))
    return GrowthLine(kind, axis, times, fits)
