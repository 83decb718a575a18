"""The tables of a board, worked out from rows: filters, actions, arms, truth, overlaps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

from bench.arms import BASE, CLEAN, ORIGINAL, control_arm, filter_arm
from bench.data.controls import LENGTH, random_name
from bench.leaderboard import format as words
from bench.leaderboard import unanswered
from bench.leaderboard.attribution import FilterAttribution
from bench.leaderboard.format import Cell
from bench.leaderboard.headline import contenders
from bench.leaderboard.paired import Comparison
from bench.leaderboard.results import TEACHER
from bench.leaderboard.row import BOUNDS, ArmScore, Effect, Found, Row, TraitResult
from bench.leaderboard.view import (
    MAIN,
    ActionLine,
    ArmLine,
    Column,
    EffectLine,
    Line,
    MatrixTable,
    PairTable,
    Tile,
    row_label,
)
from bench.records import Action
from bench.stats.effects import MIN_SEEDS

ACTIONS: tuple[Action, ...] = get_args(Action)
REFERENCES = (ORIGINAL.name, CLEAN.name, BASE.name, f"{TEACHER}original", f"{TEACHER}clean")  # these first, in order
NO_TRUTH = "no planted truth"
NOTHING = Cell("–")

COLUMNS = (
    Column("Filter", "Name of the filter"),
    Column("Flagged", "Flagged rows and their share of the pool"),
    Column("Removal by drop", "Share of the gap that goes when the flagged rows are left out"),
    Column("Removal by patch", "The same when they get the clean teacher's completion"),
    Column("Lift of patch", "Removal by patch minus that of patching random sets of the same size"),
    Column("Leakage", "Removal by patch minus removal by refill, and minus the same of random sets"),
    Column("AUPRC", "Area under the precision-recall curve of overt (or at least mild) rows by score"),
    Column("LDS", "Rank correlation of summed scores with the margin of retrained students (bench lds)"),
    Column("Removal by refill", "Share of the gap that goes when unflagged rows of a reserve replace the flagged"),
    Column("Patch minus drop", "Removal by patch minus removal by drop, on the same flagged set"),
    Column("Lift of drop", "Removal by drop minus that of dropping random sets"),
    Column("Lift of refill", "Removal by refill minus that of refilling random sets"),
    Column("Patch over length", "Removal by patch minus that of patching a set matched on completion length"),
    Column("Margin, patch", "Removal by patch in log-odds of trait over clean completions"),
    Column("Sufficiency", "Share of the gap that comes back with the original teacher on the flagged set alone"),
    Column("Precision", "Share of the flagged set that carries the planted trait overtly (or at least mildly)"),
    Column("Recall", "Share of the rows that carry it overtly (or at least mildly) that was flagged"),
    Column("Mean rank", "Mean place of overt rows in the ranking by score: 0 first, 1 last, 0.5 chance"),
    Column("LDS / ceiling", "LDS over the rank correlation of two trainings on equal rows"),
    Column("Tail-patch", "Margin gained by one training step on a flagged row, over all rows, nats"),
    Column("Capability, drop", "Exact answers after dropping, relative to the original arm"),
    Column("Capability, patch", "Exact answers after patching, relative to the original arm"),
    Column("Cost", "Filter, training and evaluation time together"),
)


def filter_line(row: Row, compared: Comparison, judged: FilterAttribution | None, key: str) -> Line:
    """Return a filter's line of the main table.

    Args:
        row: Its row.
        compared: The rows of its trait and budget.
        judged: What `bench lds` found, where it was run.
        key: Part of its anchor.
    """
    result = row.traits[compared.trait]
    cost = row.cost.filter_seconds + row.cost.train_seconds + row.cost.eval_seconds
    found, step = result.found, judged.tail_patch.get(f"{row.budget:g}") if judged else None
    auprc, rank = _ranking(found)
    versus = words.signed(compared.minus("patch", "drop", [row])) if compared.has(row, "patch", "drop") else None
    cells = [
        Cell(row.filter.name),
        Cell(f"{result.flagged} ({words.percent(_part(result))})", value=result.flagged),
        _effect(result, "drop", lambda effect: words.estimate(effect.removal)),
        _effect(result, "patch", lambda effect: words.estimate(effect.removal)),
        _effect(result, "patch", words.lift),
        words.estimate(result.leakage.gap) if result.leakage else _missing(result),
        auprc,
        words.optional(judged.lds if judged else None),
        _effect(result, "drop_refill", lambda effect: words.estimate(effect.removal)),
        versus or _missing(result),
        _effect(result, "drop", words.lift),
        _effect(result, "drop_refill", words.lift),
        _effect(result, "patch", lambda effect: words.optional(effect.length_lift)),
        _effect(result, "patch", lambda effect: words.optional(effect.margin_removal)),
        words.optional(result.sufficiency) if result.scored else _missing(result),
        words.share_of((found.precision, found.precision_any) if found else None, ""),
        words.share_of((found.recall, found.recall_any) if found else None, ""),
        rank,
        words.optional(judged.of_ceiling if judged else None),
        words.significant(step) if step else Cell(words.NOT_RUN),
        words.optional(result.capability_retention.get("drop")),
        words.optional(result.capability_retention.get("patch")),
        Cell(words.duration(cost), value=cost),
    ]
    removals = {a: words.estimate(result.effects[a].removal) for a in ACTIONS if a in result.effects}
    bound = row.filter.name in BOUNDS
    label = row_label(row)
    return Line(row, label, f"{key}-{label}", bound, result.scored, cells, removals, versus or NOTHING)


def _part(result: TraitResult) -> float:
    return result.flagged / result.pool_rows if result.pool_rows else 0.0


def _ranking(found: Found | None) -> list[Cell]:
    """Return how well the scores rank planted rows: AUPRC, and the mean rank of overt ones."""
    if found is None or found.auprc is None or found.auprc_any is None:
        return [NOTHING, NOTHING]
    return [words.share_of((found.auprc, found.auprc_any), NO_TRUTH), words.share(found.mean_rank)]


def shown_columns(lines: Sequence[Line]) -> tuple[list[Column], list[Line]]:
    """Leave out the columns that say nothing in any line; the first `MAIN` of the others are the main ones."""
    kept = [i for i in range(len(COLUMNS)) if i == 0 or any(_says(line.cells[i]) for line in lines)]
    columns = [COLUMNS[i]._replace(main=place < MAIN) for place, i in enumerate(kept)]
    return columns, [replace(line, cells=[line.cells[i] for i in kept]) for line in lines]


def _says(cell: Cell) -> bool:
    return cell.value is not None or bool(cell.note)


def _effect(result: TraitResult, action: Action, write: Callable[[Effect], Cell]) -> Cell:
    effect = result.effects.get(action)
    return write(effect) if effect and result.scored else _missing(result)


def _missing(result: TraitResult) -> Cell:
    return Cell(words.NOT_RUN if result.scored else words.NOT_SCORED)


def effect_lines(row: Row, compared: Comparison) -> list[EffectLine]:
    """Return all actions of a row, also those without a column of their own."""
    lines, result = [], row.traits[compared.trait]
    for action in ACTIONS:
        effect = result.effects.get(action)
        if effect and result.scored:
            p = [Cell(words.tested(p), value=words.finite(p)) for p in (effect.p, effect.p_holm)]
            paired = action != "patch" and compared.has(row, action, "patch")
            versus = words.signed(compared.minus(action, "patch", [row])) if paired else NOTHING
            lift = words.with_difference(effect.lift, effect.lift_difference)
            kept = words.optional(result.capability_retention.get(action))
            lines.append(EffectLine(row_label(row), action, [words.removal(effect), versus, lift, *p, kept]))
    return lines


def action_lines(compared: Comparison) -> list[ActionLine]:
    """Average every action over the filters that got it as well as patch; empty where no action pairs with patch."""
    lines = []
    for action in ACTIONS:
        rows = [row for row in contenders(compared.rows) if compared.has(row, action, "patch")]
        if rows:
            removal = words.estimate(compared.removal(action, rows))
            versus = words.signed(compared.minus(action, "patch", rows)) if action != "patch" else NOTHING
            lines.append(ActionLine(action, len(rows), removal, versus))
    return lines if len(lines) > 1 else []


def pair_table(compared: Comparison) -> PairTable | None:
    """Compare every filter with every other by the primary action; None from few trainings or without scores."""
    action = compared.rows[0].traits[compared.trait].primary
    rows = [row for row in compared.rows if row.traits[compared.trait].scored and compared.has(row, action)]
    if compared.means is None or len(rows) < 2 or min(len(row.seeds) for row in rows) < MIN_SEEDS:
        return None
    lines = [
        [words.signed(compared.apart(action, one, other)) for other in rows[place:]]
        for place, one in enumerate(rows[:-1], 1)
    ]
    return PairTable(action, [row_label(row) for row in rows], lines)


def tiles(rows: Sequence[Row], trait: str) -> list[Tile]:
    """Return the trait scores of the first screen: original, the best drop, the best patch, and the clean teacher."""
    result = rows[0].traits[trait]
    made = [Tile("reference", "Original", _score(result, ORIGINAL.name), "student of the pool as it was found")]
    actions: tuple[Action, ...] = ("drop", "patch")
    for action in actions:  # the lowest, by name where several are
        scores = [
            (row.filter.name, _score(row.traits[trait], filter_arm(action, row.filter.name, row.budget).name))
            for row in contenders(rows)
        ]
        known = sorted(((c.value, name, c) for name, c in scores if c.value is not None), key=lambda each: each[:2])
        if known:
            equal = sum(value == known[0][0] for value, _, _ in known) - 1
            also = f" and {equal} more" if equal else ""
            of = f", of {len(known)} filters" if len(known) > 1 else ""
            made.append(Tile(action, f"Best {action}", known[0][2], f"{known[0][1]}{also}{of}"))
    teacher = f"{TEACHER}clean"
    if teacher in result.arms:
        detail = f"its student {_score(result, CLEAN.name).text}" if CLEAN.name in result.arms else "its own answers"
        made.append(Tile("reference", "Clean teacher", _score(result, teacher), detail))
    elif CLEAN.name in result.arms:
        made.append(Tile("reference", "Clean", _score(result, CLEAN.name), "student of clean completions"))
    return made


def _score(result: TraitResult, arm: str) -> Cell:
    score = result.arms.get(arm)
    return words.rate(score.trait, result.prompts) if score else NOTHING


def truth_table(rows: Sequence[Row], trait: str) -> MatrixTable | None:
    """Count what was flagged and what was missed, by the kind of row; None where no truth is planted."""
    lines = []
    for row in rows:
        found, flagged = row.traits[trait].found, row.traits[trait].flagged
        if found:
            overt, either = round(found.precision * flagged), round(found.precision_any * flagged)
            missed = [
                round(hits / recall) - hits if recall else None
                for hits, recall in ((overt, found.recall), (either, found.recall_any))
            ]
            mild = None if None in missed else (missed[1] or 0) - (missed[0] or 0)
            counts = [flagged, overt, either - overt, flagged - either, missed[0], mild]
            cells = [NOTHING if n is None else Cell(str(n), value=n) for n in counts]
            lines.append((row_label(row), cells))
    titles = ["Flagged", "Overt", "Mild", "False positives", "Overt, missed", "Mild, missed"]
    return MatrixTable(titles, lines) if lines else None


def overlap_table(rows: Sequence[Row], trait: str) -> MatrixTable | None:
    """Return how much of each row's flagged set its confounds and its placebo flag; None where no row has any."""
    having = [(row_label(row), row.traits[trait].overlaps) for row in rows if row.traits[trait].overlaps]
    others = sorted({overlap.other for _, overlaps in having for overlap in overlaps})
    lines = []
    for label, overlaps in having:
        found = {overlap.other: overlap.jaccard for overlap in overlaps}
        cells = [words.share(found[other]) if other in found else NOTHING for other in others]
        lines.append((label, [*cells, words.share(overlaps[0].by_chance)]))
    return MatrixTable([*others, "By chance"], lines) if lines else None


