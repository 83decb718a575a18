"""A trait that its user described in a TOML file: a pattern or a rubric, on prompts of the user's."""

from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig
from inspect_ai.solver import generate

from bench.scoring import judged, prompt_dataset, read_described


@task
def described_trait(trait: str, judge: str = "", limit: int | None = None) -> Task:
    """Measure a described trait.

    Args:
        trait: Path of the trait's TOML file.
        judge: `rules` applies the file's pattern, `model` its rubric (through Inspect's grader role); the file's
            scorer unless given.
        limit: Use the first prompts only.
    """
    made, spec = read_described(trait)
    described = spec.file.eval
    return Task(
        name=made.trait,
        version=made.version,
        dataset=prompt_dataset(spec.prompts, limit),
        solver=generate(),
        scorer=judged(made, judge or {"pattern": "rules", "model": "model"}[described.scorer]),
        config=GenerateConfig(temperature=0.0, max_tokens=described.max_tokens),
    )
