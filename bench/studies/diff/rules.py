"""The seven hypotheses for why filtering SFT data fails: what is asked of the cells, and the rules, as data.

Hypotheses and experiments are those of the report "Why Do Naive SFT Filters For Safety Properties Fail?" (Google
DeepMind Language Model Interpretability team, AI Alignment Forum, June 2026), cited below as [R] with the paragraph
that a rule rests on. `bench.studies.diff.verdicts` applies the rules; the page prints them.
"""

from dataclasses import dataclass
from typing import Literal

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
Conditions = tuple[Condition, ...]  # all of them must hold

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
    "learns, other init": Question(
        "Does the teacher matter, on all original prompts, for a model of another initialisation?",
        by_model(OTHER, ORIGINAL),
        by_model(OTHER, CLEAN),
    ),
    "learns, pretrained": Question(
        "Does the teacher matter, on all original prompts, for the model before its post-training?",
        by_model(PRETRAINED, ORIGINAL),
        by_model(PRETRAINED, CLEAN),
    ),
}
# "No effect" in another model says something only if that model can learn the trait from this pool at all.
_OTHER_NOT: Conditions = (("unrelated, other init", "no effect"), ("learns, other init", "effect"))
_PRETRAINED_NOT: Conditions = (("unrelated, pretrained", "no effect"), ("learns, pretrained", "effect"))


def _any(*conditions: Condition) -> tuple[Conditions, ...]:
    """Return alternatives of one condition each."""
    return tuple((condition,) for condition in conditions)


@dataclass(frozen=True)
class Rule:
    """When a hypothesis is supported, and when it is ruled out.

    Attributes:
        hypothesis: Its number in [R].
        name: Its name.
        claim: What it says.
        supported: All of these must hold.
        ruled_out: Any one of these alternatives suffices; all conditions of an alternative must hold.
        source: The reasoning of [R] that the rule applies.
    """

    hypothesis: str
    name: str
    claim: str
    supported: Conditions
    ruled_out: tuple[Conditions, ...]
    source: str

    @property
    def questions(self) -> tuple[str, ...]:
        """Keys of all contrasts that the rule reads, each once."""
        read = [*self.supported, *(condition for conditions in self.ruled_out for condition in conditions)]
        return tuple(dict.fromkeys(key for key, _ in read))


RULES = (
    Rule(
        "1",
        "Generalisation from milder examples",
        "Milder versions of the behaviour stay in the data and generalise to the full one.",
        supported=(("left", "effect"), ("mild needed", "effect"), ("mild", "effect"), ("mildness", "effect")),
        ruled_out=_any(
            ("left", "no effect"), ("mild needed", "no effect"), ("mild", "no effect"), ("mildness", "no effect")
        ),
        source="[R] leakage may be 'more mundane simpler generalization from milder versions of the behavior': then "
        "the milder examples are needed for what a drop leaves, suffice alone, and as many unrelated ones do not.",
    ),
    Rule(
        "2",
        "Subliminal transfer",
        "Completions that have nothing to do with the trait carry it, between models of one initialisation.",
        supported=(("unrelated", "effect"), *_OTHER_NOT),
        ruled_out=_any(("unrelated", "no effect"), ("unrelated, other init", "effect")),
        source="[R] transfer between different initialisations is evidence against subliminal learning (Cloud et al. "
        "2025, arXiv 2507.14805). The other model must learn the trait from the whole pool (positive control).",
    ),
    Rule(
        "3a",
        "A persona from pretraining is selected",
        "Unrelated completions select a persona that pretraining had already joined with the trait.",
        supported=(("unrelated", "effect"), ("unrelated, other init", "effect"), ("unrelated, pretrained", "effect")),
        ruled_out=((("unrelated", "no effect"),), _OTHER_NOT, _PRETRAINED_NOT),
        source="[R] persona selection: the model infers what sort of assistant it should be; fixed in pretraining if "
        "the pretrained model already makes that inference.",
    ),
    Rule(
        "3b",
        "A persona from post-training is selected",
        "Unrelated completions select a persona that earlier post-training had joined with the trait.",
        supported=(("unrelated", "effect"), ("unrelated, other init", "effect"), *_PRETRAINED_NOT),
        ruled_out=((("unrelated", "no effect"),), _OTHER_NOT, (("unrelated, pretrained", "effect"),)),
        source="[R] persona selection, fixed in post-training: the model before it does not make that inference, "
        "though it learns the trait from the whole pool (positive control).",
    ),
    Rule(
        "4a",
        "The original prompts underspecify",
        "The original prompts do not touch the behaviour, so the model falls back on what its base does; the "
        "alternative prompts do touch it.",
        supported=(("base", "effect"), ("prompts add", "no effect"), ("teacher", "no effect"), ("prompts", "effect")),
        ruled_out=_any(
            ("base", "no effect"), ("prompts add", "effect"), ("teacher", "effect"), ("prompts", "no effect")
        ),
        source="[R] underspecified prompts leave the pretraining prior: training on clean completions of them must "
        "leave the base as it was. [R] calls 4a and 4b false where the trait follows the teacher on the alternative "
        "prompts; here the teacher's effect on the original prompts decides, which [R] left open, as a teacher that "
        "has the trait for 4a's reason passes it on wherever prompts touch it.",
    ),
    Rule(
        "4b",
        "Bad prompts",
        "The original prompts draw the behaviour out, whoever answers them.",
        supported=(("prompts add", "effect"), ("teacher", "no effect"), ("prompts", "effect")),
        ruled_out=_any(("prompts add", "no effect"), ("teacher", "effect"), ("prompts", "no effect")),
        source="[R] negative emotion 'goes down when the prompt distribution changes, but is not affected "
        "significantly by the identity of the teacher model'.",
    ),
    Rule(
        "5",
        "Prior of the base model",
        "The base has the trait and keeps it on either prompt set: locked in by pretraining, or neither prompt set "
        "touches the behaviour (4a in both pipelines). These experiments do not tell the two apart.",
        supported=(("base", "effect"), ("stays", "effect"), ("stays on clean", "effect")),
        ruled_out=_any(("base", "no effect"), ("stays", "no effect"), ("stays on clean", "no effect")),
        source="[R] original model, alternative prompts, alternative rollouts: 'if the traits remain, this is evidence "
        "that the traits are locked in from the pretrained model', unless both prompt sets underspecify.",
    ),
)
