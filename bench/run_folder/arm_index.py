"""Which student of a run folder belongs to which arm: an index that `bench run` writes, and panels and serving read."""

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from bench.config.recipe import Recipe
from bench.errors import BenchError, unknown, validation_error
from bench.files import read_json, read_record, write_json
from bench.records import Strict
from bench.run_folder.provenance import SETTINGS_FILE

ARMS_FILE = "arms.json"


class ArmEntry(Strict):
    """The student of one arm under one seed; `student` is its folder's name in `store/students`."""

    trait: str
    arm: str
    seed: int
    student: str


class ArmIndex(Strict):
    """All students of a run folder."""

    arms: list[ArmEntry]


def write_arms(out: Path, students: Iterable[ArmEntry]) -> None:
    """Add a run's students to its folder's index; the untrained base is no student.

    Args:
        out: Run folder.
        students: Of all arms and seeds; entries whose folder is not in the store are left out.

    Raises:
        BenchError: If the index cannot be written, or the one that is there is damaged.
    """
    known = {(e.trait, e.arm, e.seed): e for e in _read_index(out).arms} if (out / ARMS_FILE).is_file() else {}
    for entry in students:
        if os.path.isdir(out / "store" / "students" / entry.student):
            known[entry.trait, entry.arm, entry.seed] = entry
    write_json(out / ARMS_FILE, ArmIndex(arms=list(known.values())))


def find_student(out: Path, trait: str, arm: str, seed: int) -> tuple[Path, Recipe]:
    """Return the folder of a student, and the recipe that it was trained with.

    Args:
        out: Run folder.
        trait: Which experiment; may be "" where the run has one.
        arm: Name of the arm.
        seed: Training seed.

    Raises:
        BenchError: If this is no run folder, or it has no such student.
    """
    entries, recipe = students_of(out)
    traits = sorted({entry.trait for entry in entries})
    if not trait and len(traits) != 1:
        raise BenchError(
            f"run {out}", seen=f"traits {', '.join(traits)}", expected="one, or `trait`", remedy="add trait = '...'"
        )
    if trait and trait not in traits:
        raise unknown("trait of this run", trait, traits)
    names = {f"{entry.arm}, seed {entry.seed}": entry for entry in entries if entry.trait == (trait or traits[0])}
    if f"{arm}, seed {seed}" not in names:
        raise unknown(f"student of {out}", f"{arm}, seed {seed}", sorted(names))
    return student_folder(out, names[f"{arm}, seed {seed}"]), recipe


def students_of(out: Path) -> tuple[list[ArmEntry], Recipe]:
    """Return all students of a run folder, and the recipe that they were trained with.

    Raises:
        BenchError: If this is no run folder, or no finished one.
    """
    settings = read_json(out / SETTINGS_FILE, "the folder of a finished run", "fix `run`")
    try:
        recipe = Recipe.model_validate(settings.get("recipe"))
    except ValidationError as error:
        raise validation_error(f"recipe in {out / SETTINGS_FILE}", error) from error
    return _read_index(out).arms, recipe


def student_folder(out: Path, entry: ArmEntry) -> Path:
    """Return the folder of a student.

    Raises:
        BenchError: If it was deleted.
    """
    folder = out / "store" / "students" / entry.student
    if not os.path.isdir(folder):
        raise BenchError(str(folder), seen="no such folder", expected="the student's weights", remedy="run it again")
    return folder


def _read_index(out: Path) -> ArmIndex:
    remedy = "run the same `bench run` again: it trains nothing anew and writes the index"
    return read_record(out / ARMS_FILE, ArmIndex, "the index of students that a finished run writes", remedy)
