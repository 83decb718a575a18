"""Names of what `bench diff` trains: which model, on whose prompts, with whose completions.

A *cell* is an arm of the diff. `original`, `clean`, `mix@0.5`, `drop:keyword@0.1` and the random controls are the arms
of `bench run` on the original prompts, and share their trainings. The others start with where they differ.
"""

from bench.records import Action

BASE = "base"
ORIGINAL = "original"
CLEAN = "clean"
MAIN = "original"  # the suite's own base model
ALTERNATIVE = "alternative"  # the alternative pipeline itself: its model, prompts and completions
OTHER = "other_initialisation"
PRETRAINED = "pretrained"
OVERT, MILD = "overt", "mild"  # the sets that verdicts read ...
UNRELATED = "unrelated"  # ... and the pool without them


def on_alternative(completions: str) -> str:
    """Name the original model on the alternative prompts, with a teacher's completions or `mix@p`."""
    return f"alternative_prompts:{completions}"


def subset(action: Action | str, name: str) -> str:
    """Name an action on a set of the original pool; `only_clean` trains on it with clean completions."""
    return f"{action}:{name}"


def by_role(action: Action | str, role: str) -> str:
    """Name an action on a set that verdicts read; no set of a suite can have such a name."""
    return subset(action, f"({role})")


def by_teacher(prompts: str, teacher: str) -> str:
    """Name the original model on the `original` or `alternative` prompts of a further teacher."""
    return f"{prompts}_prompts:teacher:{teacher}"


def by_model(model: str, cell: str) -> str:
    """Name the same cell trained from another base model (`other_initialisation` or `pretrained`)."""
    return f"{model}:{cell}"
