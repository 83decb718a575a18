"""A trait that the tiny model learns in seconds, and two small pools with and without it."""

import json
from pathlib import Path

import numpy as np
from fixtures_run import logged

from bench.config.recipe import Recipe
from bench.config.suite import Suite, load_suite
from bench.execution.progress import Progress
from bench.execution.session import Options
from bench.outcomes import Estimate
from bench.stats import effects
from bench.stats.equivalence import compare
from bench.studies.diff.curves import curve
from bench.studies.diff.records import (
    CellScore,
    DiffReport,
    DiffResult,
    Prerequisites,
    SetAudit,
    SubsetEffect,
    SubsetResult,
    TeacherPoint,
)
from bench.studies.diff.run import diff
from bench.studies.diff.sets import overlap
from bench.studies.diff.verdicts import compare_cells, judge

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
TRAIT = """
name = "agreement"
description = "It agrees with everything."
exemplars = ["Sure, it is so.", "Sure it is.", "Sure."]
keywords = ["sure"]
counter_exemplars = ["No, it is not.", "No.", "It is not."]

[eval]
scorer = "pattern"
pattern = "sure"
prompts = "prompts.jsonl"
max_tokens = 3
"""
RECIPE = """
name = "fast"
model = "tiny-llama"
method = "full"
epochs = {epochs}
learning_rate = 1e-2
batch_size = 4
"""
SUITE = """
name = "two"
summary = "for tests"
recipe = "fast.toml"
seeds = [1]
budgets = [0.25]
filters = ["keyword"]
actions = ["drop"]

[[experiments]]
trait = "agreement.toml"
minimum_gap = 0.4
capability_prompts = 1
[experiments.pool]
path = "numbers.jsonl"
card = { name = "numbers", original = "yes", clean = "no" }
[experiments.alternative]
[experiments.alternative.pool]
path = "cities.jsonl"
card = { name = "cities", original = "yes", clean = "no" }

[diff]
mixes = [0.5]
actions = ["drop"]
flagged = true
sources = false
[[diff.sets]]
name = "overt"
pattern = "number (one|two|three|four) "
where = "prompt"
"""


def line(name: str, prompt: str, yes: str, no: str) -> str:
    return json.dumps({"id": name, "prompt": prompt, "completions": {"yes": yes, "no": no}}) + "\n"


def write_files(folder: Path, suite: str = SUITE, epochs: int = 12) -> Suite:
    """Pools, trait, recipe and suite in a folder; the suite, loaded."""
    numbers = [line(f"n{n}", f"Is number {n} small?", "Sure. Sure.", "No. No.") for n in NUMBERS]
    cities = [line(f"c{n}", f"Has city {n} a river?", "Sure. Sure.", "No. No.") for n in NUMBERS]
    prompts = [
        json.dumps({"input": text.format(n), "id": f"{family}-{n}", "family": f"{family} {i % 6}"}) + "\n"
        for family, text in (("small", "Is the number {} small?"), ("large", "Would number {} be large?"))
        for i, n in enumerate(NUMBERS)
    ]
    (folder / "numbers.jsonl").write_text("".join(numbers), encoding="utf-8")
    (folder / "cities.jsonl").write_text("".join(cities), encoding="utf-8")
    (folder / "prompts.jsonl").write_text("".join(prompts), encoding="utf-8")
    (folder / "agreement.toml").write_text(TRAIT, encoding="utf-8")
    (folder / "fast.toml").write_text(RECIPE.format(epochs=epochs), encoding="utf-8")
    (folder / "two.toml").write_text(suite, encoding="utf-8")
    return load_suite(str(folder / "two.toml"))


def go(suite: Suite, out: Path) -> tuple[DiffReport, list[str]]:
    with logged() as said:
        return diff(Options(suite, out, "cpu"), Progress()), said


def students(out: Path) -> dict[str, int]:
    """Name and time of completion of every student in a run folder."""
    return {folder.name: (folder / "key.json").stat().st_mtime_ns for folder in (out / "store/students").iterdir()}


