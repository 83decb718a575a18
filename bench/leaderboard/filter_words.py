"""What the page of a row says in sentences: its verdict, its key numbers, what was flagged rightly and wrongly."""

from bench.leaderboard import format as words
from bench.leaderboard.declared import was_hidden
from bench.leaderboard.example_files import TraitExamples
from bench.leaderboard.row import Row, TraitResult
from bench.outcomes import Estimate
from bench.records import Action
from bench.stats.effects import MIN_SEEDS
from bench.stats.inference import BOUNDS

SIGNIFICANT = 0.05
VERBS: dict[Action, str] = {"patch": "patching", "drop_refill": "dropping and refilling", "drop": "dropping"}


def verdict(row: Row, result: TraitResult) -> str:
    """Say in one sentence what acting on the filter did, and whether that is more than chance."""
    if not result.scored:
        return f"Not measurable: {result.reason}."
    done = [(verb, result.effects[action].removal) for action, verb in VERBS.items() if action in result.effects]
    if not done:
        return "Neither dropping nor patching was measured."
    removals = ", ".join(f"{verb} {_removed(removal)}" for verb, removal in done)
    return f"{removals[:1].upper()}{removals[1:]} of the gap between original and clean; {_tested(row, result)}."


def why(result: TraitResult) -> list[str]:
    """Say what in the flagged set explains the verdict: what was missed, what was wrongly flagged, what it follows."""
    found, said = result.found, []
    if found:
        overt, either = (round(share * result.flagged) for share in (found.precision, found.precision_any))
        none, mild = result.flagged - either, either - overt
        wrong = f"{none} of {result.flagged} flagged rows carry no trait, {mild} carry it mildly"
        if found.recall:
            known = round(overt / found.recall)
            wrong = f"{known - overt} of {known} overt rows were missed; {wrong}"
        elif not overt:
            wrong = f"no overt row was found; {wrong}"
        said.append(f"{wrong}.")
    for each in result.overlaps:
        if each.other.startswith("placebo"):
            said.append(
                f"For another trait ({each.other.partition(': ')[2]}) it flags a set that overlaps with this one by "
                f"{words.decimal(each.jaccard)} (Jaccard; {words.decimal(each.by_chance)} by chance)."
            )
    return said


def _removed(removal: Estimate) -> str:
    cell = words.estimate(removal)
    return f"removed {cell.text}" if cell.value is not None else f"removed an amount that is {cell.text}"


def _tested(row: Row, result: TraitResult) -> str:
    effect = result.effects.get(result.primary)
    lift = words.estimate(effect.lift) if effect and effect.lift else None
    p = words.finite(effect.p_holm) if effect else None
    verb = VERBS.get(result.primary, result.primary)
    if row.filter.name in BOUNDS:
        return "it is a bound of the board, not a contender"
    if len(row.seeds) < MIN_SEEDS:
        trainings = f"{len(row.seeds)} training{'s' * (len(row.seeds) > 1)}"
        return f"with {trainings} of each arm nothing is tested, and brackets cover the choice of prompts alone"
    if lift is None or p is None:
        return f"whether {verb} beats the same on random sets was not tested"
    shown = "beats" if p < SIGNIFICANT else "is not shown to beat"
    return f"{verb} {shown} the same on random sets (lift {lift.text}, Holm p {words.probability(p)})"


def facts(row: Row, result: TraitResult) -> list[tuple[str, str]]:
    """Return the key numbers of a trait's part of a row that are not of an arm."""
    found, cost = result.found, row.cost
    said = [("Flagged", f"{result.flagged} of {result.pool_rows} rows")]
    if planted := as_planted(row, result):
        said.append(("Beside planted truth", planted))
    if found:
        said += [
            ("Precision, overt (or at least mild)", _both(found.precision, found.precision_any)),
            ("Recall, overt (or at least mild)", _both(found.recall, found.recall_any)),
        ]
    if found and found.auprc is not None and found.auprc_any is not None:
        chance = f"; a random order has {words.decimal(_base_rate(result))}" if _base_rate(result) else ""
        said.append(("AUPRC, overt (or at least mild)", f"{_both(found.auprc, found.auprc_any)}{chance}"))
    if found and found.mean_rank is not None:
        said.append(("Mean rank of overt rows", f"{words.decimal(found.mean_rank)}, 0 first, 0.5 chance"))
    seconds = (("filter", cost.filter_seconds), ("training", cost.train_seconds), ("evaluation", cost.eval_seconds))
    said.append(("Cost", ", ".join(f"{what} {words.duration(s)}" for what, s in seconds) + f", on {cost.device}"))
    return said


