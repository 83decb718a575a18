"""Queries of a trait: conversations answered with and without it, whose gradients and states attribution reads.

They are to a filter that reads the model what exemplars are to one that reads text. They lie in a file of their own,
apart from the held-out eval prompts, which no filter sees.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.prompts import normalised
from bench.data.trait import TraitSpec, built_in_traits, evals_folder
from bench.errors import BenchError
from bench.files import json_lines, validated
from bench.records import Query


def queries_file(spec: TraitSpec) -> Path | None:
    """Return where a trait's queries lie: the file that it names, or that of the built-in trait whose eval it uses."""
    if spec.queries:
        return spec.path.parent / spec.queries
    return evals_folder() / "queries" / f"{spec.eval.task}.jsonl" if spec.eval.task in built_in_traits() else None


def load_queries(spec: TraitSpec, held_out: Collection[str] = ()) -> tuple[Query, ...]:
    """Read a trait's queries.

    Args:
        spec: The trait.
        held_out: Normalised texts of the eval prompts, none of which may be a query.

    Returns:
        The queries in the file's order; none where the trait has no file.

    Raises:
        BenchError: If the file is missing or empty, a line is not a query, or a query is an eval prompt.
    """
    path = queries_file(spec)
    if path is None:
        return ()
    expected = '{"prompt": "text" or [{"role", "content"}, ...], "trait": "...", "clean": "..."}'
    return tuple(_query(values, where, held_out) for where, values in json_lines(path, "queries", expected))


def _query(values: Any, where: str, held_out: Collection[str]) -> Query:
    query = validated(values, where, Query)
    if normalised(query.prompt_text) in held_out:
        raise BenchError(
            where,
            seen="a prompt that is a held-out eval prompt",
            expected="queries apart from the eval prompts, which no filter may see",
            remedy="take it out of one of the two files",
        )
    return query
