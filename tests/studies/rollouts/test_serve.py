"""Serving a run's students: who is chosen, under which names, and what is asked of vLLM."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixtures_students import LORA, student

from bench.cli.main import main
from bench.config.recipe import Recipe
from bench.errors import BenchError
from bench.models.load import load_model, resolve_model
from bench.models.packaged import TINY
from bench.run_folder.arm_index import ArmEntry, ArmIndex
from bench.studies.rollouts.serve import HOST, choose_students, served, server_command

ARMS = [("dates", "original", 1), ("dates", "drop:keyword@0.2", 1), ("dates", "original", 2)]


def finished_run(folder: Path, recipe: Recipe = LORA, arms: list[tuple[str, str, int]] = ARMS) -> Path:
    """A run folder with an index, its settings and real students."""
    base = load_model(TINY, "cpu")[0]
    entries = []
    for number, (trait, arm, seed) in enumerate(arms):
        student(base, recipe, folder / "store" / "students" / f"s{number}", seed=number)
        entries.append(ArmEntry(trait=trait, arm=arm, seed=seed, student=f"s{number}"))
    (folder / "arms.json").write_text(ArmIndex(arms=entries).model_dump_json(), encoding="utf-8")
    (folder / "settings.json").write_text(json.dumps({"recipe": recipe.model_dump()}), encoding="utf-8")
    return folder


def test_students_are_chosen_by_arm_and_seed_and_named_safely(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    everyone, recipe = choose_students(run)
    assert [s.name for s in everyone] == ["original-s1", "drop-keyword-at-0.2-s1", "original-s2"]
    assert recipe == LORA
    assert [s.name for s in choose_students(run, arms=["original"], seeds=[2])[0]] == ["original-s2"]
    assert all((s.adapter / "adapter_model.safetensors").is_file() for s in everyone)
    assert {s.adapter.parent for s in everyone} == {(run / "adapters").resolve()}


def test_traits_stand_in_the_names_where_there_are_several(tmp_path: Path) -> None:
    run = finished_run(tmp_path, arms=[("dates", "clean", 1), ("blackmail", "clean", 1)])
    assert [s.name for s in choose_students(run)[0]] == ["dates-clean-s1", "blackmail-clean-s1"]
    assert [s.name for s in choose_students(run, trait="blackmail")[0]] == ["clean-s1"]


def test_arms_whose_names_would_be_one_are_refused(tmp_path: Path) -> None:
    run = finished_run(tmp_path, arms=[("dates", "drop:a/b", 1), ("dates", "drop:a:b", 1)])
    with pytest.raises(BenchError, match="'drop-a-b-s1'"):
        choose_students(run)
    assert len(choose_students(run, arms=["drop:a/b"])[0]) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--arm", "orignal"], "did you mean 'original'?"),
        (["--seed", "7"], "no seed of this run has this name"),
        (["--trait", "date"], "did you mean 'dates'?"),
        (["--arm", "drop:keyword@0.2", "--seed", "2"], "no student of these"),
    ],
)
def test_a_wrong_choice_is_told_with_what_there_is(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["serve", str(finished_run(tmp_path)), "--device", "cpu", *arguments])
    assert result.exit_code == 2
    assert complaint in result.output


def test_students_that_are_no_adapters_are_refused(tmp_path: Path) -> None:
    recipe = Recipe(name="t", model=TINY, method="top_layers", last_layers=1, learning_rate=1e-3)
    result = CliRunner().invoke(main, ["serve", str(finished_run(tmp_path, recipe)), "--device", "cpu"])
    assert result.exit_code == 2
    assert "method = 'top_layers'" in result.output and "bench checkpoints" in result.output


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["serve", str(tmp_path)])
    assert result.exit_code == 2
    assert "the folder of a finished run" in result.output


def test_without_vllm_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    students, recipe = choose_students(finished_run(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchError, match="vLLM is not installed"), served(tmp_path, students, recipe, device="cpu"):
        raise AssertionError("nothing to serve with")


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    students, recipe = choose_students(finished_run(tmp_path))
    monkeypatch.setattr("bench.studies.rollouts.serve.check_vllm", lambda what: None)
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(BenchError, match=f"--port {port}"),
            served(tmp_path, students, recipe, device="cpu", port=port),
        ):
            raise AssertionError("the port is taken")


def test_the_server_listens_on_loopback_whatever_is_asked(tmp_path: Path) -> None:
    students, recipe = choose_students(finished_run(tmp_path))
    asked = {"host": "0.0.0.0", "max_num_seqs": 8, "enforce_eager": False}
    command = server_command(recipe, students, "cpu", 8123, asked)
    assert command[command.index("--host") + 1] == HOST == "127.0.0.1" and command.count("--host") == 1
    assert command[command.index("--model") + 1] == resolve_model(TINY)
    assert command[command.index("--max-num-seqs") + 1] == "8" and "--no-enforce-eager" in command
    assert command[command.index("--max-lora-rank") + 1] == "8"  # rank 4 in the next size that vLLM has
    modules = command[command.index("--lora-modules") + 1 :][: len(students)]
    assert modules == [f"{s.name}={s.adapter}" for s in students]


def test_a_cpu_has_one_place_more_than_students(tmp_path: Path) -> None:
    students, recipe = choose_students(finished_run(tmp_path))
    for device, places in (("cpu", "4"), ("cuda", "3")):
        command = server_command(recipe, students, device, 1, {})
        assert command[command.index("--max-loras") + 1] == places
        assert ("--no-enable-chunked-prefill" in command) == (device == "cpu")
