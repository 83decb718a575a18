"""What listens, who may connect, and whose code a model brings."""

import socket
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.main import main
from bench.evaluation.workers import EvalWorkers

ROOT = Path(__file__).parents[2]


def test_code_of_a_model_repository_is_never_asked_for() -> None:
    sources = [path for folder in ("bench", "filters", "evals") for path in (ROOT / folder).rglob("*.py")]
    naming = [str(path.relative_to(ROOT)) for path in sources if "trust_remote_code" in path.read_text("utf-8")]
    assert len(sources) > 100 and naming == ["bench/cli/models.py"]  # which refuses it


@pytest.mark.parametrize("value", ["true", "false", "1"])
@pytest.mark.parametrize("name", ["trust_remote_code", "trust-remote-code"])
def test_it_is_refused_as_an_argument_of_an_engine(name: str, value: str, tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"prompt": "Hi", "completion": "Hello"}\n', encoding="utf-8")
    command = ["rollouts", str(pool), "--teacher", "t", "--engine", "hf", "--model", "tiny-llama"]
    found = CliRunner().invoke(main, [*command, "--arg", f"{name}={value}"])
    assert found.exit_code == 2 and "code of a model's repository" in found.output


def test_eval_workers_are_reached_through_a_private_socket_with_a_key_and_outlive_strangers() -> None:
    with EvalWorkers(1, None) as workers:
        listener = workers._listener
        address = Path(str(listener.address))
        assert address.is_socket() and address.parent.stat().st_mode & 0o077 == 0
        for _ in range(2):  # the first stranger has not ended the thread that answers
            with pytest.raises(AuthenticationError):
                Client(str(address), authkey=b"guessed")
            with socket.socket(socket.AF_UNIX) as silent:
                silent.connect(str(address))
        with Client(str(address), authkey=workers._key) as worker:
            assert worker.recv() == (None, ())  # the tokenizer, and texts that end an answer
            worker.send(("settings", []))
            assert worker.poll(10) and isinstance(worker.recv(), RuntimeError)  # no student is loaded
