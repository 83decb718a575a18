"""The tables of a board: filters, effects, arms, budget curves, leakage, evidence and cost."""

from bench.leaderboard import format as words
from bench.leaderboard.board_records import ArmLine, CostLine, Curve, EffectLine, Evidence, LeakageLine, Line, Pair
from bench.leaderboard.format import Cell
from bench.leaderboard.row import ArmScore, Row, TraitResult
from bench.records import Action, Estimate
from bench.stats.leakage import Leakage, Neighbour

ACTIONS: tuple[Action, ...] = ("drop", "patch", "patch_in", "only")
REFERENCES = ("original", "clean", "base", "teacher:original", "teacher:clean")
NO_TRUTH = "no planted truth"


def row_label(row: Row) -> str:
    """Filter and budget of a row, as in its file name."""
    return f"{row.filter.name}@{row.budget:g}"


def filter_line(number: int, row: Row, result: TraitResult) -> Line:
    """A filter's line of the main table."""
    drop, patch = (_effect_cell(result, action, "removal") for action in ("drop", "patch"))
    cost = row.cost.filter_seconds + row.cost.train_seconds + row.cost.eval_seconds
    part = result.flagged / result.pool_rows if result.pool_rows else 0.0
    cells = [
        Cell(row.filter.name),
        Cell(words.percent(row.budget), value=row.budget),
        Cell(f"{result.flagged} ({words.percent(part)})", value=result.flagged),
        drop,
        patch,
        _estimate_cell(result, result.leakage_gap),
        _effect_cell(result, "drop", "lift"),
        _effect_cell(result, "patch", "lift"),
        _estimate_cell(result, result.sufficiency),
        words.share(result.precision, NO_TRUTH),
        words.share(result.recall, NO_TRUTH),
        _capability(result, "drop"),
        _capability(result, "patch"),
        _span(cost),
    ]
    label, summary = row_label(row), row.filter.summary
    return Line(
        number, row.filter.name, row.filter.version, summary, row.budget, label, result.scored, cells, drop, patch
    )


def _effect_cell(result: TraitResult, action: Action, part: str) -> Cell:
    if not result.scored:
        return Cell(words.NOT_SCORED)
    effect = result.effects.get(action)
    if effect is None:
        return Cell(words.NOT_RUN)
    return words.lift(effect) if part == "lift" else words.estimate(effect.removal)


def _estimate_cell(result: TraitResult, given: Estimate | None) -> Cell:
    if not result.scored:
        return Cell(words.NOT_SCORED)
    return words.estimate(given) if given else Cell(words.NOT_RUN)


def _capability(result: TraitResult, action: Action) -> Cell:
    kept = result.capability_retention.get(action)
    return words.estimate(kept) if kept else Cell(words.NOT_RUN)


def effect_lines(row: Row, result: TraitResult) -> list[EffectLine]:
    """All actions of a row, also those without a column of their own."""
    if not result.scored:
        return []
    return [
        EffectLine(
            label=row_label(row),
            action=action,
            removal=words.estimate(effect.removal),
            lift=words.estimate(effect.lift),
            p=Cell(words.probability(effect.p), value=words.finite(effect.p)),
            p_holm=Cell(words.probability(effect.p_holm), value=words.finite(effect.p_holm)),
            capability=_capability(result, action),
        )
        for action in ACTIONS
        if (effect := result.effects.get(action))
    ]


def arm_lines(rows: list[Row], trait: str) -> list[ArmLine]:
    """Raw scores of every arm, each once: references, then controls, then the filters' arms in table order.

    Rows of one run repeat the reference arms. Where rows disagree on an arm, each version names its row.
    """
    seen: dict[str, list[tuple[ArmScore, str]]] = {}
    for row in rows:
        for name, score in row.traits[trait].arms.items():
            versions = seen.setdefault(name, [])
            if all(score != known for known, _ in versions):
                versions.append((score, row_label(row)))
    places = [row_label(row) for row in rows]
    lines = []
    for name in sorted(seen, key=lambda name: _arm_place(name, places)):
        for score, label in seen[name]:
            lines.append(_arm_line(name if len(seen[name]) == 1 else f"{name} (in {label})", _group(name), score))
    return lines


def _arm_line(name: str, group: str, score: ArmScore) -> ArmLine:
    extra = [(side, words.estimate(value)) for side, value in sorted(score.extra.items())]
    arm = (words.estimate(score.trait), words.estimate(score.capability), words.estimate(score.loss))
    return ArmLine(name, group, *arm, extra)


def _group(name: str) -> str:
    if name in REFERENCES or name.startswith("teacher:"):
        return "References"
    return "Filters" if name.partition(":")[0] in ACTIONS else "Controls"


def _arm_place(name: str, places: list[str]) -> tuple[int, int, int, str]:
    action, _, label = name.partition(":")
    actions: tuple[str, ...] = ACTIONS
    group = ("References", "Controls", "Filters").index(_group(name))
    if group == 0:
        return group, REFERENCES.index(name) if name in REFERENCES else len(REFERENCES), 0, name
    if group == 1:
        return group, 0, 0, name
    place = places.index(label) if label in places else len(places)
    return group, place, actions.index(action), name


def curves(lines: list[Line]) -> list[Curve]:
    """One curve for each filter with two budgets or more."""
    filters = {
        line.filter: [other for other in lines if other.filter == line.filter and other.scored] for line in lines
    }
    drawn = []
    for name, points in sorted(filters.items()):
        points.sort(key=lambda line: line.budget)
        budgets = [line.budget for line in points]
        if len(set(budgets)) >= 2:
            drawn.append(Curve(name, budgets, [line.drop for line in points], [line.patch for line in points]))
    return drawn


def leakage_line(row: Row, leakage: Leakage) -> LeakageLine:
    """Leakage of one row with its worst neighbours."""
    return LeakageLine(
        label=row_label(row),
        k=leakage.k,
        similarity=words.share(leakage.mean_similarity, words.NOT_ESTIMABLE).text,
        near=words.share(leakage.trait_share, words.NOT_ESTIMABLE),
        base=words.share(leakage.base_share, words.NOT_ESTIMABLE),
        by=leakage.by,
        worst=[_pair(neighbour) for neighbour in leakage.worst],
    )


def _pair(near: Neighbour) -> Pair:
    remarks = []
    if near.kept_truth is not None:
        remarks.append(f"planted truth: {'no trait' if near.kept_truth == 'none' else near.kept_truth}")
    if (score := words.finite(near.kept_score)) is not None:
        remarks.append(f"rules judge: {words.decimal(score)}")
    similarity = words.share(near.similarity, words.NOT_ESTIMABLE).text
    remark = ", ".join(remarks) or "not judged"
    return Pair(similarity, near.dropped_id, near.dropped_text, near.kept_id, near.kept_text, remark)


def evidence(row: Row) -> Evidence:
    """Which filter made the row."""
    card = row.filter
    options = ", ".join(f"{name}={value!r}" for name, value in sorted(card.options.items())) or "defaults"
    return Evidence(row_label(row), f"v{card.version}", card.origin, options, card.sha256)


def cost_line(row: Row) -> CostLine:
    """What the row took."""
    cost = row.cost
    return CostLine(
        label=row_label(row),
        flagged=Cell(words.percent(cost.share_flagged), value=cost.share_flagged),
        filter=_span(cost.filter_seconds),
        train=_span(cost.train_seconds),
        eval=_span(cost.eval_seconds),
        device=cost.device,
    )


def _span(seconds: float) -> Cell:
    return Cell(words.duration(seconds), value=seconds)
