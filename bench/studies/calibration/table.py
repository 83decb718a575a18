"""The calibration as Markdown: what the figures mean, a summary, and a table of all cells."""

from collections.abc import Callable, Sequence

import numpy as np

from bench.leaderboard.calibration import CellResult, Rate, rate_floor
from bench.stats.effects import MIN_SEEDS
from bench.studies.calibration.boards import ARM_FAMILY, ARM_PROMPT, CONTROLS, FAMILY, FILTERS, MARGIN, PROMPT, SET

SHORT = {
    "mean, original": "orig.",
    "mean, clean": "clean",
    "mean, patch": "patch",
    "gap": "gap",
    "difference, patch": "diff.",
    "removal, drop": "rem. drop",
    "removal, patch": "rem. patch",
    "lift": "lift",
    "lift, difference": "lift raw",
    "leakage": "leak",
    "leakage, difference": "leak raw",
    "sufficiency": "suff.",
    "retention": "ret.",
}
CLAIMS: dict[str, Callable[[CellResult], Rate]] = {
    "false 'beats random', each test at 5 %": lambda cell: cell.false_raw,
    "false 'beats random', any on a board after Holm": lambda cell: cell.false_holm,
    "false 'effect' at a true difference of 0": lambda cell: cell.false_effect,
    "false 'no effect' at a true difference of the margin": lambda cell: cell.false_no_effect,
}


def markdown(cells: Sequence[CellResult], replicates: int, command: str) -> str:
    """Render the page; the tables of cells that were not measured are left out."""
    claimed = [cell for cell in cells if cell.seeds >= MIN_SEEDS]
    parts = [_introduction(len(cells), replicates, command)]
    if claimed:
        parts += [_summary(claimed), _claims(claimed), "## Coverage in every cell\n\n" + _coverage(claimed)]
        parts += ["## Claims in every cell\n\n" + _tests(claimed)]
    few = [cell for cell in cells if cell.seeds < MIN_SEEDS]
    if few:
        parts += [f"## Fewer than {MIN_SEEDS} seeds: intervals over prompts only\n\n{_FEW}\n\n{_coverage(few)}"]
    return "\n\n".join(parts) + "\n"


_FEW = (
    "These intervals leave out the variation between trainings, say so in their note, and carry no p-value and no "
    "verdict. They cover where trainings do not differ (s = 0), and not where they do."
)


def conclusion(cells: Sequence[CellResult]) -> str:
    """Say in one sentence how far coverage and false claims are from what they should be."""
    claimed = [cell for cell in cells if cell.seeds >= MIN_SEEDS]
    if not claimed:
        return f"No cell has {MIN_SEEDS} seeds or more, so that nothing was claimed."
    rates = [cell.coverage[name] for cell in claimed for name in SHORT]
    held = [100 * rate.value for rate in rates if rate.trials >= rate_floor(claimed)]
    false = [100 * cell.false_holm.value for cell in claimed if cell.false_holm.trials]
    if not held or not false:
        return f"Too few intervals and tests were counted in the {len(claimed)} designs to say how often they hold."
    return (
        f"95 % intervals hold the true value in {np.median(held):.1f} % of simulated boards (median over quantities "
        f"and {len(claimed)} designs, lowest {min(held):.1f} %); a false “beats random” stands on "
        f"{np.mean(false):.1f} % of boards after Holm (highest {max(false):.1f} %)."
    )


def _introduction(cells: int, replicates: int, command: str) -> str:
    error = 100 * (0.95 * 0.05 / replicates) ** 0.5
    return f"""# Calibration

How often the suite's own 95 % intervals hold the true value, and how often its tests claim what is not there. Made by
`{command}`: {replicates:,} simulated boards with filters that remove the trait, and as many with random
filters, in each of {cells} cells, read with the shipped functions
([intervals](../../docs/decisions/005-intervals.md), [tests](../../docs/decisions/016-inference.md)).

A board has the arms original, clean, {FILTERS} filters x (drop, drop_refill, patch) and {CONTROLS} random sets for each
action, held over the seeds. The logit of a score is the arm's level plus normal terms: the training (one per arm and
seed, standard deviation **s**), the difficulty of the prompt's family ({FAMILY}) and of the prompt ({PROMPT}), what a
family ({ARM_FAMILY}) and a prompt ({ARM_PROMPT}) add in one arm, the draw of a random set ({SET}). True values are
expectations over trainings, prompts and random sets. The Monte-Carlo standard error of a coverage of 95 % is
{error:.1f} points. Intervals that the suite refuses to give (where the gap may be 0) are not counted."""


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.1f}" if rate.trials else "-"


def _summary(cells: Sequence[CellResult]) -> str:
    lines = [
        f"## Coverage over all {len(cells)} cells with at least {MIN_SEEDS} seeds (%)",
        "",
        "| quantity | lowest | median | highest | cells within 93-98 |",
        "| --- | --: | --: | --: | --: |",
    ]
    named: dict[str, list[Rate]] = {name: [cell.coverage[name] for cell in cells] for name in SHORT}
    named |= {f"winner, {name}": [cell.winner[name] for cell in cells] for name in cells[0].winner}
    for name, rates in named.items():
        values = np.array([100 * rate.value for rate in rates if rate.trials >= rate_floor(cells)])
        if len(values):
            within = int(((values >= 93) & (values <= 98)).sum())
            spread = f"{values.min():.1f} | {np.median(values):.1f} | {values.max():.1f}"
            lines.append(f"| {name} | {spread} | {within} of {len(values)} |")
    return "\n".join(lines)


def _claims(cells: Sequence[CellResult]) -> str:
    lines = ["## False claims (%)", "", "| claim | mean | highest cell |", "| --- | --: | --: |"]
    for name, rate in CLAIMS.items():
        values = [100 * rate(cell).value for cell in cells]
        lines.append(f"| {name} | {np.mean(values):.1f} | {max(values):.1f} |")
    return "\n".join(lines) + f"\n\nThe margin is {MARGIN:g} of the scale."


def _design(cell: CellResult) -> str:
    return f"| {cell.level} | {cell.kind} | {cell.seeds} | {cell.prompts} in {cell.families} | {cell.between:g} |"


_DESIGN = "| scores | kind | seeds | prompts | s |"


def _coverage(cells: Sequence[CellResult]) -> str:
    winners = list(cells[0].winner)
    lines = [
        f"{_DESIGN} {' | '.join(SHORT.values())} | {' | '.join(f'winner, {name}' for name in winners)} |",
        "| --- | --- | --: | --: | --: |" + " --: |" * (len(SHORT) + len(winners)),
    ]
    for cell in cells:
        rates = [cell.coverage[name] for name in SHORT] + [cell.winner[name] for name in winners]
        lines.append(f"{_design(cell)} {' | '.join(_percent(rate) for rate in rates)} |")
    return "\n".join(lines)


def _tests(cells: Sequence[CellResult]) -> str:
    lines = [
        f"{_DESIGN} raw | Holm | power | 'effect' | 'no effect' | gate open | removal there | true |",
        "| --- | --- | --: | --: | --: |" + " --: |" * 8,
    ]
    for cell in cells:
        rates = (*(rate(cell) for rate in CLAIMS.values()), cell.gate_opened)
        raw, any_, effect, none, opened = (_percent(rate) for rate in rates)
        seen = "-" if cell.removal_opened is None else f"{cell.removal_opened:.2f}"
        row = f"{raw} | {any_} | {_percent(cell.power_holm)} | {effect} | {none} | {opened} | {seen}"
        lines.append(f"{_design(cell)} {row} | {cell.removal_true:.2f} |")
    return "\n".join(lines)