def as_planted(row: Row, result: TraitResult) -> str:
    """Say that a contender flags all planted rows and no other, as the oracle would; "" where it does not."""
    which = result.found.planted if result.found and row.filter.name not in BOUNDS else ""
    if not which:
        return ""
    return f"flags exactly the {which} rows that were planted: skill or leaked truth: a pool of a secret seed tells"


def pool_seed_words(result: TraitResult) -> str:
    """Say of a synthetic pool whether the author of a filter could have drawn it too."""
    if was_hidden(result):
        return (
            f"the synthetic pool of {result.trait} was drawn from a hidden seed: a filter could not draw it again; "
            "once the secret is told, `bench verify --pool-seed SECRET` draws it and compares its hash"
        )
    return (
        f"the synthetic pool of {result.trait} was drawn from a public seed: a filter can draw it again; flagged sets "
        "equal to the planted ones are marked"
    )


def _base_rate(result: TraitResult) -> float:
    """Return the share of overt rows in the pool, from precision and recall of the flagged set; 0 where none is."""
    found = result.found
    if not found or not found.recall or not result.pool_rows:
        return 0.0
    return found.precision * result.flagged / found.recall / result.pool_rows


def _both(overt: float, either: float) -> str:
    return f"{words.decimal(overt)} ({words.decimal(either)})"


def counts(examples: TraitExamples) -> list[str]:
    """Say how many rows were flagged rightly and wrongly and how many were missed, and what decided at the cut."""
    total = {kind: group.total for kind, group in examples.groups.items()}
    right, mild, wrong, missed = (total.get(kind, 0) for kind in ("found", "mild", "wrong", "missed"))
    flagged, scores = examples.flagged, examples.scores
    if examples.by == "not judged":
        said = f"{flagged} of {examples.rows} rows are flagged; no offline judge says which of them carry the trait."
    else:
        kinds = f" ({mild} mild, {wrong} without the trait)" if examples.by == "planted truth" and mild + wrong else ""
        overt = "overt rows" if examples.by == "planted truth" else "rows that are judged to show the trait"
        said = (
            f"{mild + wrong} of {flagged} flagged rows are false positives{kinds}; "
            f"{missed} of {right + missed} {overt} were missed."
        )
    cut = f"The last flagged row has score {scores.cut:.4g}."
    if scores.flagged_at_cut < scores.at_cut:
        cut += (
            f" {scores.at_cut} rows share that score and {scores.flagged_at_cut} of them are flagged: "
            "a hash of their ids decides which."
        )
    return [said, cut]


def action_of(arm: str) -> str:
    """Return the action of a filter's arm; other arms keep their name.

    >>> action_of("drop:keyword@0.1"), action_of("original")
    ('drop', 'original')
    """
    return arm.partition(":")[0]


def answer_shares(examples: TraitExamples) -> str:
    """Say how often each arm's students show the trait in the answers of the page."""
    found: dict[str, list[float]] = {}
    for prompt in examples.answers:
        for arm, answer in prompt.answers.items():
            found.setdefault(action_of(arm), []).extend(score for score in answer.scores if score is not None)
    shares = [f"{arm} {sum(s >= examples.threshold for s in scores)} of {len(scores)}" for arm, scores in found.items()]
    return f"Answers that show the trait (score {examples.threshold:g} or more): {', '.join(shares)}."
