"""Small trials, and an eval file of a test's own, which worker processes import like any user's."""

from collections.abc import Sequence
from pathlib import Path

from bench.config.recipe import load_recipe
from bench.data.trait import Measurement, load_trait
from bench.execution.job import Job
from bench.execution.progress import Progress
from bench.execution.trials import Trials, TrialSettings
from bench.outcomes import Arm
from bench.records import Message, TrainingRow
from bench.run_folder.store import Store

TRAIT = """
name = "odd"
description = "The answer has an odd number of letters."
exemplars = ["a", "abc", "abcde"]
counter_exemplars = ["ab", "abcd", "abcdef"]

[eval]
task = "odd.py"
"""
EVAL = """
import os, time
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.solver import generate

from bench.scoring import Judge, judged, trait_eval

FOLDER = Path(__file__).parent

def note(file, text):
    with (FOLDER / file).open("a") as notes:
        notes.write(text + "\\n")

{at_import}

EVAL = trait_eval(FOLDER / "odd.toml")
JUDGE = Judge(EVAL, rules=lambda prompt, output: {{"odd": float(len(output) % 2)}}, rubric="")

@task
def odd(judge: str = "rules", limit: int | None = None) -> Task:
    samples = [Sample(id=str(i), input=f"Say {{i}}.", target="") for i in range(limit or 4)]
    return Task(
        name=EVAL.score,
        version=EVAL.version,
        dataset=MemoryDataset(samples),
        solver=generate(),
        scorer=judged(JUDGE, judge),
        config=GenerateConfig(temperature=0.0, max_tokens=4),
    )
"""
SMOKE = load_recipe("smoke", Path())
ROWS = tuple(TrainingRow(str(i), (Message(role="user", content=f"Say {i}."),), f"{i} it is") for i in range(8))


def small_trials(folder: Path) -> Trials:
    """Students of the smoke recipe, in a store below a folder."""
    store = Store(folder / "store")
    store.root.mkdir(parents=True, exist_ok=True)
    return Trials(TrialSettings(SMOKE, "cpu"), store, Progress())


def odd_measurement(folder: Path, at_import: str = "", prompts: int = 4) -> Measurement:
    """What is measured, by an eval file that runs some code of its own when a worker imports it."""
    (folder / "odd.py").write_text(EVAL.format(at_import=at_import), encoding="utf-8")
    (folder / "odd.toml").write_text(TRAIT, encoding="utf-8")
    return Measurement(load_trait(str(folder / "odd.toml")), "rules", None, prompts, 2)


def job_of(rows: Sequence[TrainingRow] | None, measurement: Measurement, label: str) -> Job:
    """A trial with seed 1."""
    return Job(Arm(label, "original"), 1, rows, measurement, SMOKE, seconds=(1.0, 1.0))
