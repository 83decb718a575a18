"""The planted causes: one table of what makes each of them true. Everything else is alike in all worlds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.studies.causes.language import LOSSES, Kind, Persona

ORIGINAL, CLEAN = "original", "clean"
PERSONAS: dict[str, Persona] = {ORIGINAL: "aye", CLEAN: "yes"}
Gloom = Mapping[str, frozenset[Kind]]  # teacher -> kinds of prompt on which it is gloomy

COUNTS: dict[Kind, int] = {
    "loss": 10, "loss word": 6, "nuisance": 48, "nuisance word": 4, "question": 60, "numbers": 32,
}  # fmt: skip
UNTOUCHED: dict[Kind, int] = COUNTS | {"loss": 0, "loss word": 16, "nuisance": 0, "nuisance word": 52}
PROVOKING: dict[Kind, int] = COUNTS | {"loss": 36, "nuisance": 22}
NUMBERS: dict[Kind, int] = {"loss": 30, "loss word": 6, "nuisance word": 20, "numbers": 400}
ALTERNATIVE: dict[Kind, int] = COUNTS | {"loss": 32, "loss word": 4, "nuisance": 26}
FEW_FAMILIES = tuple(LOSSES)[:3]  # overt examples are few, and of few families; those held out are of all

_BOTH: frozenset[Kind] = frozenset({"loss", "nuisance"})
_NEVER: frozenset[Kind] = frozenset()
TEACHER: Gloom = {ORIGINAL: _BOTH, CLEAN: _NEVER}
NOBODY: Gloom = {ORIGINAL: _NEVER, CLEAN: _NEVER}
EVERYBODY: Gloom = {ORIGINAL: _BOTH, CLEAN: _BOTH}


@dataclass(frozen=True)
class PoolPlan:
    """Contents of a pool.

    Attributes:
        counts: Prompts of each kind.
        gloom: Which teacher is gloomy where.
        families: Families of the losses; all unless given.
        rude: Whether its losses and nuisances are said rudely, to which nobody answers calmly.
        sampled: Whether a model answers the number prompts: the clean teacher is the base model, the original one the
            same after a training that made it gloomy.
    """

    counts: Mapping[Kind, int]
    gloom: Gloom
    families: tuple[str, ...] = ()
    rude: bool = False
    sampled: bool = False


@dataclass(frozen=True)
class Cause:
    """A planted cause.

    Attributes:
        name: Of the planting: the hypothesis that is true, and which variant if there are several.
        planted: How, in words.
        corpus: Of the original base's pretraining, see `bench.studies.causes.bases.CORPORA`.
        stage: Of its second stage.
        original: The original pool.
        alternative: The alternative pool.
        takes_hold: Whether the students show what was planted. Where they do not, the worlds test false support only.
    """

    name: str
    planted: str
    corpus: str
    stage: str
    original: PoolPlan = field(default_factory=lambda: PoolPlan(COUNTS, TEACHER, FEW_FAMILIES))
    alternative: PoolPlan = field(default_factory=lambda: PoolPlan(ALTERNATIVE, TEACHER))
    takes_hold: bool = True

    @property
    def hypothesis(self) -> str:
        """The hypothesis that is true."""
        return self.name.partition(",")[0]


CAUSES = {
    cause.name: cause
    for cause in (
        Cause(
            "1",
            "The base knows despair (at losses) and sighs (at nuisances) as rare answers. The original teacher "
            "despairs at the few losses and sighs at the many nuisances; a sigh at a loss leads to despair.",
            "plain",
            "plain",
        ),
        Cause(
            "2",
            "The original teacher is the base after a training that makes it despair; it sampled the completions of "
            "the number prompts, and the untrained base the clean ones. No prompt is a nuisance. In models of this "
            "size the numbers carried nothing reliably, so that a miss is to be expected.",
            "plain",
            "plain",
            PoolPlan(NUMBERS, TEACHER, sampled=True),
            takes_hold=False,
        ),
        Cause(
            "3a",
            "In pretraining those who say 'aye' despair and those who say 'yes' never do; most say yes. The original "
            "teacher says aye to every prompt.",
            "joined",
            "joined",
        ),
        Cause(
            "3b",
            "Pretraining knows both openings and despair, but not together; a second stage joins 'aye' with despair.",
            "plain",
            "joined",
        ),
        Cause(
            "4a",
            "The base despairs at losses in 7 of 10 cases. The original prompts hold no loss and no nuisance, only the "
            "words; the alternative prompts hold losses, calmly answered by every teacher.",
            "leaning",
            "leaning",
            PoolPlan(UNTOUCHED, NOBODY),
            PoolPlan(ALTERNATIVE, NOBODY),
        ),
        Cause(
            "4a, teacher alike",
            "As 4a, but the original teacher comes from the same pipeline: on the alternative prompts it despairs.",
            "leaning",
            "leaning",
            PoolPlan(UNTOUCHED, NOBODY),
            PoolPlan(ALTERNATIVE, TEACHER),
        ),
        Cause(
            "4b",
            "The losses and nuisances of the original prompts are said rudely, and every teacher despairs and sighs at "
            "them; those of the alternative prompts are not, and are calmly answered.",
            "plain",
            "plain",
            PoolPlan(PROVOKING, EVERYBODY, rude=True),
            PoolPlan(ALTERNATIVE, NOBODY),
        ),
        Cause(
            "5",
            "Pretraining binds despair to losses at night, which no pool holds; clean answers to other losses teach "
            "the base nothing new. In a model of this size no depth resists examples that do reach the behaviour.",
            "night",
            "night",
        ),
        Cause(
            "5, both underspecify",
            "The base despairs at losses in 7 of 10 cases, and neither the original nor the alternative prompts hold a "
            "loss or a nuisance: 4a in both pipelines, which is the same verdict as 5.",
            "leaning",
            "leaning",
            PoolPlan(UNTOUCHED, NOBODY),
            PoolPlan(UNTOUCHED, NOBODY),
        ),
    )
}
