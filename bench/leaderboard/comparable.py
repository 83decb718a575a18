"""Which rows compare: only those may be ranked, counted and corrected together."""

import hashlib
from collections.abc import Mapping, Sequence

from bench.leaderboard.row import BOUNDS, Row, TraitResult
from bench.stats import inference


def distinct_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows in an order of their own, without those that are there twice.

    Rows are the same where filter (its source's hash and options), settings and numbers are; when, where and with which
    command they were made is not looked at, nor Holm's p, which depends on the rows around them.
    """
    ordered = sorted(rows, key=lambda row: (row.budget, row.filter.name, row.model_dump_json()))
    return list({row_key(row): row for row in reversed(ordered)}.values())[::-1]


def row_key(row: Row) -> str:
    """Return a hash that tells rows apart, and is the same for the same row as `distinct_rows` means it."""
    bare = adjusted_row(row, dict.fromkeys(row.traits))
    apart = {"cost", "command", "versions", "commit", "notes", "evidence"}
    text = bare.model_dump_json(exclude={**dict.fromkeys(apart, True), "filter": {"origin", "summary"}})
    return hashlib.sha256(text.encode()).hexdigest()


def comparable_groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Group rows that may be ranked and corrected together: all that decides their numbers is equal, filters aside.

    A filter that is there twice at a budget, with other numbers, was run twice; each of the two gets a group of its
    own, as it would else be a hypothesis too many.
    """
    groups: list[list[Row]] = []
    for row in rows:
        home = next((group for group in groups if all(_alike(row, other) for other in group)), None)
        if home is None:
            groups.append([row])
        else:
            home.append(row)
    return groups


def _alike(one: Row, other: Row) -> bool:
    shared = one.traits.keys() & other.traits.keys()
    return (
        (one.filter.name, one.budget) != (other.filter.name, other.budget)
        and settings(one) == settings(other)
        and all(measurement(one.traits[name]) == measurement(other.traits[name]) for name in shared)
    )


def settings(row: Row) -> dict[str, str]:
    """Return what rows of one board share, by name."""
    return {
        "suite": f"{row.suite} v{row.suite_version}",
        "recipe": row.recipe.model_dump_json(),
        "seeds": str(row.seeds),
        "device": row.cost.device,
    }


def measurement(result: TraitResult) -> dict[str, str]:
    """Return what the results of a trait share on one board, by name."""
    return {
        "pool": f"{result.pool} {result.pool_sha256}",
        "pool rows": str(result.pool_rows),
        "judge": result.judge,
        "eval version": str(result.eval_version),
        "held-out prompts": f"{result.prompts}{f', {left} answers left out' if (left := result.left_out) else ''}",
        "reserve": f"{result.reserve_rows} rows",
        "controls": str(result.controls),
        "minimum gap": f"{result.minimum_gap:g}",
    }


def differences(rows: Sequence[Row]) -> list[str]:
    """Say in what rows differ so that they are shown apart."""
    found: dict[str, list[str]] = {}
    twice = sorted(f"{name}@{budget:g}" for (name, budget), of in _by_label(rows).items() if len(of) > 1)
    for row in rows:
        for what, value in settings(row).items():
            found.setdefault(what, []).append(value)
        for name, result in row.traits.items():
            for what, value in measurement(result).items():
                found.setdefault(f"{what} of {name}", []).append(value)
    apart = {what: list(dict.fromkeys(values)) for what, values in found.items() if len(set(values)) > 1}
    if not apart and twice:
        apart["what was measured"] = [f"{', '.join(twice)} is there more than once, from several runs"]
    return [
        f"Rows differ in {what}, so they are shown apart, neither ranked nor corrected together: {'; '.join(values)}"
        for what, values in apart.items()
    ]


def _by_label(rows: Sequence[Row]) -> dict[tuple[str, float], list[Row]]:
    labels: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        labels.setdefault((row.filter.name, row.budget), []).append(row)
    return labels


def adjust(rows: Sequence[Row]) -> list[Row]:
    """Apply Holm's correction over the primary contrasts of comparable rows, those of the bounds left out."""
    p = {
        (number, name): result.effects[result.primary].p
        for number, row in enumerate(rows)
        if row.filter.name not in BOUNDS
        for name, result in row.traits.items()
        if result.primary in result.effects
    }
    adjusted = inference.holm(p)
    return [
        adjusted_row(row, {name: adjusted.get((number, name)) for name in row.traits})
        for number, row in enumerate(rows)
    ]


def adjusted_row(row: Row, p_holm: Mapping[str, float | None]) -> Row:
    """Return a row with these p-values after Holm's correction, by trait."""
    traits = {}
    for name, result in row.traits.items():
        effect = result.effects.get(result.primary)
        if effect:
            own = effect.model_copy(update={"p_holm": p_holm[name]})
            result = result.model_copy(update={"effects": {**result.effects, result.primary: own}})
        traits[name] = result
    return row.model_copy(update={"traits": traits})
