"""Where a row comes from: versions, commit, command; and whether a run folder belongs to the settings at hand."""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unwritable

PACKAGES = (
    "sievebench",
    "torch",
    "transformers",
    "trl",
    "peft",
    "inspect-ai",
    "sentence-transformers",
    "faiss-cpu",
    "scikit-learn",
    "statsmodels",
    "numpy",
)
SETTINGS_FILE = "settings.json"


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def source_commit() -> str:
    """Commit of the checkout that this package runs from, with `+changes` where files differ; "" outside one."""
    folder = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        if not git("ls-files", "__init__.py"):
            return ""
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", ".", "../filters") else "")
    except OSError:  # no git on this machine
        return ""


def check_folder(out: Path, settings: dict[str, Any], ignore: Sequence[str] = ()) -> None:
    """Claim a run folder for these settings, or refuse one that was written under others.

    Args:
        out: The folder.
        settings: What it is bound to.
        ignore: Keys that may differ.

    Raises:
        BenchError: Naming the differing keys, or that the folder is not a run folder.
    """
    file = out / SETTINGS_FILE
    if file.is_file():
        try:
            stored = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise BenchError(
                str(file), seen=f"damaged: {error}", expected="settings as JSON", remedy="use another --out"
            ) from error
        now = json.loads(json.dumps(settings))
        wrong = [
            f"{key} = {stored.get(key)!r}, now {now.get(key)!r}"
            for key in sorted({*stored, *now} - set(ignore))
            if stored.get(key) != now.get(key)
        ]
        if wrong:
            raise BenchError(
                f"run folder {out}",
                seen="; ".join(wrong),
                expected="the settings it was written under",
                remedy="use another --out, or restore those settings",
            )
        return
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BenchError(
            f"run folder {out}",
            seen=f"a file or folder without {SETTINGS_FILE}",
            expected="an empty or new folder, or one that a run left",
            remedy="use another --out",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(settings, indent=1), encoding="utf-8")
        partial.rename(file)
    except OSError as error:
        raise unwritable(out, error) from error


def stored_device(out: Path) -> str:
    """The device that a run folder was written on.

    Raises:
        BenchError: If it is not a run folder.
    """
    file = out / SETTINGS_FILE
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["device"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"run folder {out}",
            seen=f"no readable {SETTINGS_FILE}",
            expected="the folder of a finished run",
            remedy="name it with --out",
        ) from error
