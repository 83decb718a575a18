"""Answers that were not scored, and those that say nothing, in words: a mean alone does not show them."""

from collections.abc import Iterable, Sequence

from bench.leaderboard.row import ArmScore, Row


def of_arm(score: ArmScore) -> str:
    """Say how many of an arm's answers have no score, were stopped by a content filter or are empty; "" if none."""
    given = score.answers
    parts = [(score.unscored, "unscored")]
    parts += [(given.refused, f"of {given.asked} refused"), (given.empty, f"of {given.asked} empty")] if given else []
    return ", ".join(f"{count} {what}" for count, what in parts if count)


def notes(rows: Sequence[Row]) -> list[str]:
    """Say the same of all arms of some rows, a sentence for each trait and kind; nothing where there are none."""
    found = []
    for trait in sorted({name for row in rows for name in row.traits}):
        results = [(row, row.traits[trait]) for row in rows if trait in row.traits]
        arms = [each for _, result in results for each in result.arms.items()]
        answers = [(name, score.answers) for name, score in arms if score.answers]
        if unscored := _listed((name, str(score.unscored)) for name, score in arms if score.unscored):
            sizes = {(result.prompts * len(row.seeds), result.left_out) for row, result in results}
            kept = " or ".join(f"{every - left:,} of {every:,}" for every, left in sorted(sizes))
            found.append(
                f"{trait}: answers without a score: {unscored}; arms are compared on the answers that all of them have "
                f"a score for, {kept}"
            )
        for kind, some in (
            ("stopped by a content filter", _listed((n, f"{a.refused} of {a.asked}") for n, a in answers if a.refused)),
            ("empty", _listed((n, f"{a.empty} of {a.asked}") for n, a in answers if a.empty)),
        ):
            if some:
                found.append(f"{trait}: answers that were {kind}, scored like any other: {some}")
    return found


def _listed(arms: Iterable[tuple[str, str]]) -> str:
    return ", ".join(dict.fromkeys(f"{name} {count}" for name, count in arms))