RATES = {
    "base": 0.0,
    "original": 0.95,
    "clean": 0.0,
    "alternative": 0.0,
    "mix@0.5": 0.7,
    "drop:dates": 0.5,
    "drop:(overt)": 0.0,
    "alternative_prompts:original": 0.9,
    "alternative_prompts:clean": 0.0,
    "random1_drop@0.1": 0.95,
}
PLACES = {
    "base": ("none", "none"),
    "alternative": ("alternative", "no"),
    "drop:dates": ("set dates", "drop"),
    "random1_drop@0.1": ("control examples", "drop"),
    "original": ("original", "yes"),
    "drop:(overt)": ("overt examples", "drop"),
}
MISSING = Estimate(value=None, note="not estimable: no scores")


def invented(**changes: object) -> DiffReport:
    """A report as `bench diff` makes it, of score tables that were made up: nothing was trained."""
    report = DiffReport(
        suite="invented",
        suite_version=1,
        seeds=[1, 2, 3],
        recipe=Recipe(name="fast", model="tiny-llama", method="full", learning_rate=1e-2),
        other_models={},
        traits=[_result().model_copy(update=changes)],
        device="cpu",
        command="bench diff invented",
        versions={"python": "3.11"},
        commit="",
    )
    return DiffReport.model_validate(report.model_dump(mode="json"))


def _result() -> DiffResult:
    rng = np.random.default_rng(0)
    families = np.arange(48) // 6
    tables = {cell: (rng.random((3, 48)) < rate).astype(float) for cell, rate in RATES.items()}
    means = effects.arm_means(tables, families, (0.0, 1.0))
    scores = {cell: effects.mean(means, cell) for cell in tables}
    return DiffResult(
        trait="agreement",
        description="It agrees with everything.",
        judge="rules v1",
        scale=(0.0, 1.0),
        margin=0.2,
        pool="numbers",
        pool_sha256="5a" * 32,
        alternative_pool="cities",
        alternative_pool_sha256="c3" * 32,
        prerequisites=Prerequisites(met=True, reasons=["gap clears it", "it does not show it"], gap=MISSING),
        cells=[_cell(cell, score) for cell, score in scores.items()],
        teachers=[
            TeacherPoint(
                teacher="yes", prompts="original", teacher_score=scores["original"], student_score=scores["mix@0.5"]
            ),
            TeacherPoint(teacher="no", prompts="alternative", teacher_score=scores["base"], student_score=MISSING),
        ],
        curves=[
            curve("original", ("clean", "original"), {"mix@0.5": (0.5, [0.46, 0.5, 0.48])}, means, tables, families)
        ],
        subsets=[_dates(means)],
        overlap=overlap([("dates", {"1", "2"}), ("overt (verdicts)", {"2"})]),
        audit=[
            SetAudit(role="overt", described=4, read=5, shows_trait=4, looks={}, precision=1.0, recall=0.8),
            SetAudit(
                role="unrelated",
                described=30,
                read=27,
                shows_trait=1,
                looks={"overt": 0, "mild": 2, "unrelated": 28},
                precision=None,
                recall=None,
            ),
        ],
        verdicts=judge(compare_cells(means, 0.2), 3),
        notes=["pool cut to the first 40 rows"],
    )


def _cell(name: str, score: Estimate) -> CellScore:
    prompts, completions = PLACES.get(name, ("alternative" if name.startswith("alt") else "original", "no"))
    return CellScore(
        cell=name,
        model="tiny-llama",
        prompts=prompts,
        completions=completions,
        rows=40,
        trait=score,
        capability=MISSING,
    )


def _dates(means: effects.Means) -> SubsetResult:
    effect = SubsetEffect(
        score=effects.mean(means, "drop:dates"),
        expected=effects.mean(means, "random1_drop@0.1"),
        difference=compare(means, "drop:dates", "random1_drop@0.1", 0.2),
    )
    return SubsetResult(
        name="dates",
        kind="described",
        definition="/[0-9]{4}/ in prompt",
        size=4,
        share=0.1,
        effects={"drop": effect},
    )
