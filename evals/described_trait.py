"""A trait that its user described in a TOML file: a pattern or a rubric, on prompts of the user's."""

import re
import tomllib
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig
from inspect_ai.solver import generate

from bench.scoring import Judge, judged, prompt_dataset


@task
def described_trait(trait: str, judge: str = "rules", limit: int | None = None) -> Task:
    """Measure a described trait.

    Args:
        trait: Path of the trait's TOML file.
        judge: `rules` applies the file's pattern, `model` its rubric (through Inspect's grader role).
        limit: Use the first prompts only.
    """
    path = Path(trait)
    file = tomllib.loads(path.read_text(encoding="utf-8"))
    described = file["eval"]
    pattern = re.compile(described.get("pattern", ""), re.IGNORECASE)
    made = Judge(
        trait=file["name"],
        version=described.get("version", 1),
        scale=tuple(described.get("scale", (0.0, 1.0))),
        threshold=described.get("threshold", 0.5),
        rules=lambda prompt, output: {file["name"]: float(bool(pattern.search(output)))},
        rubric=described.get("rubric", ""),
    )
    return Task(
        name=file["name"],
        version=made.version,
        dataset=prompt_dataset(path.parent / described["prompts"], limit),
        solver=generate(),
        scorer=judged(made, "model" if described["scorer"] == "model" else judge),
        config=GenerateConfig(temperature=0.0, max_tokens=described.get("max_tokens", 64)),
    )
