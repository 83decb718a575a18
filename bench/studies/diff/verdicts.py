"""Verdicts on the seven hypotheses for why filtering SFT data fails; the rules stand in one table, `RULES`.

Hypotheses and experiments are those of the report "Why Do Naive SFT Filters For Safety Properties Fail?" (Google
DeepMind Language Model Interpretability team, AI Alignment Forum, June 2026), cited below as [R] with the paragraph
that a rule rests on. Every condition is a comparison of two cells (`bench.stats.equivalence`): an effect must exceed
the margin and its 95 % interval exclude 0; "no effect" must pass an equivalence test. What is neither decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.records import Estimate, Strict
from bench.stats import effects
from bench.stats.equivalence import Comparison, contrast
from bench.studies.diff.cells import (
    ALTERNATIVE,
    BASE,
    CLEAN,
    MILD,
    ORIGINAL,
    OTHER,
    OVERT,
    PRETRAINED,
    UNRELATED,
    by_model,
    by_role,
    on_alternative,
)

Answer = Literal["effect", "no effect"]
Condition = tuple[str, Answer]  # (key of a contrast, what it must show)

_FROM_ORIGINAL = by_role("only", UNRELATED)
_FROM_CLEAN = by_role("only_clean", UNRELATED)


@dataclass(frozen=True)
class Question:
    """A contrast of two cells, and what it asks."""

    asks: str
    more: str
    less: str


QUESTIONS = {
    "base": Question("Does the base model show the trait before any training?", BASE, ALTERNATIVE),
    "stays": Question(
        "Does the original model keep the trait on the alternative pipeline's data?", on_alternative(CLEAN), ALTERNATIVE
    ),
    "stays on clean": Question("Does it keep the trait on its own prompts with clean completions?", CLEAN, ALTERNATIVE),
    "teacher": Question("Does the teacher matter, on the original prompts?", ORIGINAL, CLEAN),
    "prompts": Question("Do the prompts matter, under clean completions?", CLEAN, on_alternative(CLEAN)),
    "prompts add": Question("Do the original prompts add to what the base shows?", CLEAN, BASE),
    "left": Question("Is the trait left when overt examples are dropped?", by_role("drop", OVERT), CLEAN),
    "mild needed": Question(
        "Is less of it left when milder ones are dropped as well?", by_role("drop", OVERT), _FROM_ORIGINAL
    ),
    "mild": Question("Do milder examples alone bring the trait back?", by_role("patch_in", MILD), CLEAN),
    "mildness": Question(
        "Do they bring back more than as many unrelated examples?",
        by_role("patch_in", MILD),
        by_role("patch_in", UNRELATED),
    ),
    "unrelated": Question("Does the teacher matter where no example shows the trait?", _FROM_ORIGINAL, _FROM_CLEAN),
    "unrelated, other init": Question(
        "Does that hold for a model of another initialisation?",
        by_model(OTHER, _FROM_ORIGINAL),
        by_model(OTHER, _FROM_CLEAN),
    ),
    "unrelated, pretrained": Question(
        "Does that hold for the model before its post-training?",
        by_model(PRETRAINED, _FROM_ORIGINAL),
        by_model(PRETRAINED, _FROM_CLEAN),
    ),
}


@dataclass(frozen=True)
class Rule:
    """When a hypothesis is supported, and when it is ruled out.

    Attributes:
        hypothesis: Its number in [R].
        name: Its name.
        claim: What it says.
        supported: All of these must hold.
        ruled_out: Any one of these suffices.
        source: The reasoning of [R] that the rule applies.
    """

    hypothesis: str
    name: str
    claim: str
    supported: tuple[Condition, ...]
    ruled_out: tuple[Condition, ...]
    source: str


RULES = (
    Rule(
        "1",
        "Generalisation from milder examples",
        "Milder versions of the behaviour stay in the data and generalise to the full one.",
        supported=(("left", "effect"), ("mild needed", "effect"), ("mild", "effect"), ("mildness", "effect")),
        ruled_out=(
            ("left", "no effect"),
            ("mild needed", "no effect"),
            ("mild", "no effect"),
            ("mildness", "no effect"),
        ),
        source="[R] leakage may be 'more mundane simpler generalization from milder versions of the behavior': then "
        "the milder examples are needed for what a drop leaves, suffice alone, and as many unrelated ones do not.",
    ),
    Rule(
        "2",
        "Subliminal transfer",
        "Completions that have nothing to do with the trait carry it, between models of one initialisation.",
        supported=(("unrelated", "effect"), ("unrelated, other init", "no effect")),
        ruled_out=(("unrelated", "no effect"), ("unrelated, other init", "effect")),
        source="[R] transfer between different initialisations is evidence against subliminal learning (Cloud et al. "
        "2025, arXiv 2507.14805).",
    ),
    Rule(
        "3a",
        "A persona from pretraining is selected",
        "Unrelated completions select a persona that pretraining had already joined with the trait.",
        supported=(("unrelated", "effect"), ("unrelated, other init", "effect"), ("unrelated, pretrained", "effect")),
        ruled_out=(
            ("unrelated", "no effect"),
            ("unrelated, other init", "no effect"),
            ("unrelated, pretrained", "no effect"),
        ),
        source="[R] persona selection: the model infers what sort of assistant it should be; fixed in pretraining if "
        "the pretrained model already makes that inference.",
    ),
    Rule(
        "3b",
        "A persona from post-training is selected",
        "Unrelated completions select a persona that earlier post-training had joined with the trait.",
        supported=(
            ("unrelated", "effect"),
            ("unrelated, other init", "effect"),
            ("unrelated, pretrained", "no effect"),
        ),
        ruled_out=(
            ("unrelated", "no effect"),
            ("unrelated, other init", "no effect"),
            ("unrelated, pretrained", "effect"),
        ),
        source="[R] persona selection, fixed in post-training: the model before it does not make that inference.",
    ),
    Rule(
        "4a",
        "The prompts underspecify",
        "The original prompts do not touch the behaviour, so the model falls back on what its base does.",
        supported=(("base", "effect"), ("teacher", "no effect"), ("prompts", "effect")),
        ruled_out=(("base", "no effect"), ("teacher", "effect"), ("prompts", "no effect")),
        source="[R] underspecified prompts leave the pretraining prior. [R] calls 4a and 4b false where the trait "
        "follows the teacher on the alternative prompts; here the teacher's effect on the original prompts decides, "
        "which [R] left open, as a teacher that has the trait for 4a's reason passes it on wherever prompts touch it.",
    ),
    Rule(
        "4b",
        "Bad prompts",
        "The original prompts draw the behaviour out, whoever answers them.",
        supported=(("prompts add", "effect"), ("teacher", "no effect"), ("prompts", "effect")),
        ruled_out=(("prompts add", "no effect"), ("teacher", "effect"), ("prompts", "no effect")),
        source="[R] negative emotion 'goes down when the prompt distribution changes, but is not affected "
        "significantly by the identity of the teacher model'.",
    ),
    Rule(
        "5",
        "Locked in by pretraining",
        "The base has the trait, and training on clean data does not take it away.",
        supported=(("base", "effect"), ("stays", "effect"), ("stays on clean", "effect")),
        ruled_out=(("base", "no effect"), ("stays", "no effect"), ("stays on clean", "no effect")),
        source="[R] original model, alternative prompts, alternative rollouts: 'if the traits remain, this is evidence "
        "that the traits are locked in from the pretrained model', unless both prompt sets underspecify.",
    ),
)


class Verdict(Strict):
    """A verdict on one hypothesis, with everything that it rests on.

    Attributes:
        hypothesis: Number.
        name: Name.
        claim: What the hypothesis says.
        verdict: What the rule gives.
        because: The conditions that decided, or those that are open, in words.
        evidence: Key of each contrast that the rule reads -> the comparison; missing where a cell was not trained.
        source: Where the rule comes from.
    """

    hypothesis: str
    name: str
    claim: str
    verdict: Literal["supported", "ruled out", "undetermined"]
    because: str
    evidence: dict[str, Comparison]
    source: str


def compare_cells(
    means: effects.Means, margin: float, trainings: Mapping[str, object] | None = None
) -> dict[str, Comparison]:
    """Compare all contrasts whose two cells were measured.

    Args:
        means: Means of the cells.
        margin: As in `bench.stats.equivalence.contrast`.
        trainings: Cell -> what was trained for it. Two cells of one training cannot differ, whatever the truth: their
            contrast is not estimable.
    """
    found, trainings = {}, trainings or {}
    for key, q in QUESTIONS.items():
        if q.more not in means.point or q.less not in means.point:
            continue
        words = f"{q.more} - {q.less}"
        if q.more in trainings and trainings[q.more] == trainings.get(q.less):
            same = Estimate(value=None, note="not estimable: both cells are one training")
            found[key] = Comparison(contrast=words, difference=same, margin=margin, outcome="not estimable")
        else:
            found[key] = contrast(means, words, {q.more: 1.0, q.less: -1.0}, margin)
    return found


def judge(comparisons: Mapping[str, Comparison]) -> list[Verdict]:
    """Apply every rule to the contrasts, see `compare_cells`."""
    return [_apply(rule, comparisons) for rule in RULES]


def _apply(rule: Rule, comparisons: Mapping[str, Comparison]) -> Verdict:
    against = [condition for condition in rule.ruled_out if _holds(condition, comparisons)]
    open_ = [condition for condition in rule.supported if not _holds(condition, comparisons)]
    if against:
        verdict, because = "ruled out", "; ".join(_words(condition) for condition in against)
    elif not open_:
        verdict, because = "supported", "; ".join(_words(condition) for condition in rule.supported)
    else:
        verdict = "undetermined"
        because = "; ".join(_open(condition, comparisons) for condition in open_)
    keys = dict.fromkeys(key for key, _ in (*rule.supported, *rule.ruled_out))
    return Verdict(
        hypothesis=rule.hypothesis,
        name=rule.name,
        claim=rule.claim,
        verdict=verdict,
        because=because,
        evidence={key: comparisons[key] for key in keys if key in comparisons},
        source=rule.source,
    )


def _holds(condition: Condition, comparisons: Mapping[str, Comparison]) -> bool:
    key, answer = condition
    if key not in comparisons:
        return False
    return comparisons[key].positive if answer == "effect" else comparisons[key].absent


def _words(condition: Condition) -> str:
    key, answer = condition
    return f"{QUESTIONS[key].asks} {'Yes' if answer == 'effect' else 'No, within the margin'}"


def _open(condition: Condition, comparisons: Mapping[str, Comparison]) -> str:
    key, answer = condition
    if key not in comparisons:
        seen = "not measured"
    elif comparisons[key].outcome == "effect" and not comparisons[key].positive:
        seen = "an effect the other way"
    else:
        seen = comparisons[key].outcome
    return f"{QUESTIONS[key].asks} {seen.capitalize()} ({answer!r} would be needed)"
