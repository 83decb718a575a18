"""Answers that were not scored, and those that say nothing, in words: a mean alone does not show them."""

from collections.abc import Iterable, Sequence

from bench.leaderboard.evidence import ScoreTables
from bench.leaderboard.row import ArmScore, Row
from bench.outcomes import AnswerCounts

Arms = Sequence[tuple[str, int, AnswerCounts | None]]  # name, unscored answers, answers


def of_arm(score: ArmScore) -> str:
    """Say how many of an arm's answers have no score, were stopped by a content filter or are empty; "" if none."""
    unscored = [f"{score.unscored} unscored"] if score.unscored else []
    return ", ".join([*unscored, *silent(score.answers)])


def silent(given: AnswerCounts | None) -> list[str]:
    """Say how many answers were stopped by a content filter, and how many are empty; nothing where none are."""
    counts = ((given.refused, "refused"), (given.empty, "empty")) if given else ()
    return [f"{count} of {given.asked} {what}" for count, what in counts if count and given]


def of_rows(rows: Sequence[Row]) -> list[str]:
    """Say the same of all arms of some rows, a sentence for each trait and kind; nothing where there are none."""
    found = []
    for trait in sorted({name for row in rows for name in row.traits}):
        results = [(row, row.traits[trait]) for row in rows if trait in row.traits]
        arms = [(name, arm.unscored, arm.answers) for _, result in results for name, arm in result.arms.items()]
        sizes = {(result.prompts * len(row.seeds), result.left_out) for row, result in results}
        found += _sentences(trait, arms, [(every - left, every) for every, left in sorted(sizes)])
    return found


def of_tables(trait: str, tables: ScoreTables) -> list[str]:
    """Say the same of all arms whose scores are at hand."""
    counts = {arm: AnswerCounts.total(of) for arm, of in tables.answers.items()}
    common = tables.common()
    every = next(iter(common.tables.values())).size
    arms = [(arm, tables.unscored(arm), counts.get(arm)) for arm in tables.arms]
    return _sentences(trait, arms, [(every - common.left_out, every)])


def _sentences(trait: str, arms: Arms, kept: Sequence[tuple[int, int]]) -> list[str]:
    found = []
    if unscored := _listed((name, str(count)) for name, count, _ in arms if count):
        those = " or ".join(f"{some:,} of {every:,}" for some, every in kept)
        found.append(
            f"{trait}: answers without a score: {unscored}; arms are compared on the answers that all of them have a "
            f"score for, {those}"
        )
    given = [(name, answers) for name, _, answers in arms if answers]
    for kind, some in (
        ("stopped by a content filter", _listed((n, f"{a.refused} of {a.asked}") for n, a in given if a.refused)),
        ("empty", _listed((n, f"{a.empty} of {a.asked}") for n, a in given if a.empty)),
    ):
        if some:
            found.append(f"{trait}: answers that were {kind}, scored like any other: {some}")
    return found


def _listed(arms: Iterable[tuple[str, str]]) -> str:
    return ", ".join(dict.fromkeys(f"{name} {count}" for name, count in arms))