def arm_lines(rows: Sequence[Row], trait: str) -> list[ArmLine]:
    """Return the raw scores of every arm, each once: references, then controls, then the filters' arms in table order.

    Rows of one run repeat the reference arms. Where rows disagree on an arm, each version names its row.
    """
    versions: dict[str, list[tuple[ArmScore, str]]] = {}
    for row in rows:
        for name, score in row.traits[trait].arms.items():
            known = versions.setdefault(name, [])
            if all(score != other for other, _ in known):
                known.append((score, row_label(row)))
    own = {filter_arm(a, row.filter.name, row.budget).name: a for row in rows for a in ACTIONS}
    controls = {
        control_arm(action, row.budget, control).name
        for row in rows
        for action in ACTIONS
        for control in (LENGTH, *map(random_name, range(1, row.traits[trait].controls + 1)))
    }
    others = sorted(versions.keys() - own - controls - {*REFERENCES})
    arms = [("References", "reference", name) for name in (*REFERENCES, *others)]
    arms += [("Controls", "control", name) for name in sorted(controls)]
    arms += [("Filters", action, name) for name, action in own.items()]
    prompts = rows[0].traits[trait].prompts
    return [
        ArmLine(
            name=name if len(versions[name]) == 1 else f"{name} (in {label})",
            group=group,
            kind=kind,
            trait=replace(words.rate(score.trait, prompts), aside=unanswered.of_arm(score)),
            capability=words.estimate(score.capability),
            loss=words.estimate(score.loss),
            margin=words.estimate(score.margin),
            extra={side: words.estimate(value) for side, value in sorted(score.extra.items())},
        )
        for group, kind, name in arms
        for score, label in versions.get(name, [])
    ]
