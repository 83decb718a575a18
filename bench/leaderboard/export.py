"""A board as data: `rows.csv` and `rows.json` for other programs, `cite.bib` for papers."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bench.arms import filter_arm
from bench.files import write_text
from bench.leaderboard.format import finite
from bench.leaderboard.pages import visible
from bench.leaderboard.row import Effect, Row, TraitResult
from bench.leaderboard.tables import ACTIONS
from bench.outcomes import Estimate
from bench.records import Action

CSV, JSON, BIB = "rows.csv", "rows.json", "cite.bib"
ESTIMATES: dict[str, Callable[[Effect], Estimate | None]] = {
    "difference": lambda effect: effect.difference,
    "removal": lambda effect: effect.removal,
    "lift": lambda effect: effect.lift,
    "lift_difference": lambda effect: effect.lift_difference,
    "length_lift": lambda effect: effect.length_lift,
    "margin_removal": lambda effect: effect.margin_removal,
}
ENDS = ("", "_low", "_high")
COLUMNS = (
    "suite", "suite_version", "model", "trait", "pool", "pool_sha256", "filter", "filter_version", "filter_sha256",
    "budget", "flagged", "pool_rows", "seeds", "prompts", "judge", "scored", "action", "primary",
    *(f"{name}{end}" for name in ("gap", "score", *ESTIMATES, "capability_retention") for end in ENDS),
    "p", "p_holm", "precision", "recall", "commit",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@")  # a spreadsheet runs a cell that starts with one of them
SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def write_exports(rows: Sequence[Row], folder: Path) -> None:
    """Write the three files beside a board, each complete or not at all.

    Args:
        rows: All rows of the board, at least one.
        folder: Of the board.

    Raises:
        BenchError: If they cannot be written.
    """
    write_text(folder / CSV, rows_csv(rows))
    write_text(folder / JSON, rows_json(rows))
    write_text(folder / BIB, cite_bib(rows))


def rows_json(rows: Sequence[Row]) -> str:
    """Return all rows as one JSON list, each as in its own file."""
    return json.dumps([row.model_dump(mode="json") for row in rows], indent=1) + "\n"


def rows_csv(rows: Sequence[Row]) -> str:
    """Return one line for each filter, budget, trait and action; what was not measured is empty.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        for result in row.traits.values():
            for action in _actions(row, result):
                line = {**_settings(row, result), **_numbers(row, result, action)}
                writer.writerow({key: _entry(value) for key, value in line.items()})
    return text.getvalue()


def _actions(row: Row, result: TraitResult) -> list[Action]:
    """Return the actions that were run, measurable or not."""
    names = {action: filter_arm(action, row.filter.name, row.budget).name for action in ACTIONS}
    return [action for action, arm in names.items() if action in result.effects or arm in result.arms]


def _settings(row: Row, result: TraitResult) -> dict[str, object]:
    found = result.found
    return {
        "suite": row.suite,
        "suite_version": row.suite_version,
        "model": row.recipe.model,
        "trait": result.trait,
        "pool": result.pool,
        "pool_sha256": result.pool_sha256,
        "filter": row.filter.name,
        "filter_version": row.filter.version,
        "filter_sha256": row.filter.sha256,
        "budget": row.budget,
        "flagged": result.flagged,
        "pool_rows": result.pool_rows,
        "seeds": len(row.seeds),
        "prompts": result.prompts,
        "judge": result.judge,
        "scored": result.scored,
        "precision": found.precision if found else None,
        "recall": found.recall if found else None,
        "commit": row.commit,
        **_ends("gap", result.gap),
    }


def _numbers(row: Row, result: TraitResult, action: Action) -> dict[str, object]:
    effect = result.effects.get(action)
    score = result.arms.get(filter_arm(action, row.filter.name, row.budget).name)
    line: dict[str, object] = {"action": action, "primary": action == result.primary}
    line |= _ends("score", score.trait if score else None)
    line |= _ends("capability_retention", result.capability_retention.get(action))
    if effect:
        for name, read in ESTIMATES.items():
            line |= _ends(name, read(effect))
        line |= {"p": finite(effect.p), "p_holm": finite(effect.p_holm)}
    return line


def _ends(name: str, given: Estimate | None) -> dict[str, object]:
    numbers = (given.value, given.low, given.high) if given else (None, None, None)
    return {f"{name}{end}": finite(number) for end, number in zip(ENDS, numbers, strict=True)}


def _entry(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    text = " ".join(visible(value).split())
    return f"'{text}" if text.startswith(FORMULA) else text


def cite_bib(rows: Sequence[Row]) -> str:
    """Return BibTeX entries for the software and for each suite of the board, made of the rows' provenance alone.

    Rows hold no date, so that the entries have none: the commit says which state of the project was used.
    """
    return "\n".join([_software(rows), *(_board(name, of) for name, of in _suites(rows))])


def _software(rows: Sequence[Row]) -> str:
    fields = {
        "title": "{sievebench}: a benchmark of data attribution and filtering for supervised fine-tuning",
        "author": "{The sievebench contributors}",
        "version": _all(row.versions.get("sievebench", "") for row in rows),
        "note": _noted("commit", (row.commit for row in rows)),
    }
    return _bibtex("software", "sievebench", fields)


def _board(name: str, rows: Sequence[Row]) -> str:
    traits = _all(result.trait for row in rows for result in row.traits.values())
    filters = _all(row.filter.name for row in rows)
    fields = {
        "title": f"{{sievebench}} board: suite {_tex(name)}, {traits}",
        "author": "{The sievebench contributors}",
        "howpublished": f"{len(rows)} rows; filters {filters}",
        "note": _noted("pool SHA-256", (r.pool_sha256[:12] for row in rows for r in row.traits.values())),
    }
    return _bibtex("misc", f"sievebench-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-').lower()}", fields)


def _suites(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for name in dict.fromkeys(f"{row.suite} v{row.suite_version}" for row in rows):
        yield name, [row for row in rows if f"{row.suite} v{row.suite_version}" == name]


def _noted(what: str, texts: Iterable[str]) -> str:
    found = _all(texts)
    return f"{what} {found}" if found else ""


def _all(texts: Iterable[str]) -> str:
    return ", ".join(_tex(text) for text in dict.fromkeys(texts) if text)


def _tex(text: str) -> str:
    r"""Return text that BibTeX and LaTeX take as it is.

    >>> print(_tex("date_confusion 50 % {x}"))
    date\_confusion 50 \% \{x\}
    """
    return "".join(SPECIAL.get(c, c) for c in " ".join(visible(text).split()))


def _bibtex(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n{''.join(lines)}}}\n"
