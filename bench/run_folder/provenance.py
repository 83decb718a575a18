"""Provenance of results (package versions, commit), and the settings that a run folder is bound to."""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files import read_json, write_json

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
    """Return the versions of Python and of the packages that decide results."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def source_commit() -> str:
    """Return the commit of this checkout, with `+changes` where files differ from it; "" outside a checkout."""
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


def check_folder(out: Path, settings: dict[str, Any], ignore: Sequence[str] = (), *, used: bool = True) -> None:
    """Bind a new run folder to these settings, or refuse one that is bound to others.

    Args:
        out: The folder.
        settings: What it is bound to.
        ignore: Keys that may differ.
        used: Whether it holds work that was done under its settings. If not, others may take their place (see
            `bind_folder`): a run that was refused at its start must not keep the folder from what the error advised.

    Raises:
        BenchError: Naming the differing keys, or that the folder is not a run folder.
    """
    file = out / SETTINGS_FILE
    if file.is_file():
        stored = read_json(file, "settings as JSON", "use another --out")
        now = json.loads(json.dumps(settings))
        wrong = [
            f"{key} = {stored.get(key)!r}, now {now.get(key)!r}"
            for key in sorted({*stored, *now} - set(ignore))
            if stored.get(key) != now.get(key)
        ]
        if wrong and used:
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
    write_json(file, settings)


def bind_folder(out: Path, settings: dict[str, Any]) -> None:
    """Bind a run folder that nothing was trained in to these settings; the caller has claimed it.

    Raises:
        BenchError: If it cannot be written.
    """
    write_json(out / SETTINGS_FILE, settings)


def stored_device(out: Path) -> str:
    """Return the device that a run folder was written on.

    Raises:
        BenchError: If it is not a run folder.
    """
    expected = "the folder of a finished run"
    settings = read_json(out / SETTINGS_FILE, expected, "name it with --out")
    if "device" not in settings:
        raise BenchError(f"run folder {out}", seen="no device", expected=expected, remedy="name it with --out")
    return str(settings["device"])
