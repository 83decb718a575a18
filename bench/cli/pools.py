"""`bench pool inspect`: what a file of training examples holds, and how a suite file names it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from bench.cli.options import say
from bench.config.recipe import load_recipe
from bench.data.pool import card_path, read_card
from bench.data.pool_files import SPLIT, stem_of
from bench.data.pool_rows import Reading, Source, read_pool
from bench.data.pool_summary import PoolSummary, Spread, TokenSummary
from bench.errors import BenchError
from bench.models.load import load_tokenizer
from bench.records import PoolCard

SHOWN = 10  # entries of a list


@click.group()
def pool() -> None:
    """Look at pools of your own: which layout a file has, and what a suite file must say."""


@pool.command()
@click.argument("files", metavar="[TEACHER=]FILE...", nargs=-1, required=True)
@click.option("--recipe", help="Count tokens as this recipe (name or path) would, and name the rows too long for it.")
@click.option("--column", "columns", multiple=True, help="FIELD=COLUMN, where names differ; may be repeated.")
@click.option("--split", default=SPLIT, show_default=True, help="Of a folder or dataset id.")
@click.option("--config", default="", help="Of a folder or dataset id.")
def inspect(files: tuple[str, ...], recipe: str | None, columns: tuple[str, ...], split: str, config: str) -> None:
    """Read a pool, say what it holds, and print the tables that a suite file needs.

    Several files are one teacher's completions each, and are joined on the prompt. A dataset id may take a file's
    place. A pool that cannot be read ends with exit code 2.
    """
    source = _source(files)
    mapped = dict(_pair(text, "--column", "FIELD=COLUMN") for text in columns)
    beside = card_path(next(iter(source.values())) if isinstance(source, dict) else source)
    card = read_card(beside, " + ".join(files)) if beside.is_file() else None
    reading = read_pool(source, mapped, card.teachers if card else (), split, config)
    if not reading.rows:
        reading.checked()
    summary = PoolSummary.of(reading.rows)
    for line in _summary_lines(reading, summary):
        say(line)
    tokens = None
    if recipe:
        chosen = load_recipe(recipe, Path())
        tokens = TokenSummary.of(reading.rows, load_tokenizer(chosen.model, plain_template=True), chosen.max_length)
        for line in _token_lines(tokens, recipe, reading.places):
            say(line)
    reading.checked()
    say("\nin the suite file, where paths start from its folder:\n")
    keys = {"path": source, "columns": mapped, "split": split if split != SPLIT else "", "config": config}
    for line in [*_source_table(keys, tokens), "", *_card_table(source, summary, beside, card)]:
        say(line)


def _source(files: Sequence[str]) -> str | dict[str, str]:
    """Return what `read_pool` takes: one file, or teacher -> file."""
    if len(files) == 1 and (Path(files[0]).exists() or "=" not in files[0]):
        return files[0]
    named: dict[str, str] = {}
    for text in files:
        plain = "=" not in text or Path(text).exists()
        teacher, file = (stem_of(text), text) if plain else _pair(text, "FILE", "TEACHER=FILE")
        if teacher in named:
            raise BenchError(
                text,
                seen=f"a second file of teacher {teacher!r}",
                expected="one file for each teacher",
                remedy="name them: TEACHER=FILE TEACHER=FILE",
            )
        named[teacher] = file
    return named


def _pair(text: str, where: str, shape: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not key or not value:
        raise BenchError(f"{where} {text}", seen=f"no {shape}", expected=f"it as {shape}", remedy="fix it")
    return key, value


def _summary_lines(reading: Reading, summary: PoolSummary) -> Iterator[str]:
    for layout in dict.fromkeys(layout for layout in reading.layouts if layout):
        yield f"layout: {layout.name} ({', '.join(layout.keys)})"
    wrong = len(reading.problems)
    bad = f", and {wrong} bad one{'s' * (wrong > 1)}, named below" if wrong else ""
    yield f"rows: {summary.rows:,}{bad}"
    for what, counts in (("teachers", summary.teachers), ("sources", summary.sources)):
        yield f"{what}: {_listed([f'{name} ({count:,})' for name, count in counts.items()], counted=False)}"
    yield f"prompts: {summary.with_turns:,} of more than one turn, {summary.with_system:,} with a system turn"
    yield "characters, smallest / median / largest:"
    yield from _spreads({"prompt": summary.prompts} | dict(summary.completions))
    repeated = [" = ".join(f"{id_} ({reading.places[id_]})" for id_ in ids) for ids in summary.repeated]
    yield f"prompts that occur more than once: {_listed(repeated)}"
    equal = [f"{id_} ({reading.places[id_]})" for id_ in summary.equal]
    yield f"rows with equal completions of two teachers: {_listed(equal)}"
    for note in reading.notes:
        yield f"note: {note}"


def _token_lines(tokens: TokenSummary, recipe: str, places: Mapping[str, str]) -> Iterator[str]:
    yield f"tokens of prompt and completion with recipe {recipe}, smallest / median / largest:"
    yield from _spreads(tokens.lengths)
    rows = [f"{id_} ({places[id_]}, {teacher}, {count:,} tokens)" for id_, teacher, count in tokens.too_long]
    yield f"longer than its max_length of {tokens.limit:,}: {_listed(rows)}"


def _spreads(spreads: Mapping[str, Spread]) -> Iterator[str]:
    width = max(map(len, spreads), default=0)
    for name, spread in spreads.items():
        yield f"  {name:{width}}  {spread.low:,} / {spread.middle:,} / {spread.high:,}"


def _listed(names: Sequence[str], *, counted: bool = True) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return (f"{len(names):,}: " if counted else "") + ", ".join(names[:SHOWN]) + more


def _source_table(keys: Mapping[str, str | dict[str, str]], tokens: TokenSummary | None) -> Iterator[str]:
    yield "[experiments.pool]"
    for key, value in keys.items():
        if value:
            yield f"{key} = {_toml(value)}"
    if tokens and tokens.completion_tokens:
        yield f"completion_tokens = {tokens.completion_tokens}  # as some rows are too long for the recipe"
    if tokens and tokens.max_prompt_tokens:
        yield f"max_prompt_tokens = {tokens.max_prompt_tokens}  # the same; leaves out rows with longer prompts"


def _card_table(source: Source, summary: PoolSummary, beside: Path, card: PoolCard | None) -> Iterator[str]:
    if card:
        yield f"# the card is {beside}: original {card.original!r}, clean {card.clean or 'none'!r}"
        return
    if not summary.complete:
        yield "# no teacher has a completion in every row, as a card needs; `bench rollouts` asks a model for them"
        return
    original, *others = summary.complete
    name = "-".join(source) if isinstance(source, Mapping) else stem_of(str(source))
    yield "[experiments.pool.card]"
    yield f"name = {_toml(name)}"
    yield 'licence = "unstated"'
    if not others:
        yield f"original = {_toml(original)}"
        yield "# one teacher: no patch until `bench rollouts` has asked another; the other actions need none"
        return
    yield f"original = {_toml(original)}  # the teacher whose students show the trait: change the two if it is not"
    yield f"clean = {_toml(others[0])}"
    if others[1:]:
        yield f"# further teachers: {', '.join(others[1:])}"


def _toml(value: str | dict[str, str]) -> str:
    """Write a value for a TOML file: JSON's strings are TOML's too."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "{ " + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + " }"


POOLS = (pool,)
