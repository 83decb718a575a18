"""Run store: finished work in folders named by the hash of everything that determines it.

A folder is written under a temporary name and renamed when complete, so killed work is never taken for finished. It
names the SHA-256 of each of its files; where one has changed since, the work counts as not done, and is done again.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unwritable
from bench.files import locked, read_json, write_json

KEY_FILE = "key.json"
HASHES_FILE = "files.json"  # path in the folder -> SHA-256; none in folders from before
log = logging.getLogger("bench")


def key_hash(key: Mapping[str, Any]) -> str:
    """Return the hash of a key: canonical JSON, first 24 hex digits of SHA-256."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder but its key and hashes, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (KEY_FILE, HASHES_FILE))
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def changed_file(folder: Path) -> str:
    """Return the first file that is missing or not as it was written; "" where all are, or no hashes were kept."""
    if not (folder / HASHES_FILE).is_file():
        return ""
    try:
        hashes = read_json(folder / HASHES_FILE, "hashes of finished work", "")
    except BenchError:
        return HASHES_FILE
    for name, digest in hashes.items():
        file = folder / name
        if not os.path.isfile(file) or _sha256(file) != digest:
            return name
    return ""


class Store:
    """Finished pieces of work below one folder, each under `KIND/HASH/`.

    Args:
        root: The folder; made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._intact: set[Path] = set()  # read whole by this object before

    def folder(self, kind: str, key: Mapping[str, Any]) -> Path:
        """Return the folder of the work with this key, finished or not."""
        return self.root / kind / key_hash(key)

    def has(self, kind: str, key: Mapping[str, Any]) -> bool:
        """Return whether the work is finished, and its files are as they were written.

        Raises:
            BenchError: If the folder is there but holds no key, or another one.
        """
        folder = self.folder(kind, key)
        if not folder.exists():
            return False
        remedy = f"delete {folder} and run again; other work is kept"
        stored = read_json(folder / KEY_FILE, f"the key of finished work ({kind})", remedy)
        asked = json.loads(json.dumps(dict(key)))
        if stored != asked:
            wrong = sorted(name for name in {*stored, *asked} if stored.get(name) != asked.get(name))
            raise BenchError(
                str(folder),
                seen=f"work done under other settings: {', '.join(wrong)}",
                expected="the key that its name says",
                remedy=remedy,
            )
        if folder not in self._intact and (damaged := changed_file(folder)):
            log.warning("%s: %s has changed since it was written; this work is done again", folder, damaged)
            return False
        self._intact.add(folder)
        return True

    def holds(self, *kinds: str) -> bool:
        """Return whether any work of these kinds is finished, damaged or not."""
        return any(any((self.root / kind).glob(f"[!.]*/{KEY_FILE}")) for kind in kinds)

    def keys(self, kind: str) -> list[tuple[Path, dict[str, Any]]]:
        """Return folder and key of all finished work of a kind; damaged folders are left out."""
        found = []
        for file in sorted((self.root / kind).glob(f"[!.]*/{KEY_FILE}")):
            with contextlib.suppress(BenchError):
                found.append((file.parent, read_json(file, "a key", "")))
        return found

    def write(self, kind: str, key: Mapping[str, Any], fill: Callable[[Path], None]) -> Path:
        """Let `fill` write a folder, put it in place and return it.

        Of two that finish the same work at the same time, the first one's folder stays.

        Raises:
            BenchError: If the disk is full or the folder cannot be written; finished work stays.
        """
        target = self.folder(kind, key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
            try:
                fill(partial)
                write_json(partial / HASHES_FILE, _hashes(partial))
                (partial / KEY_FILE).write_text(json.dumps(dict(key), sort_keys=True, indent=1), encoding="utf-8")
                partial.chmod(0o755)
                if target.exists() and changed_file(target):
                    shutil.rmtree(target, ignore_errors=True)
                try:
                    os.replace(partial, target)
                except OSError:
                    if not target.exists():
                        raise
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise  # a grader is out of reach: not an error of the disk
            raise unwritable(target, error) from error
        return target

    @contextlib.contextmanager
    def scratch(self, kind: str) -> Iterator[Path]:
        """Give a folder beside the finished work of a kind, removed afterwards, for what several pieces share.

        Raises:
            BenchError: If it cannot be made, as on a full disk.
        """
        parent = self.root / kind
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=parent))
        except OSError as error:
            raise unwritable(parent, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def wait_for(self, kind: str, key: Mapping[str, Any], seconds: float) -> None:
        """Wait for work that another machine has finished: a shared folder may show it late.

        Args:
            kind: As for `has`.
            key: As for `has`.
            seconds: How long to wait.

        Raises:
            BenchError: If it does not appear.
        """
        deadline = time.monotonic() + seconds
        while not self.has(kind, key):
            if time.monotonic() > deadline:
                raise BenchError(
                    str(self.folder(kind, key)),
                    seen=f"nothing, {seconds:.0f} s after a worker finished it",
                    expected="a run folder that all machines share",
                    remedy="check that it is mounted alike on all machines, then run again; finished work is kept",
                )
            time.sleep(min(1.0, seconds / 10))

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other runs out of this folder, and remove what killed ones left half-written.

        Raises:
            BenchError: If another run is at work in it.
        """
        busy = BenchError(
            f"run folder {self.root.parent}",
            seen="another run is at work in it",
            expected="one run at a time",
            remedy="wait for it, or use another --out",
        )
        with locked(self.root / ".lock", busy):
            for partial in self.root.glob("*/.partial-*"):
                shutil.rmtree(partial, ignore_errors=True)
            yield
