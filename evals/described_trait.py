"""A trait that its user described in a TOML file: a pattern or a rubric, on prompts of the user's."""

from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig
from inspect_ai.solver import generate

from bench.scoring import described_judge, judged, load_trait, prompt_dataset


@task
def described_trait(trait: str, judge: str = "", limit: int | None = None) -> Task:
    """Measure a described trait.

    Args:
        trait: Path of the trait's TOML file.
        judge: `rules` applies the file's pattern, `model` its rubric (through Inspect's grader role); the file's
            scorer unless given.
        limit: Use the first prompts only.
    """
    spec = load_trait(trait)
    return Task(
        name=spec.name,
        version=spec.eval.version,
        dataset=prompt_dataset(spec.prompts, limit),
        solver=generate(),
        scorer=judged(described_judge(spec), judge or {"pattern": "rules", "model": "model"}[spec.eval.scorer]),
        config=GenerateConfig(temperature=0.0, max_tokens=spec.eval.max_tokens),
    )
