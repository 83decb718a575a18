"""Every error a user can cause, in one shape: where, what was seen, what was expected, what to do."""

from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError


class BenchError(Exception):
    """A mistake that the user can fix; the command line prints it without a traceback and exits with 2.

    Args:
        where: The file, key, filter or row that is at fault.
        seen: What was found there.
        expected: What would have been right.
        remedy: What the user does next.
    """

    def __init__(self, where: str, *, seen: str, expected: str, remedy: str) -> None:
        super().__init__(f"{where}: {seen}")
        self.where = where
        self.seen = seen
        self.expected = expected
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way back from another process: what pickle would do by itself leaves the keywords out."""
        make = partial(type(self), seen=self.seen, expected=self.expected, remedy=self.remedy)
        return make, (self.where,)

    def __str__(self) -> str:
        return f"{self.where}\n  seen:     {self.seen}\n  expected: {self.expected}\n  to do:    {self.remedy}"


def unknown(kind: str, name: str, known: list[str]) -> BenchError:
    """Build the error for a name that is not there, with the closest known one.

    >>> print(unknown("suite", "quik", ["quick", "smoke"]))
    suite 'quik'
      seen:     no suite has this name
      expected: one of: quick, smoke
      to do:    did you mean 'quick'?
    """
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    remedy = f"did you mean {close[0]!r}?" if close else f"name a {kind} from the list"
    return BenchError(
        f"{kind} {name!r}",
        seen=f"no {kind} has this name",
        expected=f"one of: {', '.join(known) or '(there is none)'}",
        remedy=remedy,
    )


def unwritable(path: Path, error: OSError) -> BenchError:
    """Build the error for a place that cannot be written, such as a full disk."""
    return BenchError(
        str(path),
        seen=f"could not be written: {error.strerror or error}",
        expected="a place that can be written, with free disk space",
        remedy="free space or choose another --out, then run again; finished work is kept",
    )


def validation_error(where: str, error: ValidationError) -> BenchError:
    """Say all of a pydantic error's complaints in one BenchError."""
    problems = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
    return BenchError(
        where, seen="; ".join(problems), expected="keys and values as documented", remedy="fix those keys"
    )
