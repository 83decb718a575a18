"""Answers that are finished while others are not: appended as they come, found again after a kill."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unwritable
from bench.run_folder.store import Store
from bench.studies.rollouts.records import Answer, Question, differences

FILE = "answers.jsonl"


class Partial:
    """The unfinished rollout of one teacher: a folder beside the pool with one file, its settings in the first line."""

    def __init__(self, pool: Path, teacher: str) -> None:
        """Nothing is read or written yet."""
        self._root = pool.parent / f"{pool.name}.rollouts"
        self._folder = self._root / teacher
        self._file = self._folder / FILE

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other rollouts of this teacher out.

        Raises:
            BenchError: If one is at work.
        """
        with Store(self._folder).claimed():
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other teachers' rollouts from writing the same pool at the same moment.

        Raises:
            BenchError: If one does.
        """
        with Store(self._root).claimed():
            yield

    def begin(self, settings: Mapping[str, Any], *, replace: bool) -> None:
        """Start a rollout, or go on with one that was stopped.

        Args:
            settings: Everything that determines the answers, as plain data.
            replace: Throw answers under other settings away.

        Raises:
            BenchError: If there are answers under other settings, or the place cannot be written.
        """
        now = json.loads(json.dumps(dict(settings)))
        lines = self._whole_lines()
        before = json.loads(lines[0]) if lines else None
        if before not in (None, now) and not replace:
            raise BenchError(
                f"unfinished rollout {self._file}",
                seen="; ".join(differences(before, now)),
                expected="the settings that it was begun with",
                remedy="restore those settings, use another --teacher, or begin anew with --replace",
            )
        if before == now:
            # What a killed process left of a line goes, so that the next answer begins one.
            os.truncate(self._file, sum(map(len, lines)))
        else:
            self._write(json.dumps(now) + "\n", "w")

    def answers(self, questions: Sequence[Question]) -> dict[str, Answer]:
        """Finished answers by row id; one to a prompt that has changed since is none."""
        prompts = {question.id: question.prompt for question in questions}
        stored = (Answer.model_validate_json(line) for line in self._whole_lines()[1:])
        return {answer.id: answer for answer in stored if prompts.get(answer.id) == answer.prompt}

    def append(self, answers: Sequence[Answer]) -> None:
        """Keep answers, on the disk when this returns.

        Raises:
            BenchError: If the disk is full.
        """
        self._write("".join(answer.model_dump_json() + "\n" for answer in answers), "a")

    def finish(self) -> None:
        """Remove it: its answers stand in the pool."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._root.is_dir() and not any(path.is_dir() for path in self._root.iterdir()):
            shutil.rmtree(self._root, ignore_errors=True)

    def _whole_lines(self) -> list[bytes]:
        """Lines up to the first that a killed process left unfinished."""
        if not self._file.is_file():
            return []
        lines = []
        for line in self._file.read_bytes().splitlines(keepends=True):
            try:
                json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            lines.append(line)
        return lines

    def _write(self, text: str, mode: str) -> None:
        try:
            with self._file.open(mode, encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self._file, error) from error
