"""Held-out prompts of a trait: one JSON object a line, with what an eval needs to measure it."""

from itertools import islice
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files import json_lines

ROLES = ("system", "user", "assistant")
PAIR = '"pair": {"trait": "...", "clean": "..."}, two different texts, and optionally "input"'


def read_prompts(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Read held-out prompts.

    Args:
        path: JSONL with `input` (text, or messages with `role` and `content`) and optionally `id`, `target`, `family`,
            `pair` and more. A `pair` holds two given completions, `trait` with the trait and `clean` without it, whose
            log-likelihoods the margin compares, and optionally their own `input`, where they answer a longer
            conversation than the prompt's.
        limit: Read only the first prompts.

    Returns:
        The lines, each with an `id` (the line's number unless given) as text.

    Raises:
        BenchError: If the file is missing or a line is not as described.
    """
    expected = '{"input": "text" or [{"role", "content"}, ...], ...}'
    prompts = []
    for number, (where, row) in enumerate(islice(json_lines(path, "eval prompts", expected), limit), start=1):
        try:
            _check_turns(row["input"])
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(
                where, seen=f"{type(error).__name__}: {error}", expected=expected, remedy="fix that line"
            ) from error
        if "pair" in row:
            _check_pair(row["pair"], where)
        prompts.append(row | {"id": str(row.get("id", number))})
    return prompts


def normalised(text: str) -> str:
    """Text without case and spacing, to compare prompts by."""
    return " ".join(text.lower().split())


def _check_turns(content: Any) -> None:
    """Refuse what is neither text nor messages, with one of the errors that `read_prompts` explains."""
    turns = [] if isinstance(content, str) else content
    if any(turn["role"] not in ROLES or not isinstance(turn["content"], str) for turn in turns):
        raise ValueError(f"a turn has a role besides {', '.join(ROLES)}, or a content that is not text")


def _check_pair(pair: Any, where: str) -> None:
    seen = ""
    if not isinstance(pair, dict) or not {"trait", "clean"} <= pair.keys() <= {"trait", "clean", "input"}:
        seen = f"pair with keys {', '.join(pair)}" if isinstance(pair, dict) else f"pair = {pair!r}"
    elif not all(isinstance(pair[side], str) and pair[side].strip() for side in ("trait", "clean")):
        seen = "a completion of the pair that is empty or no text"
    elif pair["trait"].strip() == pair["clean"].strip():
        seen = "a pair of equal completions"
    else:
        try:
            _check_turns(pair.get("input", ""))
        except (ValueError, KeyError, TypeError) as error:
            seen = f"input of the pair: {type(error).__name__}: {error}"
    if seen:
        raise BenchError(where, seen=seen, expected=PAIR, remedy="fix the pair of that line, or leave it out")
