"""Which student of a run folder belongs to which arm: an index that `bench run` writes and panels read."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from bench.config.recipe import Recipe
from bench.errors import BenchError, read_text, unknown, unwritable, validation_error
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
    known = {(e.trait, e.arm, e.seed): e for e in _read(out).arms} if (out / ARMS_FILE).is_file() else {}
    for entry in students:
        if (out / "store" / "students" / entry.student).is_dir():
            known[entry.trait, entry.arm, entry.seed] = entry
    partial = out / f"{ARMS_FILE}.partial"
    try:
        partial.write_text(ArmIndex(arms=list(known.values())).model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(out / ARMS_FILE)
    except OSError as error:
        raise unwritable(out / ARMS_FILE, error) from error


def find_student(out: Path, trait: str, arm: str, seed: int) -> tuple[Path, Recipe]:
    """Folder of a student, and the recipe that it was trained with.

    Args:
        out: Run folder.
        trait: Which experiment; may be "" where the run has one.
        arm: Name of the arm.
        seed: Training seed.

    Raises:
        BenchError: If this is no run folder, or it has no such student.
    """
    entries, recipe = students_of(out)
    trait = trait or _only_trait(out, entries)
    mine = [entry for entry in entries if entry.trait == trait]
    if not mine:
        raise unknown("trait of this run", trait, sorted({entry.trait for entry in entries}))
    names = {f"{entry.arm}, seed {entry.seed}": entry for entry in mine}
    if f"{arm}, seed {seed}" not in names:
        raise unknown(f"student of {out}", f"{arm}, seed {seed}", sorted(names))
    return student_folder(out, names[f"{arm}, seed {seed}"]), recipe


def students_of(out: Path) -> tuple[list[ArmEntry], Recipe]:
    """All students of a run folder, and the recipe that they were trained with.

    Raises:
        BenchError: If this is no run folder, or no finished one.
    """
    settings = out / SETTINGS_FILE
    if not settings.is_file():
        raise BenchError(
            f"run {out}", seen=f"no {SETTINGS_FILE}", expected="the folder of a finished run", remedy="mend `run`"
        )
    if not (out / ARMS_FILE).is_file():
        raise BenchError(
            f"run {out}",
            seen=f"no {ARMS_FILE}, which says which student is which arm",
            expected="a finished run that wrote it",
            remedy="run the same `bench run` again: it trains nothing anew and writes the index",
        )
    return _read(out).arms, _recipe(settings)


def student_folder(out: Path, entry: ArmEntry) -> Path:
    """Where a student of a run folder lies.

    Raises:
        BenchError: If its folder was deleted.
    """
    folder = out / "store" / "students" / entry.student
    if not folder.is_dir():
        raise BenchError(str(folder), seen="no such folder", expected="the student's weights", remedy="run it again")
    return folder


def _only_trait(out: Path, entries: Sequence[ArmEntry]) -> str:
    traits = sorted({entry.trait for entry in entries})
    if len(traits) != 1:
        raise BenchError(
            f"run {out}", seen=f"traits {', '.join(traits)}", expected="one, or `trait`", remedy="add trait = '...'"
        )
    return traits[0]


def _read(out: Path) -> ArmIndex:
    try:
        return ArmIndex.model_validate_json(read_text(out / ARMS_FILE))
    except ValidationError as error:
        raise validation_error(str(out / ARMS_FILE), error) from error


def _recipe(settings: Path) -> Recipe:
    try:
        return Recipe.model_validate(json.loads(read_text(settings))["recipe"])
    except ValidationError as error:
        raise validation_error(str(settings), error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(
            str(settings), seen=f"damaged: {error!r}", expected="a run's settings with its recipe", remedy="mend `run`"
        ) from error
