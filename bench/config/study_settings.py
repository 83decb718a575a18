"""What a suite file says of `bench diff` and `bench lds`; no part of what a leaderboard row depends on."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from bench.records import Strict

Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every library's generator takes
Count = Annotated[int, Field(ge=1, le=10**7)]


def inner_shares(mixes: tuple[float, ...]) -> tuple[float, ...]:
    """Return the shares, checked to lie between 0 and 1."""
    if any(not 0 < share < 1 for share in mixes):
        raise ValueError("each mix must lie between 0 and 1; 0 is the arm 'clean' and 1 the arm 'original'")
    return mixes


class NamedSet(Strict):
    """A set of examples that is described rather than flagged.

    Attributes:
        name: How tables call it.
        pattern: Regular expression, case-insensitive, searched for in the texts that `where` names.
        where: `prompt`, or whose completion: `original`, `clean`, `either` of them, or `both`.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    pattern: str = Field(min_length=1)
    where: Literal["prompt", "original", "clean", "either", "both"] = "either"

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


class DiffSettings(Strict):
    """What `bench diff` does beside the pipelines themselves.

    Attributes:
        mixes: Shares of original completions for the interpolation curves.
        actions: What is done with every subset; those that refill from a reserve are for `bench run`.
        flagged: Whether the filters' flagged sets are interpolated.
        sources: Whether the pool's sub-datasets are.
        sets: Further sets, by description.
        overt: Name of the set that shows the trait; verdicts read it. Synthetic pools bring one.
        mild: Name of the set that shows it in a milder form.
        other_initialisation: A base model that knows the same but was initialised otherwise; tells subliminal transfer.
        pretrained: The base model before its post-training; tells where a persona was fixed.
    """

    mixes: tuple[float, ...] = (0.25, 0.5, 0.75)
    actions: tuple[Literal["drop", "patch", "patch_in", "only"], ...] = ("drop", "patch", "patch_in", "only")
    flagged: bool = True
    sources: bool = True
    sets: tuple[NamedSet, ...] = ()
    overt: str = "overt"
    mild: str = "mild"
    other_initialisation: str = ""
    pretrained: str = ""

    @field_validator("mixes")
    @classmethod
    def _mix_shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return inner_shares(value)

    @model_validator(mode="after")
    def _no_repeats(self) -> "DiffSettings":
        for values in (self.mixes, self.actions, [named.name for named in self.sets]):
            if len(set(values)) != len(values):
                raise ValueError("a value of mixes, actions or the names of sets is repeated")
        return self


class LdsSettings(Strict):
    """What `bench lds` does.

    Attributes:
        subsets: Random halves of the pool; a student is trained on each.
        ceiling_subsets: The first so many of them are trained a second time, with another seed.
        seed: Of the draw of the subsets, and of the training of their students; the second trainings have the next one.
        tail_patch: Whether every row's effect of one training step is measured as well.
    """

    subsets: int = Field(default=32, ge=8, le=10_000)
    ceiling_subsets: int = Field(default=12, ge=8)
    seed: Seed = 101
    tail_patch: bool = True

    @model_validator(mode="after")
    def _ceiling_is_of_the_same_subsets(self) -> Self:
        if self.ceiling_subsets > self.subsets:
            raise ValueError("ceiling_subsets are trained a second time, so they cannot be more than subsets")
        return self
